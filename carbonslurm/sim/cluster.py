"""Slurm in memory, with a virtual clock: ports.QueueReader, Actuator, RunControl and Accounting in one.

What happens by itself as time passes is in ``controller``. Nobody can tell from it who gave a command: the
owner's are the same as ours.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta

from carbonslurm.core.accounted import Accounted
from carbonslurm.core.capacity import Node
from carbonslurm.core.interval import Interval
from carbonslurm.core.job import AccountedRun, JobKey, JobState, Queue, QueuedJob
from carbonslurm.core.stop import ControllerFacts, Sight
from carbonslurm.errors import DataError, RefusedError, UnavailableError
from carbonslurm.formats.squeue import Row, gather_arrays
from carbonslurm.ports import Setting
from carbonslurm.sim.controller import SimulatedController
from carbonslurm.sim.job import CPUS_PER_GPU, REQUEUE_DELAY, SimulatedJob, Submission

FORGETS_ENDED = timedelta(minutes=5)  # MinJobAge
SLURMD_TIMEOUT = timedelta(minutes=5)
NOT_PENDING = "Job is no longer pending execution"
INVALID = "Invalid job id specified"


class SimulatedCluster(SimulatedController):
    """A cluster whose jobs live as time advances: what people, and our ports, do to it and see of it."""

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

    # --- commands ---

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

    def _is_forgotten(self, job: SimulatedJob) -> bool:
        return job.ended is not None and job.ended + FORGETS_ENDED < self.now


def _is_within(run: AccountedRun, window: Interval) -> bool:
    return run.key.submitted < window.end and (run.ended is None or window.start <= run.ended)
