"""Sums of what the jobs behind runs say, worked out by the database: late, stopped, withheld, waited.

The same as ``job_facts`` says of single runs, in one statement: pairs of a run and a job that saw it; what we
did to that job; what all jobs of a run say together (an array before its task); and the sums of that.
"""

from collections.abc import Iterable, Sequence
from datetime import timedelta
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Double,
    FromClause,
    Subquery,
    and_,
    case,
    exists,
    func,
    literal_column,
    or_,
    select,
    type_coerce,
)

from carbonslurm.core.action import Verb
from carbonslurm.ledger.deeds import DONE, REQUEUED
from carbonslurm.ledger.dimensions import NATURE, nature_of
from carbonslurm.ledger.figures import counting_figure
from carbonslurm.ledger.job_facts import any_job_seen, seen_by, unobserved_bound, was_ever
from carbonslurm.ledger.tables import ACTION, CYCLE, FIGURE, RUN
from carbonslurm.ports import RunFilter, RunSum

LATE_S = 1.0  # core.bound.is_late: Slurm counts whole seconds
Parts = Sequence[ColumnElement[Any]]


def job_sums(connection: Connection, wanted: RunFilter, parts: Parts) -> list[RunSum]:
    """Return sums over the started runs among those wanted whose jobs we have seen; runs count nothing.

    Args:
        connection: to read with.
        wanted: which runs.
        parts: columns to sum up by, of runs and their figures.
    """
    if not any_job_seen(connection):
        return []
    told = _told(_done(wanted))
    promised = ACTION.alias("promised")
    started = type_coerce(RUN.c.started, Double)
    waited = started - told.c.first_eligible
    late = started > type_coerce(promised.c.bound, Double) + LATE_S
    alike = (*parts, NATURE)
    sums = select(
        *alike,
        _count(late).label("late"),
        func.sum(told.c.stopped).label("stops"),
        func.sum(told.c.withheld).label("withheld"),
        func.sum(case((and_(told.c.withheld == 1, waited > 0), waited), else_=0.0)).label("waited"),
    )
    sums = sums.select_from(
        told.join(RUN, RUN.c.id == told.c.run)
        .outerjoin(FIGURE, FIGURE.c.id == counting_figure(wanted.as_of))
        .outerjoin(promised, promised.c.id == told.c.bound)
    ).where(RUN.c.started.is_not(None))
    rows = connection.execute(sums.group_by(*(literal_column(it.name) for it in alike))).mappings()
    return [
        RunSum(
            by=tuple(row[part.name] for part in parts),
            nature=nature_of(row),
            late=int(row["late"]),
            stops=int(row["stops"]),
            withheld=int(row["withheld"]),
            waited=timedelta(seconds=row["waited"]),
        )
        for row in rows
    ]


def _done(wanted: RunFilter) -> Subquery:
    """Return pairs of a run and a job that saw it, with what we did to that job."""
    pair = seen_by(wanted, _pair).subquery("pair")
    submitted = type_coerce(ACTION.c.submitted, Double)
    now, before = submitted == pair.c.submitted, submitted < pair.c.submitted
    withheld, stopped = _ever(Verb.WITHHOLD, DONE), _ever(Verb.STOP, REQUEUED)
    mine = ACTION.c.job == pair.c.job
    newest = select(func.max(ACTION.c.id)).outerjoin(CYCLE).where(mine, *unobserved_bound())
    return select(
        pair,
        exists().where(mine, or_(and_(now, withheld), and_(before, stopped))).label("withheld"),
        exists().where(mine, now, stopped).label("stopped"),
        newest.correlate(pair).scalar_subquery().label("bound"),
    ).subquery("done")


def _pair(job: FromClause) -> Parts:
    return (
        RUN.c.id.label("run"),
        type_coerce(RUN.c.submitted, Double).label("submitted"),
        job.c.id.label("job"),
        type_coerce(job.c.first_eligible, Double).label("first_eligible"),
        (job.c.job_id == RUN.c.job_id).label("own"),
    )


def _told(done: Subquery) -> Subquery:
    """Return what all jobs that saw a run say of it."""
    first = [func.min(case((whose, done.c.first_eligible))) for whose in (~done.c.own, done.c.own)]
    return (
        select(
            done.c.run,
            func.max(case((done.c.withheld, 1), else_=0)).label("withheld"),
            func.max(case((done.c.stopped, 1), else_=0)).label("stopped"),
            func.max(done.c.bound).label("bound"),
            func.coalesce(*first).label("first_eligible"),
        )
        .group_by(done.c.run)
        .subquery("told")
    )


def _ever(verb: Verb, states: Iterable[str]) -> ColumnElement[bool]:
    return and_(ACTION.c.verb == verb.value, was_ever(states))


def _count(what: ColumnElement[bool]) -> ColumnElement[int]:
    return func.count(case((what, 1)))
