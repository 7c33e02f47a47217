"""The nodes of a cluster, from ``scontrol show node``. Pure.

CPUs are those that jobs may have, GPUs are counted from Gres, whose types are those that jobs name. A node's
state does not matter: one that is down now was there when the past was.
"""

import re
from dataclasses import dataclass

from carbonslurm.errors import DataError
from carbonslurm.formats.slurm_text import read_number

_GPU = re.compile(r"(?:^|,)gpu(?::([^:,()]+))?:([0-9]{1,6})(?=[,(]|$)")
_NO_ROOM = frozenset({"FUTURE"})


@dataclass(frozen=True, slots=True)
class ClusterNode:
    """One node.

    Attributes:
        name: Slurm's.
        cpus: that jobs may have.
        gpus: of all types.
        gpu_type: of its GPUs; empty where they have none, or several.
        partitions: that it is in; those that are in none take no jobs.
    """

    name: str
    cpus: int
    gpus: int
    gpu_type: str
    partitions: frozenset[str]


def nodes_argv() -> list[str]:
    """Return the command that shows all nodes, one a line, hidden partitions too."""
    return ["scontrol", "--all", "show", "node", "--oneliner"]


def read_nodes(text: str) -> list[ClusterNode]:
    """Read nodes_argv's output; nodes that are only planned, or in no partition, are left out.

    Raises:
        DataError: a node does not say how many CPUs it has.
    """
    found = []
    for line in text.splitlines():
        words: dict[str, str] = {}
        for word in line.split():
            name, mark, value = word.partition("=")
            if mark:
                words.setdefault(name, value)  # what admins write (Reason, Comment) comes last
        if "NodeName" in words and not _NO_ROOM & set(words.get("State", "").split("+")):
            found.append(_node(words))
    return [node for node in found if node.partitions]


def _node(words: dict[str, str]) -> ClusterNode:
    name = words["NodeName"]
    try:
        cpus = read_number(words.get("CPUEfctv") or words.get("CPUTot", ""))
    except DataError as error:
        raise DataError(f"scontrol show node: {name[:40]}: CPUs: {error}") from error
    gpus = _GPU.findall(words.get("Gres", ""))
    kinds = {kind for kind, _ in gpus}
    return ClusterNode(
        name,
        cpus,
        sum(int(count) for _, count in gpus),
        kinds.pop() if len(kinds) == 1 else "",
        frozenset(filter(None, words.get("Partitions", "").split(","))),
    )
