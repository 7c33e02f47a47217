"""What waiting costs a job in priority, and how it is given back.

Where a site enforces limits and has not set PriorityFlags=ACCRUE_ALWAYS, Slurm counts a job's age from its
begin time on, so a job that we withheld comes into the queue behind those that were submitted meanwhile. The
site factor adds to the priority what the age would have (Slurm's multifactor plugin: age factor =
PriorityWeightAge x age / PriorityMaxAge, at most PriorityWeightAge). It is set, not added, so that planning
anew never gives it twice, and in the call that withholds: a dead daemon never reaches the release.

What is given is for waiting that lies ahead, so it is taken back where that does not come: when we let the
job go earlier, when its owner starts it himself, and in a later run, since Slurm keeps the site factor over a
requeue. Left is what the job has really lost by then (``earned``).
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from carbonslurm.core.job import QueuedJob
from carbonslurm.core.means import Means
from carbonslurm.core.ownership import Known, standing


@dataclass(frozen=True, slots=True)
class AgeWeight:
    """What age counts at this site.

    Attributes:
        weight: PriorityWeightAge, the priority of a job that is as old as counts.
        full_after: PriorityMaxAge, the age that counts in full.
    """

    weight: int
    full_after: timedelta


def site_factor(age: AgeWeight, waited: timedelta) -> int:
    """Return the priority that so much waiting would have given by age."""
    share = min(max(waited, timedelta()) / age.full_after, 1.0) if age.full_after else 0.0
    return round(age.weight * share)


def lost_from(job: QueuedJob, known: Known) -> datetime | None:
    """Return from when on waiting costs this run its age, None while its dependencies last: it has none."""
    first = known.first_eligible
    return None if first is None else max(first, job.submitted)


def earned(job: QueuedJob, known: Known, age: AgeWeight | None, now: datetime) -> int | None:
    """Return the site factor for what a job has lost up to now, None where it was never given any.

    Never more than it was given, but for one that we hold up to this moment. In a run in which we made it
    wait by nothing that costs age it lost nothing.

    Args:
        job: as the snapshot shows it.
        known: what the ledger remembers.
        age: what age counts; None where none is given back (any more).
        now: the moment at which it waits no longer.
    """
    given = known.compensation
    if given is None or given.factor == 0:
        return None
    mine = [it for it in known.claims if it.restarts == job.restarts and it.means is not Means.GATE]
    first = lost_from(job, known)
    if age is None or first is None or not mine:
        return 0
    by_hold = any(claim.means is Means.HOLD for claim in mine)
    until = now if by_hold or job.eligible is None else min(now, job.eligible)
    lost = site_factor(age, until - first)
    ours = job.held and any(it.means is Means.HOLD and it.set_to is not None for it in mine)
    return lost if ours else min(lost, given.factor)


def is_overpaid(job: QueuedJob, known: Known) -> bool:
    """Tell whether a job for which there is nothing to do may have a site factor that is not its due.

    One from an earlier run; or, where it does not wait for us, from a change of which nobody knows what
    became.
    """
    given = known.compensation
    if given is None or given.factor == 0:
        return False
    if given.restarts < job.restarts:
        return True
    return not given.settled and all(claim.means is Means.GATE for claim in standing(job, known))
