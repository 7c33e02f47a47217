"""Sums over any number of runs, made by the database: a year of a large cluster within a second.

Figures are summed by group, nature and number of GPUs; what only single runs say (late starts, stops) is read
for the runs of flexible jobs alone.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Double, and_, case, func, literal, select, type_coerce

from carbonslurm.core.forecast import Kind, Nature, Scope
from carbonslurm.core.interval import Interval
from carbonslurm.ledger.choosing import chosen
from carbonslurm.ledger.database import Room
from carbonslurm.ledger.encoding import read_gpus
from carbonslurm.ledger.reports import JobFacts, job_facts, seen
from carbonslurm.ledger.tables import FIGURE, JOB, RUN
from carbonslurm.ports import FlexibleStart, GroupSum, RunFilter, Sums

_GROUPS: dict[str, ColumnElement[str]] = {
    "user": RUN.c.user_name,
    "account": RUN.c.account,
    "partition": RUN.c.partition,
    "qos": RUN.c.qos,
    "nature": func.coalesce(FIGURE.c.kind + "|" + FIGURE.c.scope, ""),
}
_KNOWN = and_(FIGURE.c.emitted_g.is_not(None), FIGURE.c.baseline_g.is_not(None))


class SumReader(Room):
    """Read-only: sums."""

    def sums(self, wanted: RunFilter, group: str, months: Sequence[tuple[str, datetime]] = ()) -> Sums:
        """Return sums over started runs, by one of user, account, partition, qos, nature and month.

        Args:
            wanted: which runs.
            group: by what.
            months: for month: the name of each and when it ends, in order.

        Raises:
            LedgerError: it could not be read.
        """
        key = _months(months) if group == "month" else _GROUPS[group]
        with self._database.reading() as connection:
            rows = connection.execute(_sums(wanted, key)).all()
            facts = job_facts(connection, wanted) if _any_job(connection) else {}
            flexible = _flexible(connection, key, wanted) if facts else []
        nature = group == "nature"
        return Sums(
            [_sum(row, named=nature) for row in rows],
            [_flexible_start(row, facts[row.id], named=nature) for row in flexible],
        )

    def started(self, wanted: RunFilter) -> Interval | None:
        """Return from the first start of some runs to the last, None where none has started.

        Raises:
            LedgerError: it could not be read.
        """
        span = select(func.min(RUN.c.started), func.max(RUN.c.started)).where(RUN.c.id.in_(chosen(wanted)))
        with self._database.reading() as connection:
            first, last = connection.execute(span).one()
        return None if first is None else Interval(first, last)


def _any_job(connection: Connection) -> bool:
    return connection.execute(select(JOB.c.id).limit(1)).first() is not None


def _sums(wanted: RunFilter, key: ColumnElement[str]) -> Any:
    ids = chosen(wanted).subquery()
    seconds = type_coerce(RUN.c.ended, Double) - type_coerce(RUN.c.started, Double)
    counted = [case((_KNOWN, column), else_=0.0) for column in (FIGURE.c.energy_kwh, FIGURE.c.emitted_g)]
    counted.append(case((_KNOWN, FIGURE.c.baseline_g), else_=0.0))
    by = [key.label("group"), FIGURE.c.kind, FIGURE.c.scope, case((_KNOWN, 1), else_=0), RUN.c.gpus]
    sums = [func.count(), func.sum(seconds), *(func.sum(column) for column in counted)]
    return (
        select(*by, *sums)
        .select_from(ids)
        .join(RUN, RUN.c.id == ids.c.id)
        .outerjoin(FIGURE, FIGURE.c.id == RUN.c.figure)
        .where(RUN.c.started.is_not(None))
        .group_by(*by)
    )


def _flexible(connection: Connection, key: ColumnElement[str], wanted: RunFilter) -> list[Any]:
    """Return the started runs of flexible jobs, each once."""
    pairs = seen(wanted, RUN.c.id).subquery()
    columns = (RUN.c.id, key.label("group"), RUN.c.started, RUN.c.submitted)
    started = select(*columns).join_from(pairs, RUN, RUN.c.id == pairs.c.id)
    started = started.outerjoin(FIGURE, FIGURE.c.id == RUN.c.figure).where(RUN.c.started.is_not(None))
    return list({row.id: row for row in connection.execute(started)}.values())


def _months(months: Sequence[tuple[str, datetime]]) -> ColumnElement[str]:
    if not months:
        return literal("")
    return case(*((RUN.c.started < end, literal(name)) for name, end in months), else_=literal(""))


def _sum(row: Any, *, named: bool) -> GroupSum:
    group, kind, scope, known, gpus, runs, seconds, energy, emitted, baseline = row
    nature = None if kind is None else Nature(Kind(kind), Scope(scope))
    return GroupSum(
        group=_nature_name(group) if named else group,
        nature=nature,
        known=bool(known),
        runs=runs,
        gpus=sum(read_gpus(gpus).values()),
        seconds=seconds or 0.0,
        energy_kwh=energy,
        emitted_g=emitted,
        baseline_g=baseline,
    )


def _flexible_start(row: Any, facts: JobFacts, *, named: bool) -> FlexibleStart:
    return FlexibleStart(
        group=_nature_name(row.group) if named else row.group,
        started=row.started,
        bound=facts.bound[1] if facts.bound else None,
        stopped=row.submitted in facts.stopped,
    )


def _nature_name(text: str) -> str:
    """Return kind and scope in words, nothing where there is no nature."""
    kind, mark, scope = text.partition("|")
    return str(Nature(Kind(kind), Scope(scope))) if mark else ""
