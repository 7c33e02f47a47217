"""How Slurm writes durations, times, TRES and dependencies in the text outputs of squeue and sacct.

Times are asked for as epochs (``SLURM_TIME_FORMAT=%s``), so no zone is ever guessed. What Slurm writes for
"none" differs by field and version; each reading names the words that it takes for it, and anything else that
it cannot read is a DataError, never a default.
"""

import re
from collections.abc import Mapping
from datetime import datetime, timedelta

from carbonslurm.core.interval import from_epoch
from carbonslurm.core.job import Tres
from carbonslurm.errors import DataError

NO_TIME = frozenset({"", "N/A", "NONE", "None", "Unknown", "(null)", "0"})
NO_LIMIT = frozenset({"", "UNLIMITED", "Partition_Limit", "INVALID", "NOT_SET", "N/A"})
_EPOCH = re.compile(r"[0-9]{1,10}")  # to the year 2286
_LIMIT = re.compile(r"(?:([0-9]+)-)?(?:([0-9]+):)?([0-9]+):([0-9]+)")
LONGEST_LIMIT_DAYS = 36_500  # Slurm takes thousands of years, which no date reaches: as good as no limit
_DEPENDENCY = re.compile(r"\w+:([0-9]{1,10})(?:_(?:\*|[0-9]+))?(?:\+[0-9]+)?(?:\((\w+)\))?")
_SINGLETON = re.compile(r"singleton(?!\(fulfilled)")
_GPU = re.compile(r"gres/gpu(?::([^=:,]+))?=([0-9]{1,10})")
_COUNT = re.compile(r"[0-9]{1,10}")


def read_time(text: str) -> datetime | None:
    """Read a moment in Slurm's epoch format, None where Slurm has none.

    Raises:
        DataError: neither.
    """
    if text in NO_TIME:
        return None
    if not _EPOCH.fullmatch(text):
        raise DataError(f'expected a time as an epoch, got "{text[:40]}"')
    return from_epoch(int(text))


def read_time_limit(text: str) -> timedelta | None:
    """Read a time limit such as ``1-00:00:00`` or ``10:00``, None where there is none.

    Raises:
        DataError: it is neither.
    """
    if text in NO_LIMIT:
        return None
    match = _LIMIT.fullmatch(text)
    if match is None:
        raise DataError(f'expected a time limit, got "{text[:40]}"')
    if any(len(group or "") > len(str(LONGEST_LIMIT_DAYS)) for group in match.groups()):
        return None
    days, hours, minutes, seconds = (int(group or 0) for group in match.groups())
    if days > LONGEST_LIMIT_DAYS:
        return None
    return timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds)


def read_tres(text: str) -> Tres:
    """Read ``cpu=4,mem=8G,node=1,gres/gpu=2,gres/gpu:a100=2``; typed GPUs are not counted twice.

    Raises:
        DataError: a count is not a number.
    """
    gpus: dict[str, int] = {}
    for kind, count in _GPU.findall(text):
        gpus[kind] = gpus.get(kind, 0) + int(count)
    typed = sum(count for kind, count in gpus.items() if kind)
    untyped = max(gpus.pop("", 0) - typed, 0)
    if untyped:
        gpus[""] = untyped
    items = dict(item.split("=", 1) for item in text.split(",") if "=" in item)
    return Tres(cpus=_count(items, "cpu"), nodes=_count(items, "node"), gpus=gpus)


def read_number(text: str) -> int:
    """Read a plain number; int() alone would take ``7_1``, a task of an array, for 71.

    Raises:
        DataError: it is none.
    """
    if not _COUNT.fullmatch(text):
        raise DataError(f'expected a number, got "{text[:40]}"')
    return int(text)


def _count(items: Mapping[str, str], name: str) -> int:
    text = items.get(name, "0")
    if not _COUNT.fullmatch(text):
        raise DataError(f'expected a count of {name}, got "{text[:40]}"')
    return int(text)


def read_dependency(text: str) -> tuple[tuple[int, ...], bool]:
    """Read squeue's Dependency: the ids that it still waits for, and whether it is a singleton."""
    if text in {"", "(null)", "None", "N/A"}:
        return (), False
    needs = {int(number) for number, state in _DEPENDENCY.findall(text) if state != "fulfilled"}
    return tuple(sorted(needs)), _SINGLETON.search(text) is not None


def read_licences(text: str, gate: str | None) -> tuple[bool, str]:
    """Read a job's licences: whether the gate's is among them, and the rest as Slurm takes it.

    Alternatives (``a|b``, since 25.05) cannot be taken apart: such a job is not behind the gate.
    """
    if text in {"", "(null)", "None", "N/A"} or gate is None or "|" in text:
        return False, "" if text in {"(null)", "None", "N/A"} else text
    parts = [part for part in re.split(r"[,;]", text) if part]
    rest = [part for part in parts if re.split(r"[:=]", part)[0] != gate]
    return len(rest) < len(parts), ",".join(rest)


def write_id_ranges(numbers: list[int]) -> str:
    """Write array task ids as Slurm does: ``[1,3-6]``."""
    parts: list[str] = []
    ordered = sorted(numbers)
    index = 0
    while index < len(ordered):
        last = index
        while last + 1 < len(ordered) and ordered[last + 1] == ordered[last] + 1:
            last += 1
        parts.append(str(ordered[index]) if last == index else f"{ordered[index]}-{ordered[last]}")
        index = last + 1
    return f"[{','.join(parts)}]"
