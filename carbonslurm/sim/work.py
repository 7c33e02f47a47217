"""The work of a comparison: jobs, intensities and cluster, as every policy is given them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from carbonslurm.core.forecast import Floats, Series
from carbonslurm.core.places import Transfer
from carbonslurm.core.scene import Ints
from carbonslurm.sim.foresight import Foresight
from carbonslurm.sim.pools import NodeGroup, NodePool, Pool, UnitPool
from carbonslurm.sim.trace import Trace

Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Places:
    """Where jobs may run; n jobs, p pools.

    Attributes:
        choices: shape (n, p), whether each job may run in each pool, its own among them.
        data_gb: shape (n,), what has to be moved with each.
        transfer: what moving a GB costs.
    """

    choices: Bools
    data_gb: Floats
    transfer: Transfer


@dataclass(frozen=True, eq=False)
class Zone:
    """A grid area: what its intensity was, and what was forecast of it."""

    name: str
    truth: Series
    foresight: Foresight


@dataclass(frozen=True, eq=False)
class Setting:
    """What all policies of a comparison share.

    Attributes:
        trace: the jobs, all of which fit into the cluster.
        truth: what intensity was, in the first zone.
        foresight: the forecasts of that, and what they are called.
        forecast: the latter.
        length: which estimate.
        partitions: the pools of the cluster, with their nodes; None for plain units.
        pool_units: of each pool, infinite where nothing limits them.
        pool_of: for each job, the index of its pool; zeros for plain units.
        watts: of one unit.
        parameters: of all policies.
        others: the other zones.
        zone_of: for each pool its zone, 0 for the first; empty where all are there.
        job_watts: shape (n,), W of each job; None where the units' count.
        places: which pools each job may run in, and what moving costs; None where each stays at home.
    """

    trace: Trace
    truth: Series
    foresight: Foresight
    forecast: str
    length: str
    partitions: Sequence[Sequence[NodeGroup]] | None
    pool_units: Sequence[float]
    pool_of: Sequence[int]
    watts: float
    parameters: Mapping[str, str]
    others: Sequence[Zone] = ()
    zone_of: Sequence[int] = ()
    job_watts: Floats | None = None
    places: Places | None = None

    @property
    def units(self) -> float:
        """Of the whole cluster."""
        return float(sum(self.pool_units))

    @property
    def zones(self) -> list[Zone]:
        """All zones, the first one ahead."""
        return [Zone(self.truth.zone, self.truth, self.foresight), *self.others]

    @property
    def zone_of_pool(self) -> Ints:
        """Shape (p,): the zone of each pool."""
        return np.array(self.zone_of or [0] * len(self.pool_units), dtype=np.int64)

    @property
    def watts_of(self) -> Floats:
        """Shape (n,): W of each job."""
        return self.trace.units * self.watts if self.job_watts is None else self.job_watts

    def pools(self) -> list[Pool]:
        """Return an empty cluster."""
        if self.partitions is None:
            return [UnitPool(units) for units in self.pool_units]
        return [
            NodePool(groups, units) for groups, units in zip(self.partitions, self.pool_units, strict=True)
        ]

    def of_zone(self, index: int) -> tuple["Setting", Ints, Ints]:
        """Return one zone for itself, and the places that its jobs and its pools have among all."""
        zone, pools = self.zones[index], np.flatnonzero(self.zone_of_pool == index)
        jobs = np.flatnonzero(np.isin(self.pool_of, pools))
        mine = np.isin(np.arange(len(self.trace)), jobs)
        alone = replace(
            self,
            trace=self.trace.only(mine, "in other zones"),
            truth=zone.truth,
            foresight=zone.foresight,
            partitions=None
            if self.partitions is None
            else [self.partitions[pool] for pool in pools.tolist()],
            pool_units=[self.pool_units[pool] for pool in pools.tolist()],
            pool_of=np.searchsorted(pools, np.array(self.pool_of)[mine]).tolist(),
            others=(),
            zone_of=(),
            job_watts=None if self.job_watts is None else self.job_watts[mine],
            places=None,
        )
        return alone, jobs, pools
