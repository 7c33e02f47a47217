"""A cluster as Slurm describes it, as the simulator's pools: partitions that share a node are in one."""

from collections import Counter
from collections.abc import Mapping, Sequence

from carbonslurm.core.capacity import Node
from carbonslurm.errors import DataError
from carbonslurm.sim.pools import ClusterShape, NodeGroup, PartitionSize


def shape_of(nodes: Sequence[Node], zones: Mapping[str, str]) -> ClusterShape:
    """Return the shape of a cluster.

    Args:
        nodes: all of them.
        zones: partition -> zone, for those that do not stand in the first one.

    Raises:
        DataError: there is none, or partitions of different zones share nodes.
    """
    there = [node for node in nodes if node.partitions and node.cpus]
    if not there:
        raise DataError("sinfo: no node is in any partition")
    kinds = Counter((node.cpus, *_gpus(node), node.partitions) for node in there)
    groups = [
        NodeGroup(PartitionSize(count, cpus, gpus, kind), partitions)
        for (cpus, gpus, kind, partitions), count in kinds.items()
    ]
    pools = _connected(groups)
    for pool in pools:
        _check_zone(frozenset().union(*(group.partitions for group in pool)), zones)
    where = {name: index for index, pool in enumerate(pools) for group in pool for name in group.partitions}
    return ClusterShape(pools, where, None, zones)


def _gpus(node: Node) -> tuple[int, str]:
    """How many there are, and their type; empty where they have none, or several."""
    kinds = [kind for kind, count in node.gpus.items() if count]
    return sum(node.gpus.values()), kinds[0] if len(kinds) == 1 else ""


def _connected(groups: Sequence[NodeGroup]) -> list[tuple[NodeGroup, ...]]:
    pools: list[tuple[NodeGroup, ...]] = []
    for group in groups:
        mine = [pool for pool in pools if any(other.partitions & group.partitions for other in pool)]
        pools = [pool for pool in pools if pool not in mine]
        pools.append((*(other for pool in mine for other in pool), group))
    return pools


def _check_zone(partitions: frozenset[str], zones: Mapping[str, str]) -> None:
    named = {zones.get(name) for name in partitions}
    if len(named) > 1:
        raise DataError(
            f"zones: partitions {', '.join(sorted(partitions))} share nodes: they stand in one zone"
        )
