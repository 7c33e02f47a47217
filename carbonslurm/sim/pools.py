"""Room for jobs: a pool of plain units, or nodes with their CPUs and GPUs.

Partitions that share nodes are one pool, since a job in one of them takes room from the others; each job
still runs only on the nodes of its own. Memory is not looked at.

A job's ``Need`` is the same for all jobs that fit in the same places, so that the queue can keep them
together: what does not fit for one of them fits for none.
"""

from collections.abc import Mapping, Sequence
from copy import copy
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple, Protocol, Self

import numpy as np
import numpy.typing as npt

from carbonslurm.formats.traces import TracedJob

if TYPE_CHECKING:
    from carbonslurm.core.forecast import Floats

Place = tuple[tuple[int, float, float], ...]  # (node, CPUs, GPUs) each; of a pool of units (0, units, 0)


class Need(NamedTuple):
    """What a job asks of each of its nodes, and its units; of a pool of units those are all that counts.

    Attributes:
        among: which nodes it may have, a number of the pool's own.
        urgent: whether it may not wait, so that no policy's ceiling is for it.
    """

    units: float
    nodes: int = 1
    cpus: float = 0.0
    gpus: float = 0.0
    among: int = 0
    urgent: bool = False


class Pool(Protocol):
    """Places that jobs take and give back.

    Attributes:
        units: how many there are, as jobs' units count.
    """

    units: float

    def need(self, job: TracedJob, units: float) -> Need | None:
        """Return what a job needs here, None where it would not fit into the empty pool."""
        ...

    def place(self, need: Need, then: Self | None = None) -> Place | None:
        """Return where it fits now, and then, in the pool as it will be; None where it does not."""
        ...

    def reserve(self, need: Need, now: Self) -> Place | None:
        """Return where it fits, on what is not free in the pool as it is now, as far as that goes."""
        ...

    def take(self, place: Place) -> None:
        """Occupy places."""
        ...

    def give(self, place: Place) -> None:
        """Free places."""
        ...

    def copy(self) -> Self:
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

    def place(self, need: Need, then: "UnitPool | None" = None) -> Place | None:
        """Return the units, if so many are free."""
        free = self.free if then is None else min(self.free, then.free)
        return ((0, need.units, 0.0),) if need.units <= free else None

    def reserve(self, need: Need, now: "UnitPool") -> Place | None:  # noqa: ARG002 - all units are alike
        """Return the units, if so many are free."""
        return self.place(need)

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
    """Nodes that are all alike."""

    nodes: int
    cpus: float
    gpus: float = 0.0
    gpu_type: str = ""


@dataclass(frozen=True, slots=True)
class NodeGroup:
    """Nodes that are alike, and the partitions that all of them are in."""

    size: PartitionSize
    partitions: frozenset[str]


class NodePool:
    """Nodes with CPUs and GPUs; a job takes the first nodes of its partition that have room for its share."""

    def __init__(self, groups: Sequence[NodeGroup], units: float) -> None:
        self.groups, self.units = tuple(groups), units
        self._size = [_each(groups, "cpus"), _each(groups, "gpus")]
        self._cpus, self._gpus = (column.copy() for column in self._size)
        self._sets: list[npt.NDArray[np.bool_]] = []  # of nodes, that jobs may have
        self._known: dict[tuple[object, ...], Need | None] = {}

    def need(self, job: TracedJob, units: float) -> Need | None:
        """Return the job's share of each node: its own count of nodes, or as few as hold it."""
        asked = (job.partition, job.gpu_type, job.cpus, job.gpus, job.nodes)
        if asked not in self._known:
            self._known[asked] = self._share(job)
        found = self._known[asked]
        return None if found is None else found._replace(units=units)

    def _share(self, job: TracedJob) -> Need | None:
        among = self._among(job.partition, job.gpu_type if job.gpus else "")
        cpus, gpus = job.cpus or 0.0, job.gpus or 0.0
        most = [float(np.max(column[among], initial=0.0)) for column in self._size]
        if not bool(among.any()) or (gpus and not most[1]):
            return None
        least = max(np.ceil(cpus / most[0]) if most[0] else 0, np.ceil(gpus / most[1]) if gpus else 0, 1)
        nodes = int(max(job.nodes or 1, least))
        share = (float(np.ceil(cpus / nodes)), float(np.ceil(gpus / nodes)))
        hold = among & (self._size[0] >= share[0]) & (self._size[1] >= share[1])
        if np.count_nonzero(hold) < nodes:
            return None
        return Need(0.0, nodes, *share, among=self._number(among))

    def _among(self, partition: str, gpu_type: str) -> npt.NDArray[np.bool_]:
        """Shape (k,): the nodes of a job's partition that may have its GPUs; all where none is named so."""
        named = any(partition in group.partitions for group in self.groups)
        fits = [
            (not named or partition in group.partitions)
            and (not gpu_type or group.size.gpu_type in ("", gpu_type))
            for group in self.groups
        ]
        return np.repeat(np.array(fits, dtype=np.bool_), [group.size.nodes for group in self.groups])

    def _number(self, among: npt.NDArray[np.bool_]) -> int:
        for number, known in enumerate(self._sets):
            if np.array_equal(known, among):
                return number
        self._sets.append(among)
        return len(self._sets) - 1

    def place(self, need: Need, then: "NodePool | None" = None) -> Place | None:
        """Return the first nodes with room."""
        fits = self._fits(need) if then is None else self._fits(need) & then._fits(need)  # noqa: SLF001
        return self._places(need, np.flatnonzero(fits))

    def reserve(self, need: Need, now: "NodePool") -> Place | None:
        """Return the nodes with room that have least now: others can have the rest until then."""
        nodes = np.flatnonzero(self._fits(need))
        return self._places(need, nodes[np.argsort(now._fits(need)[nodes], kind="stable")])  # noqa: SLF001

    def _fits(self, need: Need) -> npt.NDArray[np.bool_]:
        return np.asarray(self._sets[need.among] & (self._cpus >= need.cpus) & (self._gpus >= need.gpus))

    def _places(self, need: Need, nodes: npt.NDArray[np.intp]) -> Place | None:
        if len(nodes) < need.nodes:
            return None
        return tuple((int(node), need.cpus, need.gpus) for node in nodes[: need.nodes])

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
        other = copy(self)
        other._cpus = self._cpus.copy()  # noqa: SLF001 - its own class's
        other._gpus = self._gpus.copy()  # noqa: SLF001
        return other


def _each(groups: Sequence[NodeGroup], name: str) -> "Floats":
    """Shape (k,): what each node has of something."""
    has = [float(getattr(group.size, name)) for group in groups]
    return np.repeat(np.array(has, dtype=float), [group.size.nodes for group in groups])


@dataclass(frozen=True, slots=True)
class ClusterShape:
    """A cluster: its pools, and which partition is where.

    Attributes:
        pools: of groups of nodes each.
        partitions: name -> index of its pool.
        default: where jobs go that name none of them; None leaves those out.
        zones: partition -> the zone that it stands in; the first zone where it is not named.
        together: partitions of which a job of one may run in any.
    """

    pools: Sequence[Sequence[NodeGroup]]
    partitions: Mapping[str, int]
    default: str | None = None
    zones: Mapping[str, str] = field(default_factory=dict)
    together: Sequence[frozenset[str]] = ()
