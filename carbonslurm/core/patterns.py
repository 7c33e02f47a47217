"""What a grid is used to: mean intensity by hour of the day, weekday and month.

Time is cut into quarter hours, each counted where its start stands on the wall clock of a time zone: offsets
of all time zones are whole quarters. What is unknown counts nowhere; a cell without a value is NaN. A month
or an hour with little known of it still has a mean, so ``hours_by_month`` says how much there is.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta, tzinfo

import numpy as np
import numpy.typing as npt

from carbonslurm.core.forecast import Floats, Series
from carbonslurm.core.interval import Interval, from_epoch

_QUARTER = 900.0  # seconds
Indices = npt.NDArray[np.intp]


@dataclass(frozen=True, eq=False)
class Patterns:
    """Means in g/kWh; NaN where nothing is known.

    Attributes:
        known: how much of the window is.
        mean: of all of it.
        by_hour: shape (24,), by the hour of the day.
        by_month: shape (12,), January first.
        by_weekday_and_hour: shape (7, 24), Monday first.
        hours_by_month: shape (12,), hours known.
    """

    known: timedelta
    mean: float
    by_hour: Floats
    by_month: Floats
    by_weekday_and_hour: Floats
    hours_by_month: Floats

    def best_hours(self, count: int) -> tuple[int, ...]:
        """Return the hours with the lowest means, the lowest first."""
        return _lowest(self.by_hour, count)

    def best_months(self, count: int) -> tuple[int, ...]:
        """Return the months (1 to 12) with the lowest means, the lowest first."""
        return tuple(month + 1 for month in _lowest(self.by_month, count))


def patterns(series: Series, window: Interval, zone: tzinfo | None = None) -> Patterns | None:
    """Return the patterns of a window, None where nothing of it is known.

    Args:
        series: measured values.
        window: of which to count.
        zone: whose clocks count; the machine's own where None.
    """
    first = -(-window.start.timestamp() // _QUARTER) * _QUARTER
    starts = np.arange(first, window.end.timestamp() - _QUARTER + 1, _QUARTER)
    values = series.means(starts, _QUARTER)
    known = ~np.isnan(values)
    if not bool(known.any()):
        return None
    values = values[known]
    moments = [from_epoch(float(start)).astimezone(zone) for start in starts[known]]
    hours = _places(moment.hour for moment in moments)
    days = _places(moment.weekday() for moment in moments)
    months = _places(moment.month - 1 for moment in moments)
    return Patterns(
        known=timedelta(seconds=len(values) * _QUARTER),
        mean=float(values.mean()),
        by_hour=_means(hours, values, 24),
        by_month=_means(months, values, 12),
        by_weekday_and_hour=_means(days * 24 + hours, values, 7 * 24).reshape(7, 24),
        hours_by_month=np.bincount(months, minlength=12).astype(float) * (_QUARTER / 3600),
    )


def _places(numbers: Iterable[int]) -> Indices:
    return np.array(list(numbers), dtype=np.intp)


def _means(places: Indices, values: Floats, count: int) -> Floats:
    sums = np.bincount(places, weights=values, minlength=count)
    counts = np.bincount(places, minlength=count)
    return np.where(counts > 0, sums / np.maximum(counts, 1), np.nan)


def _lowest(values: Floats, count: int) -> tuple[int, ...]:
    order = np.argsort(values, kind="stable")  # NaN stands last
    return tuple(int(place) for place in order[:count] if not np.isnan(values[place]))
