"""Pending jobs: what each one's policy wishes (``Prospect``), or who else has decided for it.

Whether a job is still ours to plan, from when to when it may start, and what its policy is to be asked. Since
one gate serves many jobs, it is said only then whether that is shut (``gate_shut``), and after it what is to
be done (``core.deciding``).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from fractions import Fraction
from functools import cached_property
from typing import NamedTuple

from carbonslurm.core.action import Action, Verb
from carbonslurm.core.allowance import AtEnd
from carbonslurm.core.bound import bound_of
from carbonslurm.core.forecast import Series
from carbonslurm.core.interval import whole_second
from carbonslurm.core.job import QueuedJob
from carbonslurm.core.length import predicted_length
from carbonslurm.core.means import Means
from carbonslurm.core.ownership import (
    HELD,
    UNKNOWN,
    Known,
    is_half_released,
    is_held_by_us,
    is_ours_still,
    overridden,
    standing,
)
from carbonslurm.core.policies import Choice, Question
from carbonslurm.core.priority import earned
from carbonslurm.core.situation import PlanRules, Situation
from carbonslurm.core.tag import FlexibleBy

# What needs us to end is ended so many cycles early: one to act in, and one that may fail.
EARLY_CYCLES = 2
PAUSED = "paused by an admin"
WITHIN_BUDGET = "flexible by a budget only, and that is not used up"
NO_FORECAST = "no usable forecast"
BOUND_REACHED = "its bound is reached"
GREENEST = "lowest-window"  # the policy for those whose budget says to wait for green hours


class Prospect(NamedTuple):
    """What one job's policy wishes, before anything is decided for it.

    Attributes:
        means: by what it is to wait, if it is.
        earliest: the first moment at which it could start.
        bound: the last.
        start: when it is to start; None for as soon as it may.
        reason: why.
        question: what the policy is asked, None where it is not, or wishes no waiting.
        together: whether it was placed with others, whose starts depend on its own.
        green: whether a budget has it wait for the greenest hours, whatever the site's policy.
    """

    job: QueuedJob
    known: Known
    means: Means
    earliest: datetime
    bound: datetime
    start: datetime | None
    reason: str
    question: Question | None = None
    together: bool = False
    green: bool = False


def gate_shut(prospects: Sequence[Prospect]) -> bool | None:
    """Tell whether the gate is to be shut: while more of the users behind it wish to wait than to go.

    Each user has one voice, which his jobs share: somebody with a thousand jobs at their bounds must not keep
    it open for all others. Jobs in the minority are let through one by one, or not held back. None where
    nobody is behind it.
    """
    voices: dict[str, list[bool]] = {}
    for prospect in prospects:
        if prospect.means is Means.GATE:
            voices.setdefault(prospect.job.user, []).append(prospect.start is not None)
    waiting = sum(Fraction(sum(wishes), len(wishes)) for wishes in voices.values())
    return waiting > Fraction(len(voices), 2) if voices else None


def bound(
    job: QueuedJob, known: Known, latest: Mapping[int, datetime], situation: Situation, rules: PlanRules
) -> datetime:
    """Return the last moment at which a job may start, in whole seconds, as Slurm takes them.

    Slurm starts no job that could run into a maintenance: one that can still run before it must not be
    made to wait until after it.
    """
    moment = bound_of(job, known.first_eligible, latest, rules.bound, situation.now)
    outage = situation.outage(job) if situation.outages else None
    if outage is not None and job.time_limit is not None:
        before = outage - job.time_limit - rules.bound.margin
        moment = min(moment, before) if before >= situation.now else moment
    return whole_second(moment, up=False)


@dataclass(frozen=True)
class Waiting:
    """One call of plan(): the situation and the rules, at hand for each pending job's own short story."""

    situation: Situation
    rules: PlanRules
    latest: Mapping[int, datetime]

    @cached_property
    def _soonest(self) -> datetime:
        return whole_second(self.situation.now, up=True)

    @cached_property
    def _usable(self) -> Mapping[str, Series]:
        """By zone, the forecasts that cover the soonest start; nearly every job asks for that."""
        known = self.situation.forecasts.items()
        return {
            zone: series
            for zone, series in known
            if series is not None and series.at(self._soonest) is not None
        }

    def prospect(self, job: QueuedJob) -> Prospect | Action | None:
        """Return what there is to wish for one; an Action where it is not asked, None where nothing is ours.

        A policy is to be asked where there is a question; ``answered`` takes in what it says.
        """
        known = self.situation.known.get(job.key, UNKNOWN)
        if job.tag is None:
            return None
        if job.obstacle or known.hands_off or known.stopping:
            return self._free(job, known)
        if job.held and not is_held_by_us(job, known, self.situation.controller_started):
            return self._taken_over(job, known)
        word = overridden(job, known, self.situation.now, self.situation.controller_started)
        if word is not None:
            return self._leave(job, known, word)
        return self._wish(job, known)

    def _wish(self, job: QueuedJob, known: Known) -> Prospect:
        means, earliest = self.rules.means.of(job), self._soonest
        if job.tag is not None and job.tag.begin is not None:
            earliest = max(earliest, whole_second(job.tag.begin, up=True))
        last = bound(job, known, self.latest, self.situation, self.rules)
        question = self._question(job, means, earliest, last)
        if isinstance(question, str):
            return Prospect(job, known, means, earliest, last, None, question)
        budget = self.situation.used_up.get(job.key) if self.situation.used_up else None
        green = budget is not None and budget.at_end is AtEnd.GREEN
        return Prospect(job, known, means, earliest, last, None, NO_FORECAST, question, False, green)

    def _question(self, job: QueuedJob, means: Means, earliest: datetime, last: datetime) -> Question | str:
        """Return what the policy is to be asked; the reason where it is not, and the job may go."""
        if self.situation.paused:
            return PAUSED
        if job.tag is not None and job.tag.by is FlexibleBy.BUDGET and job.key not in self.situation.used_up:
            return WITHIN_BUDGET
        series = self._forecast(self.rules.zones.of(job), earliest)
        if series is None:
            return NO_FORECAST
        latest = last if means is Means.BEGIN else last - EARLY_CYCLES * self.rules.lead
        if latest <= earliest:
            return BOUND_REACHED
        length = predicted_length(job, self.rules.assumed_length, self.situation.past)
        return Question(earliest, latest, length, series, self.rules.threshold)

    def _forecast(self, zone: str, moment: datetime) -> Series | None:
        """Return the forecast of a zone, if it covers a moment."""
        if moment is self._soonest:
            return self._usable.get(zone)
        series = self.situation.forecasts.get(zone)
        return None if series is None or series.at(moment) is None else series

    def answered(self, prospect: Prospect, choice: Choice) -> Prospect:
        """Return the prospect with what its policy chose."""
        job, known, means, earliest, last, *_, question, _, green = prospect
        start, reason, together = choice
        budget = self.situation.used_up.get(job.key) if self.situation.used_up else None
        if budget is not None:
            reason = f"{reason}; the budget of {budget.owner} is used up"
        if start <= (earliest if means is Means.BEGIN else earliest + self.rules.lead):
            return Prospect(job, known, means, earliest, last, None, reason, None, False, green)
        return Prospect(job, known, means, earliest, last, start, reason, question, together, green)

    def _taken_over(self, job: QueuedJob, known: Known) -> Action | None:
        """Record that somebody else holds a job that we made wait: it is theirs, once they release it, too.

        Not where we hold jobs ourselves: what Slurm shows of a hold does not always tell whose it is.
        """
        claims = [claim for claim in known.claims if claim.restarts == job.restarts]
        if any(claim.means is Means.HOLD for claim in claims) or not standing(job, known):
            return None
        return self._leave(job, known, HELD)

    def _leave(self, job: QueuedJob, known: Known, word: str) -> Action:
        """Record that somebody else decided; what of ours still keeps the job is taken away before."""
        lost = self._earned(job, known)
        for claim in standing(job, known):
            if claim.means is not Means.BEGIN:
                return Action(Verb.RELEASE, job, word, means=claim.means, site_factor=lost)
        if job.gated and self.rules.means.gate:
            return Action(Verb.RELEASE, job, word, means=Means.GATE, site_factor=lost)
        return Action(Verb.LEAVE, job, word, final=True, site_factor=lost)

    def _free(self, job: QueuedJob, known: Known) -> Action | None:
        """A job that is not ours to plan any more: nothing of ours may keep it past its bound.

        A hold on a job that was left to others is theirs, unless it is one that we did not come to lift.
        """
        ours = is_ours_still(job, known.claim(Means.HOLD, job.restarts))
        held = is_half_released(job, known) if known.hands_off else ours
        if known.stopping:
            held = False
        if not held and (not job.gated or self.rules.means.gate is None):
            return None
        last = bound(job, known, self.latest, self.situation, self.rules)
        if not known.hands_off and self.situation.now < last - EARLY_CYCLES * self.rules.lead:
            return None
        means = Means.HOLD if held else Means.GATE
        words, lost = f"the {means} is not for it", self._earned(job, known)
        return Action(Verb.RELEASE, job, words, bound=last, means=means, site_factor=lost)

    def _earned(self, job: QueuedJob, known: Known) -> int | None:
        return earned(job, known, self.situation.age, self.situation.now)
