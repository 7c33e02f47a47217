"""Policies that place one job at a time: a question in, a start out. To add one, write it and name it below.

The definitions, with their sources, are in docs/policies.md. Inside the daemon a policy is asked again each
cycle, with the newest forecast; the planner keeps bounds and ownership, a policy only compares hours.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np

from carbonslurm.core.forecast import Floats, Series
from carbonslurm.core.interval import from_epoch


@dataclass(frozen=True, slots=True)
class Question:
    """When should this job start?

    Attributes:
        earliest: the first moment it could.
        bound: the last moment it may, not before ``earliest``.
        length: how long it is predicted to run.
        series: the zone's forecast, without gaps, covering ``earliest``.
        threshold: g/kWh at or below which electricity counts as clean.
    """

    earliest: datetime
    bound: datetime
    length: timedelta
    series: Series
    threshold: float = 0.0


@dataclass(frozen=True, slots=True)
class Choice:
    """The start that a policy chose, and why in a few words."""

    start: datetime
    reason: str


Policy = Callable[[Question], Choice]


def no_wait(question: Question) -> Choice:
    """Start at once."""
    return Choice(question.earliest, "the policy never waits")


def threshold(question: Question) -> Choice:
    """Start at the first moment at or below the threshold, else at the bound (docs/policies.md, 2)."""
    series, limit = question.series, question.threshold
    current = series.at(question.earliest)
    if current is not None and current <= limit:
        return Choice(question.earliest, f"{current:.0f} g/kWh now, threshold {limit:.0f}{_whose(question)}")
    starts = series.edges[:-1]
    inside = (starts > question.earliest.timestamp()) & (starts <= question.bound.timestamp())
    clean = starts[inside & (series.values <= limit)]
    if len(clean) == 0:
        words = f"nothing at or below {limit:.0f} g/kWh before its bound"
        return Choice(question.bound, words + _whose(question))
    first = from_epoch(float(np.ceil(clean[0])))
    return Choice(first, f"first at or below {limit:.0f} g/kWh: {series.at(first):.0f}{_whose(question)}")


def lowest_window(question: Question) -> Choice:
    """Start where the mean intensity over the predicted run is lowest, the first such (docs/policies.md, 4).

    Candidates are every instant, not full hours: intensity is piecewise constant, so the best start or end of
    a run falls on an edge of a step, or at the earliest or latest start.
    """
    length = judged_length(question)
    starts = candidate_starts(question, length)
    means = question.series.means(starts, length.total_seconds())
    if len(starts) == 0 or bool(np.isnan(means).all()):
        return Choice(question.earliest, "the forecast does not cover its run")
    best = int(np.nanargmin(means))
    if not means[best] < means[0]:
        words = f"now is the cleanest before its bound: {means[0]:.0f} g/kWh"
        return Choice(question.earliest, words + _whose(question))
    words = f"{means[best]:.0f} g/kWh over its run, {means[0]:.0f} if now"
    return Choice(from_epoch(float(starts[best])), words + _whose(question))


def _whose(question: Question) -> str:
    """Name the forecast that this was decided by."""
    return f" ({question.series.source})"


def judged_length(question: Question) -> timedelta:
    """Return how much of the run windows are compared over.

    Beyond its horizon a forecast says nothing. A run that does not fit between its bound and the horizon is
    judged on as much of it as does, and on at least half of what is known.
    """
    known = question.series.horizon - question.earliest
    room = question.series.horizon - min(question.bound, question.series.horizon)
    return max(min(question.length, max(room, known / 2)), timedelta(seconds=1))


def candidate_starts(question: Question, length: timedelta) -> Floats:
    """Shape (k,), Unix seconds, rising, ``earliest`` first."""
    first = question.earliest.timestamp()
    last = min(question.bound.timestamp(), question.series.horizon.timestamp() - length.total_seconds())
    edges = question.series.edges
    moments = np.concatenate((edges, edges - length.total_seconds(), [last]))
    # Whole seconds are all that Slurm takes; rounding up keeps a start behind the edge it waits for.
    moments = np.ceil(moments)
    inside = moments[(moments > first) & (moments <= last)]
    return np.concatenate(([first], np.unique(inside)))


POLICIES: Mapping[str, Policy] = {
    "no-wait": no_wait,
    "threshold": threshold,
    "lowest-window": lowest_window,
}
