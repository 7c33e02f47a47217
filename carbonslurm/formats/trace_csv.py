"""Traces in CSV: ours and GAIA's (``traces`` says what each has)."""

import csv
import io
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from carbonslurm.errors import DataError
from carbonslurm.formats.slurm_text import read_time_limit
from carbonslurm.formats.traced import NO_LENGTH, TracedJob, TracedJobs

_LIMITS = {"time_limit_s": 1.0, "time_limit_min": 60.0}
_COUNTS = ("cpus", "gpus", "nodes")
_WORDS = ("user", "account", "partition", "gpu_type", "qos")


def read_csv(text: str, name: str) -> TracedJobs:
    """Read our CSV, or GAIA's.

    Raises:
        DataError: "name:line: why".
    """
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
    submitted = _moment(given) if columns.dated else number_of(given, columns.submitted)
    length = _length(row, columns)
    if submitted is None:
        raise DataError(f"{columns.submitted} is empty")
    if length is None or length <= 0:
        return None
    counts = {key: _count(row.get(key, ""), key) for key in _COUNTS}
    words = {key: row.get(key, "").strip() for key in _WORDS}
    job_id = row.get("job_id", row.get("id", "")).strip() or str(number)
    return TracedJob(
        job_id,
        submitted,
        length,
        _limit(row, columns.limit),
        cpus=counts["cpus"],
        gpus=counts["gpus"],
        nodes=counts["nodes"],
        user=words["user"],
        account=words["account"],
        partition=words["partition"],
        gpu_type=words["gpu_type"],
        qos=words["qos"],
        started=_moment(row.get("start_time", "").strip()) if columns.dated else None,
        data_gb=_count(row.get("data_gb", ""), "data_gb"),
    )


def _length(row: Mapping[str, str], columns: _Columns) -> float | None:
    if columns.length is not None and row[columns.length].strip():
        return number_of(row[columns.length].strip(), columns.length)
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


def number_of(text: str, column: str) -> float | None:
    """Read a number; nothing is None.

    Raises:
        DataError: it is none, or absurd.
    """
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
    value = number_of(text.strip(), column)
    if value == -1:
        return None  # how SWF, which many traces come from, writes unknown
    if value is not None and value < 0:
        raise DataError(f"{column}: below zero: {text.strip()[:40]}")
    return value
