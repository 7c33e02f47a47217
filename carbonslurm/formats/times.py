"""Moments as people give them to Slurm's commands (-S, -E, --deadline), and as we print them back.

The forms are Slurm's: ``YYYY-MM-DD[THH:MM[:SS]]``, ``now[+-]N[seconds|minutes|hours|days|weeks]``,
``today``, ``tomorrow``, ``midnight``, ``uts<epoch>``, the times of day and short dates of ``dates``; and ISO
with a zone. Without one they are local, as in Slurm. A time of day that has passed means tomorrow's where a
future is asked for, and so does midnight.
"""

import re
from datetime import UTC, datetime, time, timedelta, tzinfo

from carbonslurm.core.interval import from_epoch
from carbonslurm.errors import UsageError
from carbonslurm.formats.dates import read_wall

_RELATIVE = re.compile(r"now(?:([+-])(\d{1,9})([a-z]*))?")
_UNITS = {"": 1, "second": 1, "minute": 60, "hour": 3600, "day": 86_400, "week": 604_800}


def read_moment(text: str, now: datetime, zone: tzinfo | None = None, *, ahead: bool = False) -> datetime:
    """Read a moment.

    Args:
        text: in one of the forms above.
        now: the current time, aware.
        zone: for texts without one; the machine's own where None.
        ahead: whether a time of day that has passed means tomorrow's.

    Returns:
        The moment in UTC.

    Raises:
        UsageError: it is in none of them.
    """
    word = text.strip()
    local = now.astimezone(zone)
    found = (
        _relative(word, now)
        or _named(word, local, ahead=ahead)
        or _wall_time(word, local, ahead=ahead)
        or _iso(word, local)
    )
    if found is None:
        raise UsageError(f'expected a time such as 18:00, 2026-11-23T08:00 or now+12hours, got "{word[:40]}"')
    return found.astimezone(UTC)


def _relative(word: str, now: datetime) -> datetime | None:
    if word.startswith("uts") and word[3:].isascii() and word[3:].isdigit() and len(word) <= 14:
        return from_epoch(int(word[3:]))
    match = _RELATIVE.fullmatch(word.lower())
    if match is None:
        return None
    sign, count, unit = match.groups()
    seconds = _UNITS.get((unit or "").rstrip("s"))
    if seconds is None:
        return None
    step = timedelta(seconds=int(count or 0) * seconds)
    return now - step if sign == "-" else now + step


def _named(word: str, local: datetime, *, ahead: bool) -> datetime | None:
    days = {"today": 0, "midnight": 1 if ahead else 0, "tomorrow": 1}
    return _at(local, days[word.lower()], time()) if word.lower() in days else None


def _wall_time(word: str, local: datetime, *, ahead: bool) -> datetime | None:
    found = read_wall(word, local.replace(tzinfo=None), ahead=ahead)
    return None if found is None else _wall(found, local)


def _iso(word: str, local: datetime) -> datetime | None:
    try:
        found = datetime.fromisoformat(word)
    except ValueError:
        return None
    if not re.match(r"\d{4}-\d{2}-\d{2}", word):
        return None
    return found if found.tzinfo else _wall(found, local)


def _at(local: datetime, days: int, clock: time) -> datetime:
    return _wall(datetime.combine(local.date() + timedelta(days=days), clock), local)


def _wall(naive: datetime, local: datetime) -> datetime:
    """Give a wall time the offset that holds on its own day, not on today's."""
    zone = local.tzinfo
    named = zone is not None and hasattr(zone, "key")
    return naive.replace(tzinfo=zone) if named else naive.astimezone()


def local_text(moment: datetime | None) -> str:
    """Write a moment as Slurm does: local, ``2026-11-22T09:00:00``; Unknown where there is none."""
    return "Unknown" if moment is None else moment.astimezone().strftime("%Y-%m-%dT%H:%M:%S")


def length_text(length: timedelta | None) -> str:
    """Write a length as Slurm does: ``1-02:03:04``, ``02:03:04``."""
    if length is None:
        return "Unknown"
    minutes, seconds = divmod(int(length.total_seconds()), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    return (f"{days}-" if days else "") + f"{hours:02}:{minutes:02}:{seconds:02}"


def age_text(age: timedelta) -> str:
    """Write how old something is, in one unit that fits: ``8 min``, ``5 h``, ``12 days``."""
    minutes = max(age // timedelta(minutes=1), 0)
    if minutes < 120:
        return f"{minutes} min"
    return f"{minutes // 60} h" if minutes < 48 * 60 else f"{minutes // 1440} days"
