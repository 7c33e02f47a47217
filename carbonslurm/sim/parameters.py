"""What ``--param NAME=VALUE`` may set: ``every=1h`` for all policies, ``lowest-window.every=15m`` for one."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

from carbonslurm.core.policies import DailyWindow
from carbonslurm.core.tag import parse_duration
from carbonslurm.errors import CarbonslurmError, UsageError

MEANINGS: Mapping[str, str] = {
    "threshold": "g/kWh at or below which the threshold policy starts jobs",
    "every": "starts so far apart are compared, counted from arrival; 0 for every instant",
    "windows": "named hours, in UTC: 22:00+8h for each day, sat-sun@10:00+5h for some; commas between",
    "share": "of percentile-suspend, 0..1",
    "slot": "of double-threshold",
    "beta": "of double-threshold: what a pause or resume costs, g/kWh times a slot",
    "guaranteed": "of varying-cap: units that may always be busy",
    "max_delay": "of easy-withhold",
    "queue": "how jobs that may start are queued: first-fit, fcfs, easy or latest-start",
    "cycle": "how often planners are asked",
    "lost_work": "work that a stop loses",
    "checkpoint": "time to write a checkpoint, before a stopped job's place is free",
    "restart": "time to load a checkpoint",
    "min_run": "no run is stopped sooner, nor when less is left",
    "max_stops": "of one job",
    "iterations": "of joint's search for prices: more give a better plan",
}
_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_LONGEST = timedelta(days=3650)


@dataclass(frozen=True, slots=True)
class Parameters:
    """The values for one policy."""

    policy: str
    values: Mapping[str, str]

    def _text(self, name: str) -> str | None:
        return self.values.get(f"{self.policy}.{name}", self.values.get(name))

    def word(self, name: str, default: str) -> str:
        """Return a word."""
        return self._text(name) or default

    def number(self, name: str, default: float) -> float:
        """Return a number.

        Raises:
            UsageError: it is none.
        """
        text = self._text(name)
        if text is None:
            return default
        try:
            return float(text)
        except ValueError as error:
            raise UsageError(f'--param {name}: expected a number, got "{text[:40]}"') from error

    def seconds(self, name: str, default: float) -> float:
        """Return a duration in seconds; 0 is none.

        Raises:
            UsageError: it is none.
        """
        text = self._text(name)
        return default if text is None else duration(text, f"--param {name}").total_seconds()

    def windows(self, name: str, default: str) -> tuple[DailyWindow, ...]:
        """Return named hours.

        Raises:
            UsageError: they cannot be read.
        """
        return tuple(_window(word.strip()) for word in (self._text(name) or default).split(","))


def duration(text: str, where: str) -> timedelta:
    """Read a duration as in tags, and 0.

    Raises:
        UsageError: "where: why".
    """
    if text == "0":
        return timedelta()
    try:
        return parse_duration(text, _LONGEST)
    except CarbonslurmError as error:
        raise UsageError(f'{where}: expected a duration such as 90m or 12h, got "{text[:40]}"') from error


def read_parameters(words: Sequence[str], policies: Sequence[str]) -> dict[str, str]:
    """Read NAME=VALUE words.

    Raises:
        UsageError: one of them is not NAME=VALUE, or there is no such name or policy.
    """
    values: dict[str, str] = {}
    for word in words:
        name, mark, value = word.partition("=")
        policy, dot, own = name.rpartition(".")
        if not mark or not value:
            raise UsageError(f'--param: expected NAME=VALUE, got "{word[:60]}"')
        if own not in MEANINGS or (dot and policy not in policies):
            raise UsageError(f"--param: no {name[:60]}; there are {', '.join(MEANINGS)}")
        values[name] = value
    return values


def _window(text: str) -> DailyWindow:
    days, mark, hours = text.rpartition("@")
    clock, plus, length = hours.partition("+")
    hour, colon, minute = clock.partition(":")
    first, dash, last = days.partition("-")
    right = bool(plus and colon) and hour.isdigit() and minute.isdigit()
    right = right and int(hour) < 24 and int(minute) < 60
    right = right and (not mark or (first in _DAYS and (not dash or last in _DAYS)))
    if not right:
        raise UsageError(f'--param windows: expected 22:00+8h or sat-sun@10:00+5h, got "{text[:40]}"')
    begin, end = (_DAYS.index(first), _DAYS.index(last or first)) if mark else (0, 6)
    named = frozenset((begin + step) % 7 for step in range((end - begin) % 7 + 1))
    lasts = min(duration(length, "--param windows"), timedelta(days=1))
    return DailyWindow(named, timedelta(hours=int(hour), minutes=int(minute)), lasts)
