"""Pending jobs: should each wait on, wait anew, or go?

First what each job's policy wishes (``Prospect``), then, since one gate serves many jobs, whether the gate is
shut, and only then what is to be done. A job waits by one means; where it is found waiting by two, because
the site chose another or because a plan changed, the one that is no longer wanted is taken away once the
other stands, so that it cannot slip through between them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from fractions import Fraction

from carbonslurm.core.action import Action, Verb
from carbonslurm.core.allowance import AtEnd, is_free
from carbonslurm.core.bound import bound_of
from carbonslurm.core.interval import whole_second
from carbonslurm.core.job import QueuedJob
from carbonslurm.core.length import predicted_length
from carbonslurm.core.means import Means
from carbonslurm.core.ownership import (
    HELD,
    UNKNOWN,
    Claim,
    Known,
    is_half_released,
    is_held_by_us,
    is_ours_still,
    overridden,
    standing,
)
from carbonslurm.core.policies import Choice, Question, judged_length
from carbonslurm.core.priority import earned, is_overpaid, lost_from, site_factor
from carbonslurm.core.situation import PlanRules, Situation
from carbonslurm.core.units import kwh_from_watts

# What needs us to end is ended so many cycles early: one to act in, and one that may fail.
EARLY_CYCLES = 2
PAUSED = "paused by an admin"
WITHIN_BUDGET = "flexible by a budget only, and that is not used up"
NO_FORECAST = "no usable forecast"
BOUND_REACHED = "its bound is reached"
GREENEST = "lowest-window"  # the policy for those whose budget says to wait for green hours
GATE_OPEN = "the gate is open: most of those behind it may start"
NOT_ITS_DUE = "the priority that it was given for waiting is not its due any more"


@dataclass(frozen=True, slots=True)
class Prospect:
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
    outage = situation.outage(job)
    if outage is not None and job.time_limit is not None:
        before = outage - job.time_limit - rules.bound.margin
        moment = min(moment, before) if before >= situation.now else moment
    return whole_second(moment, up=False)


@dataclass(frozen=True, slots=True)
class Waiting:
    """One call of plan(): the situation and the rules, at hand for each pending job's own short story."""

    situation: Situation
    rules: PlanRules
    latest: Mapping[int, datetime]

    # --- wishing ---

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
        now, means = self.situation.now, self.rules.means.of(job)
        own = job.tag.begin if job.tag else None
        earliest = whole_second(now if own is None else max(now, own), up=True)
        last = bound(job, known, self.latest, self.situation, self.rules)
        question = self._question(job, means, earliest, last)
        if isinstance(question, str):
            return Prospect(job, known, means, earliest, last, None, question)
        budget = self.situation.used_up.get(job.key)
        green = budget is not None and budget.at_end is AtEnd.GREEN
        return Prospect(job, known, means, earliest, last, None, NO_FORECAST, question, green=green)

    def _question(self, job: QueuedJob, means: Means, earliest: datetime, last: datetime) -> Question | str:
        """Return what the policy is to be asked; the reason where it is not, and the job may go."""
        if self.situation.paused:
            return PAUSED
        if is_free(job, self.situation.used_up.get(job.key)):
            return WITHIN_BUDGET
        series = self.situation.forecasts.get(self.rules.zones.of(job))
        if series is None or series.at(earliest) is None:
            return NO_FORECAST
        latest = last if means is Means.BEGIN else last - EARLY_CYCLES * self.rules.lead
        if latest <= earliest:
            return BOUND_REACHED
        length = predicted_length(job, self.rules.assumed_length, self.situation.past)
        return Question(earliest, latest, length, series, self.rules.threshold)

    def answered(self, prospect: Prospect, choice: Choice, *, together: bool = False) -> Prospect:
        """Return the prospect with what its policy chose."""
        it, reason = prospect, choice.reason
        budget = self.situation.used_up.get(it.job.key)
        if budget is not None:
            reason = f"{reason}; the budget of {budget.owner} is used up"
        soon = it.earliest if it.means is Means.BEGIN else it.earliest + self.rules.lead
        start, question = (None, None) if choice.start <= soon else (choice.start, it.question)
        together = together and start is not None
        return Prospect(  # for each of a hundred thousand: ``replace`` would take four times as long
            it.job, it.known, it.means, it.earliest, it.bound, start, reason, question, together, it.green
        )

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

    def take_back(self, job: QueuedJob) -> Action | None:
        """Leave a job, for which there is nothing else to do, only what it has lost by waiting."""
        known = self.situation.known.get(job.key, UNKNOWN)
        if job.tag is None or job.obstacle or known.stopping or self.situation.paused:
            return None
        if not is_overpaid(job, known):
            return None
        return Action(Verb.LEAVE, job, NOT_ITS_DUE, site_factor=self._earned(job, known))

    # --- deciding ---

    def act(self, prospect: Prospect, shut: bool) -> Action | None:
        """Return what is to be done for a job, now that it is known whether the gate is shut."""
        stands = standing(prospect.job, prospect.known)
        if prospect.start is None:
            return self._let_go(prospect, stands, shut)
        if prospect.means is Means.GATE and not shut:
            passed = any(claim.means is Means.GATE for claim in stands)
            return self._release(prospect, Means.GATE, GATE_OPEN, silent=True) if passed else None
        if self._keeps(prospect, stands) or self._is_near(prospect, stands):
            return self._take_over(prospect, stands)
        return self._withhold(prospect, prospect.start)

    def _let_go(self, prospect: Prospect, stands: Sequence[Claim], shut: bool) -> Action | None:
        """Let a job go: it may not start before its owner's own begin time."""
        job = prospect.job
        if job.held:
            return self._release(prospect, Means.HOLD, prospect.reason)
        gated = any(claim.means is Means.GATE for claim in stands)
        if gated or (shut and prospect.means is Means.GATE):
            return self._release(prospect, Means.GATE, prospect.reason, silent=not shut)
        if job.eligible is None or job.eligible <= max(prospect.earliest, self.situation.now):
            return None
        if self.situation.paused and not stands:
            return None  # the hook's window: it ends by itself
        return self._free_begin(prospect, prospect.reason)

    def _free_begin(self, prospect: Prospect, reason: str) -> Action:
        own = prospect.job.tag.begin if prospect.job.tag else None
        if own is None or own <= self.situation.now:
            return self._release(prospect, Means.BEGIN, reason)
        words = "waits for its own begin time"
        lost = self._earned(prospect.job, prospect.known)
        return Action(
            Verb.WITHHOLD,
            prospect.job,
            words,
            until=prospect.earliest,
            bound=prospect.bound,
            site_factor=lost,
        )

    def _release(self, prospect: Prospect, means: Means, reason: str, *, silent: bool = False) -> Action:
        factor = None if silent else self._earned(prospect.job, prospect.known)
        return Action(
            Verb.RELEASE,
            prospect.job,
            reason,
            bound=prospect.bound,
            means=means,
            silent=silent,
            site_factor=factor,
        )

    def _take_over(self, prospect: Prospect, stands: Sequence[Claim]) -> Action | None:
        """Where a job waits by two means, take away the one that is not wanted any more."""
        wanted = prospect.means if any(claim.means is prospect.means for claim in stands) else Means.BEGIN
        rest = [claim.means for claim in stands if claim.means is not wanted]
        if not rest or len(rest) == len(stands):
            return None
        words = f"it waits by its {wanted} now"
        return (
            self._free_begin(prospect, words)
            if rest[0] is Means.BEGIN
            else self._release(prospect, rest[0], words)
        )

    def _is_near(self, prospect: Prospect, stands: Sequence[Claim]) -> bool:
        """Whether the job starts about then by itself: a few seconds are not worth telling Slurm."""
        start, job = prospect.start, prospect.job
        if start is None or start - self.situation.now > self.rules.lead:
            return False
        by_itself = all(claim.means is Means.BEGIN for claim in stands)
        return by_itself and (job.eligible is None or job.eligible <= start)

    def _keeps(self, prospect: Prospect, stands: Sequence[Claim]) -> bool:
        """Whether the plan that stands is good enough: no flapping for a few grams.

        A begin time serves whatever the means: it needs nobody to end. Another means than the wanted one is
        replaced. Of jobs that were placed together one keeps its time, too, until that comes near.
        """
        fitting = [claim for claim in stands if claim.means in {prospect.means, Means.BEGIN}]
        claim = next((it for it in fitting if it.means is prospect.means), next(iter(fitting), None))
        question, start = prospect.question, prospect.start
        if claim is None or claim.set_to is None or question is None or start is None:
            return False
        if claim.site_factor is None and self._site_factor(prospect, claim.set_to):
            return False
        if claim.set_to == start:
            return True
        # The place of one that was placed with others may be another's by now: it starts in its own.
        first = self.situation.now + (EARLY_CYCLES * self.rules.lead if prospect.together else timedelta())
        if not first < claim.set_to <= question.bound:
            return False
        old, new = _means(question, claim.set_to, start)
        if old is None or new is None:
            return False
        return (old - new) < self.rules.min_gain * old

    def _withhold(self, prospect: Prospect, start: datetime) -> Action:
        question = prospect.question
        now_g = then_g = saving = None
        if question is not None:
            now_g, then_g = _means(question, question.earliest, start)
        if question is not None and now_g is not None and then_g is not None:
            energy = kwh_from_watts(self.rules.power.watts(prospect.job.tres), question.length)
            saving = energy * (now_g - then_g)
        return Action(
            Verb.WITHHOLD,
            prospect.job,
            prospect.reason,
            until=start,
            bound=prospect.bound,
            g_per_kwh_now=now_g,
            g_per_kwh_then=then_g,
            saving_g=saving,
            means=prospect.means,
            silent=prospect.means is Means.GATE or self._is_held(prospect),
            site_factor=self._site_factor(prospect, start),
            factor_before=self._earned(prospect.job, prospect.known) or 0,
        )

    def _is_held(self, prospect: Prospect) -> bool:
        """Whether it is held by us already: Slurm need not hear of another hour."""
        claim = prospect.known.claim(Means.HOLD, prospect.job.restarts)
        return prospect.means is Means.HOLD and is_ours_still(prospect.job, claim)

    def _site_factor(self, prospect: Prospect, until: datetime) -> int | None:
        """What waiting until then costs in age, from when this run could have started: that is what we cause.

        A gate keeps the age. While its dependencies last a job has none to lose.
        """
        first = lost_from(prospect.job, prospect.known)
        if self.situation.age is None or prospect.means is Means.GATE or first is None:
            return None
        return site_factor(self.situation.age, until - first)

    def _earned(self, job: QueuedJob, known: Known) -> int | None:
        return earned(job, known, self.situation.age, self.situation.now)


def _means(question: Question, *starts: datetime) -> list[float | None]:
    """The mean g/kWh of the run from each start, over as much of it as the policy compared."""
    seconds = judged_length(question).total_seconds()
    return [question.series.mean_of(start.timestamp(), seconds) for start in starts]
