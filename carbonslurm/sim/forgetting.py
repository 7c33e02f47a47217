"""What a slurmctld that dies may forget: changes of jobs and of the gate since it last saved its state."""

from dataclasses import dataclass
from datetime import datetime

from carbonslurm.core.job import JobState
from carbonslurm.sim.job import SimulatedJob


@dataclass(frozen=True, slots=True)
class _Change:
    """A job before a change."""

    job: SimulatedJob
    at: datetime
    restarts: int
    begin: datetime | None
    held: bool
    gated: bool
    site_factor: int

    def undo(self) -> None:
        """Bring the job back; what has started since cannot be forgotten here."""
        if self.job.state in {JobState.RUNNING, JobState.ENDED}:
            return
        if self.restarts == self.job.restarts:
            self.job.restore(self.begin)
            self.job.held, self.job.gated = self.held, self.gated
        self.job.site_factor = self.site_factor


class Journal:
    """The changes, oldest first, each with what was before."""

    def __init__(self) -> None:
        """Begin an empty one."""
        self._changes: list[_Change] = []
        self._turns: list[tuple[datetime, datetime]] = []

    def note(self, job: SimulatedJob, at: datetime) -> None:
        """Note a job just before it is changed."""
        before = _Change(job, at, job.restarts, job.begin, job.held, job.gated, job.site_factor)
        self._changes.append(before)

    def note_gate(self, shut_until: datetime, at: datetime) -> None:
        """Note the gate just before it is turned."""
        self._turns.append((at, shut_until))

    def forget(self, since: datetime) -> datetime | None:
        """Undo what came after a moment; return until when the gate was shut then, None if not turned."""
        for change in reversed(self._changes):
            if change.at > since:
                change.undo()
        lost = [shut_until for at, shut_until in self._turns if at > since]
        self._changes.clear()
        self._turns.clear()
        return lost[0] if lost else None
