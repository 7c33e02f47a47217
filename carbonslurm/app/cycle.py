"""One cycle: read the queue, plan, write what is meant, do it, record what became of it.

The order is the safety. An intent is in the ledger before Slurm hears of it, so that after a crash anywhere
the next cycle knows what may be ours. If the ledger cannot be written nothing is withheld or stopped; letting
jobs go needs no permission. If Slurm is away the cycle is recorded as failed and the next one goes on.
"""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from carbonslurm.app.cycle_rules import CycleRules
from carbonslurm.app.forecasts import usable_forecasts
from carbonslurm.app.seeing import Seeing
from carbonslurm.app.telling import Memory, Telling
from carbonslurm.app.watching import no_longer_withheld
from carbonslurm.app.writing import Writing, releases
from carbonslurm.core.action import Action, Verb
from carbonslurm.core.allowance import Standing
from carbonslurm.core.job import JobKey, Queue, QueuedJob
from carbonslurm.core.means import Means
from carbonslurm.core.ownership import (
    UNKNOWN,
    Known,
    first_eligible,
    is_held_by_us,
    is_ours_still,
    lacks_before,
    with_before,
)
from carbonslurm.core.planner import Plan, plan
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

UNFIT_FOR = timedelta(hours=1)


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

    @property
    def _seeing(self) -> Seeing:
        return Seeing(
            queue=self.queue,
            archive=self.archive,
            actions=self.actions,
            cycles=self.cycles,
            past=self.past,
            rules=self.rules,
            memory=self.memory,
            budgets=self.budgets,
        )

    @property
    def _writing(self) -> Writing:
        return Writing(self.actions, self.cycles, self.memory, self.clock)

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
        number = self._writing.begin(observe="*" in self.rules.observe)
        try:
            report = self._steps(number)
        except CarbonslurmError as error:
            if isinstance(error, UnavailableError):
                self.memory.last_failure = self.clock()
            report = CycleReport(error=str(error))
        self._writing.end(number, report)
        return report

    def _steps(self, number: int | None) -> CycleReport:
        pace = self.memory.pace
        pace.begin()
        queue = self.queue.snapshot()
        late = self._writing.write_late_releases()
        known = self._recall(queue)
        self._check_marks(queue, known)
        wanted = self._plan(queue, known)
        watched = [action for action in wanted.actions if self._only_watched(action, wanted.shut)]
        ours = [action for action in wanted.actions if not self._only_watched(action, wanted.shut)]
        chosen = pace.choose(ours, self.rules.updates, self.queue.controller, queue.taken_at)
        intents, notes = self._writing.intend(number, chosen) if late is None else releases(chosen, late)
        if late is None:
            freed = no_longer_withheld(queue, known, wanted.actions, self.rules.watches)
            self._writing.watch(number, [action for action in (*watched, *freed) if _is_news(action, known)])
        self._writing.give_up_forgotten(intents, known, queue.taken_at)
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
        return with_before(job, known, self._seeing.controller(queue).requeue_delay)

    def _check_claims(self, queue: Queue, known: Mapping[JobKey, Known]) -> None:
        """Confirm what Slurm shows as we set it: each cycle anew, since a slurmctld that dies may forget."""
        shown: dict[int, Outcome] = {}
        for job in queue.jobs:
            ours = [it for it in known.get(job.key, UNKNOWN).claims if is_ours_still(job, it)]
            for claim in ours:
                shown[claim.action] = Outcome(OutcomeState.CONFIRMED, queue.taken_at)
        self._writing.settle(shown)

    # --- deciding ---

    def _plan(self, queue: Queue, known: Mapping[JobKey, Known]) -> Plan:
        situation = self._seeing.situation(queue, known)
        rules, unfit = self.rules.plan, self._unfit(queue.taken_at)
        found = plan(situation, replace(rules, means=rules.means.without(unfit)) if unfit else rules)
        self.memory.found = found.found
        return found

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


def _is_news(action: Action, known: Mapping[JobKey, Known]) -> bool:
    return known.get(action.job.key, UNKNOWN).watched != (action.verb, action.until, action.job.restarts)


def _left_over(wanted: Sequence[Action], chosen: Sequence[Action]) -> tuple[str, ...]:
    rest = len(wanted) - len(chosen)
    return (f"{rest} changes left for the next cycle",) if rest else ()
