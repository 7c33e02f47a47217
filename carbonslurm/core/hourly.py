"""Intensity on a grid of whole hours, for arithmetic that wants one: the forecaster and the scores.

A ``Series`` has steps of any length; here each value is the mean over one hour of Unix time, so an index is
an hour and the hour of the day is the number modulo 24, in UTC: no clock ever changes. An hour of which less
than half is known is unknown (NaN). What is unknown is filled only where a model needs a whole window, and
never in what it is trained to say.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

import numpy as np
import numpy.typing as npt

from carbonslurm.core.forecast import Floats, Nature, Series
from carbonslurm.core.interval import aware, from_epoch
from carbonslurm.errors import DataError

Flags = npt.NDArray[np.bool_]
HOUR = 3600.0
KNOWN = 0.5  # of an hour: half an hour's step, as NESO has, is enough for its hour
STRAIGHT = 3  # hours: so short a gap is bridged by a straight line


@dataclass(frozen=True, eq=False)
class Hourly:
    """Means over whole hours.

    Attributes:
        first: number of the first hour, counted from 1970-01-01T00:00Z.
        values: shape (n,), g/kWh, NaN where unknown; n may be 0.
    """

    first: int
    values: Floats

    def __post_init__(self) -> None:
        if self.values.ndim != 1:
            raise DataError("hourly values stand in one row")

    @property
    def after(self) -> int:
        """Number of the hour after the last."""
        return self.first + len(self.values)

    @property
    def known(self) -> int:
        """How many hours are known."""
        return int(np.count_nonzero(~np.isnan(self.values)))

    def until(self, hour: int) -> "Hourly":
        """Return what lies before an hour."""
        return Hourly(self.first, self.values[: max(hour - self.first, 0)])

    def between(self, first: int, after: int) -> Floats:
        """Return shape (after - first,): the values of these hours, NaN outside of the grid."""
        found = np.full(max(after - first, 0), np.nan)
        left, right = max(first, self.first), min(after, self.after)
        if left < right:
            found[left - first : right - first] = self.values[left - self.first : right - self.first]
        return found

    def trimmed(self) -> "Hourly":
        """Return it without unknown hours at either end."""
        known = np.flatnonzero(~np.isnan(self.values))
        if not len(known):
            return Hourly(self.first, np.empty(0))
        return Hourly(self.first + int(known[0]), self.values[known[0] : known[-1] + 1])

    def series(self, zone: str, source: str, nature: Nature) -> Series:
        """Return it as steps of an hour, estimates all.

        Raises:
            DataError: there is no hour.
        """
        edges = _edges(self.first, self.after)
        return Series(zone, source, nature, edges, self.values.copy(), np.ones(len(self.values), dtype=bool))


def hour_of(moment: datetime) -> int:
    """Return the number of the hour that a moment lies in."""
    return int(aware(moment).timestamp() // HOUR)


def start_of(hour: int) -> datetime:
    """Return the moment at which an hour begins."""
    return from_epoch(hour * HOUR)


def hourly(series: Series, known: float = KNOWN) -> Hourly:
    """Return the mean of each hour over what is known of it, weighted by time.

    Args:
        series: steps of any length.
        known: an hour of which a smaller share is known is unknown.
    """
    first, after = int(series.edges[0] // HOUR), int(-(-series.edges[-1] // HOUR))
    edges = _edges(first, after)
    lengths, there = np.diff(series.edges), ~np.isnan(series.values)
    known_seconds = _within(edges, series.edges, lengths * there)
    sums = _within(edges, series.edges, lengths * np.where(there, series.values, 0.0))
    enough = (known_seconds >= known * HOUR) & (known_seconds > 0)
    return Hourly(first, np.where(enough, sums / np.where(enough, known_seconds, 1.0), np.nan))


def joined(older: Iterable[Hourly]) -> Hourly:
    """Return one grid over all, in which what comes later overrides: a revision replaces what it revises."""
    parts = [part for part in older if len(part.values)]
    if not parts:
        return Hourly(0, np.empty(0))
    first, after = min(part.first for part in parts), max(part.after for part in parts)
    values = np.full(after - first, np.nan)
    for part in parts:
        there = ~np.isnan(part.values)
        values[part.first - first : part.after - first][there] = part.values[there]
    return Hourly(first, values)


def filled(values: Floats) -> Floats:
    """Return hourly values without gaps, for models that need whole windows; shape (n,), as given.

    Up to three hours are bridged by a straight line. A longer gap takes, hour by hour, the nearest days'
    values at the same hour of the day, before and after, the nearer one counting more; what is left, the
    nearest value.

    Raises:
        DataError: nothing is known.
    """
    there = ~np.isnan(values)
    if not there.any():
        raise DataError("a history in which nothing is known")
    if there.all():
        return values
    whole = np.where(there | _short(there), _line(values, there), np.nan)
    for hour in range(min(24, len(values))):
        column = whole[hour::24]
        present = ~np.isnan(column)
        if present.any():
            whole[hour::24] = _line(column, present)
    return _line(whole, ~np.isnan(whole))


def _edges(first: int, after: int) -> Floats:
    """Return the edges of hours, Unix seconds."""
    return np.asarray(np.arange(first, after + 1) * HOUR, dtype=float)


def _within(edges: Floats, steps: Floats, amounts: Floats) -> Floats:
    """Spread amounts evenly over their steps and return how much lies between each two edges."""
    return np.diff(np.interp(edges, steps, np.concatenate(([0.0], np.cumsum(amounts)))))


def _line(values: Floats, there: Flags) -> Floats:
    """Return values with straight lines over what is not there, level at the ends."""
    index = np.arange(len(values))
    return np.interp(index, index[there], values[there])


def _short(there: Flags) -> Flags:
    """Return which missing hours a line may bridge: their gap is short and has values on both sides."""
    index = np.flatnonzero(there)
    place = np.searchsorted(index, np.arange(len(there)), side="left")
    inner = (place > 0) & (place < len(index))
    gap = index[np.minimum(place, len(index) - 1)] - index[np.maximum(place - 1, 0)] - 1
    return np.asarray(~there & inner & (gap <= STRAIGHT), dtype=bool)
