"""Policies that decide for one job at a time, as the engine asks them.

``Starting`` calls a policy of ``core.policies``: once when the job arrives, and again whenever another
forecast has become visible, as the daemon does each cycle. The others pause and resume, by ``core.pausing``.
A job's wait counts everything but its work; once all of it is used up every one of them runs to the end.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass, field, replace
from datetime import timedelta

import numpy as np

from carbonslurm.core.forecast import Floats, Series
from carbonslurm.core.interval import from_epoch
from carbonslurm.core.pausing import cheapest, pause_thresholds, percentile, pieces
from carbonslurm.core.policies import DailyWindow, Policy, Question
from carbonslurm.sim.foresight import Foresight
from carbonslurm.sim.lengths import Lengths
from carbonslurm.sim.policy import Asked, Wish
from carbonslurm.sim.trace import Trace

DAY = 86_400.0
FOR_GOOD = float("inf")
INSTANT = 1e-3  # seconds: far above the rounding of Unix times, far below anything that matters


@dataclass(frozen=True, slots=True)
class StartRules:
    """How questions to a policy of ``core.policies`` are asked.

    Attributes:
        threshold: g/kWh.
        every: see Question.
        windows: see Question.
        longest: no job waits for longer, whatever its class allows.
    """

    threshold: float = 250.0
    every: timedelta | None = None
    windows: tuple[DailyWindow, ...] = ()
    longest: float = FOR_GOOD


@dataclass(eq=False)
class Starting:
    """A policy of ``core.policies``."""

    policy: Policy
    trace: Trace
    foresight: Foresight
    lengths: Lengths
    rules: StartRules
    _planned: dict[int, tuple[Series, float]] = field(default_factory=dict)

    def wish(self, asked: Asked) -> Wish:
        """Withhold until the start that the policy chooses by the newest forecast."""
        job, now = asked.job, asked.now
        found = self.foresight.at(now)
        if found is None:
            return Wish(run=True, until=FOR_GOOD)
        series = found[0]
        planned = self._planned.get(job)
        if planned is None or planned[0] is not series:
            planned = self._planned[job] = (series, self._choose(job, now, series))
        if planned[1] <= now + INSTANT:
            self._planned.pop(job)
            return Wish(run=True, until=FOR_GOOD)
        return Wish(run=False, until=planned[1])

    def _choose(self, job: int, now: float, series: Series) -> float:
        latest = float(self.trace.arrival[job]) + min(float(self.trace.wait[job]), self.rules.longest)
        if latest <= now:
            return now
        length = timedelta(seconds=self.lengths.of(job))
        rules = self.rules
        question = Question(
            from_epoch(now), from_epoch(latest), length, series, rules.threshold, rules.every, rules.windows
        )
        return min(self.policy(question).start.timestamp(), latest)


@dataclass(eq=False)
class _Pausing(ABC):
    """What the policies that pause share: the job's slack."""

    trace: Trace
    foresight: Foresight
    lengths: Lengths

    def wish(self, asked: Asked) -> Wish:
        """Run for good where the slack is gone or nothing is forecast, else as the policy says."""
        slack = float(self.trace.arrival[asked.job] + self.trace.wait[asked.job]) - asked.now + asked.worked
        found = self.foresight.at(asked.now)
        if slack <= INSTANT:
            return Wish(run=True, until=FOR_GOOD)
        if found is None:
            moments = self.foresight.moments
            later = moments[moments > asked.now]
            return Wish(run=True, until=float(later[0]) if len(later) else FOR_GOOD)
        wish = self._weigh(asked, found[0], slack)
        return wish if wish.run else Wish(run=False, until=min(wish.until, asked.now + slack))

    @abstractmethod
    def _weigh(self, asked: Asked, series: Series, slack: float) -> Wish:
        """Return what the policy wants as long as there is slack, in seconds."""


@dataclass(eq=False)
class PercentileSuspend(_Pausing):
    """Run below a percentile of the first day's intensity, fixed at arrival (docs/policies.md, 13)."""

    share: float = 0.3
    _below: dict[int, float] = field(default_factory=dict)

    def _weigh(self, asked: Asked, series: Series, slack: float) -> Wish:
        if asked.job not in self._below:
            arrival = float(self.trace.arrival[asked.job])
            self._below[asked.job] = percentile(series, arrival, arrival + DAY, self.share)
        below = self._below[asked.job]
        ahead = pieces(series, asked.now, asked.now + max(slack, DAY))
        clean = ahead.values < below
        changes = ahead.starts[1:][clean[1:] != clean[0]] if len(clean) else np.empty(0)
        until = float(changes[0]) if len(changes) else asked.now + max(slack, DAY)
        return Wish(run=bool(len(clean) and clean[0]), until=until)


@dataclass(eq=False)
class WaitAwhile(_Pausing):
    """Run in the cleanest steps between arrival and the latest end (docs/policies.md, 14)."""

    def _weigh(self, asked: Asked, series: Series, slack: float) -> Wish:
        rest = max(self.lengths.of(asked.job) - asked.worked, INSTANT)
        found = cheapest(series, asked.now, asked.now + slack + rest, rest)
        stretches = [
            (left, right) for left, right in found if right - left > INSTANT
        ]  # no crumbs of rounding
        if not stretches:
            return Wish(run=True, until=FOR_GOOD)
        start, end = stretches[0]
        if start > asked.now + INSTANT:
            return Wish(run=False, until=start)
        return Wish(run=True, until=end if len(stretches) > 1 else FOR_GOOD)


@dataclass(eq=False)
class DoubleThreshold(_Pausing):
    """Pause and resume online, each for a price (docs/policies.md, 15).

    Attributes:
        slot: seconds.
        cost: of a pause or a resume, g/kWh x slots; at least half of what a stop makes run again.
        again: slots that a stop makes run again.
    """

    slot: float = 3600.0
    cost: float = 10.0
    again: float = 0.0
    _thresholds: dict[int, tuple[Floats, float]] = field(default_factory=dict)

    def _weigh(self, asked: Asked, series: Series, slack: float) -> Wish:
        if asked.job not in self._thresholds:
            self._thresholds[asked.job] = self._make(asked, series, slack)
        thresholds, cost = self._thresholds[asked.job]
        slot = min(int((asked.worked + INSTANT) / self.slot), len(thresholds) - 1)
        now = pieces(series, asked.now, asked.now + 1.0).values
        dearest = thresholds[slot] - (0.0 if asked.running else 2 * cost)
        waited = asked.now - float(self.trace.arrival[asked.job])
        until = asked.now - waited + (int((waited + INSTANT) / self.slot) + 1) * self.slot
        runs = not len(now) or bool(np.isnan(now[0])) or bool(now[0] <= dearest)
        if not runs and asked.running:
            runs = not self._supported(asked, float(now[0]), slack)
        return Wish(run=runs, until=until)

    def _supported(self, asked: Asked, now: float, slack: float) -> bool:
        """Whether some time that a pause leads to is cleaner than now even at the upper edge of its band."""
        found = self.foresight.at(asked.now)
        if found is None or found[1] is None:
            return True
        left = max(self.lengths.of(asked.job) - asked.worked, self.slot)
        high = replace(found[0], values=found[1].high)
        ahead = pieces(high, asked.now + INSTANT, asked.now + slack + left).values[1:]
        return bool((ahead < now).any())

    def _make(self, asked: Asked, series: Series, slack: float) -> tuple[Floats, float]:
        length = self.lengths.of(asked.job)
        known = pieces(series, asked.now, asked.now + slack + length).values
        known = known[~np.isnan(known)]
        slots = max(int(np.ceil(length / self.slot)), 1)
        if not len(known):
            return np.full(slots, np.inf), self.cost
        cost = max(self.cost, self.again * float(known.mean()) / 2)
        return pause_thresholds(float(known.min()), float(known.max()), slots, cost), cost
