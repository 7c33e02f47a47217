"""What is ours and what is not: the ledger's memory of a job against what Slurm shows now.

Slurm keeps no name of who changed a job, so the ledger does: each change is written before it is made
(``Claim``). A value that Slurm shows and that nobody of ours set is the owner's or an admin's word, and
final. Slurm's own requeue moves the eligible time too; it is told apart because Restarts rises at once.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from carbonslurm.core.job import JobState, QueuedJob


@dataclass(frozen=True, slots=True)
class Claim:
    """Our last change of a job's begin time.

    Attributes:
        restarts: the job's Restarts when the value was set: another run makes the claim void.
        set_to: the begin time that we set; None when we released the job.
        before: the eligible time that Slurm showed before, to which a slurmctld that forgot may return.
        action: the ledger's number of the action.
        at: when it was made.
        settled: whether Slurm had taken it. One that was never heard of needs no crash to be missing.
    """

    restarts: int
    set_to: datetime | None
    before: datetime | None
    action: int
    at: datetime | None = None
    settled: bool = False


@dataclass(frozen=True, slots=True)
class Known:
    """What the ledger knows of a job.

    Attributes:
        first_eligible: when it could first have started without us; None while its dependencies last.
        hands_off: the owner or an admin overrode us: it is theirs for good.
        claim: our last change, None where we made none.
        stops: how often we have stopped it.
        stopping: whether a stop of it is in flight.
    """

    first_eligible: datetime | None = None
    hands_off: bool = False
    claim: Claim | None = None
    stops: int = 0
    stopping: bool = False


UNKNOWN = Known()
SAVED_EVERY = timedelta(seconds=10)  # slurmctld saves its state this often, or a little less
CLOCKS = timedelta(seconds=5)  # how far apart slurmctld's clock and ours may be
STARTED = "started by its owner or an admin"
OTHER_TIME = "given another begin time by its owner or an admin"


def first_eligible(job: QueuedJob, known: Known, seen_waiting: bool, now: datetime) -> datetime | None:
    """Return when the job could first have started without us, None while its dependencies are unmet.

    Args:
        job: as the snapshot shows it.
        known: what the ledger knew before this snapshot.
        seen_waiting: whether an earlier snapshot showed it with unmet dependencies.
        now: the snapshot's moment, at most one cycle after dependencies were resolved.
    """
    if known.first_eligible is not None:
        return known.first_eligible
    if job.waits_for_others:
        return None
    begin = job.tag.begin if job.tag and job.tag.begin else job.submitted
    return max(now if seen_waiting else job.submitted, begin)


def is_ours_still(job: QueuedJob, claim: Claim | None) -> bool:
    """Tell whether Slurm shows, for this run, the begin time that we set."""
    return claim is not None and claim.restarts == job.restarts and claim.set_to == job.eligible


def back_before(job: QueuedJob, claim: Claim | None) -> bool:
    """Tell whether Slurm shows the value from before our change."""
    if claim is None or claim.before is None or claim.restarts != job.restarts:
        return False
    return job.eligible == claim.before


def lacks_before(job: QueuedJob, claim: Claim | None) -> bool:
    """Tell whether it must be known what Slurm's own requeue had set: another time than ours is shown."""
    if claim is None or claim.before is not None or job.eligible is None:
        return False
    return claim.restarts == job.restarts and claim.set_to != job.eligible


def with_before(job: QueuedJob, known: Known, requeue_delay: timedelta) -> Known:
    """Complete a claim that was made while Slurm requeued the job: the value before is the requeue's own."""
    if known.claim is None or not lacks_before(job, known.claim):
        return known
    return replace(known, claim=replace(known.claim, before=job.submitted + requeue_delay))


def forgotten(job: QueuedJob, claim: Claim | None, controller_started: datetime | None) -> bool:
    """Tell whether Slurm has forgotten our change, or never heard of it.

    What Slurm had taken it forgets only in a crash: back at the value from before without one, it is the
    owner who set his own time again.

    Args:
        job: as the snapshot shows it.
        claim: our last change.
        controller_started: when slurmctld was last started, None where nobody asked.
    """
    if claim is None or not back_before(job, claim):
        return False
    if not claim.settled or claim.at is None:
        return True
    return controller_started is not None and controller_started > claim.at - SAVED_EVERY


def overridden(
    job: QueuedJob, known: Known, now: datetime, controller_started: datetime | None = None
) -> str | None:
    """Return who else decided when this job starts, in words; None where nobody did.

    Only a change within one run speaks: with another Restarts it was Slurm that requeued.
    """
    claim = known.claim if known.claim and known.claim.restarts == job.restarts else None
    if job.eligible is None or forgotten(job, claim, controller_started):
        return None
    if claim is not None and claim.set_to is not None and job.eligible != claim.set_to:
        early = job.state is not JobState.PENDING or job.eligible <= now
        return STARTED if early else OTHER_TIME
    if claim is None:
        return _unclaimed_change(job, now)
    later = job.state is JobState.PENDING and job.eligible > now
    return OTHER_TIME if claim.set_to is None and later else None


def _unclaimed_change(job: QueuedJob, now: datetime) -> str | None:
    """A job that we did not touch: does its begin time differ from what the hook saw and set at submit?"""
    if job.state is not JobState.PENDING or job.restarts > 0 or job.tag is None or job.eligible is None:
        return None
    from_submit = {moment for moment in (job.tag.window, job.tag.begin) if moment is not None}
    # A job submitted while the snapshot was taken is not moved: it may start from its submission on.
    if job.eligible > max(now, job.submitted + CLOCKS) and job.eligible not in from_submit:
        return OTHER_TIME
    window = job.tag.window
    if window is not None and window > now and job.eligible < window:
        return STARTED
    return None
