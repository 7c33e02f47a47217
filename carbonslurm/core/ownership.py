"""What is ours and what is not: the ledger's memory of a job against what Slurm shows now.

Slurm keeps no name of who changed a job, so the ledger does: each change is written before it is made
(``Claim``). A value that Slurm shows and that nobody of ours set is the owner's or an admin's word, and
final. Slurm's own requeue moves the eligible time too; it is told apart because Restarts rises at once. A
hold or a licence of ours that is gone is such a word, too.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from carbonslurm.core.action import Verb
from carbonslurm.core.job import JobState, QueuedJob
from carbonslurm.core.means import Means


@dataclass(frozen=True, slots=True)
class Claim:
    """Our last change of a job by one means.

    Attributes:
        restarts: the job's Restarts when it was made: another run makes the claim void.
        set_to: until when the job is to wait; None when we released it.
        before: the eligible time that Slurm showed before, to which a slurmctld that forgot may return.
        action: the ledger's number of the action.
        at: when it was made.
        settled: whether Slurm had taken it. One that was never heard of needs no crash to be missing.
        means: what was changed: its begin time, its hold, or its licence.
        site_factor: the priority that was given with it for the waiting, None where none was.
    """

    restarts: int
    set_to: datetime | None
    before: datetime | None
    action: int
    at: datetime | None = None
    settled: bool = False
    means: Means = Means.BEGIN
    site_factor: int | None = None


@dataclass(frozen=True, slots=True)
class Compensation:
    """The site factor that a job was given for its waiting, and has as far as we know.

    Attributes:
        factor: the most that it can be, where an answer is missing.
        restarts: the job's Restarts when it was given; Slurm keeps it in later runs.
        settled: whether Slurm had taken our last word about it.
    """

    factor: int
    restarts: int
    settled: bool = True


@dataclass(frozen=True, slots=True)
class Known:
    """What the ledger knows of a job.

    Attributes:
        first_eligible: when it could first have started without us; None while its dependencies last.
        hands_off: the owner or an admin overrode us: it is theirs for good.
        claims: our last change by each means that we ever used on it.
        stops: how often we have stopped it.
        stopping: whether a stop of it is in flight.
        watched: verb, time and Restarts of what we last would have done, where we only watch.
        compensation: for waiting, None where none was ever given.
    """

    first_eligible: datetime | None = None
    hands_off: bool = False
    claims: tuple[Claim, ...] = ()
    stops: int = 0
    stopping: bool = False
    watched: tuple[Verb, datetime | None, int] | None = None
    compensation: Compensation | None = None

    def claim(self, means: Means, restarts: int) -> Claim | None:
        """Return our last change of this run by one means, None where we made none."""
        for claim in self.claims:
            if claim.means is means and claim.restarts == restarts:
                return claim
        return None


UNKNOWN = Known()
SAVED_EVERY = timedelta(seconds=10)  # slurmctld saves its state this often, or a little less
CLOCKS = timedelta(seconds=5)  # how far apart slurmctld's clock and ours may be
STARTED = "started by its owner or an admin"
HELD = "held by its owner or an admin"
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
    """Tell whether Slurm shows, for this run, that the job waits as we told it to."""
    if claim is None or claim.restarts != job.restarts or claim.set_to is None:
        return False
    if claim.means is Means.BEGIN:
        return claim.set_to == job.eligible
    return job.held_by_user if claim.means is Means.HOLD else job.gated


def standing(job: QueuedJob, known: Known) -> list[Claim]:
    """Return what of ours keeps this job waiting, by each means at most one.

    A begin time that is its owner's own keeps it waiting too, but not for us.
    """
    if not known.claims:
        return []
    own = job.tag.begin if job.tag else None
    ours = [claim for claim in known.claims if is_ours_still(job, claim)]
    return [claim for claim in ours if claim.means is not Means.BEGIN or claim.set_to != own]


def is_held_by_us(job: QueuedJob, known: Known, controller_started: datetime | None) -> bool:
    """Tell whether a hold is ours: set by us, or lifted by us before slurmctld died and forgot that."""
    claim = known.claim(Means.HOLD, job.restarts)
    return is_ours_still(job, claim) or (job.held_by_user and forgotten(job, claim, controller_started))


def is_half_released(job: QueuedJob, known: Known) -> bool:
    """Tell whether a hold is ours that we meant to lift, and nobody knows whether Slurm ever heard of it."""
    return job.held_by_user and forgotten(job, known.claim(Means.HOLD, job.restarts), None)


def back_before(job: QueuedJob, claim: Claim | None) -> bool:
    """Tell whether Slurm shows the value from before our change."""
    if claim is None or claim.restarts != job.restarts:
        return False
    if claim.means is Means.BEGIN:
        return claim.before is not None and job.eligible == claim.before
    if claim.means is Means.GATE:
        # A gate that opens leaves each job its licence: that one is there says nothing.
        return claim.set_to is not None and not job.gated
    return job.held_by_user == (claim.set_to is None)


def lacks_before(job: QueuedJob, claim: Claim) -> bool:
    """Tell whether it must be known what Slurm's own requeue had set: another time than ours is shown."""
    if claim.means is not Means.BEGIN or claim.before is not None or job.eligible is None:
        return False
    return claim.restarts == job.restarts and claim.set_to != job.eligible


def with_before(job: QueuedJob, known: Known, requeue_delay: timedelta) -> Known:
    """Complete a claim that was made while Slurm requeued the job: the value before is the requeue's own."""
    again = job.submitted + requeue_delay
    claims = [replace(it, before=again) if lacks_before(job, it) else it for it in known.claims]
    return replace(known, claims=tuple(claims))


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
    return controller_started is not None and controller_started > claim.at - CLOCKS


def overridden(
    job: QueuedJob, known: Known, now: datetime, controller_started: datetime | None = None
) -> str | None:
    """Return who else decided when this job starts, in words; None where nobody did.

    Only a change within one run speaks: with another Restarts it was Slurm that requeued.
    """
    if not known.claims:
        return _unclaimed_change(job, now)
    for means in (Means.HOLD, Means.GATE):
        claim = known.claim(means, job.restarts)
        if _was_lifted(job, claim) and not forgotten(job, claim, controller_started):
            return STARTED
    return _other_begin_time(job, known, now, controller_started)


def _was_lifted(job: QueuedJob, claim: Claim | None) -> bool:
    """Whether a hold, or a licence, that we rely on is gone. An admin's hold in its place is left to him."""
    return claim is not None and claim.set_to is not None and not (job.held or is_ours_still(job, claim))


def _other_begin_time(
    job: QueuedJob, known: Known, now: datetime, controller_started: datetime | None
) -> str | None:
    claim = known.claim(Means.BEGIN, job.restarts)
    if job.eligible is None or forgotten(job, claim, controller_started):
        return None
    hold = known.claim(Means.HOLD, job.restarts)
    if hold is not None and (claim is None or hold.action > claim.action):
        return _later_than_our_hold(job, claim, now)
    if claim is not None and claim.set_to is not None and job.eligible != claim.set_to:
        early = job.state is not JobState.PENDING or job.eligible <= now
        return STARTED if early else OTHER_TIME
    if claim is None:
        return _unclaimed_change(job, now)
    later = job.state is JobState.PENDING and job.eligible > now
    return OTHER_TIME if claim.set_to is None and later else None


def _later_than_our_hold(job: QueuedJob, begin: Claim | None, now: datetime) -> str | None:
    """Judge a begin time where a hold of ours came after whatever we had meant by begin times.

    Of those Slurm may never have heard; and one that has passed it moves when a hold is lifted, to that
    moment. So only a time that is still to come speaks.
    """
    ours = {begin.set_to if begin else None, *((job.tag.window, job.tag.begin) if job.tag else ())}
    later = job.state is JobState.PENDING and job.eligible is not None and job.eligible > now + CLOCKS
    return OTHER_TIME if later and job.eligible not in ours else None


def _unclaimed_change(job: QueuedJob, now: datetime) -> str | None:
    """A job that we did not touch: does its begin time differ from what the hook saw and set at submit?"""
    if job.state is not JobState.PENDING or job.restarts > 0 or job.tag is None or job.eligible is None:
        return None
    window, from_submit = job.tag.window, (job.tag.window, job.tag.begin)
    # A job submitted while the snapshot was taken is not moved: it may start from its submission on.
    later = job.eligible > now and job.eligible > job.submitted + CLOCKS
    if later and job.eligible not in from_submit:
        return OTHER_TIME
    if window is not None and window > now and job.eligible < window:
        return STARTED
    return None
