"""Traces of jobs that ran once, in four spellings, read into one shape.

- *ours*: CSV with the columns ``job_id``, ``submit_time`` (or ``submit_offset_s``), ``duration_s`` (or start
  and end) and at least one of ``cpus``, ``gpus``, ``nodes``; ``user``, ``partition``, ``time_limit_s``,
  ``time_limit_min`` and others where the source has them. Empty is unknown.
- *GAIA's*: CSV with ``arrival_time`` and ``length`` in seconds, and ``cpus``.
- *SWF*, of the Parallel Workloads Archive: 18 numbers a line, ``;`` before comments, -1 for unknown.
- *sacct -P*, with its header; one run a row, steps left out. CPUs are read from AllocTRES, or from AllocCPUS
  or NCPUS where that is missing.

Times without a zone are taken as UTC. A row that cannot be read is refused with the file and the line. One
that can, but is of no run (never started, no length, cancelled while it waited), is left out and counted.
"""

import csv
import io
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from carbonslurm.core.job import AccountedRun
from carbonslurm.errors import DataError
from carbonslurm.formats import sacct
from carbonslurm.formats.sacct_rows import COLUMNS
from carbonslurm.formats.slurm_text import read_time_limit

NO_LENGTH = "without a length"
UNREAD = "rows of sacct that are no runs"
_SWF_FIELDS = 18
_SWF_START = re.compile(r";\s*UnixStartTime:\s*([0-9]+)")
_LIMITS = {"time_limit_s": 1.0, "time_limit_min": 60.0}
_COUNTS = ("cpus", "gpus", "nodes")
_WORDS = ("user", "account", "partition", "gpu_type")


@dataclass(frozen=True, slots=True)
class TracedJob:
    """One job of a trace.

    Attributes:
        job_id: the source's own.
        submitted: Unix seconds, or seconds from the trace's beginning where that is not dated.
        length: how long it ran, seconds, above zero.
        limit: its time limit in seconds, None where unknown or none.
        cpus: in all of its nodes; None where unknown, as the next two.
        gpus: likewise.
        nodes: on how many.
        user: empty where unknown, as the rest.
    """

    job_id: str
    submitted: float
    length: float
    limit: float | None = None
    cpus: float | None = None
    gpus: float | None = None
    nodes: float | None = None
    user: str = ""
    account: str = ""
    partition: str = ""
    gpu_type: str = ""


@dataclass(frozen=True, slots=True)
class TracedJobs:
    """What a file holds.

    Attributes:
        jobs: in the file's order.
        dated: whether their times are moments; False for offsets.
        left_out: why rows are not among them, and how many.
    """

    jobs: tuple[TracedJob, ...]
    dated: bool
    left_out: Mapping[str, int]


def read_trace(text: str, name: str) -> TracedJobs:
    """Read a trace in any of the four spellings, told apart by its first line.

    Raises:
        DataError: "name:line: why".
    """
    first = next((line for line in text.splitlines() if line.strip()), "")
    if not first:
        raise DataError(f"{name}:1: no jobs")
    if "|" in first:
        return _read_sacct(text, name)
    if first.startswith(";") or re.fullmatch(r"\s*-?[0-9.]+(\s+-?[0-9.]+)+\s*", first):
        return _read_swf(text, name)
    return _read_csv(text, name)


# --- CSV: ours and GAIA's


def _read_csv(text: str, name: str) -> TracedJobs:
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    left_out: Counter[str] = Counter()
    jobs: list[TracedJob] = []
    try:
        header = [word.strip() for word in next(reader, [])]
        columns = _columns(header)
        for cells in reader:
            if not cells:
                continue
            if len(cells) != len(header):
                raise DataError(f"{len(cells)} cells, expected {len(header)}")  # noqa: TRY301
            job = _csv_job(dict(zip(header, cells, strict=True)), columns, len(jobs) + 1)
            if job is None:
                left_out[NO_LENGTH] += 1
            else:
                jobs.append(job)
    except csv.Error as error:
        raise DataError(f"{name}:{reader.line_num}: {error}") from error
    except DataError as error:
        raise DataError(f"{name}:{max(reader.line_num, 1)}: {error}") from error
    return TracedJobs(tuple(jobs), columns.dated, left_out)


@dataclass(frozen=True, slots=True)
class _Columns:
    submitted: str
    length: str | None
    limit: str | None
    dated: bool


def _columns(header: Sequence[str]) -> _Columns:
    def find(*names: str) -> str | None:
        return next((name for name in names if name in header), None)

    submitted = find("submit_time", "submit_offset_s", "arrival_time")
    length = find("duration_s", "length")
    if submitted is None:
        raise DataError("no column submit_time, submit_offset_s or arrival_time in the header")
    if length is None and not {"start_time", "end_time"} <= set(header):
        raise DataError("no column duration_s or length, nor start_time and end_time, in the header")
    if find(*_COUNTS) is None:
        raise DataError(f"no column {', '.join(_COUNTS)} in the header: one at least is needed")
    limit = find(*_LIMITS, "time_limit")
    return _Columns(submitted, length, limit, submitted == "submit_time")


def _csv_job(row: Mapping[str, str], columns: _Columns, number: int) -> TracedJob | None:
    given = row[columns.submitted].strip()
    submitted = _moment(given) if columns.dated else _number(given, columns.submitted)
    length = _length(row, columns)
    if submitted is None:
        raise DataError(f"{columns.submitted} is empty")
    if length is None or length <= 0:
        return None
    counts = {key: _count(row.get(key, ""), key) for key in _COUNTS}
    words = {key: row.get(key, "").strip() for key in _WORDS}
    job_id = row.get("job_id", row.get("id", "")).strip() or str(number)
    return TracedJob(job_id, submitted, length, _limit(row, columns.limit), **counts, **words)  # type: ignore[arg-type]


def _length(row: Mapping[str, str], columns: _Columns) -> float | None:
    if columns.length is not None and row[columns.length].strip():
        return _number(row[columns.length].strip(), columns.length)
    start, end = (_moment(row.get(key, "").strip()) for key in ("start_time", "end_time"))
    return None if start is None or end is None else end - start


def _limit(row: Mapping[str, str], column: str | None) -> float | None:
    text = "" if column is None else row[column].strip()
    if column is None or not text:
        return None
    if column == "time_limit":
        limit = read_time_limit(text)
        return None if limit is None else limit.total_seconds()
    value = _count(text, column)
    return None if not value else value * _LIMITS[column]


def _moment(text: str) -> float | None:
    if not text:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise DataError(f'expected a time such as 2022-10-19T16:00:00Z, got "{text[:40]}"') from error
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def _number(text: str, column: str) -> float | None:
    if not text:
        return None
    try:
        value = float(text)
    except ValueError as error:
        raise DataError(f'{column}: not a number: "{text[:40]}"') from error
    if not -1e12 < value < 1e12:
        raise DataError(f"{column}: out of range: {text[:40]}")
    return value


def _count(text: str, column: str) -> float | None:
    value = _number(text.strip(), column)
    if value == -1:
        return None  # how SWF, which many traces come from, writes unknown
    if value is not None and value < 0:
        raise DataError(f"{column}: below zero: {text.strip()[:40]}")
    return value


# --- SWF


def _read_swf(text: str, name: str) -> TracedJobs:
    """Fields by the archive's definition, version 2.2; counted from 1 in the standard, from 0 here."""
    began, jobs, left_out = None, [], Counter[str]()
    for number, line in _lines(text):
        if line.startswith(";"):
            found = _SWF_START.match(line)
            began = float(found[1]) if found else began
            continue
        try:
            job = _swf_job(line)
        except DataError as error:
            raise DataError(f"{name}:{number}: {error}") from error
        if job is None:
            left_out[NO_LENGTH] += 1
        else:
            jobs.append(job)
    if began is None:
        return TracedJobs(tuple(jobs), dated=False, left_out=left_out)
    moved = tuple(
        TracedJob(
            job.job_id,
            began + job.submitted,
            job.length,
            job.limit,
            job.cpus,
            user=job.user,
            account=job.account,
            partition=job.partition,
        )
        for job in jobs
    )
    return TracedJobs(moved, dated=True, left_out=left_out)


def _swf_job(line: str) -> TracedJob | None:
    fields = line.split()
    if len(fields) != _SWF_FIELDS:
        raise DataError(f"{len(fields)} fields, expected the {_SWF_FIELDS} of SWF")
    values = [_number(field, f"field {index + 1}") or 0.0 for index, field in enumerate(fields)]
    if values[1] < 0:
        raise DataError("no submit time")
    length, processors = values[3], values[4] if values[4] > 0 else values[7]
    if length <= 0 or processors <= 0:
        return None
    limit = values[8] if values[8] > 0 else None
    user, group, partition = (
        f"{letter}{values[index]:.0f}" if values[index] >= 0 else ""
        for letter, index in (("u", 11), ("g", 12), ("p", 15))
    )
    return TracedJob(
        fields[0], values[1], length, limit, processors, user=user, account=group, partition=partition
    )


def _lines(text: str) -> Iterator[tuple[int, str]]:
    for number, line in enumerate(text.splitlines(), 1):
        if line.strip():
            yield number, line.strip()


# --- sacct -P


def _read_sacct(text: str, name: str) -> TracedJobs:
    header = text.splitlines()[0].split("|")
    dated = text.splitlines()[1].split("|") if "\n" in text.strip() else []
    if missing := _missing(header):
        raise DataError(f"{name}:1: no column {missing} in the header of sacct")
    epochs = dict(zip(header, dated, strict=False)).get("Submit", "").isdigit()
    cluster = dict(zip(header, dated, strict=False)).get("Cluster", "trace")
    try:
        runs, unread = sacct.read_runs(text, "|", cluster, None, None if epochs else UTC)
    except DataError as error:
        raise DataError(f"{name}:1: {error}") from error
    kept = [job for run in runs if (job := _run_job(run)) is not None]
    left_out = {UNREAD: len(unread), NO_LENGTH: len(runs) - len(kept)}
    return TracedJobs(tuple(kept), True, {why: count for why, count in left_out.items() if count})


def _missing(header: Sequence[str]) -> str:
    """Return which columns of sacct a trace needs and this one lacks."""
    lacking = [column for column in ("Start", "End") if column not in header]
    if not {"AllocTRES", "ReqTRES", *COLUMNS["cpus"]} & set(header):
        lacking.append("AllocTRES (or AllocCPUS)")
    return ", ".join(lacking)


def _run_job(run: AccountedRun) -> TracedJob | None:
    if run.started is None or run.ended is None or run.ended <= run.started:
        return None
    kinds = [kind for kind in run.tres.gpus if kind]
    return TracedJob(
        str(run.key.job_id),
        run.key.submitted.timestamp(),
        (run.ended - run.started).total_seconds(),
        None if run.time_limit is None else run.time_limit.total_seconds(),
        float(run.tres.cpus) or None,
        float(sum(run.tres.gpus.values())),
        float(run.tres.nodes) or None,
        run.user,
        run.account,
        run.partition,
        kinds[0] if len(kinds) == 1 else "",
    )
