"""The dates and times of day that Slurm's commands take beside ISO's, as ``parse_time`` of sacct reads them.

``HH:MM[:SS][AM|PM]``, ``MMDD[YY]``, ``MM.DD[.YY]`` and ``MM/DD[/YY]``, each date with ``-HH:MM[:SS]`` behind
it or without; ``noon``, ``fika`` (15:00) and ``teatime`` (16:00). A date without a year is the last such day
for who looks back, the next for who looks ahead. ``YYYY-MM`` is ours: the first instant of a month.

All of it is wall time without a zone, which the caller knows.
"""

import re
from datetime import date, datetime, time, timedelta

_CLOCK = re.compile(r"(\d{1,2}):(\d{2})(?::(\d{2}))?\s?(am|pm)?", re.IGNORECASE)
_DATE = re.compile(r"(\d{2})(?:(\d{2})(\d{2})?|[./](\d{2})(?:[./](\d{2}))?)")
_MONTH = re.compile(r"(\d{4})-(\d{2})")
_NAMED = {"noon": time(12), "fika": time(15), "teatime": time(16)}


def read_wall(word: str, today: datetime, *, ahead: bool) -> datetime | None:
    """Return the wall time that a word names, without a zone; None where it is in none of the forms above.

    Args:
        word: without blanks around it.
        today: now, as a wall time without a zone.
        ahead: whether what has passed means the next such time.
    """
    if clock := read_clock(word):
        found = datetime.combine(today.date(), clock)
        return found + timedelta(days=1) if ahead and found <= today else found
    if match := _MONTH.fullmatch(word):
        return _midnight(int(match[1]), int(match[2]), 1)
    day, dash, behind = word.partition("-")
    clock = read_clock(behind) if dash else time()
    if clock is None or not (match := _DATE.fullmatch(day)):
        return None
    year = match[3] or match[5]
    named = _on_day(int(match[1]), int(match[2] or match[4]), year, today, ahead=ahead)
    return datetime.combine(named, clock) if named else None


def read_clock(word: str) -> time | None:
    """Return a time of day, None where the word is none."""
    if word.lower() in _NAMED:
        return _NAMED[word.lower()]
    match = _CLOCK.fullmatch(word)
    if match is None:
        return None
    hour, half = int(match[1]), (match[4] or "").lower()
    if half and not 1 <= hour <= 12:
        return None
    if half:
        hour = hour % 12 + (12 if half == "pm" else 0)
    try:
        return time(hour, int(match[2]), int(match[3] or 0))
    except ValueError:
        return None


def _on_day(month: int, day: int, year: str | None, today: datetime, *, ahead: bool) -> date | None:
    if year is not None:
        found = _midnight(2000 + int(year), month, day)
        return found.date() if found else None
    # The 29th of February may lie some years away.
    step = 1 if ahead else -1
    for away in range(9):
        found = _midnight(today.year + step * away, month, day)
        if found and (found.date() >= today.date() if ahead else found.date() <= today.date()):
            return found.date()
    return None


def _midnight(year: int, month: int, day: int) -> datetime | None:
    try:
        return datetime(year, month, day)  # noqa: DTZ001 - wall time: the caller knows the zone
    except ValueError:
        return None
