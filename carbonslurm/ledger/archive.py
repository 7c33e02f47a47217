"""Every issue and every measured value, as published, and the picture that they make together.

A window's intensity is painted in layers, later over earlier: the issues in the order in which they were
published, then the measured values in the order in which they were stored. So a measured value hides every
forecast, a revision hides what it revises, and steps of different length may overlap: the result is cut at
every edge. What only an issue covers is an estimate.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
from sqlalchemy import Connection, Double, Row, and_, func, insert, select, type_coerce, update

from carbonslurm.core.forecast import Issue, Kind, Nature, Scope, Series, Step
from carbonslurm.core.interval import Interval
from carbonslurm.errors import DataError
from carbonslurm.ledger.database import Room, insert_one
from carbonslurm.ledger.encoding import Columns, digest, nature_columns
from carbonslurm.ledger.tables import INTENSITY, ISSUE, ISSUE_POINT


@dataclass(frozen=True, slots=True)
class _Layer:
    """One step to be painted; Unix seconds and g/kWh."""

    start: float
    end: float
    g_per_kwh: float
    estimated: bool
    source: str


class ArchiveReader(Room):
    """What is known of a zone's electricity."""

    def newest_issue(self, zone: str) -> Issue | None:
        """Return the zone's latest published forecast.

        Raises:
            LedgerError: it could not be read.
        """
        published = func.coalesce(ISSUE.c.generated_at, ISSUE.c.fetched_at)
        newest = (
            select(ISSUE)
            .where(ISSUE.c.zone == zone)
            .order_by(published.desc(), ISSUE.c.fetched_at.desc(), ISSUE.c.id.desc())
            .limit(1)
        )
        with self._database.reading() as connection:
            row = connection.execute(newest).one_or_none()
            return None if row is None else _read_issue(connection, row)

    def intensity(self, zone: str, nature: Nature, window: Interval) -> Series | None:
        """Return what is known of a window, in g/kWh; None where nothing is.

        Raises:
            LedgerError: it could not be read.
        """
        with self._database.reading() as connection:
            return _intensity(connection, zone, nature, window)

    def natures(self, zone: str, window: Interval) -> Sequence[Nature]:
        """Return the natures in which a window has any value, the best covered first.

        Raises:
            LedgerError: it could not be read.
        """
        with self._database.reading() as connection:
            seconds = {
                nature: _covered(_intensity(connection, zone, nature, window), window)
                for nature in _natures(connection, zone, window)
            }
        known = [nature for nature in seconds if seconds[nature] > 0]
        return sorted(known, key=lambda nature: (-seconds[nature], str(nature)))


class Archive(ArchiveReader):
    """The daemon's side: keeps what the sources say."""

    def keep_issue(self, issue: Issue) -> None:
        """Store a forecast once, however often it is offered; offered again, it is known to stand still.

        Raises:
            DataError: it has no value at all, or a time without a zone.
            LedgerError: it could not be written.
        """
        steps = issue.series.steps()
        if not steps:
            raise DataError(f"{issue.series.source}: {issue.series.zone}: an issue without a value")
        key = {**_identity(issue.series), "digest": digest(issue)}
        with self._database.writing() as connection:
            same = and_(*(ISSUE.c[name] == value for name, value in key.items()))
            old = connection.execute(select(ISSUE).where(same)).one_or_none()
            if old is None:
                _insert_issue(connection, issue, key, steps)
            elif issue.fetched_at < old.first_fetched_at or issue.fetched_at > old.fetched_at:
                span = {
                    "first_fetched_at": min(old.first_fetched_at, issue.fetched_at),
                    "fetched_at": max(old.fetched_at, issue.fetched_at),
                }
                connection.execute(update(ISSUE).where(ISSUE.c.id == old.id).values(span))

    def keep_actual(self, series: Series, recorded_at: datetime) -> None:
        """Store measured values; a revised one is added, one that says nothing new is not.

        Raises:
            DataError: a time without a zone.
            LedgerError: it could not be written.
        """
        identity = _identity(series)
        with self._database.writing() as connection:
            old = _stored_steps(connection, identity, Interval(series.start, series.horizon))
            new = [
                {**identity, **_step_columns(step), "recorded_at": recorded_at}
                for step in series.steps()
                if old.get(step.interval) != (step.g_per_kwh, step.estimated)
            ]
            if new:
                connection.execute(insert(INTENSITY), new)


def _identity(series: Series) -> Columns:
    return {"zone": series.zone, "source": series.source, **nature_columns(series.nature)}


def _step_columns(step: Step) -> Columns:
    return {
        "starts_at": step.interval.start,
        "ends_at": step.interval.end,
        "g_per_kwh": step.g_per_kwh,
        "estimated": step.estimated,
    }


def _insert_issue(connection: Connection, issue: Issue, key: Columns, steps: Sequence[Step]) -> None:
    row = {
        **key,
        "generated_at": issue.generated_at,
        "first_fetched_at": issue.fetched_at,
        "fetched_at": issue.fetched_at,
        "starts_at": steps[0].interval.start,
        "ends_at": steps[-1].interval.end,
    }
    number = insert_one(connection, ISSUE, row)
    connection.execute(insert(ISSUE_POINT), [{**_step_columns(step), "issue": number} for step in steps])


def _stored_steps(
    connection: Connection, identity: Columns, window: Interval
) -> dict[Interval, tuple[float, bool]]:
    """Return the newest stored value of each step: rows come in order, so later ones replace earlier."""
    rows = connection.execute(
        select(INTENSITY.c.starts_at, INTENSITY.c.ends_at, INTENSITY.c.g_per_kwh, INTENSITY.c.estimated)
        .where(*(INTENSITY.c[name] == value for name, value in identity.items()))
        .where(INTENSITY.c.ends_at > window.start, INTENSITY.c.starts_at < window.end)
        .order_by(INTENSITY.c.id)
    )
    return {Interval(start, end): (value, estimated) for start, end, value, estimated in rows}


def _read_issue(connection: Connection, row: Row[Any]) -> Issue:
    points = connection.execute(
        select(ISSUE_POINT).where(ISSUE_POINT.c.issue == row.id).order_by(ISSUE_POINT.c.starts_at)
    )
    steps = [
        Step(Interval(point.starts_at, point.ends_at), point.g_per_kwh, point.estimated) for point in points
    ]
    series = Series.from_steps(row.zone, row.source, Nature(Kind(row.kind), Scope(row.scope)), steps)
    return Issue(series, generated_at=row.generated_at, fetched_at=row.fetched_at)


def _natures(connection: Connection, zone: str, window: Interval) -> set[Nature]:
    return {
        Nature(Kind(row.kind), Scope(row.scope))
        for table in (INTENSITY, ISSUE)
        for row in connection.execute(
            select(table.c.kind, table.c.scope)
            .where(table.c.zone == zone, table.c.ends_at > window.start, table.c.starts_at < window.end)
            .distinct()
        )
    }


def _intensity(connection: Connection, zone: str, nature: Nature, window: Interval) -> Series | None:
    measured = _measured(connection, zone, nature, window)
    series = _painted(zone, nature, measured)
    if _covered(series, window) < window.length.total_seconds() or series is None:
        series = _painted(zone, nature, [*_forecast(connection, zone, nature, window), *measured])
    return series


def _measured(connection: Connection, zone: str, nature: Nature, window: Interval) -> list[_Layer]:
    table = INTENSITY.c
    rows = connection.execute(
        select(
            type_coerce(table.starts_at, Double),
            type_coerce(table.ends_at, Double),
            table.g_per_kwh,
            table.estimated,
            table.source,
        )
        .where(table.zone == zone, table.kind == nature.kind.value, table.scope == nature.scope.value)
        .where(table.ends_at > window.start, table.starts_at < window.end)
        .order_by(table.id)
    )
    return [_Layer(*row) for row in rows]


def _forecast(connection: Connection, zone: str, nature: Nature, window: Interval) -> list[_Layer]:
    """Return, of each step that some issue has, the newest issue's, in the order of publication."""
    issue, point = ISSUE.c, ISSUE_POINT.c
    published = func.coalesce(issue.generated_at, issue.fetched_at)
    order = (published, issue.fetched_at, issue.id)
    rank = func.row_number().over(
        partition_by=(point.starts_at, point.ends_at), order_by=[column.desc() for column in order]
    )
    ranked = (
        select(
            type_coerce(point.starts_at, Double).label("starts"),
            type_coerce(point.ends_at, Double).label("ends"),
            point.g_per_kwh,
            issue.source,
            *(column.label(f"order_{place}") for place, column in enumerate(order)),
            rank.label("rank"),
        )
        .join_from(ISSUE, ISSUE_POINT, point.issue == issue.id)
        .where(issue.zone == zone, issue.kind == nature.kind.value, issue.scope == nature.scope.value)
        .where(issue.ends_at > window.start, issue.starts_at < window.end)
        .where(point.ends_at > window.start, point.starts_at < window.end)
        .subquery()
    )
    rows = connection.execute(
        select(ranked.c.starts, ranked.c.ends, ranked.c.g_per_kwh, ranked.c.source)
        .where(ranked.c.rank == 1)
        .order_by(ranked.c.order_0, ranked.c.order_1, ranked.c.order_2)
    )
    return [_Layer(start, end, value, True, source) for start, end, value, source in rows]


def _painted(zone: str, nature: Nature, layers: Sequence[_Layer]) -> Series | None:
    """Paint layers over each other, the last on top; None where there are none."""
    if not layers:
        return None
    starts = np.array([layer.start for layer in layers])
    ends = np.array([layer.end for layer in layers])
    edges = np.unique(np.concatenate((starts, ends)))
    values = np.full(len(edges) - 1, np.nan)
    estimated = np.zeros(len(edges) - 1, dtype=bool)
    painter = np.full(len(edges) - 1, -1)
    spans = zip(np.searchsorted(edges, starts), np.searchsorted(edges, ends), strict=True)
    for number, (left, right) in enumerate(spans):
        values[left:right] = layers[number].g_per_kwh
        estimated[left:right] = layers[number].estimated
        painter[left:right] = number
    sources = {layers[number].source for number in painter if number >= 0}
    return Series(zone, ", ".join(sorted(sources)), nature, edges, values, estimated)


def _covered(series: Series | None, window: Interval) -> float:
    """Return for how many seconds of a window a series has a value."""
    if series is None:
        return 0.0
    left = np.maximum(series.edges[:-1], window.start.timestamp())
    right = np.minimum(series.edges[1:], window.end.timestamp())
    return float(np.sum(np.maximum(right - left, 0.0)[~np.isnan(series.values)]))
