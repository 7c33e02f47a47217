"""How good a forecast was: by its errors, and by what deciding by it would have saved.

Everything is hour by hour (``core/hourly.py``): an hour that is unknown in the forecast or in the actual
counts in nothing. A lead is how many hours lie between the hour in which a forecast was published and the
hour that it speaks of.

- MAE: mean of |actual - forecast|, g/kWh.
- MAPE: mean of |actual - forecast| / actual in percent, over the hours whose actual is at least 0.001 g/kWh:
  of zero there is no percentage.
- wMAPE: sum of |actual - forecast| / sum of actual, in percent: clean hours weigh little, so it can be
  trusted where MAPE explodes.
- bias: mean of forecast - actual, g/kWh: above zero where it says too much.
- inside: share of the hours with a band whose actual lies in it.

The saving (``realised``): a job of L hours is released at the hour of each issue and must be done within W
hours. Its start is the hour at which the forecast's mean over L hours is lowest, of equals the first. Against
a start at once it saves ``now - chosen`` g/kWh on the actual's means, and with perfect foresight ``now -
best``. Shares are those of sums over all releases, never means of ratios, so a flat day weighs nothing and
nothing is divided by zero: where the sum of ``now - best`` is zero, the share is None.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from carbonslurm.core.forecast import Floats, Issue, Series
from carbonslurm.core.hourly import Hourly, hour_of, hourly
from carbonslurm.errors import UsageError

LEAST = 1e-3  # g/kWh: nobody measures less, and what is divided by less is noise
DAYS_OF_LEAD = ((0, 24), (24, 48), (48, 72), (72, 96))


@dataclass(frozen=True, slots=True)
class Score:
    """Errors over some hours; None where none of them says anything.

    Attributes:
        hours: how many were compared.
        mae, bias: g/kWh.
        mape, wmape: percent.
        inside: 0 to 1.
    """

    hours: int
    mae: float | None = None
    mape: float | None = None
    wmape: float | None = None
    bias: float | None = None
    inside: float | None = None


@dataclass(frozen=True, slots=True)
class Realised:
    """What deciding by forecasts saved.

    Attributes:
        releases: how many were decided; only those whose window both forecast and actual know whole.
        now: mean g/kWh of starts at once.
        chosen: of the starts that the forecast chose.
        best: of the best starts.
    """

    releases: int
    now: float
    chosen: float
    best: float

    @property
    def share(self) -> float | None:
        """Part of the perfect-foresight saving that was realised; below zero where deciding did harm."""
        possible = self.now - self.best
        return (self.now - self.chosen) / possible if possible > 0 else None

    @property
    def saved(self) -> float | None:
        """What was saved of the emissions of starting at once, 0 to 1."""
        return 1 - self.chosen / self.now if self.now > 0 else None

    @property
    def possible(self) -> float | None:
        """What perfect foresight would have saved of them."""
        return 1 - self.best / self.now if self.now > 0 else None


def score(actual: Floats, forecast: Floats, band: tuple[Floats, Floats] | None = None) -> Score:
    """Score hours of the same shape, g/kWh, NaN where unknown; ``band`` is (low, high)."""
    there = ~np.isnan(actual) & ~np.isnan(forecast)
    truth, error = actual[there], forecast[there] - actual[there]
    if not len(truth):
        return Score(0)
    above, total = truth >= LEAST, float(truth.sum())
    return Score(
        hours=len(truth),
        mae=float(np.abs(error).mean()),
        mape=float((np.abs(error[above]) / truth[above]).mean() * 100) if above.any() else None,
        wmape=float(np.abs(error).sum() / total * 100) if total >= LEAST else None,
        bias=float(error.mean()),
        inside=_inside(truth, band[0][there], band[1][there]) if band else None,
    )


def scores(
    issues: Iterable[Issue], actual: Series, leads: Sequence[tuple[int, int]] = DAYS_OF_LEAD
) -> list[Score]:
    """Score issues of one zone by lead: one Score for each [first, after) of ``leads``, hours."""
    truth = hourly(actual)
    columns: list[list[tuple[Floats, Floats, Floats, Floats]]] = [[] for _ in leads]
    for issue in issues:
        said, low, high = _hours(issue)
        start = hour_of(issue.published)
        for column, (first, after) in zip(columns, leads, strict=True):
            span = (start + first, start + after)
            column.append(
                (truth.between(*span), said.between(*span), low.between(*span), high.between(*span))
            )
    return [_score_of(column) for column in columns]


def realised(forecasts: Iterable[Hourly], actual: Hourly, length: int, window: int) -> Realised | None:
    """Say what deciding by forecasts saved; None where nothing could be decided.

    Args:
        forecasts: what was forecast at each release; the job is released at its first hour.
        actual: what came.
        length: hours that the job runs, at least 1.
        window: hours from the release within which it must be done, at least ``length``.

    Raises:
        UsageError: the job does not fit into its window.
    """
    if not 1 <= length <= window:
        raise UsageError(f"a job of {length} h is not done within {window} h")
    found = []
    for forecast in forecasts:
        span = (forecast.first, forecast.first + window)
        said, came = _means(forecast.between(*span), length), _means(actual.between(*span), length)
        if not (np.isnan(said).any() or np.isnan(came).any()):
            found.append((came[0], came[int(np.argmin(said))], came.min()))
    if not found:
        return None
    now, chosen, best = (float(column) for column in np.mean(found, axis=0))
    return Realised(len(found), now, chosen, best)


def _hours(issue: Issue) -> tuple[Hourly, Hourly, Hourly]:
    """Return what an issue says hour by hour, and its band; NaN where it has none."""
    said = hourly(issue.series)
    if issue.band is None:
        nothing = Hourly(said.first, np.full(len(said.values), np.nan))
        return said, nothing, nothing
    return said, _edge(issue.series, issue.band.low), _edge(issue.series, issue.band.high)


def _edge(series: Series, values: Floats) -> Hourly:
    """Return one edge of a band hour by hour."""
    return hourly(Series(series.zone, series.source, series.nature, series.edges, values, series.estimated))


def _score_of(parts: list[tuple[Floats, Floats, Floats, Floats]]) -> Score:
    if not parts:
        return Score(0)
    truth, said, low, high = (np.concatenate(column) for column in zip(*parts, strict=True))
    return score(truth, said, (low, high))


def _inside(truth: Floats, low: Floats, high: Floats) -> float | None:
    """Return the share of hours inside the band, of those that have one."""
    banded = ~np.isnan(low) & ~np.isnan(high)
    if not banded.any():
        return None
    return float(((truth >= low) & (truth <= high))[banded].mean())


def _means(values: Floats, length: int) -> Floats:
    """Return the means of each ``length`` hours in a row; NaN where any of them is unknown."""
    return np.asarray(np.lib.stride_tricks.sliding_window_view(values, length).mean(axis=1), dtype=float)
