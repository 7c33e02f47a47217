"""Aware, half-open time: the only kind there is inside carbonslurm.

A naive datetime is refused where it enters (``aware``), everything is UTC, and an ``Interval`` contains its
start but not its end, so that intervals side by side neither overlap nor leave a gap.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from carbonslurm.errors import DataError


def aware(moment: datetime) -> datetime:
    """Return the moment in UTC.

    Raises:
        DataError: the moment has no time zone, so it names no instant.
    """
    if moment.tzinfo is None:
        raise DataError(f"time without a zone: {moment.isoformat()}")
    return moment if moment.tzinfo is UTC else moment.astimezone(UTC)


def from_epoch(seconds: float) -> datetime:
    """Return the UTC moment of a Unix time in seconds.

    Raises:
        DataError: it lies outside of the years that a date can have.
    """
    try:
        return datetime.fromtimestamp(seconds, tz=UTC)
    except (OverflowError, OSError, ValueError) as error:
        raise DataError(f"no date has the Unix time {seconds:g}") from error


def to_epoch(moment: datetime) -> int:
    """Return the Unix time of an aware moment, in whole seconds rounded up.

    Up, because Slurm counts whole seconds: a job told to wait until 12:00:00.4 may not start at 12:00:00.
    """
    return -int(-aware(moment).timestamp() // 1)


def whole_second(moment: datetime, *, up: bool) -> datetime:
    """Return the moment in whole seconds, which is all that Slurm keeps: starts go up, bounds go down."""
    if moment.tzinfo is UTC and not moment.microsecond:  # nearly always
        return moment
    moment = aware(moment)
    floor = moment.replace(microsecond=0)
    return floor + timedelta(seconds=1) if up and floor < moment else floor


def iso(moment: datetime) -> str:
    """Return the moment as people read it: UTC, whole seconds, ``2026-11-22T09:00:00Z``."""
    return aware(moment).strftime("%Y-%m-%dT%H:%M:%SZ")


@dataclass(frozen=True, slots=True, order=True)
class Interval:
    """The instants from ``start`` (in it) to ``end`` (not in it), both UTC.

    Raises:
        DataError: a time is naive, or the end lies before the start.
    """

    start: datetime
    end: datetime

    def __post_init__(self) -> None:
        object.__setattr__(self, "start", aware(self.start))
        object.__setattr__(self, "end", aware(self.end))
        if self.end < self.start:
            raise DataError(f"interval ends before it starts: {iso(self.start)} to {iso(self.end)}")

    @property
    def length(self) -> timedelta:
        """How long it lasts."""
        return self.end - self.start

    def shifted_to(self, start: datetime) -> "Interval":
        """Return an interval of the same length with another start."""
        begun = aware(start)  # first: adding to a local time counts wall clocks, not seconds
        return Interval(begun, begun + self.length)
