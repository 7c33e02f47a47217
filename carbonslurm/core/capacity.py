"""What a cluster's nodes leave to jobs, and which jobs compete for the same of it.

A *pool* is what jobs wait for together: GPUs of one type, or CPUs, in partitions that share nodes. Two
partitions that have one node in common are one pool, and so are two types of GPUs where somebody asks for
any: what one takes, the other lacks. A job that asks for GPUs waits for those, another one for CPUs.

Units are counted together, not node by node: how they lie on the nodes is Slurm's to see. A partition with
fewer nodes than its pool is planned as if it could use all of them; what does not fit waits in the queue.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from operator import add

from carbonslurm.core.job import QueuedJob, Tres

CPU = "cpu"
ANY = "gpu"  # of jobs that name no type
_Kind = tuple[str, str]  # partition, and what is asked there: CPUs, GPUs of a type
_Shape = tuple[frozenset[str], tuple[str, ...]]  # of a node: its partitions, the kinds of units that it has


@dataclass(frozen=True, slots=True)
class Node:
    """One node, as far as jobs can use it.

    Attributes:
        name: Slurm's.
        partitions: that it is in.
        cpus: that jobs may use; of a node that takes no new jobs those that are in use.
        gpus: likewise, by type in small letters, the empty string where it has none.
    """

    name: str
    partitions: frozenset[str]
    cpus: int
    gpus: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Pools:
    """The pools of a cluster, in a fixed order.

    Attributes:
        names: one each, the same in each cycle as long as the same compete.
        units: how many each has.
        _of: the index of each partition's.
    """

    names: tuple[str, ...]
    units: tuple[int, ...]
    _of: Mapping[_Kind, int]

    def of(self, job: QueuedJob) -> int | None:
        """Return the index of the pool that a job waits for, None where nobody knows it."""
        return self.at(job.partition, job.tres)

    def at(self, partition: str, tres: Tres) -> int | None:
        """Return likewise for anything that asks for so much in a partition."""
        return self._of.get((partition, kind_of(tres)))

    def cpus_of(self, job: QueuedJob) -> int | None:
        """Return the index of the pool of CPUs that a job takes some of, whatever it waits for."""
        return self._of.get((job.partition, CPU))


def kind_of(tres: Tres) -> str:
    """Return what a job waits for: the GPUs of which it asks for most, else CPUs."""
    gpus = tres.gpus
    if len(gpus) == 1:  # nearly always
        ((kind, count),) = gpus.items()
        return (kind.lower() or ANY) if count else CPU
    if not any(gpus.values()):
        return CPU
    return max(gpus, key=lambda kind: (gpus[kind], kind)).lower() or ANY


def units_of(tres: Tres) -> int:
    """Return how many units of its pool a job takes."""
    return tres.gpu_count or tres.cpus


def pools(nodes: Sequence[Node], jobs: Iterable[QueuedJob] = ()) -> Pools:
    """Return the pools of these nodes.

    Args:
        nodes: all of the cluster's.
        jobs: that wait or run: where one of them asks for any GPU, or Slurm does not say the type, the types
            of its partition are one.
    """
    groups, alike = _Groups(), _alike(nodes)
    for partitions, kinds in alike:
        for kind in kinds:
            groups.join((partition, kind) for partition in sorted(partitions))
    known = set(groups.parent)
    for partition in {job.partition for job in jobs if kind_of(job.tres) == ANY}:
        types = sorted(kind for name, kind in known if name == partition and kind != CPU)
        if types:
            groups.join([(partition, ANY), *((partition, kind) for kind in types)])
    return _numbered(groups, _units(alike, groups))


def _alike(nodes: Iterable[Node]) -> dict[_Shape, tuple[int, ...]]:
    """Return the units of all nodes that are in the same partitions and have the same kinds of units.

    A cluster has thousands of nodes, of a few shapes.
    """
    found: dict[_Shape, tuple[int, ...]] = {}
    for node in nodes:
        shape = node.partitions, (CPU, *[name or ANY for name in node.gpus])
        counts = node.cpus, *node.gpus.values()
        before = found.get(shape)
        found[shape] = counts if before is None else tuple(map(add, before, counts))
    return found


def _units(alike: Mapping[_Shape, tuple[int, ...]], groups: "_Groups") -> dict[_Kind, int]:
    """Return the units of each pool, by the partition that stands for it."""
    found: dict[_Kind, int] = {}
    for (partitions, kinds), counts in alike.items():
        for kind, count in zip(kinds, counts, strict=True) if partitions else ():
            root = groups.root((min(partitions), kind))
            found[root] = found.get(root, 0) + count
    return found


def _numbered(groups: "_Groups", units: Mapping[_Kind, int]) -> Pools:
    roots = sorted({groups.root(item) for item in groups.parent})
    number = {root: index for index, root in enumerate(roots)}
    return Pools(
        names=tuple("/".join(root) for root in roots),
        units=tuple(units.get(root, 0) for root in roots),
        _of={item: number[groups.root(item)] for item in groups.parent},
    )


class _Groups:
    """What belongs together, found by joining: each group is known by the first of it."""

    def __init__(self) -> None:
        self.parent: dict[_Kind, _Kind] = {}

    def root(self, item: _Kind) -> _Kind:
        while self.parent[item] != item:
            self.parent[item] = self.parent[self.parent[item]]
            item = self.parent[item]
        return item

    def join(self, items: Iterable[_Kind]) -> None:
        first: _Kind | None = None
        for item in items:
            self.parent.setdefault(item, item)
            first = item if first is None else first
            low, high = sorted((self.root(first), self.root(item)))
            self.parent[high] = low
