"""scontrol show node: what jobs may have, by hand and as a real one once printed it."""

import pytest

from carbonslurm.errors import DataError
from carbonslurm.formats.cluster_nodes import ClusterNode, nodes_argv, read_nodes

NODES = """\
NodeName=n1 Arch=x86_64 CoresPerSocket=8 CPUAlloc=0 CPUEfctv=14 CPUTot=16 Gres=gpu:a100:4(S:0-1),nvme:1 OS=Linux 6.1 #1 SMP State=IDLE+DRAIN Partitions=gpu,low CfgTRES=cpu=14 Reason=bad fan CPUTot=1 [root@now]
NodeName=n2 CPUTot=8 Gres=(null) State=DOWN* Partitions=batch
NodeName=n3 CPUTot=8 Gres=gpu:a100:2,gpu:v100:1 State=MIXED Partitions=gpu
NodeName=n4 CPUTot=8 Gres=gpu:3 State=MIXED
NodeName=n5 CPUTot=8 Gres=gpu:3 State=FUTURE Partitions=gpu

"""  # noqa: E501 - as Slurm prints them


def test_nodes_by_hand() -> None:
    assert read_nodes(NODES) == [
        ClusterNode("n1", 14, 4, "a100", frozenset({"gpu", "low"})),
        ClusterNode("n2", 8, 0, "", frozenset({"batch"})),
        ClusterNode("n3", 8, 3, "", frozenset({"gpu"})),
    ]
    assert nodes_argv()[0] == "scontrol"


def test_a_node_without_cpus_is_refused_by_name() -> None:
    with pytest.raises(DataError, match="scontrol show node: n7: CPUs: expected a number"):
        read_nodes("NodeName=n7 State=IDLE Partitions=a")
