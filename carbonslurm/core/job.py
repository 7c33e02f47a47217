"""Jobs and runs as carbonslurm sees them: facts read from Slurm, frozen.

A *job* is what its owner submitted; a *run* is one attempt of it. Slurm reuses job ids, and a requeue starts
a new run with a new submit time, so a run is keyed as sacct keys it: cluster, job id, submit time.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from carbonslurm.core.tag import Tag

HELD_BY_USER = "JobHeldUser"  # Slurm's reason of a hold by the owner, or by ``scontrol uhold``


@dataclass(frozen=True, slots=True, order=True)
class JobKey:
    """A job, while Slurm remembers it."""

    cluster: str
    job_id: int

    def __hash__(self) -> int:
        # A plan looks each job up some ten times, and ids differ within a cluster.
        return self.job_id


@dataclass(frozen=True, slots=True, order=True)
class RunKey:
    """One attempt of a job, as sacct keys it."""

    cluster: str
    job_id: int
    submitted: datetime


@dataclass(frozen=True, slots=True)
class Tres:
    """What a job asks for or holds.

    Attributes:
        cpus: CPUs as Slurm counts them.
        nodes: whole or shared nodes.
        gpus: count by type, the empty string where no type is named.
    """

    cpus: int = 0
    nodes: int = 0
    gpus: Mapping[str, int] = field(default_factory=dict)

    @property
    def gpu_count(self) -> int:
        """All GPUs, of any type."""
        return sum(self.gpus.values())


class JobState(StrEnum):
    """The states in which a job matters to us, folded from Slurm's many."""

    PENDING = "PENDING"
    RUNNING = "RUNNING"
    COMPLETING = "COMPLETING"
    SUSPENDED = "SUSPENDED"
    ENDED = "ENDED"


@dataclass(frozen=True, slots=True)
class QueuedJob:
    """One row of the queue: a job that is pending, running or on its way out.

    Attributes:
        key: cluster and job id; for the pending tasks of an array the array's id.
        spec: what scontrol takes to name exactly these tasks, such as ``12`` or ``13_[3-6]``.
        submitted: of this run.
        eligible: the begin time that Slurm keeps for it, None where it has none.
        started: of this run, None while pending.
        time_limit: None where unlimited.
        deadline: Slurm's own --deadline.
        needs: ids of the jobs that it still waits for; empty once its dependencies are resolved.
        held: priority 0, by whomever.
        restarts: how often Slurm has started it again.
        tag: what the hook wrote, None for a job that is not flexible.
        obstacle: why we may not touch it (a reservation, a het component, ...), None where we may.
        singleton: whether it waits for other jobs of its owner and name, whose ids Slurm does not say.
        partitions: all that it may start in, its first one ahead.
        gated: whether it carries the gate's licence.
        other_licences: the rest of its licences, as Slurm takes them; empty where it has none.
        tasks: how many of an array's tasks it stands for; each asks for its ``tres``.
    """

    key: JobKey
    spec: str
    state: JobState
    user: str
    account: str
    partition: str
    qos: str
    submitted: datetime
    eligible: datetime | None
    started: datetime | None
    time_limit: timedelta | None
    deadline: datetime | None
    needs: tuple[int, ...]
    held: bool
    reason: str
    restarts: int
    requeueable: bool
    tag: Tag | None
    tres: Tres
    obstacle: str | None = None
    singleton: bool = False
    partitions: tuple[str, ...] = ()
    gated: bool = False
    other_licences: str = ""
    tasks: int = 1

    @property
    def held_by_user(self) -> bool:
        """Whether it is held in the way that its owner can release."""
        return self.held and self.reason == HELD_BY_USER

    @property
    def waits_for_others(self) -> bool:
        """Whether an unresolved dependency keeps it from starting."""
        return bool(self.needs) or self.singleton


@dataclass(frozen=True, slots=True)
class Queue:
    """All of the queue at one moment.

    Attributes:
        taken_at: the moment just before Slurm was asked.
        jobs: every row, in Slurm's order.
        unread: rows that could not be read, each with its reason; they are left alone.
    """

    taken_at: datetime
    jobs: tuple[QueuedJob, ...]
    unread: tuple[str, ...] = ()

    def pending(self) -> list[QueuedJob]:
        """Return the jobs that wait."""
        return [job for job in self.jobs if job.state is JobState.PENDING]

    def running(self) -> list[QueuedJob]:
        """Return the jobs that run."""
        return [job for job in self.jobs if job.state is JobState.RUNNING]


@dataclass(frozen=True, slots=True)
class AccountedRun:
    """One attempt of a job as sacct reports it.

    Attributes:
        key: cluster, job id, submit time.
        array_job_id: of the array that it is a task of.
        started: None where it never started.
        ended: None where it still runs.
        state: Slurm's word, without what follows it (``CANCELLED by 5`` is ``CANCELLED``).
        energy_joules: as measured by Slurm, None where it did not.
        array_task: its number in the array, None where it is no task, or not yet split off.
        node_list: its nodes as Slurm writes them, empty where that is not known.
        suspended: for how long of the time from start to end Slurm had it suspended.
        name: what its owner called it, any text whatever; None where that is not known.
    """

    key: RunKey
    array_job_id: int | None
    user: str
    account: str
    partition: str
    qos: str
    eligible: datetime | None
    started: datetime | None
    ended: datetime | None
    state: str
    exit_code: str
    time_limit: timedelta | None
    tres: Tres
    energy_joules: float | None
    tag: Tag | None
    array_task: int | None = None
    node_list: str = ""
    suspended: timedelta = timedelta()
    name: str | None = None

    @property
    def shown_id(self) -> str:
        """The id as Slurm shows it: ``15``, or ``13_2`` for a task of an array."""
        if self.array_job_id is None or self.array_task is None:
            return str(self.key.job_id)
        return f"{self.array_job_id}_{self.array_task}"


@dataclass(frozen=True, slots=True)
class AccountedStep:
    """A step of a run as sacct reports it. Steps overlap each other, so nothing of them is summed.

    Attributes:
        run: whose step it is.
        name: as sacct writes it behind the job's id: ``0``, ``batch``, ``extern``, ``interactive``.
        job_name: what it was called; None where that is not known.
        state: Slurm's word, as of runs.
        started: None where that is not known.
        ended: None where it still runs.
        tres: what it held.
        energy_joules: as measured by Slurm, None where it did not.
    """

    run: RunKey
    name: str
    job_name: str | None
    state: str
    exit_code: str
    started: datetime | None
    ended: datetime | None
    tres: Tres
    energy_joules: float | None
