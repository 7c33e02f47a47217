"""What waiting costs a job in priority, and how it is given back.

Where a site enforces limits and has not set PriorityFlags=ACCRUE_ALWAYS, Slurm counts a job's age from its
begin time on, so a job that we withheld comes into the queue behind those that were submitted meanwhile. The
site factor adds to the priority what the age would have (Slurm's multifactor plugin: age factor =
PriorityWeightAge x age / PriorityMaxAge, at most PriorityWeightAge). It is set, not added, so that planning
anew never gives it twice, and in the call that withholds: a dead daemon never reaches the release.
"""

from dataclasses import dataclass
from datetime import timedelta


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
