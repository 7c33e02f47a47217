"""Issues and their points: from values to rows and back.

Points are written and read as plain numbers, a column at a time: a year of hourly issues has a million of
them.
"""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from sqlalchemy import (
    ColumnElement,
    Connection,
    Double,
    Row,
    Subquery,
    and_,
    case,
    func,
    insert,
    select,
    type_coerce,
    update,
)

from carbonslurm.core.choice import OWN
from carbonslurm.core.forecast import Band, Floats, Issue, Kind, Nature, Scope, Series
from carbonslurm.core.interval import Interval, from_epoch
from carbonslurm.errors import DataError
from carbonslurm.ledger.database import in_batches, insert_one
from carbonslurm.ledger.encoding import Columns, nature_columns
from carbonslurm.ledger.news import concern
from carbonslurm.ledger.painting import Layer
from carbonslurm.ledger.tables import ISSUE, ISSUE_POINT

published_at = func.coalesce(ISSUE.c.generated_at, ISSUE.c.fetched_at)
POINT = (
    ISSUE_POINT.c.issue,
    type_coerce(ISSUE_POINT.c.starts_at, Double),
    type_coerce(ISSUE_POINT.c.ends_at, Double),
    ISSUE_POINT.c.g_per_kwh,
    ISSUE_POINT.c.estimated,
    ISSUE_POINT.c.low,
    ISSUE_POINT.c.high,
)

# --- writing ---


def keep_issue(connection: Connection, issue: Issue) -> None:
    """Store a forecast once, however often it is offered; offered again, it is known to stand still.

    Raises:
        DataError: it has no value at all, or a time without a zone.
    """
    series = issue.series
    known = np.flatnonzero(~np.isnan(series.values))
    if len(known) == 0:
        raise DataError(f"{series.source}: {series.zone}: an issue without a value")
    key = {"zone": series.zone, "source": series.source, **nature_columns(series.nature)}
    key["digest"] = _digest(issue)
    same = and_(*(ISSUE.c[name] == value for name, value in key.items()))
    old = connection.execute(select(ISSUE).where(same)).one_or_none()
    if old is None:
        columns = _issue_columns(issue, known)
        number = insert_one(connection, ISSUE, {**key, **columns})
        connection.execute(insert(ISSUE_POINT), list(_points(issue, known, number)))
        concern(connection, issue.series.zone, [(columns["starts_at"], columns["ends_at"])], measured=False)
    elif issue.fetched_at < old.first_fetched_at or issue.fetched_at > old.fetched_at:
        span = {
            "first_fetched_at": min(old.first_fetched_at, issue.fetched_at),
            "fetched_at": max(old.fetched_at, issue.fetched_at),
        }
        connection.execute(update(ISSUE).where(ISSUE.c.id == old.id).values(span))


def _digest(issue: Issue) -> str:
    """Return what two offers of one issue have in common: when it was made, and every value in it."""
    made = issue.generated_at.timestamp() if issue.generated_at else None
    series = issue.series
    points = [
        (float(left), float(right), float(value), bool(flag))
        for left, right, value, flag in zip(
            series.edges[:-1], series.edges[1:], series.values, series.estimated, strict=True
        )
        if value == value  # noqa: PLR0124  # NaN, an unknown step, is not stored
    ]
    band = () if issue.band is None else (_band_points(issue.band),)  # without one, as it always was
    return hashlib.sha256(repr((made, points, *band)).encode()).hexdigest()


def _band_points(band: Band) -> tuple[object, ...]:
    inside = ~np.isnan(band.low)
    return band.share, band.low[inside].tolist(), band.high[inside].tolist()


def _issue_columns(issue: Issue, known: Any) -> Columns:
    return {
        "generated_at": issue.generated_at,
        "first_fetched_at": issue.fetched_at,
        "fetched_at": issue.fetched_at,
        "starts_at": from_epoch(float(issue.series.edges[known[0]])),
        "ends_at": from_epoch(float(issue.series.edges[known[-1] + 1])),
        "share": None if issue.band is None else issue.band.share,
        "measured_until": issue.measured_until,
    }


def _points(issue: Issue, known: Any, number: int) -> Iterator[Columns]:
    series, band = issue.series, issue.band
    moments = [from_epoch(edge) for edge in series.edges.tolist()]
    for place in known.tolist():
        yield {
            "issue": number,
            "starts_at": moments[place],
            "ends_at": moments[place + 1],
            "g_per_kwh": float(series.values[place]),
            "estimated": bool(series.estimated[place]),
            "low": None if band is None else float(band.low[place]),
            "high": None if band is None else float(band.high[place]),
        }


# --- reading ---


def read_issues(connection: Connection, rows: Sequence[Row[Any]]) -> list[Issue]:
    """Return the issues of some rows, in their order."""
    points = _read_points(connection, [row.id for row in rows])
    return [_issue(row, points[row.id]) for row in rows]


def _read_points(connection: Connection, numbers: Sequence[int]) -> Mapping[int, Floats]:
    """Return of each issue an array, shape (points, 6): start, end, g/kWh, estimated, low, high."""
    found: dict[int, Floats] = {}
    order = (ISSUE_POINT.c.issue, ISSUE_POINT.c.starts_at)
    for batch in in_batches(numbers):
        rows = connection.execute(select(*POINT).where(ISSUE_POINT.c.issue.in_(batch)).order_by(*order)).all()
        table = np.array([tuple(row) for row in rows], dtype=float)  # NULL becomes NaN
        if len(table) == 0:
            continue
        cuts = np.flatnonzero(np.diff(table[:, 0])) + 1
        found |= {int(part[0, 0]): part[:, 1:] for part in np.split(table, cuts)}
    return found


def _issue(row: Row[Any], points: Floats) -> Issue:
    """Put an issue's points together again; what lies between two of them is unknown."""
    starts, ends = points[:, 0], points[:, 1]
    behind_gap = np.flatnonzero(starts[1:] > ends[:-1]) + 1
    edges = np.append(np.insert(starts, behind_gap, ends[behind_gap - 1]), ends[-1])
    values, low, high = (np.insert(points[:, column], behind_gap, np.nan) for column in (2, 4, 5))
    estimated = np.insert(points[:, 3], behind_gap, 0).astype(bool)
    nature = Nature(Kind(row.kind), Scope(row.scope))
    series = Series(row.zone, row.source, nature, edges, values, estimated)
    band = None if row.share is None else Band(low, high, row.share)
    return Issue(series, row.generated_at, row.fetched_at, band, row.measured_until)


def forecast_layers(connection: Connection, zone: str, nature: Nature, window: Interval) -> list[Layer]:
    """Return, of each step that some issue has, the newest issue's, in the order of publication.

    Our own come first, so that they lie below: a provider knows more of its grid than its history says.
    """
    ranked, order = _ranked(zone, nature, window)
    wanted = select(ranked.c.starts, ranked.c.ends, ranked.c.g_per_kwh, ranked.c.source)
    rows = connection.execute(wanted.where(ranked.c.rank == 1).order_by(*order))
    return [Layer(start, end, value, True, source) for start, end, value, source in rows]


def counting_points(
    connection: Connection, zone: str, nature: Nature, window: Interval
) -> list[tuple[int, float, float]]:
    """Return the issue, start and end of each step of ``forecast_layers``."""
    ranked, _ = _ranked(zone, nature, window)
    wanted = select(ranked.c.issue, ranked.c.starts, ranked.c.ends).where(ranked.c.rank == 1)
    return [(number, start, end) for number, start, end in connection.execute(wanted)]


def _ranked(zone: str, nature: Nature, window: Interval) -> tuple[Subquery, list[ColumnElement[Any]]]:
    """Return each point with its rank among those of the same step, and by what layers are ordered."""
    issue, point = ISSUE.c, ISSUE_POINT.c
    order = (case((issue.source == OWN, 0), else_=1), published_at, issue.fetched_at, issue.id)
    rank = func.row_number().over(
        partition_by=(point.starts_at, point.ends_at), order_by=[column.desc() for column in order]
    )
    ranked = (
        select(
            issue.id.label("issue"),
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
    return ranked, [ranked.c[f"order_{place}"] for place in range(len(order))]
