"""What a site kept of sacct, as a file: which shape it has, and its rows, in pieces of any size.

Three shapes: text with a delimiter (``sacct -P``), whose first line names the columns or whose columns are
told; CSV with a header, in sacct's names or in those of the traces that ``carbonslurm simulate`` reads; and
JSON (``sacct --json``). Text and CSV are read line by line, so their size does not matter.
"""

import csv
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain

from carbonslurm.errors import DataError
from carbonslurm.formats import sacct_json
from carbonslurm.formats.sacct import FIELDS, cut
from carbonslurm.formats.sacct_rows import COLUMNS

NEEDED = ("Submit", "Start", "End", "State")
TRACE_NAMES = {
    "job_id": "JobIDRaw",
    "submit_time": "Submit",
    "start_time": "Start",
    "end_time": "End",
    "cpus": "AllocCPUS",
    "nodes": "AllocNodes",
    "gpus": "GPUs",
    "time_limit": "Timelimit",
    "time_limit_min": "TimelimitRaw",
}
_NAMES = {name.lower(): name for names in (FIELDS, *COLUMNS.values()) for name in names} | TRACE_NAMES


@dataclass(frozen=True, slots=True)
class SacctRows:
    """The rows of a file, what their fields are, and whether its times are epochs anyway."""

    columns: tuple[str, ...]
    rows: Iterable[Sequence[str]]
    epochs: bool = False


def rows_of(
    lines: Iterable[str], name: str, delimiter: str | None = None, columns: Sequence[str] | None = None
) -> SacctRows:
    """Return the rows of what a site kept.

    Args:
        lines: of the file, without their ends.
        name: of the file, for messages.
        delimiter: between fields; None to tell it by the first line.
        columns: of the fields, None where the first line names them.

    Raises:
        DataError: the file is empty, or its columns do not tell runs.
    """
    rest = iter(lines)
    first = next((line for line in rest if line.strip()), None)
    if first is None:
        raise DataError(f"{name}: it is empty")
    first = first.removeprefix("\N{ZERO WIDTH NO-BREAK SPACE}")
    if first.lstrip().startswith("{"):
        raw = "\n".join(chain([first], rest)).encode("utf-8", "surrogateescape")
        return SacctRows(sacct_json.COLUMNS, sacct_json.read_rows(raw), epochs=True)
    mark = delimiter or ("|" if "|" in first or "," not in first else ",")
    if columns is None:
        named = tuple(_NAMES.get(word.strip().lower(), word.strip()) for word in first.split(mark))
        body = rest
    else:
        named = tuple(_NAMES.get(word.lower(), word) for word in columns)
        body = chain([first], rest)
    _check(named, name)
    return SacctRows(named, csv.reader(body) if mark == "," else cut(body, mark))


def _check(columns: tuple[str, ...], name: str) -> None:
    lacking = [word for word in NEEDED if word not in columns]
    if not {"JobID", "JobIDRaw"} & set(columns):
        lacking.append("JobIDRaw (or JobID)")
    if lacking:
        raise DataError(
            f"{name}: no column {', '.join(lacking)}: its first line must name them, as sacct -P without "
            "--noheader does, or --columns"
        )


def has_local_times(row: Sequence[str], columns: Sequence[str]) -> bool:
    """Tell whether a row's submit time says neither a zone nor an epoch."""
    index = list(columns).index("Submit")
    text = row[index] if index < len(row) else ""
    return text[:4].isdigit() and "T" in text and not text.endswith("Z") and not {"+", "-"} & set(text[19:])


def without_ends(lines: Iterable[str]) -> Iterator[str]:
    """Return lines without their ends."""
    for line in lines:
        yield line.rstrip("\r\n")
