"""Slurm in memory, with a virtual clock: ports.QueueReader, Actuator, RunControl and Accounting in one.

It behaves as reference tests on real Slurm showed: a requeue raises Restarts at once, shows COMPLETING for
some seconds, then gives the job a new submit time and, unless its begin time lies ahead, one 121 s later;
``requeue Incomplete`` leaves ended jobs alone, but one whose end slurmctld has not heard of runs again; a
begin time in the past becomes now; a slurmctld that crashed may have forgotten its last updates.

A partition is one pool of GPUs, and jobs start in order of submission as soon as they fit; backfill,
priorities and single nodes are left out. The clock moves only by ``advance``; the same calls in the same
order give the same cluster. Nobody can tell from it who gave a command: the owner's are the same as ours.
"""

import itertools
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from carbonslurm.core.accounted import Accounted
from carbonslurm.core.capacity import Node
from carbonslurm.core.interval import Interval
from carbonslurm.core.job import AccountedRun, JobKey, JobState, Queue, QueuedJob
from carbonslurm.core.stop import ControllerFacts, Sight
from carbonslurm.errors import DataError, RefusedError, UnavailableError
from carbonslurm.formats.look import SAVED
from carbonslurm.formats.squeue import Row, gather_arrays
from carbonslurm.ports import Setting
from carbonslurm.sim.forgetting import Journal
from carbonslurm.sim.job import CPUS_PER_GPU, REQUEUE_DELAY, OnSignal, SimulatedJob, Submission

if TYPE_CHECKING:
    from carbonslurm.core.budget import RateLimit
    from carbonslurm.core.priority import AgeWeight

NEVER = datetime.max.replace(tzinfo=UTC)
FORGETS_ENDED = timedelta(minutes=5)  # MinJobAge
SLURMD_TIMEOUT = timedelta(minutes=5)
SILENCE = timedelta(seconds=30)  # until slurmds tell a slurmctld that is back what ended meanwhile
NOT_PENDING = "Job is no longer pending execution"
INVALID = "Invalid job id specified"


class SimulatedCluster:
    """A cluster whose jobs live as time advances.

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

    # --- owners ---

    def submit(self, wants: Submission) -> int:
        """Take a job, or an array of them, and return its id; the array's is that of its first task."""
        first = next(self._ids)
        tasks: list[int | None] = list(range(wants.tasks)) if wants.tasks else [None]
        for task in tasks:
            number = next(self._ids) if task else first
            waits_for = {need for need in wants.needs if self._jobs[need].word != "COMPLETED"}
            self._jobs[number] = SimulatedJob(
                key=JobKey(self.name, number),
                wants=wants,
                submitted=self.now,
                begin=wants.begin or (None if waits_for else self.now),
                array_id=None if task is None else first,
                task=task,
                waits_for=waits_for,
                gated=wants.gated,
            )
        self._start_what_fits()
        return first

    def job(self, job_id: int) -> SimulatedJob:
        """Return a job's record, ended ones too."""
        return self._jobs[job_id]

    def update_begin(self, spec: str, moment: datetime) -> str | None:
        """Set a begin time; return Slurm's refusal, if it refuses."""
        named = self._named(spec)
        answers = [self._set_begin(job, moment) for job in named] or [INVALID]
        if len(named) == 1 and "[" not in spec:
            named[0].alone = True
        self.commands.append(("begin", spec))
        self._start_what_fits()
        return next((answer for answer in answers if answer is not None), None)

    def hold(self, job_id: int, *, held: bool = True) -> None:
        """Hold a pending job, or let it go again."""
        self.update_hold(str(job_id), held=held)

    def update_hold(self, spec: str, *, held: bool) -> str | None:
        """Hold pending jobs, or let them go again; return Slurm's refusal, if it refuses."""
        if held and self.hold_refusal:
            return self.hold_refusal
        return self._update(spec, "hold" if held else "unhold", lambda job: self._hold(job, held))

    def _hold(self, job: SimulatedJob, held: bool) -> None:
        """Slurm moves a begin time that has passed to the moment at which a job is let go."""
        if job.held and not held and job.begin is not None and job.begin < self.now:
            job.begin = self.now
        job.held = held

    def is_held(self, spec: str) -> bool:
        """Tell whether all of these jobs are held."""
        named = self._named(spec)
        return bool(named) and all(job.held for job in named)

    def update_licence(self, spec: str, *, gated: bool) -> str | None:
        """Give pending jobs the gate's licence, or take it away; return Slurm's refusal, if it refuses."""
        return self._update(spec, "gate" if gated else "ungate", lambda job: setattr(job, "gated", gated))

    def update_factor(self, spec: str, factor: int | None) -> str | None:
        """Set the site factor of jobs, None leaves it; return Slurm's refusal, if it refuses."""
        named = [job for job in self._named(spec) if job.state is not JobState.ENDED]
        if factor is not None:
            for job in named:
                self._journal.note(job, self.now)
                job.site_factor = factor
        return None if named else INVALID

    def turn_gate(self, shut_until: datetime) -> None:
        """Keep jobs with the gate's licence from starting until a moment; now opens the gate."""
        self.answer()
        if self.gate_refusal:
            raise RefusedError(self.gate_refusal)
        self.commands.append(("shut" if shut_until > self.now else "open", "gate"))
        self._journal.note_gate(self.gate_shut_until, self.now)
        self.gate_shut_until = shut_until
        self._start_what_fits()

    def cancel(self, job_id: int) -> None:
        """End a job, whatever it does."""
        job = self._jobs[job_id]
        if job.state is not JobState.ENDED:
            self._end(job, "CANCELLED", self.now)
            self._start_what_fits()

    def comment(self, job_id: int, text: str) -> None:
        """Set a job's own Comment, as its script may from within."""
        self._jobs[job_id].comment = text

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

    # --- ports ---

    def snapshot(self) -> Queue:
        """Show the queue, with the jobs that ended in the last minutes."""
        self.answer()
        shown = [job for job in self._jobs.values() if not self._is_forgotten(job)]
        rows = [Row(job.queued(), job.array_id, job.task) for job in shown]
        jobs: list[QueuedJob] = gather_arrays(rows)
        return Queue(self.now, tuple(jobs))

    def outages(self) -> Mapping[str, datetime]:
        """Show the maintenance that was planned."""
        self.answer()
        return self.planned_outages

    def capacity(self) -> Sequence[Node]:
        """Show the nodes: one for each partition, with all of its GPUs."""
        self.answer()
        if self.sinfo_fails:
            raise DataError("sinfo: a row has 3 fields instead of 6")
        return [
            Node(f"{name}1", frozenset({name}), CPUS_PER_GPU * size, {"a100": size})
            for name, size in self._pools.items()
        ]

    def controller(self) -> ControllerFacts:
        """Show when slurmctld was started."""
        self.answer()
        return ControllerFacts(
            self._booted,
            SLURMD_TIMEOUT,
            rate_limit=self.rate_limit,
            requeue_delay=REQUEUE_DELAY,
            age=self.age,
        )

    def limit_of_ageing(self) -> str | None:
        """Show what limits how many jobs age at once."""
        self.answer()
        if self.slurmdbd_away:
            raise UnavailableError("Problem talking to the database: Connection refused")
        return self.accrue_limit

    def withhold(self, specs: Sequence[str], setting: Setting) -> Mapping[str, str | None]:
        """Set begin times."""
        self.answer()
        return {spec: self._begin_with(spec, setting.until or self.now, setting) for spec in specs}

    def release(self, specs: Sequence[str], setting: Setting) -> Mapping[str, str | None]:
        """Set begin times to now."""
        self.answer()
        return {spec: self._begin_with(spec, self.now, setting) for spec in specs}

    def set_factor(self, specs: Sequence[str], factor: int) -> Mapping[str, str | None]:
        """Set the site factor of jobs."""
        self.answer()
        return {spec: self.update_factor(spec, factor) for spec in specs}

    def signal(self, spec: str, name: str, *, full: bool) -> None:  # noqa: ARG002 - all act alike here
        """Send a signal; the process acts on it later."""
        self.answer()
        running = [job for job in self._named(str(spec)) if job.state is JobState.RUNNING]
        if not running:
            raise RefusedError("Job/step already completing or completed")
        self.commands.append(("signal", str(spec)))
        for job in running:
            job.reacts_at = self.now + job.wants.saves_in

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

    def look(self, job_ids: Sequence[int]) -> Mapping[int, Sight]:
        """Show some jobs."""
        self.answer()
        known = [self._jobs[job_id] for job_id in job_ids if job_id in self._jobs]
        return {job.key.job_id: job.sight() for job in known if not self._is_forgotten(job)}

    def runs(self, window: Interval) -> Sequence[AccountedRun]:
        """Show every attempt that was in any state within a window, by submit time."""
        present = [job.run(job.word, None) for job in self._jobs.values() if job.state is not JobState.ENDED]
        found = [run for run in (*self._runs, *present) if _is_within(run, window)]
        return sorted(found, key=lambda run: (run.key.submitted, run.key.job_id))

    def accounted(
        self,
        window: Interval,
        now: datetime,  # noqa: ARG002  # no runaways here
        jobs: Sequence[int] = (),
    ) -> Accounted:
        """Show the same, as sacct is read."""
        found = self.runs(window)
        return Accounted(tuple(run for run in found if not jobs or run.key.job_id in jobs))

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

    # --- commands ---

    def answer(self) -> None:
        """Answer, as every command has to.

        Raises:
            UnavailableError: slurmctld is away.
        """
        if self._died is not None:
            raise UnavailableError("Unable to contact slurm controller (connect failure)")

    def _update(self, spec: str, word: str, change: Callable[[SimulatedJob], None]) -> str | None:
        jobs = self._named(spec)
        waiting = [job for job in jobs if job.state is JobState.PENDING]
        for job in waiting:
            self._journal.note(job, self.now)
            change(job)
        self.commands.append((word, spec))
        self._start_what_fits()
        return None if waiting else NOT_PENDING if jobs else INVALID

    def _begin_with(self, spec: str, moment: datetime, setting: Setting) -> str | None:
        answer = self.update_begin(spec, moment)
        return self.update_factor(spec, setting.site_factor) if answer is None else answer

    def _set_begin(self, job: SimulatedJob, moment: datetime) -> str | None:
        if job.state not in (JobState.PENDING, JobState.COMPLETING):
            return NOT_PENDING
        self._journal.note(job, self.now)
        job.begin = max(moment, self.now)
        return None

    def _named(self, spec: str) -> list[SimulatedJob]:
        """Return the jobs that ``12``, ``13_2`` or ``13_[0-3]`` names; an array's number means all of it."""
        base, mark, ranges = spec.partition("_")
        if not mark:
            return [job for number, job in self._jobs.items() if int(base) in (number, job.array_id)]
        tasks = set(_numbers(ranges))
        return [job for job in self._jobs.values() if job.array_id == int(base) and job.task in tasks]

    def _is_forgotten(self, job: SimulatedJob) -> bool:
        return job.ended is not None and job.ended + FORGETS_ENDED < self.now


def _numbers(ranges: str) -> Iterable[int]:
    for first, last in re.findall(r"(\d+)(?:-(\d+))?", ranges):
        yield from range(int(first), int(last or first) + 1)


def _is_within(run: AccountedRun, window: Interval) -> bool:
    return run.key.submitted < window.end and (run.ended is None or window.start <= run.ended)
