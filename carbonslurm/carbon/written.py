"""Reading of intensity that a site wrote down: a series in CSV, or a series, a profile or a constant in YAML.

Pure functions from text to values; ``file`` reads the disk and makes forecasts of them. Every refusal names
the file and the line.

A series of steps without ends is evenly spaced, or refused: each step lasts until the next one, and the last
as long as the others. With ends, steps may be of any length, but each must begin where the one before ended.
Times carry their zone. The same row twice is taken once, as in ``checks``.
"""

import csv
import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import groupby, pairwise
from zoneinfo import ZoneInfo

import msgspec
import yaml

from carbonslurm.carbon import checks
from carbonslurm.core.forecast import Kind, Scope, Step
from carbonslurm.core.interval import Interval, iso
from carbonslurm.errors import DataError

TIME_COLUMNS = ("timestamp", "start", "time")
INTENSITY_COLUMNS = ("g_per_kwh", "gCO2eq_per_kWh")
_FLAGS = {"": False, "0": False, "false": False, "no": False, "1": True, "true": True, "yes": True}
_QUARTER = timedelta(minutes=15)


@dataclass(frozen=True, slots=True)
class Profile:
    """Intensity in g/kWh by the hour of the day (24 numbers), in a time zone."""

    hours: tuple[float, ...]
    zone: ZoneInfo

    def steps(self, start: datetime, end: datetime) -> list[Step]:
        """Return the steps from the hour of ``start`` to ``end``, one for each hour on the zone's clocks.

        On the day that clocks go back an hour comes twice, on the other one it is missing. Counted in
        quarters, since some zones are 30 or 45 minutes off.
        """
        first = start.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
        quarters = (first + count * _QUARTER for count in range(-((first - end) // _QUARTER)))
        by_hour = groupby(quarters, key=lambda quarter: _clock_hour(quarter.astimezone(self.zone)))
        runs = ((key[1], list(run)) for key, run in by_hour)
        return [Step(Interval(run[0], run[-1] + _QUARTER), self.hours[hour], True) for hour, run in runs]


def _clock_hour(local: datetime) -> tuple[int, int, int]:
    return local.toordinal(), local.hour, local.fold


@dataclass(frozen=True, slots=True)
class Written:
    """What a file says: a series or a profile, and what kind of number it is, where it says so."""

    content: tuple[Step, ...] | Profile
    kind: Kind | None = None
    scope: Scope | None = None


@dataclass(frozen=True, slots=True)
class _Row:
    line: int
    start: datetime
    end: datetime | None
    g_per_kwh: float
    estimated: bool


# --- CSV


def read_csv(text: str, name: str, column: str | None) -> Written:
    """Read a series.

    Args:
        text: the file, with a header line.
        name: of the file, for messages.
        column: of the intensity in g/kWh; None for the first of ``INTENSITY_COLUMNS`` that is there.

    Raises:
        DataError: "name:line: why".
    """
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        header = [word.strip() for word in next(reader, [])]
        columns = _columns(header, column)
        rows = [_csv_row(cells, len(header), columns, reader.line_num) for cells in reader if cells]
    except csv.Error as error:
        raise DataError(f"{name}:{reader.line_num}: {checks.shown(str(error))}") from error
    except DataError as error:
        raise DataError(f"{name}:{max(reader.line_num, 1)}: {error}") from error
    return Written(tuple(_series(rows, name)))


def _columns(header: Sequence[str], column: str | None) -> dict[str, int | None]:
    def find(names: Iterable[str]) -> int | None:
        return next((header.index(name) for name in names if name in header), None)

    wanted = INTENSITY_COLUMNS if column is None else (column,)
    places = {
        "start": find(TIME_COLUMNS),
        "g_per_kwh": find(wanted),
        "end": find(("end",)),
        "estimated": find(("estimated",)),
    }
    for place, names in (("start", TIME_COLUMNS), ("g_per_kwh", wanted)):
        if places[place] is None:
            raise DataError(f"no column {' or '.join(names)} in the header: {checks.shown(','.join(header))}")
    return places


def _csv_row(cells: Sequence[str], width: int, columns: dict[str, int | None], line: int) -> _Row:
    if len(cells) != width:
        raise DataError(f"{len(cells)} cells, expected {width}")

    def cell(name: str) -> str:
        place = columns[name]
        return "" if place is None else cells[place].strip()

    return _Row(
        line=line,
        start=checks.moment(cell("start")),
        end=None if columns["end"] is None else checks.moment(cell("end")),
        g_per_kwh=checks.intensity(_number(cell("g_per_kwh"))),
        estimated=_flag(cell("estimated")),
    )


def _number(text: str) -> float | None:
    if text.casefold() in {"", "null", "none", "na"}:
        return None
    try:
        return float(text)
    except ValueError as error:
        raise DataError(f'not a number: "{checks.shown(text, 40)}"') from error


def _flag(text: str) -> bool:
    if text.casefold() not in _FLAGS:
        raise DataError(f'estimated: expected 0 or 1, got "{checks.shown(text, 40)}"')
    return _FLAGS[text.casefold()]


# --- YAML


class _Document(msgspec.Struct, forbid_unknown_fields=True):
    constant: float | None = None
    hours: list[float] | None = None
    timezone: str | None = None
    series: list[object] | None = None
    kind: Kind | None = None
    scope: Scope | None = None


class _Entry(msgspec.Struct, forbid_unknown_fields=True):
    start: str
    g_per_kwh: float | None
    end: str | None = None
    estimated: bool = False


def read_yaml(text: str, name: str) -> Written:
    """Read a constant, a profile of hours or a series, with kind and scope where they are given.

    Raises:
        DataError: "name:line: why".
    """
    node, content = _load(text, name)
    try:
        document = msgspec.convert(content, _Document, strict=False)
        _one_of_three(document)
        if document.series is None:
            return Written(_profile(document), document.kind, document.scope)
    except (msgspec.ValidationError, UnicodeError, DataError) as error:
        raise DataError(f"{name}:{_line(node, None)}: {checks.shown(str(error), 120)}") from error
    rows = [_yaml_row(entry, name, _line(node, index)) for index, entry in enumerate(document.series)]
    return Written(tuple(_series(rows, name)), document.kind, document.scope)


def _one_of_three(document: _Document) -> None:
    given = [key for key in ("constant", "hours", "series") if getattr(document, key) is not None]
    if len(given) != 1:
        raise DataError(f"expected one of constant, hours and series, got {' and '.join(given) or 'none'}")
    if document.timezone is not None and document.hours is None:
        raise DataError("timezone: only hours have one")


def _load(text: str, name: str) -> tuple[yaml.Node | None, object]:
    # BaseLoader leaves every scalar a string: YAML's own times lose their zone, and its tags can do harm.
    loader: yaml.BaseLoader | None = None
    try:
        loader = yaml.BaseLoader(text)
        node = loader.get_single_node()
        return node, None if node is None else loader.construct_document(node)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise DataError(f"{name}:{line}: not YAML: {checks.shown(str(error.problem))}") from error
    except (yaml.YAMLError, RecursionError) as error:
        raise DataError(f"{name}:1: not YAML: {checks.shown(str(error))}") from error
    finally:
        if loader is not None:
            loader.dispose()


def _line(node: yaml.Node | None, index: int | None) -> int:
    """Return the line of an entry of ``series``, or of the document."""
    if not isinstance(node, yaml.MappingNode):
        return 1
    if index is None:
        return int(node.start_mark.line) + 1
    series = [value for key, value in node.value if key.value == "series"][-1]
    return int(series.value[index].start_mark.line) + 1


def _profile(document: _Document) -> Profile:
    hours = [document.constant] * 24 if document.hours is None else document.hours
    if len(hours) != 24:
        raise DataError(f"hours: expected 24 numbers, got {len(hours)}")
    timezone = document.timezone or "UTC"
    try:
        zone = ZoneInfo(timezone)
    except (ValueError, OSError, LookupError) as error:
        raise DataError(f'timezone: no such zone: "{checks.shown(timezone, 40)}"') from error
    return Profile(tuple(checks.intensity(value) for value in hours), zone)


def _yaml_row(entry: object, name: str, line: int) -> _Row:
    try:
        read = msgspec.convert(entry, _Entry, strict=False)
        end = None if read.end is None else checks.moment(read.end)
        return _Row(line, checks.moment(read.start), end, checks.intensity(read.g_per_kwh), read.estimated)
    except (msgspec.ValidationError, UnicodeError, DataError) as error:
        raise DataError(f"{name}:{line}: {checks.shown(str(error), 120)}") from error


# --- rows -> steps


def _series(rows: Sequence[_Row], name: str) -> list[Step]:
    """Join rows, in the file's order, to steps side by side."""
    if not rows:
        raise DataError(f"{name}:1: no rows")
    kept = [rows[0], *(row for before, row in pairwise(rows) if not _same(before, row))]
    spacings = (after.start - before.start for before, after in pairwise(kept))
    pitch = min((spacing for spacing in spacings if spacing > timedelta()), default=timedelta())
    steps: list[Step] = []
    for row in kept:
        try:
            steps.append(_step_after(steps, row, pitch))
        except DataError as error:
            raise DataError(f"{name}:{row.line}: {error}") from error
    return steps


def _same(before: _Row, row: _Row) -> bool:
    return (before.start, before.end, before.g_per_kwh) == (row.start, row.end, row.g_per_kwh)


def _step_after(steps: Sequence[Step], row: _Row, pitch: timedelta) -> Step:
    if steps and row.start < steps[-1].interval.end:
        raise DataError(f"{iso(row.start)} is covered already: a second value, or rows out of order")
    if steps and row.start > steps[-1].interval.end:
        uneven = "" if row.end else " (steps of uneven length need a column end)"
        raise DataError(f"a gap: nothing from {iso(steps[-1].interval.end)} to {iso(row.start)}{uneven}")
    if row.end is None and pitch <= timedelta():
        raise DataError("the length of a step is unknown: give two rows in order of time, or ends")
    end = row.start + pitch if row.end is None else row.end
    if end <= row.start:
        raise DataError(f"ends at {iso(end)}, not after its start {iso(row.start)}")
    return Step(Interval(row.start, end), row.g_per_kwh, row.estimated)
