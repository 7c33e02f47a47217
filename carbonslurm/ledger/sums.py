"""Sums over runs, worked out by the database: what a year of a whole cluster emitted, in one statement.

Grams of different natures are never added, so each sum is of one nature. GPUs lie in the ledger as a text
of counts by type, of which there are few: runs are summed up by it, too, and it is read once for each sum.
What the jobs behind runs say (late, stopped, withheld) is asked only of the runs whose jobs we have seen, and
comes as sums of its own, without runs.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import numpy as np
from sqlalchemy import (
    ColumnElement,
    Connection,
    Double,
    FromClause,
    Integer,
    RowMapping,
    Select,
    and_,
    case,
    func,
    literal_column,
    select,
    type_coerce,
)

from carbonslurm.core.bound import is_late
from carbonslurm.core.forecast import Floats, Kind, Nature, Scope
from carbonslurm.core.interval import Interval
from carbonslurm.ledger.chosen import chosen
from carbonslurm.ledger.database import Room, in_batches
from carbonslurm.ledger.encoding import read_gpus, read_nature
from carbonslurm.ledger.figures import counting_figure
from carbonslurm.ledger.job_facts import job_facts
from carbonslurm.ledger.tables import FIGURE, FIGURE_BESIDE, RUN
from carbonslurm.ports import BesideSum, Dimension, RunFilter, RunSum

HOUR_S = 3600
AT_ONCE = 500  # runs named in a statement, which has a number for each month, too

_COLUMNS: Mapping[Dimension, ColumnElement[Any]] = {
    Dimension.CLUSTER: RUN.c.cluster,
    Dimension.USER: RUN.c.user_name,
    Dimension.ACCOUNT: RUN.c.account,
    Dimension.PARTITION: RUN.c.partition,
    Dimension.QOS: RUN.c.qos,
    Dimension.NAME: RUN.c.job_name,
    Dimension.STATE: RUN.c.state,
    Dimension.METHOD: FIGURE.c.energy_method,
    Dimension.QUALITY: FIGURE.c.energy_quality,
    Dimension.ZONE: FIGURE.c.zone,
    Dimension.SOURCE: FIGURE.c.source,
    Dimension.ESTIMATED: FIGURE.c.estimated,
}
_KNOWN = and_(FIGURE.c.emitted_g.is_not(None), FIGURE.c.baseline_g.is_not(None))
_QUEUED = and_(_KNOWN, FIGURE.c.queue_g.is_not(None))
_NATURE = (
    case((_KNOWN, FIGURE.c.kind)).label("of_kind"),
    case((_KNOWN, FIGURE.c.scope)).label("of_scope"),
)
_HELD = RUN.c.gpus.label("of_gpus")
Parts = Sequence[ColumnElement[Any]]


class Sums(Room):
    """Read-only questions."""

    def sums(
        self, wanted: RunFilter, by: Sequence[Dimension], months: Sequence[datetime] = ()
    ) -> Sequence[RunSum]:
        """Return sums of started runs by some dimensions, in no order.

        Args:
            wanted: which runs.
            by: the dimensions.
            months: the firsts of rising months, the first of them not after any start.

        Raises:
            LedgerError: it could not be read.
        """
        parts = [_dimension(it, months).label(f"by{number}") for number, it in enumerate(by)]
        with self._database.reading() as connection:
            return [*_of_figures(connection, wanted, parts), *_of_jobs(connection, wanted, parts)]

    def sums_beside(self, wanted: RunFilter) -> Sequence[BesideSum]:
        """Return sums of started runs by intensities of another kind, for each pair of natures.

        Raises:
            LedgerError: it could not be read.
        """
        with self._database.reading() as connection:
            if connection.execute(select(FIGURE_BESIDE.c.figure).limit(1)).first() is None:
                return []  # few sites have any
            return [_beside(row) for row in connection.execute(_sums_beside(wanted)).mappings()]

    def span(self, wanted: RunFilter) -> Interval | None:
        """Return from the first to the last start among some runs, None where none has started.

        Raises:
            LedgerError: it could not be read.
        """
        ends = select(func.min(RUN.c.started), func.max(RUN.c.started)).where(RUN.c.id.in_(chosen(wanted)))
        with self._database.reading() as connection:
            first, last = connection.execute(ends).one()
        return None if first is None else Interval(first, last)

    def loads(self, wanted: RunFilter) -> Floats:
        """Return when runs took their energy, and when they would have without us.

        Returns:
            Shape (n, 6), a row for each ended run with a figure: start and end, Unix seconds, kWh; and start,
            end and kWh of its baseline.

        Raises:
            LedgerError: it could not be read.
        """
        ran, baseline = (
            _seconds(RUN.c.ended, RUN.c.started),
            _seconds(FIGURE.c.baseline_ends_at, FIGURE.c.baseline_starts_at),
        )
        kwh = FIGURE.c.energy_kwh
        statement = select(
            type_coerce(RUN.c.started, Double),
            type_coerce(RUN.c.ended, Double),
            kwh,
            type_coerce(FIGURE.c.baseline_starts_at, Double),
            type_coerce(FIGURE.c.baseline_ends_at, Double),
            kwh * baseline / ran,
        ).select_from(_with_figure(wanted))
        statement = statement.where(RUN.c.ended > RUN.c.started, kwh.is_not(None))
        with self._database.reading() as connection:
            rows = connection.execute(statement)
            return np.fromiter((tuple(row) for row in rows), dtype=(float, 6))


def _seconds(end: ColumnElement[datetime], start: ColumnElement[datetime]) -> ColumnElement[float]:
    return type_coerce(end, Double) - type_coerce(start, Double)


# --- what is summed up


def _with_figure(wanted: RunFilter) -> FromClause:
    """Return the runs that are wanted, each with its figure that counts."""
    ids = chosen(wanted).subquery()
    counts = FIGURE.c.id == counting_figure(wanted.as_of)
    return ids.join(RUN, RUN.c.id == ids.c.id).outerjoin(FIGURE, counts)


def _of_figures(connection: Connection, wanted: RunFilter, parts: Parts) -> list[RunSum]:
    alike = (*parts, *_NATURE, _HELD)
    statement = select(
        *alike,
        func.count().label("runs"),
        func.sum(case((_KNOWN, 1), else_=0)).label("known"),
        func.sum(_seconds(RUN.c.ended, RUN.c.started)).label("seconds"),
        *(
            func.sum(case((_KNOWN, FIGURE.c[name]))).label(name)
            for name in ("energy_kwh", "emitted_g", "baseline_g")
        ),
        func.sum(case((_QUEUED, 1), else_=0)).label("queued"),
        func.sum(case((_QUEUED, FIGURE.c.emitted_g))).label("queued_g"),
        func.sum(case((_QUEUED, FIGURE.c.queue_g))).label("queue_g"),
    ).select_from(_with_figure(wanted))
    started = statement.where(RUN.c.started.is_not(None))
    # By labels, which no column has: PostgreSQL takes an expression with parameters, written twice, for two.
    rows = connection.execute(started.group_by(*(literal_column(it.name) for it in alike)))
    return [_read(row, parts) for row in rows.mappings()]


def _read(row: RowMapping, parts: Parts) -> RunSum:
    gpus = sum(read_gpus(row["of_gpus"]).values())
    return RunSum(
        by=tuple(row[part.name] for part in parts),
        nature=read_nature(row["of_kind"], row["of_scope"]),
        runs=row["runs"],
        known=int(row["known"]),
        gpu_hours=gpus * (row["seconds"] or 0.0) / HOUR_S,
        energy_kwh=row["energy_kwh"] or 0.0,
        emitted_g=row["emitted_g"] or 0.0,
        baseline_g=row["baseline_g"] or 0.0,
        queued=int(row["queued"]),
        queued_g=row["queued_g"] or 0.0,
        queue_g=row["queue_g"] or 0.0,
    )


def _sums_beside(wanted: RunFilter) -> Select[Any]:
    other = FIGURE_BESIDE.c
    alike = (FIGURE.c.kind, FIGURE.c.scope, other.kind.label("other_kind"), other.scope.label("other_scope"))
    counted = other.baseline_g.is_not(None)
    return (
        select(
            *alike,
            func.count().label("runs"),
            func.sum(FIGURE.c.energy_kwh).label("energy_kwh"),
            func.sum(other.emitted_g).label("emitted_g"),
            func.sum(case((counted, 1), else_=0)).label("with_baseline"),
            func.sum(case((counted, other.emitted_g))).label("counted_g"),
            func.sum(other.baseline_g).label("baseline_g"),
        )
        .select_from(_with_figure(wanted).join(FIGURE_BESIDE, other.figure == FIGURE.c.id))
        .where(RUN.c.started.is_not(None), FIGURE.c.emitted_g.is_not(None), other.emitted_g.is_not(None))
        .group_by(FIGURE.c.kind, FIGURE.c.scope, other.kind, other.scope)
        .order_by(FIGURE.c.kind, FIGURE.c.scope, other.kind, other.scope)
    )


def _beside(row: RowMapping) -> BesideSum:
    return BesideSum(
        own=Nature(Kind(row["kind"]), Scope(row["scope"])),
        nature=Nature(Kind(row["other_kind"]), Scope(row["other_scope"])),
        runs=row["runs"],
        energy_kwh=row["energy_kwh"],
        emitted_g=row["emitted_g"],
        with_baseline=int(row["with_baseline"]),
        counted_g=row["counted_g"] or 0.0,
        baseline_g=row["baseline_g"] or 0.0,
    )


def _of_jobs(connection: Connection, wanted: RunFilter, parts: Parts) -> list[RunSum]:
    facts = job_facts(connection, wanted)
    columns = select(RUN.c.id, RUN.c.started, RUN.c.submitted, *parts, *_NATURE)
    runs = columns.select_from(RUN.outerjoin(FIGURE, FIGURE.c.id == counting_figure(wanted.as_of)))
    rows = (
        row
        for batch in in_batches(sorted(facts), AT_ONCE)
        for row in connection.execute(runs.where(RUN.c.id.in_(batch), RUN.c.started.is_not(None))).mappings()
    )
    sums = []
    for row in rows:
        fact = facts[row["id"]]
        withheld = fact.made_wait(row["submitted"])
        waits = withheld and fact.first_eligible is not None
        sums.append(
            RunSum(
                by=tuple(row[part.name] for part in parts),
                nature=read_nature(row["of_kind"], row["of_scope"]),
                late=int(is_late(row["started"], fact.promised)),
                stops=int(row["submitted"] in fact.stopped),
                withheld=int(withheld),
                waited=max(row["started"] - fact.first_eligible, timedelta()) if waits else timedelta(),
            )
        )
    return sums


# --- by what


def _dimension(which: Dimension, months: Sequence[datetime]) -> ColumnElement[Any]:
    return _month(months, 0, len(months)) if which is Dimension.MONTH else _COLUMNS[which]


def _month(months: Sequence[datetime], first: int, behind: int) -> ColumnElement[int]:
    """Return the number of the month of a start, by halves: a comparison for each would take its time."""
    if behind - first <= 1:
        return literal_column(str(first), Integer)
    middle = (first + behind) // 2
    later = RUN.c.started >= months[middle]
    return case((later, _month(months, middle, behind)), else_=_month(months, first, middle))
