"""One cycle: read the queue, plan, write what is meant, do it, record what became of it.

The order is the safety. An intent is in the ledger before Slurm hears of it, so that after a crash anywhere
the next cycle knows what may be ours. If the ledger cannot be written nothing is withheld or stopped; letting
jobs go needs no permission. If Slurm is away the cycle is recorded as failed and the next one goes on.
"""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from carbonslurm.app.forecasts import ForecastState, usable_forecasts
from carbonslurm.app.telling import Intent, Memory, Telling, describe
from carbonslurm.app.watching import no_longer_withheld
from carbonslurm.core.action import Action, Verb
from carbonslurm.core.allowance import Standing, effects
from carbonslurm.core.budget import OUTAGE
from carbonslurm.core.capacity import Node
from carbonslurm.core.choice import ForecastRules
from carbonslurm.core.job import JobKey, Queue, QueuedJob
from carbonslurm.core.length import Past
from carbonslurm.core.means import Means
from carbonslurm.core.ownership import (
    UNKNOWN,
    Claim,
    Known,
    back_before,
    first_eligible,
    is_held_by_us,
    is_ours_still,
    lacks_before,
    with_before,
)
from carbonslurm.core.planner import Plan, plan
from carbonslurm.core.policies import JOINT
from carbonslurm.core.priority import AgeWeight
from carbonslurm.core.situation import PlanRules, Situation
from carbonslurm.core.stop import ControllerFacts, controller_settled
from carbonslurm.errors import CarbonslurmError, LedgerError, UnavailableError
from carbonslurm.ports import (
    ActionLog,
    CycleLog,
    CycleReport,
    JobBook,
    Outcome,
    OutcomeState,
    PastReader,
    PlanningArchive,
    QueueReader,
)

logger = logging.getLogger(__name__)

OUTAGE_AGE = timedelta(minutes=5)
UNFIT_FOR = timedelta(hours=1)

HOUR = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class CycleRules:
    """The site's choices for cycles.

    Attributes:
        plan: how to plan.
        forecasts: which forecast counts.
        updates: the most jobs that one cycle changes; fewer where slurmctld limits rates.
        observe: the partitions for which is written what would be done, and nothing is done; ``*`` is all.
        compensate: give jobs back what waiting cost them in priority.
        cluster: whose past runs say how long jobs run.
        learn: whether they are asked.
    """

    plan: PlanRules
    forecasts: ForecastRules = field(default_factory=ForecastRules)
    updates: int = 500
    observe: frozenset[str] = frozenset()
    compensate: bool = False
    cluster: str = ""
    learn: bool = False

    def watches(self, job: QueuedJob) -> bool:
        """Whether nothing is to be done to a job: one of its partitions is only watched."""
        return "*" in self.observe or not self.observe.isdisjoint((job.partition, *job.partitions))


@dataclass(frozen=True, slots=True)
class Cycle:
    """The parts of a cycle, and its story in ``run``."""

    queue: QueueReader
    telling: Telling
    archive: PlanningArchive
    actions: ActionLog
    jobs: JobBook
    cycles: CycleLog
    past: PastReader
    rules: CycleRules
    clock: Callable[[], datetime]
    memory: Memory = field(default_factory=Memory)
    budgets: Callable[[datetime], Sequence[Standing]] = lambda _: ()

    def foresees(self) -> bool:
        """Whether every zone of the cluster has a forecast to plan by.

        Raises:
            LedgerError: the archive cannot be read.
        """
        zones = self.rules.plan.zones.all()
        states = usable_forecasts(self.archive, zones, self.clock(), self.rules.forecasts)
        return all(state.series is not None for state in states.values())

    def run(self) -> CycleReport:
        """Carry out one cycle; whatever fails is in the report, not raised."""
        number = self._begin()
        try:
            report = self._steps(number)
        except CarbonslurmError as error:
            if isinstance(error, UnavailableError):
                self.memory.last_failure = self.clock()
            report = CycleReport(error=str(error))
        self._end(number, report)
        return report

    def _steps(self, number: int | None) -> CycleReport:
        pace = self.memory.pace
        pace.begin()
        queue = self.queue.snapshot()
        late = self._write_late_releases()
        known = self._recall(queue)
        self._check_marks(queue, known)
        wanted = self._plan(queue, known)
        watched = [action for action in wanted.actions if self._only_watched(action, wanted.shut)]
        ours = [action for action in wanted.actions if not self._only_watched(action, wanted.shut)]
        chosen = pace.choose(ours, self.rules.updates, self.queue.controller, queue.taken_at)
        intents, notes = self._intend(number, chosen) if late is None else _releases(chosen, late)
        if late is None:
            freed = no_longer_withheld(queue, known, wanted.actions, self.rules.watches)
            self._watch(number, [action for action in (*watched, *freed) if _is_news(action, known)])
        self._give_up_forgotten(intents, known, queue.taken_at)
        # A gate that nobody can account for is left to open by itself.
        trouble = self.telling.turn_gate(None if notes and wanted.shut else wanted.shut)
        notes = (*notes, trouble) if trouble else notes
        refused = self.telling.tell(intents, queue.taken_at)
        return CycleReport(
            pending=len(queue.pending()),
            flexible=sum(job.tag is not None for job in queue.pending()),
            running=len(queue.running()),
            actions=len(intents) + len(watched),
            refused=refused,
            notes=(*queue.unread, *notes, *_left_over(ours, chosen)),
        )

    def _only_watched(self, action: Action, shut: bool | None) -> bool:
        """Whether an action is not to be done.

        In a partition that is watched only since lately jobs may still be held by us, or be behind a gate
        that we keep shut for others: those are let go.
        """
        if "*" in self.rules.observe or not self.rules.watches(action.job):
            return self.rules.watches(action.job)
        kept = action.means is Means.HOLD or (action.means is Means.GATE and action.job.gated and bool(shut))
        return action.verb is not Verb.RELEASE or action.silent or not kept

    # --- what is ours ---

    def _recall(self, queue: Queue) -> Mapping[JobKey, Known]:
        """Bring the ledger's memory of these jobs up to this snapshot."""
        known = dict(self.actions.known(queue))
        self._check_claims(queue, known)
        waiting = self.jobs.seen_waiting(queue)
        for job in queue.jobs:
            if job.tag is not None:
                before = self._complete(job, known.get(job.key, UNKNOWN), queue)
                first = first_eligible(job, before, job.key in waiting, queue.taken_at)
                known[job.key] = replace(before, first_eligible=first)
        try:
            self.jobs.note(queue, {key: item.first_eligible for key, item in known.items()})
        except LedgerError as error:
            logger.warning("%s", error)
        return known

    def _complete(self, job: QueuedJob, known: Known, queue: Queue) -> Known:
        if not any(lacks_before(job, claim) for claim in known.claims):
            return known
        return with_before(job, known, self._controller(queue).requeue_delay)

    def _check_claims(self, queue: Queue, known: Mapping[JobKey, Known]) -> None:
        """Confirm what Slurm shows as we set it: each cycle anew, since a slurmctld that dies may forget."""
        shown: dict[int, Outcome] = {}
        for job in queue.jobs:
            ours = [it for it in known.get(job.key, UNKNOWN).claims if is_ours_still(job, it)]
            for claim in ours:
                shown[claim.action] = Outcome(OutcomeState.CONFIRMED, queue.taken_at)
        self._settle(shown)

    # --- deciding ---

    def _plan(self, queue: Queue, known: Mapping[JobKey, Known]) -> Plan:
        zones = self.rules.plan.zones.all()
        states = usable_forecasts(self.archive, zones, queue.taken_at, self.rules.forecasts)
        if self.rules.plan.policy == JOINT and _has_flexible(queue):
            judging = self.memory.judging
            states = {zone: judging.judged(it, self.archive, queue.taken_at) for zone, it in states.items()}
        self._tell_changes(states)
        may_stop = self._may_stop(queue)
        situation = Situation(
            now=queue.taken_at,
            queue=queue,
            forecasts={zone: state.series for zone, state in states.items()},
            known=known,
            may_stop=may_stop,
            stops_begun=self._stops_begun(queue) if may_stop else 0,
            controller_started=self._controller_started(queue, known),
            outages=self._outages(queue),
            paused=self._is_paused(),
            age=self._age(queue),
            watched=frozenset(job.key for job in queue.pending() if self.rules.watches(job)),
            capacity=self._capacity(queue),
            bands={zone: state.band for zone, state in states.items()},
            past=self._past(queue),
            found=self.memory.found,
            used_up=effects(queue.pending(), self.budgets(queue.taken_at)),
        )
        rules, unfit = self.rules.plan, self._unfit(queue.taken_at)
        found = plan(situation, replace(rules, means=rules.means.without(unfit)) if unfit else rules)
        self.memory.found = found.found
        return found

    def _capacity(self, queue: Queue) -> Sequence[Node] | None:
        """Asked now and then, and only where somebody is to be placed by it."""
        if self.rules.plan.policy != JOINT or not _has_flexible(queue):
            return None
        return self.memory.room.recent(self.queue.capacity, self.memory.pace, queue.taken_at)

    def _past(self, queue: Queue) -> Past | None:
        if not self.rules.learn or not _has_flexible(queue):
            return None
        return self.memory.learning.recent(self.past, self.rules.cluster, queue.taken_at)

    def _unfit(self, now: datetime) -> list[Means]:
        """Means that did not work here lately; later they are tried again, since a site may mend it."""
        return [means for means, seen in self.memory.unfit.items() if now - seen < UNFIT_FOR]

    def _check_marks(self, queue: Queue, known: Mapping[JobKey, Known]) -> None:
        """What an earlier daemon held without the hook's mark must not stay held: asked once."""
        if self.memory.marks_checked:
            return
        held = [job.spec for job in queue.pending() if is_held_by_us(job, known.get(job.key, UNKNOWN), None)]
        if self.telling.unmarked(held):
            self.memory.unfit[Means.HOLD] = queue.taken_at
        self.memory.marks_checked = True

    def _tell_changes(self, states: Mapping[str, ForecastState]) -> None:
        """Say once whose forecast a zone is planned by, and again where that changes."""
        for zone, state in states.items():
            used = state.source if state.series is not None else None
            if zone not in self.memory.forecasts or self.memory.forecasts[zone] != used:
                logger.log(logging.INFO if used else logging.WARNING, "%s", state)
            self.memory.forecasts[zone] = used

    def _controller_started(self, queue: Queue, known: Mapping[JobKey, Known]) -> datetime | None:
        """Asked only where one of our changes is gone: did slurmctld crash, or did the owner speak?"""
        gone = any(_is_gone(job, claim) for job in queue.jobs for claim in known.get(job.key, UNKNOWN).claims)
        return self._controller(queue).started if gone else None

    def _may_stop(self, queue: Queue) -> bool:
        """A slurmctld that has only just come back may not have heard of jobs that ended meanwhile."""
        if not any(job.tag and job.tag.checkpoint for job in queue.running()):
            return False
        return controller_settled(self._controller(queue), self.memory.last_failure, queue.taken_at)

    def _stops_begun(self, queue: Queue) -> int:
        clusters = {job.key.cluster for job in queue.running()}
        return sum(self.actions.stops_begun(name, queue.taken_at - HOUR) for name in clusters)

    def _controller(self, queue: Queue) -> ControllerFacts:
        return self.memory.pace.controller(self.queue.controller, queue.taken_at)

    def _outages(self, queue: Queue) -> Mapping[str, datetime]:
        """Asked now and then, and only for jobs that could wait: maintenance is planned days ahead."""
        asked = self.memory.outage_asked
        flexible = any(job.tag is not None for job in queue.pending())
        if flexible and (asked is None or queue.taken_at - asked >= OUTAGE_AGE):
            self.memory.pace.other_reads += OUTAGE
            self.memory.outages, self.memory.outage_asked = self.queue.outages(), queue.taken_at
        return self.memory.outages

    def _is_paused(self) -> bool:
        """Where the ledger cannot be read, the last word that was holds."""
        try:
            pause = self.cycles.pause()
        except LedgerError as error:
            logger.warning("%s", error)
            return self.memory.paused
        if (pause is not None) is not self.memory.paused:
            logger.warning("paused by %s: %s", pause.by, pause.reason) if pause else logger.warning("resumed")
        self.memory.paused = pause is not None
        return self.memory.paused

    def _age(self, queue: Queue) -> AgeWeight | None:
        if not self.rules.compensate:
            return None
        age = self.memory.pace.recent(self.queue.controller, queue.taken_at).age
        all_age = self.memory.ageing.is_free(self.queue.limit_of_ageing, queue.taken_at) if age else False
        return age if all_age else None

    # --- writing ---

    def _begin(self) -> int | None:
        try:
            return self.cycles.begin_cycle(self.clock(), observe="*" in self.rules.observe)
        except LedgerError as error:
            logger.warning("%s", error)
            return None

    def _end(self, number: int | None, report: CycleReport) -> None:
        if number is None:
            return
        try:
            self.cycles.end_cycle(number, self.clock(), report)
        except LedgerError as error:
            logger.warning("%s", error)

    def _intend(self, number: int | None, wanted: Sequence[Action]) -> tuple[list[Intent], tuple[str, ...]]:
        """Write the actions; where that fails only releases are left, without a number."""
        if not wanted:
            return [], ()
        try:
            numbers = self.actions.intend(number, wanted, self.clock())
        except LedgerError as error:
            return _releases(wanted, error)
        return list(zip(numbers, wanted, strict=True)), ()

    def _watch(self, number: int | None, wanted: Sequence[Action]) -> None:
        """Write what would be done; what stands there already is no news."""
        if not wanted:
            return
        try:
            self.actions.observe(number, wanted, self.clock())
        except LedgerError as error:
            logger.warning("%s", error)
            return
        for action in wanted:
            logger.info("would %s", describe(action))

    def _settle(self, outcomes: Mapping[int, Outcome]) -> None:
        try:
            self.actions.settle(outcomes)
        except LedgerError as error:
            logger.warning("%s", error)

    def _write_late_releases(self) -> LedgerError | None:
        """Write releases that were done unwritten, before what Slurm shows is taken for the owner's word.

        Until that is possible, further jobs may be released, and nothing else is done.
        """
        try:
            while self.memory.unwritten:
                action, at = self.memory.unwritten[0]
                number = self.actions.intend(None, [action], at)[0]
                self.actions.settle({number: Outcome(OutcomeState.APPLIED, at, "written late")})
                self.memory.unwritten.pop(0)
        except LedgerError as error:
            return error
        return None

    # --- acting ---

    def _give_up_forgotten(
        self, intents: Sequence[Intent], known: Mapping[JobKey, Known], at: datetime
    ) -> None:
        """Let new claims take the place of forgotten ones.

        Only now: until its new claim is written, the forgotten one is all that tells what Slurm shows from
        the owner's word.
        """
        gone: dict[int, Outcome] = {}
        for number, action in intents:
            claim = known.get(action.job.key, UNKNOWN).claim(action.means, action.job.restarts)
            lost = action.verb is not Verb.LEAVE and _is_gone(action.job, claim)
            if claim is not None and number is not None and lost:
                gone[claim.action] = Outcome(OutcomeState.FORGOTTEN, at)
        self._settle(gone)


def _has_flexible(queue: Queue) -> bool:
    return any(job.tag is not None for job in queue.jobs)


def _releases(wanted: Sequence[Action], error: LedgerError) -> tuple[list[Intent], tuple[str, ...]]:
    """What is left of a plan that cannot be written: the releases, without a number."""
    releases: list[Intent] = [(None, action) for action in wanted if action.verb is Verb.RELEASE]
    return releases, (f"nothing withheld or stopped: {error}",)


def _is_news(action: Action, known: Mapping[JobKey, Known]) -> bool:
    return known.get(action.job.key, UNKNOWN).watched != (action.verb, action.until, action.job.restarts)


def _is_gone(job: QueuedJob, claim: Claim | None) -> bool:
    """Whether Slurm shows the value from before our change, and not ours."""
    return back_before(job, claim) and not is_ours_still(job, claim)


def _left_over(wanted: Sequence[Action], chosen: Sequence[Action]) -> tuple[str, ...]:
    rest = len(wanted) - len(chosen)
    return (f"{rest} changes left for the next cycle",) if rest else ()
