"""What a cycle sees before it plans: everything that a plan may know, each asked as seldom as it changes.

The queue is asked each cycle. Rooms, maintenance, settings and past runs are asked now and then, and only
where some job could be planned by them; the memory keeps what was heard. Nothing is decided here.
"""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from carbonslurm.app.cycle_rules import CycleRules
from carbonslurm.app.forecasts import ForecastState, usable_forecasts
from carbonslurm.app.telling import Memory
from carbonslurm.core.allowance import Standing, effects
from carbonslurm.core.budget import OUTAGE
from carbonslurm.core.capacity import Node
from carbonslurm.core.job import JobKey, Queue, QueuedJob
from carbonslurm.core.length import Past
from carbonslurm.core.ownership import UNKNOWN, Claim, Known, back_before, is_ours_still
from carbonslurm.core.policy_names import JOINT
from carbonslurm.core.priority import AgeWeight
from carbonslurm.core.situation import Situation
from carbonslurm.core.stop import ControllerFacts, controller_settled
from carbonslurm.errors import LedgerError
from carbonslurm.ports import ActionLog, CycleLog, PastReader, PlanningArchive, QueueReader

logger = logging.getLogger(__name__)

OUTAGE_AGE = timedelta(minutes=5)
HOUR = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Seeing:
    """Whom a cycle asks; see Cycle for the parts."""

    queue: QueueReader
    archive: PlanningArchive
    actions: ActionLog
    cycles: CycleLog
    past: PastReader
    rules: CycleRules
    memory: Memory
    budgets: Callable[[datetime], Sequence[Standing]]

    def situation(self, queue: Queue, known: Mapping[JobKey, Known]) -> Situation:
        """Return all that a plan may know.

        Args:
            queue: the snapshot.
            known: what the ledger remembers of its jobs, brought up to it.

        Raises:
            LedgerError: the archive or the ledger cannot be read.
            UnavailableError: slurmctld could not be asked.
        """
        zones = self.rules.plan.zones.all()
        states = usable_forecasts(self.archive, zones, queue.taken_at, self.rules.forecasts)
        if self.rules.plan.policy == JOINT and _has_flexible(queue):
            judging = self.memory.judging
            states = {zone: judging.judged(it, self.archive, queue.taken_at) for zone, it in states.items()}
        self._tell_changes(states)
        may_stop = self._may_stop(queue)
        return Situation(
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

    def _capacity(self, queue: Queue) -> Sequence[Node] | None:
        """Asked now and then, and only where somebody is to be placed by it."""
        if self.rules.plan.policy != JOINT or not _has_flexible(queue):
            return None
        return self.memory.room.recent(self.queue.capacity, self.memory.pace, queue.taken_at)

    def _past(self, queue: Queue) -> Past | None:
        if not self.rules.learn or not _has_flexible(queue):
            return None
        return self.memory.learning.recent(self.past, self.rules.cluster, queue.taken_at)

    def _tell_changes(self, states: Mapping[str, ForecastState]) -> None:
        """Say once whose forecast a zone is planned by, and again where that changes."""
        for zone, state in states.items():
            used = state.source if state.series is not None else None
            if zone not in self.memory.forecasts or self.memory.forecasts[zone] != used:
                logger.log(logging.INFO if used else logging.WARNING, "%s", state)
            self.memory.forecasts[zone] = used

    def _controller_started(self, queue: Queue, known: Mapping[JobKey, Known]) -> datetime | None:
        """Asked only where one of our changes is gone: did slurmctld crash, or did the owner speak?"""
        gone = any(is_gone(job, claim) for job in queue.jobs for claim in known.get(job.key, UNKNOWN).claims)
        return self.controller(queue).started if gone else None

    def _may_stop(self, queue: Queue) -> bool:
        """A slurmctld that has only just come back may not have heard of jobs that ended meanwhile."""
        if not any(job.tag and job.tag.checkpoint for job in queue.running()):
            return False
        return controller_settled(self.controller(queue), self.memory.last_failure, queue.taken_at)

    def _stops_begun(self, queue: Queue) -> int:
        clusters = {job.key.cluster for job in queue.running()}
        return sum(self.actions.stops_begun(name, queue.taken_at - HOUR) for name in clusters)

    def controller(self, queue: Queue) -> ControllerFacts:
        """Return what slurmctld says of itself, as far as its rate limit lets it be asked."""
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


def is_gone(job: QueuedJob, claim: Claim | None) -> bool:
    """Tell whether Slurm shows the value from before our change, and not ours."""
    return back_before(job, claim) and not is_ours_still(job, claim)


def _has_flexible(queue: Queue) -> bool:
    return any(job.tag is not None for job in queue.jobs)
