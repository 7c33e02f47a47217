"""Maintenance ahead, from scontrol's reservations and partitions. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from carbonslurm.core.interval import from_epoch
from carbonslurm.formats.hostlist import hosts


def reservations_argv() -> list[str]:
    """Return the command that shows reservations, one a line."""
    return ["scontrol", "show", "reservation", "--oneliner"]


def partitions_argv() -> list[str]:
    """Return the command that shows partitions, one a line."""
    return ["scontrol", "show", "partition", "--oneliner"]


@dataclass(frozen=True, slots=True)
class Maintenance:
    """A maintenance that lies ahead.

    Attributes:
        starts: when it begins.
        nodes: which nodes it takes; None for all of the cluster's.
    """

    starts: datetime
    nodes: frozenset[str] | None


def read_maintenance(text: str, now: datetime) -> list[Maintenance]:
    """Read from reservations_argv's output which maintenance lies ahead.

    Raises:
        DataError: its list of nodes cannot be read.
    """
    found = []
    for words in map(_words, text.splitlines()):
        flags, start = set(words.get("Flags", "").split(",")), words.get("StartTime", "")
        if "MAINT" in flags and start.isdecimal() and int(start) > now.timestamp():
            nodes = None if "ALL_NODES" in flags else hosts(words.get("Nodes", ""))
            found.append(Maintenance(from_epoch(int(start)), nodes))
    return found


def read_outages(ahead: Sequence[Maintenance], partitions: str) -> dict[str, datetime]:
    """Return when the next maintenance of all of a partition's nodes begins, for those that have one ahead.

    One that leaves a partition some nodes leaves Slurm others to start a job on.

    Args:
        ahead: every maintenance.
        partitions: partitions_argv's output.

    Raises:
        DataError: a list of nodes cannot be read.
    """
    found: dict[str, datetime] = {}
    for words in map(_words, partitions.splitlines()):
        nodes = hosts(words.get("Nodes", ""))
        starts = [it.starts for it in ahead if it.nodes is None or (nodes and nodes <= it.nodes)]
        if starts and "PartitionName" in words:
            found[words["PartitionName"]] = min(starts)
    return found


def _words(line: str) -> dict[str, str]:
    return dict(word.partition("=")[::2] for word in line.split())
