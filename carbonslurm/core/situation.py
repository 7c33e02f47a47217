"""What plan() is given: the site's choices, and the situation at one moment."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from carbonslurm.core.allowance import Allowance
from carbonslurm.core.bound import BoundRules
from carbonslurm.core.capacity import Node
from carbonslurm.core.forecast import Band, Series
from carbonslurm.core.job import JobKey, Queue, QueuedJob
from carbonslurm.core.length import Past
from carbonslurm.core.means import MeansRules
from carbonslurm.core.ownership import Known
from carbonslurm.core.power import PowerModel
from carbonslurm.core.priority import AgeWeight
from carbonslurm.core.scene import Scarcity
from carbonslurm.core.stop import StopRules


@dataclass(frozen=True, slots=True)
class Zones:
    """Where the cluster's partitions stand on the grid."""

    default: str
    partitions: Mapping[str, str] = field(default_factory=dict)

    def of(self, job: QueuedJob) -> str:
        """Return the zone that a job runs in."""
        return self.partitions.get(job.partition, self.default)

    def all(self) -> frozenset[str]:
        """Return every zone of the cluster."""
        return frozenset({self.default, *self.partitions.values()})


@dataclass(frozen=True, slots=True)
class PlanRules:
    """The site's choices for planning.

    Attributes:
        zones: which grid zone each partition is in.
        policy: a name in policies.NAMES.
        threshold: g/kWh, for the policy of that name.
        assumed_length: of a job without a time limit.
        lead: a job that may start is not made to wait for less than this; one cycle of the daemon.
        min_gain: share of its emissions that a new plan must save before it replaces the old one, 0..1.
        bound: the site's share of the bound.
        stop: the site's limits for stops.
        power: for grams in reasons; decisions compare intensities only.
        means: by what jobs are made to wait.
    """

    zones: Zones
    policy: str = "lowest-window"
    threshold: float = 250.0
    assumed_length: timedelta = timedelta(hours=4)
    lead: timedelta = timedelta(minutes=1)
    min_gain: float = 0.02
    bound: BoundRules = field(default_factory=BoundRules)
    stop: StopRules = field(default_factory=StopRules)
    power: PowerModel = field(default_factory=PowerModel)
    means: MeansRules = field(default_factory=MeansRules)


@dataclass(frozen=True, eq=False)
class Found:
    """What joint found in one cycle, for the next; a plan without it is as good, and takes longer.

    Attributes:
        pools: their names and units.
        scarcity: of each.
    """

    pools: tuple[tuple[str, int], ...]
    scarcity: Scarcity


@dataclass(frozen=True, slots=True)
class Situation:
    """All that a plan may know.

    Attributes:
        now: the moment of planning.
        queue: the snapshot.
        forecasts: by zone; None, or missing, where there is no usable one.
        known: what the ledger remembers, with first eligible times brought up to this snapshot.
        controller_started: when slurmctld was last started; asked for only where one of our changes is gone.
        stops_begun: within the last hour, in the whole cluster.
        may_stop: False while slurmctld is freshly back and may not have heard of jobs that ended meanwhile.
        outages: when the next maintenance of all of a partition's nodes begins, where one is planned.
        paused: an admin's switch: let go of all that is ours, and touch nothing else.
        watched: jobs to which nothing is done: the gate is not turned for them.
        used_up: by job, the used-up budget that decides how it is planned.
        age: what age counts here, where the site gives back what waiting costs; None where it does not.
        capacity: what the nodes leave to jobs; None where nobody knows.
        bands: by zone, how sure its forecast is; None, or missing, where nobody says.
        past: what past runs teach of lengths; None where they are not looked at.
        found: what joint found last; None before.
    """

    now: datetime
    queue: Queue
    forecasts: Mapping[str, Series | None]
    known: Mapping[JobKey, Known]
    may_stop: bool = True
    controller_started: datetime | None = None
    stops_begun: int = 0
    outages: Mapping[str, datetime] = field(default_factory=dict)
    paused: bool = False
    age: AgeWeight | None = None
    watched: frozenset[JobKey] = frozenset()
    capacity: Sequence[Node] | None = None
    bands: Mapping[str, Band | None] = field(default_factory=dict)
    past: Past | None = None
    found: Found | None = None
    used_up: Mapping[JobKey, Allowance] = field(default_factory=dict)

    def outage(self, job: QueuedJob) -> datetime | None:
        """Return when the last of a job's partitions goes into maintenance; None where one does not."""
        if not self.outages:
            return None
        each = [self.outages.get(name) for name in job.partitions or (job.partition,)]
        known = [moment for moment in each if moment is not None]
        return max(known) if len(known) == len(each) else None
