"""One simulated job: what it was submitted with, what it does when signalled, and where it is in its life.

A process does work; Slurm sees only the process. What is not saved when the process dies is lost: the next
run does it again, after loading the checkpoint. Nothing here knows of other jobs.
"""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from carbonslurm.core.job import HELD_BY_USER, AccountedRun, JobKey, JobState, QueuedJob, RunKey, Tres
from carbonslurm.core.stop import Sight
from carbonslurm.core.tag import Tag
from carbonslurm.formats.look import says_saved

COMPLETING = timedelta(seconds=5)  # from the kill until the epilog is done
CPUS_PER_GPU = 4
REQUEUE_DELAY = timedelta(seconds=121)  # Slurm's: the default life of a credential (120 s), and one more


class OnSignal(StrEnum):
    """What a process does some seconds after its checkpoint signal."""

    IGNORE = "ignore"
    SAVE = "save, and go on until killed"
    SAY = "save, say so in its Comment, and go on"
    REQUEUE = "save, and requeue itself"
    EXIT = "save, and exit 0"


@dataclass(frozen=True, slots=True)
class Submission:
    """What its owner submits, and what only the simulation knows: how long it really runs.

    Attributes:
        run_time: from start to end, if nothing comes in between.
        needs: ids of the jobs that must complete first (afterok).
        tasks: of an array; 0 for a plain job.
        gated: whether the hook gave it the gate's licence.
        saves_in: from the signal until the checkpoint is written.
        reload: what loading it adds to the next run.
    """

    run_time: timedelta
    time_limit: timedelta | None = timedelta(days=1)
    gpus: int = 1
    partition: str = "gpu"
    user: str = "ada"
    begin: datetime | None = None
    needs: tuple[int, ...] = ()
    tasks: int = 0
    tag: Tag | None = None
    requeueable: bool = True
    obstacle: str | None = None
    gated: bool = False
    on_signal: OnSignal = OnSignal.IGNORE
    saves_in: timedelta = timedelta(seconds=20)
    reload: timedelta = timedelta()


@dataclass(slots=True)
class SimulatedJob:
    """A job's record, as slurmctld keeps it, with the process behind it.

    Attributes:
        begin: Slurm's begin time; None while dependencies are unmet and nobody gave one.
        alone: a task of an array with a record of its own, since it started or was changed by itself.
        waits_for: the needed jobs that have not completed.
        leaves_at: when COMPLETING ends, for a job that is being requeued.
        reacts_at: when the process acts on its signal.
        saved: work in the newest checkpoint.
        loaded: work that this run began with.
        gated: whether it carries the gate's licence.
        site_factor: what was added to its priority; a requeue keeps it.
        finished: how often the process came to its end by itself; more than once is work done for nothing.
    """

    key: JobKey
    wants: Submission
    submitted: datetime
    begin: datetime | None
    array_id: int | None = None
    task: int | None = None
    alone: bool = False
    waits_for: set[int] = field(default_factory=set)
    state: JobState = JobState.PENDING
    word: str = "PENDING"
    restarts: int = 0
    held: bool = False
    gated: bool = False
    site_factor: int = 0
    comment: str = ""
    started: datetime | None = None
    ended: datetime | None = None
    leaves_at: datetime | None = None
    reacts_at: datetime | None = None
    saved: timedelta = timedelta()
    loaded: timedelta = timedelta()
    finished: int = 0

    # --- the process ---

    @property
    def done_at(self) -> datetime:
        """When the process comes to its end by itself; only for a job that has started."""
        loading = self.wants.reload if self.loaded else timedelta()
        return self._began + loading + self.wants.run_time - self.loaded

    @property
    def ends_at(self) -> datetime:
        """When this run ends: done, or at its time limit."""
        limit = self.wants.time_limit
        return self.done_at if limit is None else min(self.done_at, self._began + limit)

    @property
    def _began(self) -> datetime:
        if self.started is None:
            raise ValueError(f"job {self.key.job_id} has not started")
        return self.started

    def save(self, now: datetime) -> None:
        """Write a checkpoint of all work up to now."""
        done = self.wants.run_time - (self.done_at - now)
        self.saved = min(max(self.saved, done), self.wants.run_time)

    # --- its record ---

    def is_eligible(self, now: datetime) -> bool:
        """Tell whether only room keeps it from starting."""
        waiting = self.state is JobState.PENDING and not self.held and not self.waits_for
        return waiting and self.begin is not None and self.begin <= now

    def start(self, now: datetime) -> None:
        """Begin a run."""
        self.state, self.word, self.started, self.reacts_at = JobState.RUNNING, "RUNNING", now, None
        self.loaded, self.alone = self.saved, True

    def end(self, word: str, at: datetime) -> None:
        """Come to the end for good."""
        self.finished += word == "COMPLETED"
        self.state, self.word, self.ended, self.reacts_at = JobState.ENDED, word, at, None

    def requeue(self, now: datetime) -> None:
        """Kill this run: Restarts rises at once, the rest follows when COMPLETING ends."""
        self.finished += self.done_at <= now
        self.restarts += 1
        self.state, self.reacts_at, self.leaves_at = JobState.COMPLETING, None, now + COMPLETING

    def wait_again(self, now: datetime) -> None:
        """Be pending again: a new submit time, and a begin time that is kept only if it lies ahead."""
        self.state, self.word, self.started, self.leaves_at = JobState.PENDING, "PENDING", None, None
        self.submitted = now
        self.restore(self.begin)

    def restore(self, begin: datetime | None) -> None:
        """Have a begin time from before: of an earlier run it no longer counts."""
        over = self.restarts > 0 and (begin is None or begin <= self.submitted)
        self.begin = self.submitted + REQUEUE_DELAY if over else begin

    # --- what Slurm shows of it ---

    @property
    def tres(self) -> Tres:
        """What it asks for."""
        return Tres(cpus=CPUS_PER_GPU * self.wants.gpus, nodes=1, gpus={"a100": self.wants.gpus})

    def queued(self) -> QueuedJob:
        """Return its row in the queue."""
        record = self.key.job_id if self.array_id is None or self.alone else self.array_id
        return QueuedJob(
            key=JobKey(self.key.cluster, record),
            spec=self.spec,
            state=self.state,
            user=self.wants.user,
            account="science",
            partition=self.wants.partition,
            qos="normal",
            submitted=self.submitted,
            eligible=self.begin,
            started=self.started,
            time_limit=self.wants.time_limit,
            deadline=None,
            needs=tuple(sorted(self.waits_for)),
            singleton=False,
            held=self.held,
            reason=HELD_BY_USER if self.held else "None",
            restarts=self.restarts,
            requeueable=self.wants.requeueable,
            tag=self.wants.tag,
            tres=self.tres,
            obstacle=self.wants.obstacle,
            gated=self.gated,
        )

    @property
    def spec(self) -> str:
        """What names exactly this job."""
        return str(self.key.job_id) if self.array_id is None else f"{self.array_id}_{self.task}"

    def sight(self) -> Sight:
        """Return what a look at it shows."""
        saved = says_saved(self.comment, self.restarts)
        return Sight(self.state, self.restarts, self.begin, self.started, saved)

    def run(self, word: str, ended: datetime | None) -> AccountedRun:
        """Return its present run as sacct reports it."""
        return AccountedRun(
            key=RunKey(self.key.cluster, self.key.job_id, self.submitted),
            array_job_id=self.array_id,
            user=self.wants.user,
            account="science",
            partition=self.wants.partition,
            qos="normal",
            eligible=self.begin,
            started=self.started,
            ended=ended,
            state=word,
            exit_code="0:0",
            time_limit=self.wants.time_limit,
            tres=self.tres,
            energy_joules=None,
            tag=self.wants.tag,
        )
