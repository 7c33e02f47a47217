"""Forecasts as they were published, in CSV: ``issue_time``, ``target_time``, ``forecast``.

One row is one step of one forecast, in any order; other columns are not read. Times without a zone are UTC. A
forecast's last step is as long as the one before it.
"""

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise

from carbonslurm.errors import DataError

COLUMNS = ("issue_time", "target_time", "forecast")


@dataclass(frozen=True, slots=True)
class WrittenIssue:
    """One forecast: when it was published, and what it says.

    Attributes:
        published: Unix seconds.
        starts: when each step begins, rising.
        end: of the last one.
        values: g/kWh of each step.
    """

    published: float
    starts: tuple[float, ...]
    end: float
    values: tuple[float, ...]


def read_issues(text: str, name: str) -> list[WrittenIssue]:
    """Read forecasts, by the time of their publication.

    Raises:
        DataError: "name:line: why".
    """
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    found: dict[float, list[tuple[float, float, int]]] = {}
    try:
        header = [word.strip() for word in next(reader, [])]
        places = _places(header)
        for cells in reader:
            if cells:
                issue, target, value = _row(cells, len(header), places)
                found.setdefault(issue, []).append((target, value, reader.line_num))
    except csv.Error as error:
        raise DataError(f"{name}:{reader.line_num}: {error}") from error
    except DataError as error:
        raise DataError(f"{name}:{max(reader.line_num, 1)}: {error}") from error
    if not found:
        raise DataError(f"{name}:1: no forecasts")
    return [_issue(published, rows, name) for published, rows in sorted(found.items())]


def _places(header: Sequence[str]) -> tuple[int, int, int]:
    for column in COLUMNS:
        if column not in header:
            raise DataError(f"no column {column} in the header")
    first, second, third = (header.index(column) for column in COLUMNS)
    return first, second, third


def _row(cells: Sequence[str], width: int, places: tuple[int, int, int]) -> tuple[float, float, float]:
    if len(cells) != width:
        raise DataError(f"{len(cells)} cells, expected {width}")
    issue, target, value = (cells[place].strip() for place in places)
    try:
        number = float(value)
    except ValueError as error:
        raise DataError(f'forecast: not a number: "{value[:40]}"') from error
    if not 0 <= number < 1e5:
        raise DataError(f"forecast: out of range: {value[:40]}")
    return _moment(issue), _moment(target), number


def _moment(text: str) -> float:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise DataError(f'expected a time such as 2021-07-01T00:00Z, got "{text[:40]}"') from error
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def _issue(published: float, rows: list[tuple[float, float, int]], name: str) -> WrittenIssue:
    rows.sort()
    for before, after in pairwise(rows):
        if before[0] == after[0]:
            raise DataError(
                f"{name}:{max(before[2], after[2])}: a second value for the same time of the same forecast"
            )
    if len(rows) == 1:
        raise DataError(f"{name}:{rows[0][2]}: a forecast of a single step: how long is it?")
    starts = tuple(row[0] for row in rows)
    return WrittenIssue(published, starts, 2 * starts[-1] - starts[-2], tuple(row[1] for row in rows))
