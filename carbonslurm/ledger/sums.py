"""Sums over runs, worked out by the database: what a year of a whole cluster emitted, in one statement.

Grams of different natures are never added, so each sum is of one nature. GPUs lie in the ledger as a text
of counts by type, of which there are few: runs are summed up by it, too, and it is read once for each sum.
What the jobs behind runs say (late, stopped, withheld) is asked only of the runs whose jobs we have seen, and
comes as sums of its own, without runs.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Double,
    FromClause,
    Integer,
    RowMapping,
    and_,
    case,
    func,
    literal_column,
    select,
    type_coerce,
)

from carbonslurm.core.bound import is_late
from carbonslurm.core.interval import Interval
from carbonslurm.ledger.chosen import chosen
from carbonslurm.ledger.database import Room, in_batches
from carbonslurm.ledger.encoding import read_gpus, read_nature
from carbonslurm.ledger.figures import counting_figure
from carbonslurm.ledger.job_facts import job_facts
from carbonslurm.ledger.tables import FIGURE, RUN
from carbonslurm.ports import Dimension, RunFilter, RunSum

HOUR_S = 3600
AT_ONCE = 500  # runs named in a statement, which has a number for each month, too

_COLUMNS: Mapping[Dimension, ColumnElement[Any]] = {
    Dimension.CLUSTER: RUN.c.cluster,
    Dimension.USER: RUN.c.user_name,
    Dimension.ACCOUNT: RUN.c.account,
    Dimension.PARTITION: RUN.c.partition,
    Dimension.QOS: RUN.c.qos,
    Dimension.STATE: RUN.c.state,
    Dimension.METHOD: FIGURE.c.energy_method,
    Dimension.QUALITY: FIGURE.c.energy_quality,
    Dimension.ZONE: FIGURE.c.zone,
    Dimension.SOURCE: FIGURE.c.source,
    Dimension.ESTIMATED: FIGURE.c.estimated,
}
_KNOWN = and_(FIGURE.c.emitted_g.is_not(None), FIGURE.c.baseline_g.is_not(None))
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

    def span(self, wanted: RunFilter) -> Interval | None:
        """Return from the first to the last start among some runs, None where none has started.

        Raises:
            LedgerError: it could not be read.
        """
        ends = select(func.min(RUN.c.started), func.max(RUN.c.started)).where(RUN.c.id.in_(chosen(wanted)))
        with self._database.reading() as connection:
            first, last = connection.execute(ends).one()
        return None if first is None else Interval(first, last)


def length_s(end: ColumnElement[datetime], start: ColumnElement[datetime]) -> ColumnElement[float]:
    """Return the seconds between two columns."""
    return type_coerce(end, Double) - type_coerce(start, Double)


# --- what is summed up


def with_figure(wanted: RunFilter) -> FromClause:
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
        func.sum(length_s(RUN.c.ended, RUN.c.started)).label("seconds"),
        *(
            func.sum(case((_KNOWN, FIGURE.c[name]))).label(name)
            for name in ("energy_kwh", "emitted_g", "baseline_g")
        ),
    ).select_from(with_figure(wanted))
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
