"""What plan() returns: decisions as data, each with its reason.

The daemon carries them out, observe mode writes them down, the simulator and the tests read the same list.
"""

from datetime import datetime
from enum import StrEnum
from typing import NamedTuple

from carbonslurm.core.job import QueuedJob
from carbonslurm.core.means import Means


class Verb(StrEnum):
    """What an action does, as the ledger spells it."""

    WITHHOLD = "withhold"
    RELEASE = "release"
    STOP = "stop"
    LEAVE = "leave"


class Action(NamedTuple):
    """One decision about one job.

    A tuple, not a dataclass: a plan may make a hundred thousand, and a frozen dataclass of so many fields
    takes five times as long to make.

    Attributes:
        verb: what to do.
        job: the job as the snapshot showed it; its ``eligible`` is the value from before the action.
        reason: one line for people.
        until: withhold: the planned start. stop: the planned restart. Else None.
        bound: the latest time until which this job may be withheld, None where none was worked out.
        g_per_kwh_now: mean intensity of the run if it started now, None where unknown.
        g_per_kwh_then: the same if it starts at ``until``.
        saving_g: grams expected to be saved against starting (or going on) now, None where unknown.
        final: leave: the owner or an admin spoke, and we never touch this job again.
        means: by what it is withheld or released.
        site_factor: the priority that it gets for the waiting that we cause; None leaves it as it is.
        factor_before: what it had, and has again if Slurm refuses to make it wait.
        silent: Slurm need not be told: the gate does it for all jobs at once, or the job is held already.
    """

    verb: Verb
    job: QueuedJob
    reason: str
    until: datetime | None = None
    bound: datetime | None = None
    g_per_kwh_now: float | None = None
    g_per_kwh_then: float | None = None
    saving_g: float | None = None
    final: bool = False
    means: Means = Means.BEGIN
    site_factor: int | None = None
    factor_before: int = 0
    silent: bool = False

    @property
    def calls(self) -> int:
        """How many calls it costs: one for a job or for the pending range of an array.

        ``leave`` is only a record, unless it sets the site factor. A hold with one takes two. The later steps
        of a stop are made between cycles, one at a time.
        """
        if self.verb is Verb.LEAVE:
            return 0 if self.site_factor is None else 1
        if self.silent:
            return 0
        return 2 if self.means is Means.HOLD and self.site_factor is not None else 1
