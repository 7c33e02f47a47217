"""carbonslurm release: an admin takes jobs out of our hands, whether the daemon runs or not.

Which jobs are withheld by us is what the ledger says and Slurm still shows. Letting go must work when the
ledger cannot be written, too: then the daemon reads the change as an admin's word, which it is.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

from carbonslurm.core.action import Action, Verb
from carbonslurm.core.job import JobKey, Queue, QueuedJob
from carbonslurm.core.ownership import UNKNOWN, Known, is_ours_still
from carbonslurm.errors import LedgerError
from carbonslurm.ports import ActionLog, Actuator, Outcome, OutcomeState, QueueReader

REASON = "released by an admin"


@dataclass(slots=True)
class Released:
    """What was done: one line for each job, and what failed."""

    lines: list[str] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class LettingGo:
    """The parts, and the story in ``run``.

    Attributes:
        known: the ledger's memory of a queue.
        actions: where it is written; None where the caller may only read.
    """

    queue: QueueReader
    actuator: Actuator
    known: Callable[[Queue], dict[JobKey, Known]]
    actions: ActionLog | None
    clock: Callable[[], datetime]

    def run(self, ids: frozenset[int] | None) -> Released:
        """Let go of these jobs, of all that are ours where None."""
        queue = self.queue.snapshot()
        known = self.known(queue)
        ours = [job for job in queue.pending() if self._waits_for_us(job, known, queue.taken_at)]
        wanted = [job for job in ours if ids is None or job.key.job_id in ids]
        chosen = [job for job in wanted if job.obstacle is None]
        outcome = Released()
        for missing in sorted((ids or frozenset()) - {job.key.job_id for job in wanted}):
            outcome.failures.append(f"job {missing} is not withheld by us")
        for job in wanted:
            if job.obstacle is not None:
                outcome.failures.append(f"job {job.spec}: {job.obstacle}: release its tasks with scontrol")
        if chosen:
            self._release(chosen, outcome)
        elif ids is None and not wanted:
            outcome.lines.append("no job is withheld by us")
        return outcome

    def _waits_for_us(self, job: QueuedJob, known: dict[JobKey, Known], now: datetime) -> bool:
        if job.tag is None or job.held or known.get(job.key, UNKNOWN).hands_off:
            return False
        if job.eligible is None or job.eligible <= now or job.eligible == job.tag.begin:
            return False
        return job.eligible == job.tag.window or is_ours_still(job, known.get(job.key, UNKNOWN).claim)

    def _release(self, jobs: list[QueuedJob], outcome: Released) -> None:
        numbers = self._write(jobs, outcome)
        answers = self._tell(jobs)
        outcomes: dict[int, Outcome] = {}
        for job, number in zip(jobs, numbers, strict=True):
            refusal = answers[job.spec]
            if number is not None:
                state = OutcomeState.APPLIED if refusal is None else OutcomeState.REFUSED
                outcomes[number] = Outcome(state, self.clock(), refusal or "")
            if refusal is None:
                outcome.lines.append(f"job {job.spec}: released")
            else:
                outcome.failures.append(f"job {job.spec}: {refusal}")
        if self.actions is not None:
            self.actions.settle(outcomes)

    def _tell(self, jobs: list[QueuedJob]) -> dict[str, str | None]:
        """Take away what we added: a job with a begin time of its owner's own goes back to that."""
        now = self.clock()
        own = {job.spec: job.tag.begin for job in jobs if job.tag and job.tag.begin and job.tag.begin > now}
        answers = dict(self.actuator.release([job.spec for job in jobs if job.spec not in own]))
        for spec, begin in own.items():
            answers.update(self.actuator.withhold([spec], begin))
        return answers

    def _write(self, jobs: list[QueuedJob], outcome: Released) -> list[int | None]:
        unwritten: list[int | None] = [None for _ in jobs]
        if self.actions is None:
            return unwritten
        wanted = [Action(Verb.RELEASE, job, REASON) for job in jobs]
        wanted += [Action(Verb.LEAVE, job, REASON, final=True) for job in jobs]
        try:
            numbers: list[int | None] = [*self.actions.intend(None, wanted, self.clock())]
        except LedgerError as error:
            outcome.lines.append(f"not written: {error}")
            return unwritten
        return numbers[: len(jobs)]
