"""carbonslurm release: an admin takes jobs out of our hands, whether the daemon runs or not.

Which jobs are withheld by us is what the ledger says and Slurm still shows. Letting go must work when the
ledger cannot be written, too: then the daemon reads the change as an admin's word, which it is.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from carbonslurm.app.ageing import age_to_give_back
from carbonslurm.core.action import Action, Verb
from carbonslurm.core.job import JobKey, Queue, QueuedJob
from carbonslurm.core.means import Means
from carbonslurm.core.ownership import UNKNOWN, Known, standing
from carbonslurm.core.priority import earned
from carbonslurm.errors import LedgerError
from carbonslurm.ports import ActionLog, Actuator, Outcome, OutcomeState, QueueReader, Setting, SiteFactors

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
        gate: whether the site uses one: then its licence is ours, on whatever job.
        factors: sets site factors, in a call of its own: where somebody who is not the daemon lets a job go,
            the hook takes back all that was given.
        compensate: whether jobs are given back the age that waiting costs them.
        known: the ledger's memory of a queue.
        actions: where it is written; None where the caller may only read.
    """

    queue: QueueReader
    actuators: Mapping[Means, Actuator]
    gate: bool
    factors: SiteFactors
    compensate: bool
    known: Callable[[Queue], dict[JobKey, Known]]
    actions: ActionLog | None
    clock: Callable[[], datetime]

    def run(self, ids: frozenset[int] | None) -> Released:
        """Let go of these jobs, of all that are ours where None."""
        queue = self.queue.snapshot()
        known = self.known(queue)
        found = [(job, self._kept_by(job, known, queue.taken_at)) for job in queue.pending()]
        ours = {job.key.job_id: (job, means) for job, means in found if means}
        wanted = [it for number, it in ours.items() if ids is None or number in ids]
        outcome = Released()
        for missing in sorted((ids or frozenset()) - ours.keys()):
            outcome.failures.append(f"job {missing} is not withheld by us")
        for job, _ in wanted:
            if job.obstacle is not None:
                outcome.failures.append(f"job {job.spec}: {job.obstacle}: release its tasks with scontrol")
        chosen = [(job, means) for job, means in wanted if job.obstacle is None]
        if chosen:
            self._release(self._parts(chosen, known, queue.taken_at), [job for job, _ in chosen], outcome)
        elif ids is None and not wanted:
            outcome.lines.append("no job is withheld by us")
        return outcome

    def _kept_by(self, job: QueuedJob, known: Mapping[JobKey, Known], now: datetime) -> list[Means]:
        """Return by what means of ours a job is kept: the hook's window and its licence count too."""
        memory = known.get(job.key, UNKNOWN)
        if job.tag is None or memory.hands_off:
            return []
        means = {claim.means for claim in standing(job, memory)}
        if job.held and Means.HOLD not in means:
            return []
        begins_later = job.eligible is not None and job.eligible > now
        if begins_later and job.eligible == job.tag.window and job.eligible != job.tag.begin:
            means.add(Means.BEGIN)
        if not begins_later:
            means.discard(Means.BEGIN)
        if job.gated and self.gate:
            means.add(Means.GATE)
        return sorted(means)

    def _parts(
        self,
        jobs: Sequence[tuple[QueuedJob, Sequence[Means]]],
        known: Mapping[JobKey, Known],
        now: datetime,
    ) -> list[Action]:
        """Return a release by each means of each job, with what it has really lost of its age."""
        memories = {job.key: known.get(job.key, UNKNOWN) for job, _ in jobs}
        given = any(memory.compensation is not None for memory in memories.values())
        age = age_to_give_back(self.queue, compensate=self.compensate) if given else None
        return [
            Action(
                Verb.RELEASE,
                job,
                REASON,
                means=way,
                site_factor=earned(job, memories[job.key], age, now),
            )
            for job, means in jobs
            for way in means
        ]

    def _release(self, parts: Sequence[Action], jobs: Sequence[QueuedJob], outcome: Released) -> None:
        numbers, leaves = self._write(parts, jobs, outcome)
        refusals: dict[str, str] = {}
        outcomes: dict[int, Outcome] = {}
        for part, number in zip(parts, numbers, strict=True):
            refusal = self._tell(part)
            if refusal is None:
                self._take_back(part, outcome)
            else:
                refusals[part.job.spec] = refusal
            if number is not None:
                state = OutcomeState.APPLIED if refusal is None else OutcomeState.REFUSED
                outcomes[number] = Outcome(state, self.clock(), refusal or "")
        for job, leave in zip(jobs, leaves, strict=True):
            if job.spec in refusals:
                outcome.failures.append(f"job {job.spec}: {refusals[job.spec]}")
                if leave is not None:  # it stays ours to let go
                    outcomes[leave] = Outcome(OutcomeState.REFUSED, self.clock(), refusals[job.spec])
            else:
                outcome.lines.append(f"job {job.spec}: released")
        if self.actions is not None:
            self.actions.settle(outcomes)

    def _tell(self, part: Action) -> str | None:
        """Take away what we added: a job with a begin time of its owner's own goes back to that."""
        job, actuator = part.job, self.actuators[part.means]
        setting = Setting(other_licences=job.other_licences)
        own = job.tag.begin if job.tag else None
        if part.means is Means.BEGIN and own is not None and own > self.clock():
            return actuator.withhold([job.spec], replace(setting, until=own))[job.spec]
        return actuator.release([job.spec], setting)[job.spec]

    def _take_back(self, part: Action, outcome: Released) -> None:
        """Leave a job only what it has lost of its age; it is let go, whatever Slurm says to that."""
        spec = part.job.spec
        refusal = None
        if part.site_factor is not None:
            refusal = self.factors.set_factor([spec], part.site_factor)[spec]
        if refusal is not None:
            outcome.failures.append(f"job {spec}: its site factor stays: {refusal}")

    def _write(
        self, parts: Sequence[Action], jobs: Sequence[QueuedJob], outcome: Released
    ) -> tuple[list[int | None], list[int | None]]:
        """Return the numbers of the releases, and of the admin's word about each job."""
        unwritten: tuple[list[int | None], list[int | None]] = ([None] * len(parts), [None] * len(jobs))
        if self.actions is None:
            return unwritten
        wanted = [*parts, *(Action(Verb.LEAVE, job, REASON, final=True) for job in jobs)]
        try:
            numbers: list[int | None] = [*self.actions.intend(None, wanted, self.clock())]
        except LedgerError as error:
            outcome.lines.append(f"not written: {error}")
            return unwritten
        return numbers[: len(parts)], numbers[len(parts) :]
