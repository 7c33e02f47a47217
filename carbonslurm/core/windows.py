"""The best window, when work of some length would meet the least carbon, and the next day; by one forecast.

A window lies wholly within what the forecast knows, or it is no candidate: nothing is assumed behind the
horizon. It is compared with starting at once by the same forecast, never with a measured value: the joint
between the two would count as a saving.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np

from carbonslurm.core.footprint import percent_saved
from carbonslurm.core.forecast import Issue, Series
from carbonslurm.core.interval import Interval, from_epoch
from carbonslurm.core.policies import Question, candidate_starts

DAY = timedelta(hours=24)
TREND_HOURS = timedelta(hours=6)
TREND_LEAST = 0.05  # a change below 5 % is called steady


@dataclass(frozen=True, slots=True)
class Best:
    """The window with the lowest mean, the first such.

    Attributes:
        window: when.
        mean: g/kWh over it.
        low: mean of the band's lows over it, None where the forecast has no band.
        high: likewise of the highs. Both ends together are further apart than the band's share says, since
            not all steps err the same way.
        mean_at_once: g/kWh over a window that starts at once, None where the forecast does not cover it.
        last_start: the latest start that was compared.
    """

    window: Interval
    mean: float
    low: float | None
    high: float | None
    mean_at_once: float | None
    last_start: datetime

    @property
    def saved_percent(self) -> float | None:
        """What waiting saves against starting at once, None where that is unknown."""
        return None if self.mean_at_once is None else percent_saved(self.mean, self.mean_at_once)


def best_window(
    issue: Issue, earliest: datetime, length: timedelta, before: datetime | None = None
) -> Best | None:
    """Return the best window, None where no whole one is known.

    Args:
        issue: the forecast.
        earliest: the first start.
        length: of the window, above zero.
        before: when it must have ended; None for the forecast's horizon.
    """
    series = issue.series
    end = series.horizon if before is None else min(before, series.horizon)
    bound = end - length
    if bound < earliest:
        return None
    starts = candidate_starts(Question(earliest, bound, length, series), length)
    means = series.means(starts, length.total_seconds())
    if bool(np.isnan(means).all()):
        return None
    first = int(np.nanargmin(means))
    start = from_epoch(float(starts[first]))
    window = Interval(start, start + length)
    low, high = band_means(issue, window)
    at_once = None if np.isnan(means[0]) else float(means[0])
    return Best(window, float(means[first]), low, high, at_once, bound)


def band_means(issue: Issue, window: Interval) -> tuple[float | None, float | None]:
    """Return the mean g/kWh of a band's lows and of its highs; None where any of it is unknown."""
    if issue.band is None:
        return None, None
    low, high = (_like(issue.series, values).mean(window) for values in (issue.band.low, issue.band.high))
    return low, high


def _like(series: Series, values: object) -> Series:
    """Return a series of the same steps with other values."""
    return Series(
        series.zone,
        series.source,
        series.nature,
        series.edges,
        np.asarray(values, dtype=float),
        series.estimated,
    )


# --- the next day


@dataclass(frozen=True, slots=True)
class NextDay:
    """What a forecast says of the next 24 hours, or of as much of them as it covers, in g/kWh.

    Attributes:
        covered: how much that is.
        change: the mean of the next 6 hours against the current value, as a share of it; None where unknown.
    """

    mean: float
    least: float
    most: float
    covered: timedelta
    change: float | None

    @property
    def trend(self) -> str:
        """The change in a word."""
        if self.change is None:
            return "unknown"
        return "steady" if abs(self.change) < TREND_LEAST else "falling" if self.change < 0 else "rising"


def next_day(series: Series, now: datetime) -> NextDay:
    """Return what a forecast says of the next 24 hours; it covers now."""
    end = min(now + DAY, series.horizon)
    edges = np.clip(series.edges, now.timestamp(), end.timestamp())
    seconds = np.diff(edges) * ~np.isnan(series.values)
    inside = seconds > 0
    values = series.values[inside]
    at_once, soon = series.at(now), series.mean(Interval(now, min(now + TREND_HOURS, end)))
    return NextDay(
        mean=float(np.average(values, weights=seconds[inside])),
        least=float(values.min()),
        most=float(values.max()),
        covered=timedelta(seconds=float(seconds.sum())),
        change=soon / at_once - 1 if soon is not None and at_once else None,
    )
