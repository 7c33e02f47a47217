"""Stopping a running job: the table of how it is done; when it pays is in ``core.worth``.

A table from (phase, what Slurm shows) to (what to do, next phase), under two rules:

1. No command in it leaves a job held: whatever dies between two steps, the job runs on or starts by itself.
2. ``requeue`` is told only to a job that Slurm shows running, and only as ``requeue Incomplete``, so a job
   that has ended is never run again.

An acknowledgement is only what Slurm shows: the job requeued itself (or ended with a RequeueExit code, which
looks the same), or it said in its own Comment that this run has saved; else its grace must pass.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from carbonslurm.core.budget import RateLimit
from carbonslurm.core.job import JobKey, JobState
from carbonslurm.core.ownership import SAVED_EVERY
from carbonslurm.core.priority import AgeWeight
from carbonslurm.core.tag import Checkpoint


@dataclass(frozen=True, slots=True)
class StopRules:
    """The site's limits for stops.

    Attributes:
        enabled: whether running jobs may be stopped at all.
        min_run: a run is left alone for this long after its start, and for as long before its end.
        max_stops: per job, for good.
        per_hour: for the whole cluster, begun within any hour.
        restart: how long loading a checkpoint takes where the tag does not say.
        min_saving: share of what going on would emit that a stop must save, 0..1.
        settle: time from the kill until Slurm has the job pending again.
    """

    enabled: bool = True
    min_run: timedelta = timedelta(minutes=30)
    max_stops: int = 2
    per_hour: int = 60
    restart: timedelta = timedelta(minutes=5)
    min_saving: float = 0.1
    settle: timedelta = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class ControllerFacts:
    """What slurmctld says of itself.

    Attributes:
        started: when it was.
        slurmd_timeout: how long it waits for a silent slurmd.
        cluster: its name.
        rate_limit: of our calls, None where they are not limited.
        requeue_delay: how long after a requeue a job may start again, at the earliest.
        age: what a job's age counts and would lose by waiting; None where it loses nothing.
    """

    started: datetime
    slurmd_timeout: timedelta
    cluster: str = ""
    rate_limit: RateLimit | None = None
    requeue_delay: timedelta = timedelta(seconds=121)
    age: AgeWeight | None = None


def controller_settled(facts: ControllerFacts, last_failure: datetime | None, now: datetime) -> bool:
    """Tell whether slurmctld has been up, and has answered us, for longer than it waits for a slurmd.

    Before that it may not have heard of jobs that ended while it was away, and even ``requeue Incomplete``
    would run them again.
    """
    return now - max(facts.started, last_failure or facts.started) > facts.slurmd_timeout


class Phase(StrEnum):
    """How far a stop has come, as the ledger spells it."""

    INTENDED = "intended"
    SIGNALLING = "signalling"
    SIGNALLED = "signalled"
    REQUEUED = "requeued"
    DELAYED = "delayed"
    DONE = "done"
    ENDED = "ended"
    ABANDONED = "abandoned"


OVER = frozenset({Phase.DONE, Phase.ENDED, Phase.ABANDONED})


class Command(StrEnum):
    """What to tell Slurm."""

    NOTHING = "nothing"
    SIGNAL = "signal"
    REQUEUE = "requeue"
    DELAY = "delay"


class Seen(StrEnum):
    """What Slurm shows of the job, against the run that we meant to stop."""

    RUNNING = "running"
    SAVED = "saved"
    OUT_OF_GRACE = "out of grace"
    TOO_LATE = "too late"
    LEAVING = "leaving"
    SUSPENDED = "suspended"
    AGAIN_WAITING = "again waiting"
    AGAIN_DELAYED = "again delayed"
    AGAIN_FORGOTTEN = "again waiting, the begin time forgotten"
    AGAIN_RUNNING = "again running"
    ENDED = "ended"


@dataclass(frozen=True, slots=True)
class Sight:
    """One job, as the look at a stop in flight needs it."""

    state: JobState
    restarts: int
    eligible: datetime | None
    started: datetime | None
    saved: bool


@dataclass(frozen=True, slots=True)
class StopInFlight:
    """A stop that has not come to its end.

    Attributes:
        action: the ledger's number of it.
        spec: what scontrol takes for this run alone: the number of an array's last task would mean them all.
        restarts: of the run that is to be stopped.
        restart_at: when the job is to go on.
        signalled_at: when the signal was sent, or was about to be; None before.
        delayed_at: when the begin time to go on at was last set; None before.
    """

    action: int
    key: JobKey
    spec: str
    restarts: int
    checkpoint: Checkpoint
    restart_at: datetime
    phase: Phase
    signalled_at: datetime | None
    delayed_at: datetime | None = None


# Both rules of the module docstring can be checked by reading this table. What is not in it means: wait.
TABLE: dict[tuple[Phase, Seen], tuple[Command, Phase]] = {
    (Phase.INTENDED, Seen.RUNNING): (Command.SIGNAL, Phase.SIGNALLED),
    # We died, or could not write, with the signal perhaps on its way: a second one may hurt, and without an
    # answer a requeue may lose what was not saved. The job runs on, and the next plan decides anew.
    (Phase.SIGNALLING, Seen.OUT_OF_GRACE): (Command.NOTHING, Phase.ABANDONED),
    (Phase.SIGNALLING, Seen.TOO_LATE): (Command.NOTHING, Phase.ABANDONED),
    (Phase.SIGNALLING, Seen.SAVED): (Command.REQUEUE, Phase.REQUEUED),
    # Suspended it cannot save, and once resumed its grace would be over: it is left to whoever suspended it.
    **{
        (phase, Seen.SUSPENDED): (Command.NOTHING, Phase.ABANDONED)
        for phase in (Phase.INTENDED, Phase.SIGNALLING, Phase.SIGNALLED)
    },
    (Phase.SIGNALLING, Seen.AGAIN_WAITING): (Command.DELAY, Phase.DELAYED),
    (Phase.SIGNALLING, Seen.AGAIN_DELAYED): (Command.NOTHING, Phase.DONE),
    (Phase.SIGNALLED, Seen.SAVED): (Command.REQUEUE, Phase.REQUEUED),
    (Phase.SIGNALLED, Seen.OUT_OF_GRACE): (Command.REQUEUE, Phase.REQUEUED),
    # The hour to go on has come, as after a long outage of ours: a requeue now would only lose work.
    (Phase.INTENDED, Seen.TOO_LATE): (Command.NOTHING, Phase.ABANDONED),
    (Phase.SIGNALLED, Seen.TOO_LATE): (Command.NOTHING, Phase.ABANDONED),
    (Phase.SIGNALLED, Seen.AGAIN_WAITING): (Command.DELAY, Phase.DELAYED),
    (Phase.REQUEUED, Seen.AGAIN_WAITING): (Command.DELAY, Phase.DELAYED),
    (Phase.REQUEUED, Seen.OUT_OF_GRACE): (Command.REQUEUE, Phase.REQUEUED),
    (Phase.REQUEUED, Seen.SAVED): (Command.REQUEUE, Phase.REQUEUED),
    # A slurmctld that died just after may have forgotten the requeue.
    (Phase.DELAYED, Seen.OUT_OF_GRACE): (Command.REQUEUE, Phase.DELAYED),
    (Phase.DELAYED, Seen.SAVED): (Command.REQUEUE, Phase.DELAYED),
    # Likewise the begin time: without it the job would start as soon as Slurm's own delay is over.
    (Phase.DELAYED, Seen.AGAIN_FORGOTTEN): (Command.DELAY, Phase.DELAYED),
    # Another begin time than ours, once ours was taken, is somebody's word: the next plan reads it as such.
    (Phase.DELAYED, Seen.AGAIN_WAITING): (Command.NOTHING, Phase.DONE),
    (Phase.DELAYED, Seen.AGAIN_DELAYED): (Command.NOTHING, Phase.DONE),
    (Phase.SIGNALLED, Seen.AGAIN_DELAYED): (Command.NOTHING, Phase.DONE),
    (Phase.REQUEUED, Seen.AGAIN_DELAYED): (Command.NOTHING, Phase.DONE),
    **{
        (phase, seen): (Command.NOTHING, Phase.ENDED)
        for phase in (Phase.INTENDED, Phase.SIGNALLING, Phase.SIGNALLED, Phase.REQUEUED, Phase.DELAYED)
        for seen in (Seen.ENDED, Seen.AGAIN_RUNNING)
    },
    (Phase.INTENDED, Seen.AGAIN_WAITING): (Command.NOTHING, Phase.ABANDONED),
    (Phase.INTENDED, Seen.AGAIN_DELAYED): (Command.NOTHING, Phase.ABANDONED),
}


def see(
    stop: StopInFlight, sight: Sight | None, now: datetime, controller_started: datetime | None = None
) -> Seen:
    """Read what Slurm shows against the run that we meant to stop; a job that it forgot has ended."""
    if sight is None or sight.state is JobState.ENDED:
        return Seen.ENDED
    if sight.restarts == stop.restarts:
        return _see_same_run(stop, sight, now)
    if sight.state is JobState.RUNNING or sight.state is JobState.SUSPENDED:
        return Seen.AGAIN_RUNNING
    if sight.eligible == stop.restart_at:
        return Seen.AGAIN_DELAYED
    return Seen.AGAIN_FORGOTTEN if _crashed_since(stop, controller_started) else Seen.AGAIN_WAITING


def _crashed_since(stop: StopInFlight, controller_started: datetime | None) -> bool:
    """Whether slurmctld may have died without what we told it last."""
    if stop.delayed_at is None or controller_started is None:
        return False
    return controller_started > stop.delayed_at - SAVED_EVERY


def _see_same_run(stop: StopInFlight, sight: Sight, now: datetime) -> Seen:
    if sight.state is JobState.SUSPENDED:
        return Seen.SUSPENDED
    if sight.state is not JobState.RUNNING:
        return Seen.LEAVING
    if now >= stop.restart_at and stop.phase not in {Phase.REQUEUED, Phase.DELAYED}:
        return Seen.TOO_LATE
    if sight.saved and stop.phase is not Phase.INTENDED:
        return Seen.SAVED
    if stop.signalled_at is not None and now >= stop.signalled_at + stop.checkpoint.grace:
        return Seen.OUT_OF_GRACE
    return Seen.RUNNING


def step(
    stop: StopInFlight, sight: Sight | None, now: datetime, controller_started: datetime | None = None
) -> tuple[Command, Phase, Seen]:
    """Return what to tell Slurm and the phase that follows once it was told, from what Slurm shows.

    Args:
        stop: as the ledger has it.
        sight: what Slurm shows of the job, None where it knows none.
        now: the moment of looking.
        controller_started: when slurmctld was last started, None where nobody asked.
    """
    seen = see(stop, sight, now, controller_started)
    command, phase = TABLE.get((stop.phase, seen), (Command.NOTHING, stop.phase))
    return command, phase, seen
