"""Room for jobs: a pool of plain units, or the nodes of a partition with their CPUs and GPUs.

A job's ``Need`` is the same for all jobs that fit in the same places, so that the queue can keep them
together: what does not fit for one of them fits for none.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, Protocol

import numpy as np

from carbonslurm.formats.traces import TracedJob

if TYPE_CHECKING:
    from carbonslurm.core.forecast import Floats

Place = tuple[tuple[int, float, float], ...]  # (node, CPUs, GPUs) each; of a pool of units (0, units, 0)


class Need(NamedTuple):
    """What a job asks of each of its nodes, and its units; of a pool of units those are all that counts."""

    units: float
    nodes: int = 1
    cpus: float = 0.0
    gpus: float = 0.0


class Pool(Protocol):
    """Places that jobs take and give back.

    Attributes:
        units: how many there are, as jobs' units count.
    """

    units: float

    def need(self, job: TracedJob, units: float) -> Need | None:
        """Return what a job needs here, None where it would not fit into the empty pool."""
        ...

    def place(self, need: Need) -> Place | None:
        """Return where it fits now, None where it does not."""
        ...

    def holds(self, place: Place) -> bool:
        """Tell whether these very places are free."""
        ...

    def take(self, place: Place) -> None:
        """Occupy places."""
        ...

    def give(self, place: Place) -> None:
        """Free places."""
        ...

    def copy(self) -> "Pool":
        """Return a copy, to try things on."""
        ...


class UnitPool:
    """So many units, all alike; infinitely many where nothing is limited."""

    def __init__(self, units: float) -> None:
        self.units = units
        self.free = units

    def need(self, job: TracedJob, units: float) -> Need | None:  # noqa: ARG002 - as nodes take it
        """Return its units."""
        return Need(units) if units <= self.units else None

    def place(self, need: Need) -> Place | None:
        """Return the units, if so many are free."""
        return ((0, need.units, 0.0),) if need.units <= self.free else None

    def holds(self, place: Place) -> bool:
        """Tell whether so many are free."""
        return place[0][1] <= self.free

    def take(self, place: Place) -> None:
        """Occupy units."""
        self.free -= place[0][1]

    def give(self, place: Place) -> None:
        """Free units."""
        self.free += place[0][1]

    def copy(self) -> "UnitPool":
        """Return a copy."""
        other = UnitPool(self.units)
        other.free = self.free
        return other


@dataclass(frozen=True, slots=True)
class PartitionSize:
    """The nodes of a partition, all alike."""

    nodes: int
    cpus: float
    gpus: float = 0.0
    gpu_type: str = ""


class NodePool:
    """Nodes with CPUs and GPUs; a job takes the first nodes that have room for its share."""

    def __init__(self, size: PartitionSize, units: float) -> None:
        self.size = size
        self.units = units
        self._cpus: Floats = np.full(size.nodes, float(size.cpus))
        self._gpus: Floats = np.full(size.nodes, float(size.gpus))

    def need(self, job: TracedJob, units: float) -> Need | None:
        """Return the job's share of each node: its own count of nodes, or as few as hold it."""
        size = self.size
        cpus, gpus = job.cpus or 0.0, job.gpus or 0.0
        if gpus and (not size.gpus or (job.gpu_type and size.gpu_type and job.gpu_type != size.gpu_type)):
            return None
        least = max(
            np.ceil(cpus / size.cpus) if size.cpus else 0, np.ceil(gpus / size.gpus) if gpus else 0, 1
        )
        nodes = int(max(job.nodes or 1, least))
        if nodes > size.nodes:
            return None
        return Need(units, nodes, float(np.ceil(cpus / nodes)), float(np.ceil(gpus / nodes)))

    def place(self, need: Need) -> Place | None:
        """Return the first nodes with room."""
        fits = np.flatnonzero((self._cpus >= need.cpus) & (self._gpus >= need.gpus))
        if len(fits) < need.nodes:
            return None
        return tuple((int(node), need.cpus, need.gpus) for node in fits[: need.nodes])

    def holds(self, place: Place) -> bool:
        """Tell whether these nodes have room."""
        return all(self._cpus[node] >= cpus and self._gpus[node] >= gpus for node, cpus, gpus in place)

    def take(self, place: Place) -> None:
        """Occupy nodes."""
        for node, cpus, gpus in place:
            self._cpus[node] -= cpus
            self._gpus[node] -= gpus

    def give(self, place: Place) -> None:
        """Free nodes."""
        for node, cpus, gpus in place:
            self._cpus[node] += cpus
            self._gpus[node] += gpus

    def copy(self) -> "NodePool":
        """Return a copy."""
        other = NodePool(self.size, self.units)
        other._cpus, other._gpus = self._cpus.copy(), self._gpus.copy()
        return other


@dataclass(frozen=True, slots=True)
class ClusterShape:
    """Partitions, and where jobs go that name none of them; None leaves those out."""

    partitions: Mapping[str, PartitionSize]
    default: str | None = None
