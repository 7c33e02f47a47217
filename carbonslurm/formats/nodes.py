"""sinfo, as a question and a reading: what nodes and partitions leave to jobs. Pure in both directions.

``scontrol show node`` prints comments and reasons, which anybody who may drain a node can write: a newline
in one forges a node. So sinfo is asked for the fields alone, with a delimiter and an end mark made anew for
each call, as squeue is. It prints a row for each node in each of its partitions, and is two calls for
slurmctld.

A node that is down, drained, reserved or under maintenance takes no new jobs: it counts with what is in
use on it, which its jobs hold until they end. One that is powered down counts whole, since Slurm wakes it.
For the past all nodes do: one that is down now was there then. One that is only planned never counts.
"""

import re
from collections.abc import Sequence
from dataclasses import replace

from carbonslurm.core.capacity import Node
from carbonslurm.errors import DataError
from carbonslurm.formats.marks import Marks, read_fields
from carbonslurm.formats.slurm_text import read_number

FIELDS = ("NodeList", "PartitionName", "StateComplete", "CPUsState", "Gres", "GresUsed")
# Words of StateComplete, of all versions from 22.05 to 26.05.
CLOSED = frozenset(
    {
        *("down", "error", "unknown", "future", "inval", "invalid_reg", "blocked"),
        *("drain", "drained", "draining", "fail", "failing", "not_responding", "no_respond"),
        *("reserved", "resv", "maint", "maintenance", "external", "dynamic_future"),
    }
)
PLANNED = frozenset({"future", "dynamic_future"})
_NONE = frozenset({"", "N/A", "(null)"})
_BRACKETS = re.compile(r"\([^()]*\)")  # which of them: (S:0-1), (IDX:0,2); and (null) for no type


def nodes_argv(marks: Marks) -> list[str]:
    """Return the command that prints nodes and partitions for read_nodes."""
    return ["sinfo", "--noheader", "--all", "--Node", f"--Format={marks.wanted(FIELDS)}"]


def read_nodes(text: str, marks: Marks, *, whole: bool = False) -> Sequence[Node]:
    """Read what nodes_argv printed, in Slurm's order.

    Args:
        text: the output.
        marks: those of the call.
        whole: count every node whole that is not only planned, whether it takes jobs now or not.

    Raises:
        DataError: the output breaks off, or a row cannot be read.
    """
    found: dict[str, Node] = {}
    for name, partition, *rest in read_fields(text, marks, FIELDS, "sinfo"):
        partitions = frozenset({partition} - _NONE)
        known = found.get(name)
        if known is None:
            found[name] = _node(name, partitions, *rest, whole=whole)
        else:
            found[name] = replace(known, partitions=known.partitions | partitions)
    return tuple(found.values())


def _node(
    name: str, partitions: frozenset[str], state: str, cpus: str, gres: str, used: str, *, whole: bool
) -> Node:
    allocated, idle, _, total = _cpus(cpus)
    if whole and _words(state).isdisjoint(PLANNED):
        return Node(name, partitions, total, read_gpus(gres))
    if is_closed(state):
        return Node(name, partitions, allocated, read_gpus(used))
    return Node(name, partitions, allocated + idle or total, read_gpus(gres))


def _cpus(text: str) -> tuple[int, int, int, int]:
    """Read ``allocated/idle/other/total``."""
    parts = text.split("/")
    if len(parts) != 4:
        raise DataError(f'sinfo: expected CPUs by state, got "{text[:40]}"')
    first, second, third, last = (read_number(part) for part in parts)
    return first, second, third, last


def is_closed(state: str) -> bool:
    """Tell whether a node in a state such as ``idle+drain`` takes no new jobs."""
    return not _words(state).isdisjoint(CLOSED) or state.strip().endswith("*")


def _words(state: str) -> set[str]:
    return {word.strip("*~#!%$@^- ") for word in state.lower().split("+")}


def read_gpus(text: str) -> dict[str, int]:
    """Read the GPUs of ``gpu:a100:4(S:0-1),gpu:2,shard:8``: count by type, in small letters.

    Raises:
        DataError: a count is not a number.
    """
    gpus: dict[str, int] = {}
    for word in _BRACKETS.sub("", text).split(",") if text not in _NONE else ():
        name, *rest = word.split(":")
        if name != "gpu" or not rest:
            continue
        kind = rest[0].lower() if len(rest) > 1 else ""
        gpus[kind] = gpus.get(kind, 0) + read_number(rest[-1])
    return gpus
