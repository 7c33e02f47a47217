"""A cluster as Slurm describes it, as the simulator's pools: partitions that share a node are in one."""

from collections import Counter
from collections.abc import Mapping, Sequence

from carbonslurm.errors import DataError
from carbonslurm.formats.cluster_nodes import ClusterNode
from carbonslurm.sim.pools import ClusterShape, NodeGroup, PartitionSize


def shape_of(nodes: Sequence[ClusterNode], zones: Mapping[str, str]) -> ClusterShape:
    """Return the shape of a cluster.

    Args:
        nodes: all of them.
        zones: partition -> zone, for those that do not stand in the first one.

    Raises:
        DataError: there is none, or partitions of different zones share nodes.
    """
    if not nodes:
        raise DataError("scontrol show node: no node is in any partition")
    kinds = Counter((node.cpus, node.gpus, node.gpu_type, node.partitions) for node in nodes)
    groups = [
        NodeGroup(PartitionSize(count, cpus, gpus, kind), partitions)
        for (cpus, gpus, kind, partitions), count in kinds.items()
    ]
    pools = _connected(groups)
    for pool in pools:
        _check_zone(frozenset().union(*(group.partitions for group in pool)), zones)
    where = {name: index for index, pool in enumerate(pools) for group in pool for name in group.partitions}
    return ClusterShape(pools, where, None, zones)


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
