"""When energy was taken: the runs' energy by the hours of the day, beside the grid's intensity in them.

Each run's energy is spread evenly over it (docs/figures.md, equation 2). Its cumulated energy is then
piecewise linear in time, so what any slot got is exact, and a year of a cluster takes one sorting of its
starts and ends.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from carbonslurm.core.forecast import Floats, Series
from carbonslurm.core.interval import Interval

Ints = npt.NDArray[np.int_]

SLOT_S = 900.0  # clocks of all the world's zones differ by whole quarters of an hour
HOURS = 24


@dataclass(frozen=True, slots=True)
class HourProfile:
    """Energy and intensity by the hour of the day.

    Attributes:
        kwh: shape (24,), what the runs took in each hour of the day.
        baseline_kwh: shape (24,), what they would have taken without us.
        g_per_kwh: shape (24,), the grid's mean intensity in each; NaN where unknown.
    """

    kwh: Floats
    baseline_kwh: Floats
    g_per_kwh: Floats


def energy_between(loads: Floats, edges: Floats) -> Floats:
    """Return the kWh that runs took in each slot.

    Args:
        loads: shape (n, 3): start and end, Unix seconds, the end later; kWh.
        edges: shape (m + 1,), rising Unix seconds.

    Returns:
        Shape (m,).
    """
    first = edges[0]
    starts, ends = loads[:, 0] - first, loads[:, 1] - first
    power = loads[:, 2] / (ends - starts)
    moments = edges - first
    return np.diff(_ramps(starts, power, moments) - _ramps(ends, power, moments))


def _ramps(begins: Floats, slopes: Floats, moments: Floats) -> Floats:
    """Return the sum of slope x (moment - begin) over all that have begun, at each moment."""
    order = np.argsort(begins)
    slope = np.concatenate(([0.0], np.cumsum(slopes[order])))
    area = np.concatenate(([0.0], np.cumsum(slopes[order] * begins[order])))
    place = np.searchsorted(begins[order], moments, side="right")
    return np.asarray(slope[place] * moments - area[place], dtype=float)


def hour_profile(loads: Floats, series: Series | None, hour_of: Callable[[float], int]) -> HourProfile:
    """Return when in the day runs took their energy, and when they would have.

    Args:
        loads: shape (n, 6), as SumReader gives them; n above 0.
        series: the grid's intensity, None where it is not known.
        hour_of: the hour of the day, 0 to 23, of a moment in Unix seconds.
    """
    edges = _slots(float(loads[:, (0, 3)].min()), float(loads[:, (1, 4)].max()))
    hours = np.array([hour_of(float(edge)) for edge in edges[:-1]])
    planned = loads[:, 3:][loads[:, 4] > loads[:, 3]]
    return HourProfile(
        kwh=_by_hour(hours, energy_between(loads[:, :3], edges)),
        baseline_kwh=_by_hour(hours, energy_between(planned, edges)),
        g_per_kwh=_means(series, edges, hours) if series is not None else np.full(HOURS, np.nan),
    )


def known_mean(series: Series, window: Interval) -> float | None:
    """Return the mean g/kWh over what is known of a window, None where nothing is."""
    left = np.maximum(series.edges[:-1], window.start.timestamp())
    right = np.minimum(series.edges[1:], window.end.timestamp())
    seconds = np.where(np.isnan(series.values), 0.0, np.maximum(right - left, 0.0))
    total = float(seconds.sum())
    return float((np.nan_to_num(series.values) * seconds).sum() / total) if total else None


def _slots(first: float, last: float) -> Floats:
    return np.arange(first // SLOT_S * SLOT_S, last + SLOT_S, SLOT_S)


def _by_hour(hours: Ints, values: Floats) -> Floats:
    return np.asarray(np.bincount(hours, values, HOURS), dtype=float)


def _means(series: Series, edges: Floats, hours: Ints) -> Floats:
    values = series.means(edges[:-1], SLOT_S)
    known = ~np.isnan(values)
    counts = np.bincount(hours[known], minlength=HOURS)
    sums = _by_hour(hours[known], values[known])
    return np.asarray(np.where(counts > 0, sums / np.maximum(counts, 1), np.nan), dtype=float)
