"""Pending jobs whose policies have said what they wish: what is to be done for each, if anything.

A job waits by one means; where it is found waiting by two, because the site chose another or because a plan
changed, the one that is no longer wanted is taken away once the other stands, so that it cannot slip through
between them. A plan that stands is kept for a few grams more.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from carbonslurm.core.action import Action, Verb
from carbonslurm.core.job import QueuedJob, Tres
from carbonslurm.core.means import Means
from carbonslurm.core.ownership import UNKNOWN, Claim, Known, is_ours_still, standing
from carbonslurm.core.policies import Question, judged_length
from carbonslurm.core.priority import earned, is_overpaid, lost_from, site_factor
from carbonslurm.core.situation import PlanRules, Situation
from carbonslurm.core.units import kwh_from_watts
from carbonslurm.core.waiting import EARLY_CYCLES, Prospect

GATE_OPEN = "the gate is open: most of those behind it may start"
NOT_ITS_DUE = "the priority that it was given for waiting is not its due any more"


@dataclass(frozen=True, slots=True)
class Deciding:
    """One call of plan(): the situation and the rules, at hand for each pending job."""

    situation: Situation
    rules: PlanRules
    _powers: dict[tuple[object, ...], float] = field(init=False, default_factory=dict)

    def act(self, prospect: Prospect, shut: bool) -> Action | None:
        """Return what is to be done for a job, now that it is known whether the gate is shut."""
        stands = standing(prospect.job, prospect.known)
        if prospect.start is None:
            return self._let_go(prospect, stands, shut)
        if prospect.means is Means.GATE and not shut:
            passed = any(claim.means is Means.GATE for claim in stands)
            return self._release(prospect, Means.GATE, GATE_OPEN, silent=True) if passed else None
        if (stands and self._keeps(prospect, stands)) or self._is_near(prospect, stands):
            return self._take_over(prospect, stands)
        return self._withhold(prospect, prospect.start)

    def take_back(self, job: QueuedJob) -> Action | None:
        """Leave a job, for which there is nothing else to do, only what it has lost by waiting."""
        known = self.situation.known.get(job.key, UNKNOWN)
        if not is_overpaid(job, known):
            return None
        if job.tag is None or job.obstacle or known.stopping or self.situation.paused:
            return None
        return Action(Verb.LEAVE, job, NOT_ITS_DUE, site_factor=self._earned(job, known))

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
            energy = kwh_from_watts(self._watts(prospect.job.tres), question.length)
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

    def _watts(self, tres: Tres) -> float:
        """Return the power of a run, of which many ask for the same."""
        asks = tres.cpus, tres.nodes, *tres.gpus.items()
        watts = self._powers.get(asks)
        if watts is None:
            watts = self._powers[asks] = self.rules.power.watts(tres)
        return watts

    def _is_held(self, prospect: Prospect) -> bool:
        """Whether it is held by us already: Slurm need not hear of another hour."""
        if prospect.means is not Means.HOLD:
            return False
        return is_ours_still(prospect.job, prospect.known.claim(Means.HOLD, prospect.job.restarts))

    def _site_factor(self, prospect: Prospect, until: datetime) -> int | None:
        """What waiting until then costs in age, from when this run could have started: that is what we cause.

        A gate keeps the age. While its dependencies last a job has none to lose.
        """
        if self.situation.age is None or prospect.means is Means.GATE:
            return None
        first = lost_from(prospect.job, prospect.known)
        return None if first is None else site_factor(self.situation.age, until - first)

    def _earned(self, job: QueuedJob, known: Known) -> int | None:
        if known.compensation is None:  # nearly always
            return None
        return earned(job, known, self.situation.age, self.situation.now)


def _means(question: Question, *starts: datetime) -> list[float | None]:
    """The mean g/kWh of the run from each start, over as much of it as the policy compared."""
    seconds = judged_length(question).total_seconds()
    return [question.series.mean_of(start.timestamp(), seconds) for start in starts]
