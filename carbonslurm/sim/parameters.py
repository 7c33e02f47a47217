"""What ``--param NAME=VALUE`` may set: ``every=1h`` for all policies, ``lowest-window.every=15m`` for one."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

from carbonslurm.core.policies import DailyWindow
from carbonslurm.core.tag import parse_duration
from carbonslurm.errors import CarbonslurmError, UsageError
from carbonslurm.sim.queues import DISCIPLINES

_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_LONGEST = timedelta(days=3650)


@dataclass(frozen=True, slots=True)
class Parameters:
    """The values for one policy, as ``read_parameters`` has let them pass."""

    policy: str
    values: Mapping[str, str]

    def _text(self, name: str) -> str | None:
        return self.values.get(f"{self.policy}.{name}", self.values.get(name))

    def word(self, name: str, default: str) -> str:
        """Return a word."""
        return self._text(name) or default

    def number(self, name: str, default: float) -> float:
        """Return a number."""
        text = self._text(name)
        return default if text is None else float(text)

    def seconds(self, name: str, default: float) -> float:
        """Return a duration in seconds; 0 is none."""
        text = self._text(name)
        return default if text is None else duration(text, f"--param {name}").total_seconds()

    def windows(self, name: str, default: str) -> tuple[DailyWindow, ...]:
        """Return named hours."""
        return _windows(self._text(name) or default, f"--param {name}")


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
    """Read NAME=VALUE words; each value is looked at here, before anything is run.

    Raises:
        UsageError: one of them is not NAME=VALUE, there is no such name or policy, or no such value.
    """
    values: dict[str, str] = {}
    for word in words:
        name, mark, value = word.partition("=")
        policy, dot, own = name.rpartition(".")
        if not mark or not value:
            raise UsageError(f'--param: expected NAME=VALUE, got "{word[:60]}"')
        if own not in CHECKS or (dot and policy not in policies):
            raise UsageError(f"--param: no {name[:60]}; there are {', '.join(CHECKS)}")
        CHECKS[own](value, f"--param {name}")
        values[name] = value
    return values


def _number(least: float, most: float = float("inf"), *, whole: bool = False) -> Callable[[str, str], float]:
    """Return what reads a finite number between two others, both allowed."""
    kind = "a whole number" if whole else "a number"
    wanted = f"{kind} of {least:g} or more" if most == float("inf") else f"{kind} from {least:g} to {most:g}"

    def read(text: str, where: str) -> float:
        try:
            found = float(text)
        except ValueError:
            found = float("nan")
        if not least <= found <= most or found == float("inf") or (whole and found != int(found)):
            raise UsageError(f'{where}: expected {wanted}, got "{text[:40]}"')
        return found

    return read


def _some_time(text: str, where: str) -> timedelta:
    found = duration(text, where)
    if not found:
        raise UsageError(f"{where}: expected some time, got none")
    return found


def _discipline(text: str, where: str) -> str:
    if text not in DISCIPLINES:
        raise UsageError(f'{where}: expected one of {", ".join(DISCIPLINES)}, got "{text[:40]}"')
    return text


def _windows(text: str, where: str) -> tuple[DailyWindow, ...]:
    return tuple(_window(word.strip(), where) for word in text.split(","))


def _window(text: str, where: str) -> DailyWindow:
    days, mark, hours = text.rpartition("@")
    clock, plus, length = hours.partition("+")
    hour, colon, minute = clock.partition(":")
    first, dash, last = days.partition("-")
    right = bool(plus and colon) and hour.isdigit() and minute.isdigit()
    right = right and int(hour) < 24 and int(minute) < 60
    right = right and (not mark or (first in _DAYS and (not dash or last in _DAYS)))
    if not right:
        raise UsageError(f'{where}: expected 22:00+8h or sat-sun@10:00+5h, got "{text[:40]}"')
    begin, end = (_DAYS.index(first), _DAYS.index(last or first)) if mark else (0, 6)
    named = frozenset((begin + step) % 7 for step in range((end - begin) % 7 + 1))
    lasts = min(duration(length, where), timedelta(days=1))
    return DailyWindow(named, timedelta(hours=int(hour), minutes=int(minute)), lasts)


# By name, what reads a value; docs/simulate.md says what each means.
CHECKS: Mapping[str, Callable[[str, str], object]] = {
    "threshold": _number(0.0),
    "every": duration,
    "windows": _windows,
    "share": _number(0.0, 1.0),
    "slot": _some_time,
    "beta": _number(0.0),
    "guaranteed": _number(0.0),
    "max_delay": duration,
    "queue": _discipline,
    "cycle": _some_time,
    "lost_work": duration,
    "checkpoint": duration,
    "restart": duration,
    "min_run": duration,
    "max_stops": _number(0, whole=True),
    "iterations": _number(1, whole=True),
}
