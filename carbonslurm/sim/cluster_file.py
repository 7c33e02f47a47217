"""A cluster described in YAML: partitions of nodes that are all alike.

::

    partitions:
      batch: {nodes: 16, cpus: 64}
      gpu: {nodes: 4, cpus: 64, gpus: 8, gpu_type: a100}
      north: {nodes: 16, cpus: 64, zone: NORTH}    # elsewhere on the grid: --carbon NORTH=FILE
    default: batch      # for jobs whose partition is not named here; without it they are left out
    together: [[batch, north]]    # a job of one of them may run in any of them
"""

import re
from math import inf
from typing import TypeVar

import msgspec
import yaml

from carbonslurm.errors import DataError
from carbonslurm.sim.pools import ClusterShape, NodeGroup, PartitionSize

_FIELD = re.compile(r"(?P<what>missing required|unknown) field `(?P<key>[^`]*)`")
_EXPECTED = re.compile(r"Expected `(?P<kinds>[^`]*)`")
_AT = re.compile(r" at `\$\.(?P<key>[a-z_]*)")
_NAMES = {"int": "a whole number", "float": "a number", "str": "text", "object": "keys and values"}
_NAMES |= {"null": "nothing"}
_MOST_NODES = 100_000  # each is a number in memory

Read = TypeVar("Read")


class _Partition(msgspec.Struct, forbid_unknown_fields=True):
    nodes: int
    cpus: float
    gpus: float = 0.0
    gpu_type: str = ""
    zone: str = ""


class _Document(msgspec.Struct, forbid_unknown_fields=True):
    partitions: dict[str, object]
    default: str | None = None
    together: list[list[str]] = []


def read_cluster(text: str, name: str) -> ClusterShape:
    """Read a cluster.

    Raises:
        DataError: "name:line: why", or "name: key: why".
    """
    try:
        raw = yaml.safe_load(text)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise DataError(f"{name}:{line}: not YAML: {error.problem}") from error
    except (yaml.YAMLError, UnicodeError, ValueError) as error:
        raise DataError(f"{name}:1: not YAML: {error}") from error
    document = _converted(raw, _Document, f"{name}:1: ")
    if not document.partitions:
        raise DataError(f"{name}:1: partitions: none")
    if document.default is not None and document.default not in document.partitions:
        raise DataError(f"{name}:1: default: no partition {document.default[:40]}")
    read = {key: _size(each, f"{name}:1: partitions.{key[:40]}") for key, each in document.partitions.items()}
    sizes = {key: size for key, (size, _) in read.items()}
    for key in (word for words in document.together for word in words):
        if key not in sizes:
            raise DataError(f"{name}:1: together: no partition {key[:40]}")
    pools = [(NodeGroup(size, frozenset({key})),) for key, size in sizes.items()]
    return ClusterShape(
        pools,
        {key: index for index, key in enumerate(sizes)},
        document.default,
        {key: zone for key, (_, zone) in read.items() if zone},
        [frozenset(words) for words in document.together],
    )


def _size(raw: object, where: str) -> tuple[PartitionSize, str]:
    found = _converted(raw, _Partition, f"{where}.")
    if not 1 <= found.nodes <= _MOST_NODES:
        raise DataError(f"{where}.nodes: expected 1 to {_MOST_NODES}, got {found.nodes}")
    if not (0 < found.cpus < inf and 0 <= found.gpus < inf):
        raise DataError(f"{where}: expected at least one node with CPUs")
    return PartitionSize(found.nodes, found.cpus, found.gpus, found.gpu_type), found.zone


def _converted(raw: object, kind: type[Read], where: str) -> Read:
    try:
        return msgspec.convert(raw, kind)
    except msgspec.ValidationError as error:
        raise DataError(f"{where}{_words(str(error))}") from error


def _words(message: str) -> str:
    """Turn msgspec's message into ``key: what is wrong``."""
    if found := _FIELD.search(message):
        return f"{found['key']}: {'missing' if found['what'] == 'missing required' else 'unknown key'}"
    expected, at = _EXPECTED.search(message), _AT.search(message)
    key = f"{at['key']}: " if at else ""
    if expected is None:
        return f"{key}{message}"
    words = [_NAMES.get(word, word) for word in expected["kinds"].split(" | ")]
    return f"{key}expected {' or '.join(words)}"
