"""The joint between what was measured and what is forecast: without a step, or the step is taken for news.

A provider's forecast often begins at another level than the last measured value (Energy-Charts for France
once: last actual 59.6, first forecast 49.4). Compared with now, the whole future then looks cleaner, and
every job waits. So the forecast is moved to where the measurement ended, by an offset that fades with the
lead, as a forecast's first error does. Only the forecast's own source tells where it ended: two sources have
two levels, even of one nature, and the step between them is no error of either.

The offset is the mean of measured minus forecast over the last three hours that both know. Where they do not
overlap it is the step itself, and the longer the gap between the two, the less of it: e^(-gap / FADE).

FADE was measured on the 1,629 weather-driven forecasts that CarbonCast ships for nine grids (2021-07 to
2021-12): see ``docs/forecaster.md``.
"""

from dataclasses import replace
from datetime import timedelta

import numpy as np

from carbonslurm.core.forecast import Band, Floats, Issue, Series
from carbonslurm.errors import DataError

FADE = timedelta(hours=4)
OVERLAP = 3 * 3600.0  # seconds


def bridged(issue: Issue, measured: Series, fade: timedelta = FADE) -> Issue:
    """Return the forecast, and its band, moved to where the measurement ended.

    What lies before that is left as it is, and so is all of it where one of the two knows nothing of the
    joint. No value becomes negative.

    Args:
        issue: a forecast; it may begin before, at or after the end of what was measured.
        measured: known values up to now, of the same zone, by the same source.
        fade: the time in which the offset falls to 1/e.

    Raises:
        DataError: the natures or the sources differ, so the two may not meet.
    """
    series = issue.series
    if series.source != measured.source:
        raise DataError(
            f"{series.zone}: a forecast of {series.source} does not continue what {measured.source} measured"
        )
    if series.nature != measured.nature:
        raise DataError(
            f"{series.source}: {series.zone}: a forecast ({series.nature}) does not continue a measurement"
            f" ({measured.nature})"
        )
    offsets = _offsets(series, measured, fade.total_seconds())
    moved = replace(series, values=_moved(series.values, offsets))
    band = issue.band
    if band is not None:
        band = Band(_moved(band.low, offsets), _moved(band.high, offsets), band.share)
    return replace(issue, series=moved, band=band)


def step_at_joint(forecast: Series, measured: Series, fade: timedelta = FADE) -> float | None:
    """Return how far the measurement ends above the forecast, g/kWh; None where that is unknown."""
    end = _end(measured)
    if end is None:
        return None
    edges = np.union1d(forecast.edges, measured.edges)
    edges = np.union1d(edges[(edges > end - OVERLAP) & (edges < end)], [end - OVERLAP, end])
    lengths = np.diff(edges)
    differences = _at(measured, edges[:-1]) - _at(forecast, edges[:-1])
    both = ~np.isnan(differences)
    if both.any():
        return float(np.average(differences[both], weights=lengths[both]))
    later = np.flatnonzero((forecast.edges[:-1] >= end) & ~np.isnan(forecast.values))
    if not len(later):
        return None
    gap = float(forecast.edges[later[0]]) - end
    last = float(measured.values[~np.isnan(measured.values)][-1])
    return (last - float(forecast.values[later[0]])) * float(np.exp(-gap / fade.total_seconds()))


def _offsets(forecast: Series, measured: Series, fade: float) -> Floats:
    """Return shape (n,): what to add to each step, by the time from the joint to its start."""
    step, end = step_at_joint(forecast, measured, timedelta(seconds=fade)), _end(measured)
    if step is None or end is None:
        return np.zeros(len(forecast.values))
    first = _joint(forecast, end)
    since = np.maximum(forecast.edges[:-1] - first, 0.0)
    return np.asarray(np.where(forecast.edges[1:] > end, step * np.exp(-since / fade), 0.0), dtype=float)


def _joint(forecast: Series, end: float) -> float:
    """Return from when the offset fades: the measurement's end, or the start of a later forecast."""
    known = np.flatnonzero(~np.isnan(forecast.values) & (forecast.edges[1:] > end))
    return max(end, float(forecast.edges[known[0]])) if len(known) else end


def _moved(values: Floats, offsets: Floats) -> Floats:
    """Return values and offsets together, zero at least; NaN stays."""
    return np.asarray(np.where(offsets == 0, values, np.maximum(values + offsets, 0.0)), dtype=float)


def _end(measured: Series) -> float | None:
    """Return when the last known step of a measurement ends, Unix seconds."""
    known = np.flatnonzero(~np.isnan(measured.values))
    return float(measured.edges[known[-1] + 1]) if len(known) else None


def _at(series: Series, moments: Floats) -> Floats:
    """Return the values at some moments, NaN where unknown."""
    place = np.searchsorted(series.edges, moments, side="right") - 1
    inside = (place >= 0) & (place < len(series.values))
    return np.asarray(np.where(inside, series.values[np.where(inside, place, 0)], np.nan), dtype=float)
