"""A cluster described in YAML: partitions of nodes that are all alike.

::

    partitions:
      batch: {nodes: 16, cpus: 64}
      gpu: {nodes: 4, cpus: 64, gpus: 8, gpu_type: a100}
    default: batch      # for jobs whose partition is not named here; without it they are left out
"""

import msgspec
import yaml

from carbonslurm.errors import DataError
from carbonslurm.sim.pools import ClusterShape, PartitionSize


class _Partition(msgspec.Struct, forbid_unknown_fields=True):
    nodes: int
    cpus: float
    gpus: float = 0.0
    gpu_type: str = ""


class _Document(msgspec.Struct, forbid_unknown_fields=True):
    partitions: dict[str, _Partition]
    default: str | None = None


def read_cluster(text: str, name: str) -> ClusterShape:
    """Read a cluster.

    Raises:
        DataError: "name:line: why", or "name: key: why".
    """
    try:
        document = msgspec.convert(yaml.safe_load(text), _Document)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise DataError(f"{name}:{line}: not YAML: {error.problem}") from error
    except (yaml.YAMLError, msgspec.ValidationError, UnicodeError) as error:
        raise DataError(f"{name}:1: {error}") from error
    if not document.partitions:
        raise DataError(f"{name}:1: partitions: none")
    for key, partition in document.partitions.items():
        if partition.nodes < 1 or partition.cpus <= 0 or partition.gpus < 0:
            raise DataError(f"{name}:1: partitions.{key}: expected at least one node with CPUs")
    if document.default is not None and document.default not in document.partitions:
        raise DataError(f"{name}:1: default: no partition {document.default[:40]}")
    sizes = {
        key: PartitionSize(each.nodes, each.cpus, each.gpus, each.gpu_type)
        for key, each in document.partitions.items()
    }
    return ClusterShape(sizes, document.default)
