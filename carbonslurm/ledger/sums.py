"""Sums over runs, worked out by the database: what a year of a whole cluster emitted, in a few statements.

Grams of different natures are never added, so each sum is of one nature. GPUs lie in the ledger as a text
of counts by type, of which there are few: runs are summed up by it, too, and it is read once for each sum.
What the jobs behind runs say (late, stopped, withheld) is asked only of the runs whose jobs we have seen, and
comes as sums of its own, without runs (``job_sums``).

SQLite sums up by sorting, which takes longer than reading: so each of its keys counts, and a nature is one
number and not two words. Of a million runs, a third in the year that is asked for, that is half the time.
PostgreSQL sums up by hashing where it expects few groups. A nature that asks whether the grams are known
makes it expect as many groups as there are amounts of grams; so, where it can, the join asks, and the nature
does not. For SQLite that is less to sort.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, RowMapping, Select, case, func, literal_column, select

from carbonslurm.core.interval import Interval
from carbonslurm.core.nature import Kind, Nature, Scope
from carbonslurm.ledger.chosen import chosen
from carbonslurm.ledger.columns import length_s
from carbonslurm.ledger.database import Room
from carbonslurm.ledger.dimensions import KNOWN, NATURE, NATURE_OF_KNOWN, OF_FIGURES, column_of, nature_of
from carbonslurm.ledger.encoding import read_gpus
from carbonslurm.ledger.figures import counting_figure, with_figures
from carbonslurm.ledger.job_sums import job_sums
from carbonslurm.ledger.tables import FIGURE, FIGURE_BESIDE, RUN
from carbonslurm.ports import BesideSum, Dimension, RunFilter, RunSum

HOUR_S = 3600

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
        parts = [column_of(it, months).label(f"by{number}") for number, it in enumerate(by)]
        with self._database.reading() as connection:
            known_only = OF_FIGURES.isdisjoint(by)
            figures = _of_figures(connection, wanted, parts, known_only=known_only)
            return [*figures, *job_sums(connection, wanted, parts)]

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


def _of_figures(connection: Connection, wanted: RunFilter, parts: Parts, *, known_only: bool) -> list[RunSum]:
    """Return sums; with ``known_only`` figures without grams are not joined, and need not be told apart."""

    def known(column: ColumnElement[Any]) -> ColumnElement[Any]:
        return column if known_only else case((KNOWN, column))

    alike = (*parts, _HELD, NATURE_OF_KNOWN if known_only else NATURE)
    queued = FIGURE.c.queue_g.is_not(None)
    columns = (
        *alike,
        func.count().label("runs"),
        func.count(known(FIGURE.c.id)).label("known"),
        func.sum(length_s(RUN.c.ended, RUN.c.started)).label("seconds"),
        *(func.sum(known(FIGURE.c[name])).label(name) for name in ("energy_kwh", "emitted_g", "baseline_g")),
        func.count(known(FIGURE.c.queue_g)).label("queued"),
        func.sum(known(case((queued, FIGURE.c.emitted_g)))).label("queued_g"),
        func.sum(known(FIGURE.c.queue_g)).label("queue_g"),
    )
    # By labels, which no column has: PostgreSQL takes an expression with parameters, written twice, for two.
    labels: list[ColumnElement[Any]] = [literal_column(it.name) for it in alike]
    found = []
    for statement in with_figures(wanted, columns, *([KNOWN] if known_only else [])):
        rows = connection.execute(statement.where(RUN.c.started.is_not(None)).group_by(*labels))
        found += [_read(row, parts) for row in rows.mappings()]
    return found


def _read(row: RowMapping, parts: Parts) -> RunSum:
    gpus = sum(read_gpus(row["of_gpus"]).values())
    return RunSum(
        by=tuple(row[part.name] for part in parts),
        nature=nature_of(row),
        runs=row["runs"],
        known=row["known"],
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
    ids = chosen(wanted).subquery()
    runs = ids.join(RUN, RUN.c.id == ids.c.id).join(FIGURE, FIGURE.c.id == counting_figure(wanted.as_of))
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
        .select_from(runs.join(FIGURE_BESIDE, other.figure == FIGURE.c.id))
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
