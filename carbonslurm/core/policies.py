"""Policies that place one job at a time: a question in, a start out. To add one, write it and name it below.

The definitions, with their sources, are in docs/policies.md. Inside the daemon a policy is asked again each
cycle, with the newest forecast; the planner keeps bounds and ownership, a policy only compares hours.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple

import numpy as np

from carbonslurm.core.forecast import Floats, Series
from carbonslurm.core.interval import from_epoch

SECOND = timedelta(seconds=1)


@dataclass(frozen=True, slots=True)
class DailyWindow:
    """Hours of some days of the week, UTC.

    Attributes:
        days: 0 is Monday; the day on which the window begins.
        start: since midnight.
        length: up to a day; it may reach into the next.
    """

    days: frozenset[int]
    start: timedelta
    length: timedelta

    def first(self, moment: datetime) -> datetime | None:
        """Return the first instant from a moment on that lies in the window, None where no day has it."""
        midnight = moment.replace(hour=0, minute=0, second=0, microsecond=0)
        for day in range(-1, 8):
            begins = midnight + timedelta(days=day) + self.start
            if begins.weekday() in self.days and begins + self.length > moment:
                return max(begins, moment)
        return None


class Question(NamedTuple):
    """When should this job start?

    Attributes:
        earliest: the first moment it could.
        bound: the last moment it may, not before ``earliest``.
        length: how long it is predicted to run.
        series: the zone's forecast, without gaps, covering ``earliest``.
        threshold: g/kWh at or below which electricity counts as clean.
        every: only starts so far apart, counted from ``earliest``, are compared; None for every instant.
        windows: for the policy of named hours.
    """

    earliest: datetime
    bound: datetime
    length: timedelta
    series: Series
    threshold: float = 0.0
    every: timedelta | None = None
    windows: tuple[DailyWindow, ...] = ()


class Choice(NamedTuple):
    """The start that a policy chose.

    Attributes:
        start: the moment.
        reason: why, in a few words.
        together: whether others were placed with it, whose starts depend on its own.
    """

    start: datetime
    reason: str
    together: bool = False


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


def lowest_slot(question: Question) -> Choice:
    """Start at the cleanest instant before the bound, the first such (docs/policies.md, 10)."""
    series = question.series
    inside = _edges_within(question)
    moments = np.concatenate(([question.earliest.timestamp()], inside))
    values = series.values[np.searchsorted(series.edges[:-1], moments, side="right") - 1]
    if bool(np.isnan(values[0])):
        return Choice(question.earliest, "the forecast does not cover now")
    best = int(np.nanargmin(values))
    if best == 0:
        words = f"now is the cleanest before its bound: {values[0]:.0f} g/kWh"
        return Choice(question.earliest, words + _whose(question))
    words = f"{values[best]:.0f} g/kWh then, {values[0]:.0f} now"
    return Choice(from_epoch(float(moments[best])), words + _whose(question))


def _edges_within(question: Question) -> Floats:
    """Shape (k,), whole seconds in which a step has just begun, after ``earliest`` and up to the bound."""
    first, last = question.earliest.timestamp(), question.bound.timestamp()
    edges = question.series.edges[:-1]
    moments = np.ceil(edges[np.searchsorted(edges, first, "right") : np.searchsorted(edges, last, "right")])
    return np.asarray(moments[moments <= last], dtype=float)


def lowest_window(question: Question) -> Choice:
    """Start where the mean intensity over the predicted run is lowest, the first such (docs/policies.md, 4).

    Candidates are every instant, not full hours, unless the question says so: intensity is piecewise
    constant, so the best start or end of a run is on an edge of a step, or at the earliest or latest start.
    """
    length = judged_length(question)
    starts = candidate_starts(question, length)
    means = question.series.means(starts, length.total_seconds())
    best = int(np.argmin(np.where(np.isnan(means), np.inf, means)))
    if bool(np.isnan(means[best])):
        return Choice(question.earliest, "the forecast does not cover its run")
    if not means[best] < means[0]:
        words = f"now is the cleanest before its bound: {means[0]:.0f} g/kWh"
        return Choice(question.earliest, words + _whose(question))
    words = f"{means[best]:.0f} g/kWh over its run, {means[0]:.0f} if now"
    return Choice(from_epoch(float(starts[best])), words + _whose(question))


def _whose(question: Question) -> str:
    """Name the forecast that this was decided by."""
    return f" ({question.series.source})"


def carbon_time(question: Question) -> Choice:
    """Start where most is saved for each hour until the job would be done (docs/policies.md, 11)."""
    length = judged_length(question)
    starts = candidate_starts(question, length)
    means = question.series.means(starts, length.total_seconds())
    if bool(np.isnan(means[0])):
        return Choice(question.earliest, "the forecast does not cover its run")
    completion = starts - starts[0] + length.total_seconds()
    rates = np.nan_to_num((means[0] - means) / completion, nan=-np.inf)
    best = int(np.argmax(rates))
    if not rates[best] > 0:
        words = f"no later start saves anything: {means[0]:.0f} g/kWh"
        return Choice(question.earliest, words + _whose(question))
    words = f"{means[best]:.0f} g/kWh over its run, {means[0]:.0f} if now"
    return Choice(from_epoch(float(starts[best])), words + _whose(question))


def static_windows(question: Question) -> Choice:
    """Start in the next named hours, else at the bound; no forecast is looked at (docs/policies.md, 12)."""
    moments = [window.first(question.earliest) for window in question.windows]
    start = min((moment for moment in moments if moment is not None), default=question.bound)
    if start > question.bound:
        return Choice(question.bound, "none of the named hours comes before its bound")
    return Choice(start, "within the named hours")


def judged_length(question: Question) -> timedelta:
    """Return how much of the run windows are compared over.

    Beyond its horizon a forecast says nothing. A run that does not fit between its bound and the horizon is
    judged on as much of it as does, and on at least half of what is known.
    """
    horizon = question.series.horizon
    if question.bound + question.length <= horizon:  # nearly always
        return max(question.length, SECOND)
    known = horizon - question.earliest
    room = horizon - min(question.bound, horizon)
    return max(min(question.length, max(room, known / 2)), SECOND)


def candidate_starts(question: Question, length: timedelta) -> Floats:
    """Shape (k,), Unix seconds, rising, ``earliest`` first: the starts that are worth comparing."""
    first = question.earliest.timestamp()
    last = min(question.bound.timestamp(), question.series.horizon.timestamp() - length.total_seconds())
    if question.every is not None:
        step = question.every.total_seconds()
        # A hair more than the last, so that a bound on the grid is not lost by rounding.
        return np.arange(first, max(last, first) + 1e-6, step)
    edges = question.series.edges
    moments = np.concatenate((edges, edges - length.total_seconds(), [last]))
    # Whole seconds are all that Slurm takes; rounding up keeps a start behind the edge it waits for.
    moments = np.ceil(moments)
    inside = moments[(moments > first) & (moments <= last)]
    return np.concatenate(([first], np.unique(inside)))


# What a site may choose by name (as ``policy_names`` lists it); each places one job by forecast, bound and
# predicted length alone.
POLICIES: Mapping[str, Policy] = {
    "no-wait": no_wait,
    "threshold": threshold,
    "lowest-slot": lowest_slot,
    "lowest-window": lowest_window,
    "carbon-time": carbon_time,
}
