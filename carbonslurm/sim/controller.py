"""slurmctld in memory: what it and its jobs do by themselves as time passes, and what becomes of a dead one.

It behaves as reference tests on real Slurm showed: a requeue raises Restarts at once, shows COMPLETING for
some seconds, then gives the job a new submit time and, unless its begin time lies ahead, one 121 s later;
``requeue Incomplete`` leaves ended jobs alone, but one whose end slurmctld has not heard of runs again; a
begin time in the past becomes now; a slurmctld that crashed may have forgotten its last updates.

A partition is one pool of GPUs, and jobs start in order of submission as soon as they fit; backfill,
priorities and single nodes are left out. The clock moves only by ``advance``; the same calls in the same
order give the same cluster.
"""

import itertools
import re
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from carbonslurm.core.job import AccountedRun, JobState
from carbonslurm.errors import RefusedError, UnavailableError
from carbonslurm.formats.look import SAVED
from carbonslurm.sim.forgetting import Journal
from carbonslurm.sim.job import OnSignal, SimulatedJob

if TYPE_CHECKING:
    from carbonslurm.core.budget import RateLimit
    from carbonslurm.core.priority import AgeWeight

NEVER = datetime.max.replace(tzinfo=UTC)
SILENCE = timedelta(seconds=30)  # until slurmds tell a slurmctld that is back what ended meanwhile


class SimulatedController:
    """The jobs of a cluster, and the controller that knows of them.

    Attributes:
        now: the virtual time.
        commands: each command that changed something, for tests: (verb, job spec).
        age: what age counts here, None where waiting costs none.
        accrue_limit: what limits how many jobs age at once, None where nothing does.
        slurmdbd_away: whether nobody can tell that just now.
        planned_outages: when all nodes of partitions go into maintenance; it keeps nothing from running here.
        sinfo_fails: whether nobody can read what the nodes leave just now.
        gate_refusal: with what words Slurm refuses a gate, none where it takes one.
        hold_refusal: likewise a hold.
        gate_shut_until: until when jobs that carry the gate's licence do not start.
    """

    def __init__(
        self, start: datetime, gpus: Mapping[str, int] | None = None, name: str = "toy", first_id: int = 1
    ) -> None:
        """Start with an empty queue, and a slurmctld that has been up for a day."""
        self.name = name
        self.now = start
        self.commands: list[tuple[str, str]] = []
        self.gate_shut_until = start
        self.gate_refusal = self.hold_refusal = ""
        self.planned_outages: dict[str, datetime] = {}
        self.sinfo_fails = False
        self._pools = dict(gpus or {"gpu": 16})
        self._ids = itertools.count(first_id)
        self._jobs: dict[int, SimulatedJob] = {}
        self._runs: list[AccountedRun] = []
        self._journal = Journal()
        self.age: AgeWeight | None = None
        self.accrue_limit: str | None = None
        self.slurmdbd_away = False
        self._booted = start - timedelta(days=1)
        self.rate_limit: RateLimit | None = None
        self._died: datetime | None = None
        self._hears_from = start

    def job(self, job_id: int) -> SimulatedJob:
        """Return a job's record, ended ones too."""
        return self._jobs[job_id]

    def comment(self, job_id: int, text: str) -> None:
        """Set a job's own Comment, as its script may from within."""
        self._jobs[job_id].comment = text

    def requeue(self, spec: str) -> None:
        """Requeue a job that, as far as slurmctld knows, has not ended."""
        self.answer()
        for job in self._named(str(spec)):
            if not job.wants.requeueable:
                raise RefusedError("Requested operation is presently disabled")
            if job.state is JobState.RUNNING:
                self.commands.append(("requeue", str(spec)))
                self._runs.append(job.run("REQUEUED", self.now))
                job.requeue(self.now)

    # --- slurmctld's own fate ---

    def crash(self) -> None:
        """Take slurmctld away: running jobs run on, nothing else happens."""
        self._died, self._hears_from = self.now, NEVER

    def come_back(self, forget: timedelta = timedelta(), silence: timedelta = SILENCE) -> None:
        """Start slurmctld again, without its last updates, and for some time without news of the nodes."""
        since = (self._died or self.now) - forget
        self.gate_shut_until = self._journal.forget(since) or self.gate_shut_until
        self._booted, self._died, self._hears_from = self.now, None, self.now + silence
        self._start_what_fits()

    def answer(self) -> None:
        """Answer, as every command has to.

        Raises:
            UnavailableError: slurmctld is away.
        """
        if self._died is not None:
            raise UnavailableError("Unable to contact slurm controller (connect failure)")

    # --- time ---

    def advance(self, to: datetime) -> None:
        """Let everything happen that happens until a moment."""
        while (moment := self._next_event()) <= to:
            self.now = max(self.now, moment)
            for job in self._jobs.values():
                self._turn(job)
            self._start_what_fits()
        self.now = max(self.now, to)

    def _next_event(self) -> datetime:
        opens = self.gate_shut_until if self.gate_shut_until > self.now else NEVER
        return min(*map(self._next, self._jobs.values()), opens, NEVER)

    def _next(self, job: SimulatedJob) -> datetime:
        """When this job next does something by itself."""
        if job.state is JobState.RUNNING:
            return min(job.reacts_at or NEVER, max(job.ends_at, self._hears_from))
        if job.leaves_at is not None:
            return max(job.leaves_at, self._hears_from)
        alive = self._died is None and job.state is JobState.PENDING
        return job.begin if alive and job.begin is not None and job.begin > self.now else NEVER

    def _turn(self, job: SimulatedJob) -> None:
        if job.reacts_at is not None and job.reacts_at <= self.now:
            self._react(job)
        heard = self._hears_from <= self.now
        if heard and job.state is JobState.RUNNING and job.ends_at <= self.now:
            self._end(job, "COMPLETED" if job.done_at == job.ends_at else "TIMEOUT", job.ends_at)
        elif heard and job.leaves_at is not None and job.leaves_at <= self.now:
            job.wait_again(self.now)

    def _react(self, job: SimulatedJob) -> None:
        """Let the process act on its signal; what it tells Slurm fails while slurmctld is away."""
        job.reacts_at = None
        if job.wants.on_signal is not OnSignal.IGNORE and self.now < job.ends_at:
            job.save(self.now)
            says: dict[OnSignal, Callable[[], None]] = {
                OnSignal.SAY: lambda: self.comment(job.key.job_id, f"{SAVED}:{job.restarts}"),
                OnSignal.REQUEUE: lambda: self.requeue(job.spec),
                OnSignal.EXIT: lambda: self._end(job, "COMPLETED", self.now),
            }
            if self._died is None and job.wants.on_signal in says:
                says[job.wants.on_signal]()

    def _start_what_fits(self) -> None:
        if self._died is not None:
            return
        free = {name: size - self._held(name) for name, size in self._pools.items()}
        for job in self._jobs.values():
            behind_gate = job.gated and self.now < self.gate_shut_until
            if job.is_eligible(self.now) and not behind_gate and job.wants.gpus <= free[job.wants.partition]:
                free[job.wants.partition] -= job.wants.gpus
                job.start(self.now)

    def _held(self, partition: str) -> int:
        """Count the GPUs in use; COMPLETING still uses them."""
        using = (JobState.RUNNING, JobState.COMPLETING)
        jobs = (job.wants for job in self._jobs.values() if job.state in using)
        return sum(wants.gpus for wants in jobs if wants.partition == partition)

    def _end(self, job: SimulatedJob, word: str, at: datetime) -> None:
        job.end(word, at)
        self._runs.append(job.run(word, at))
        for other in self._jobs.values() if word == "COMPLETED" else ():
            other.waits_for.discard(job.key.job_id)
            if not other.waits_for and other.begin is None:
                other.begin = self.now

    def _named(self, spec: str) -> list[SimulatedJob]:
        """Return the jobs that ``12``, ``13_2`` or ``13_[0-3]`` names; an array's number means all of it."""
        base, mark, ranges = spec.partition("_")
        if not mark:
            return [job for number, job in self._jobs.items() if int(base) in (number, job.array_id)]
        tasks = set(_numbers(ranges))
        return [job for job in self._jobs.values() if job.array_id == int(base) and job.task in tasks]


def _numbers(ranges: str) -> Iterable[int]:
    for first, last in re.findall(r"(\d+)(?:-(\d+))?", ranges):
        yield from range(int(first), int(last or first) + 1)
