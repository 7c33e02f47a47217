"""What the jobs behind runs say of them: first eligible time, whether we made them wait, stops, bounds.

In a few statements, however many runs; only runs whose jobs we have seen have any.
"""

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import (
    ColumnElement,
    CompoundSelect,
    Connection,
    FromClause,
    and_,
    exists,
    func,
    select,
    union_all,
)

from carbonslurm.core.action import Verb
from carbonslurm.ledger.chosen import chosen, matches
from carbonslurm.ledger.database import BATCH
from carbonslurm.ledger.deeds import DONE, REQUEUED
from carbonslurm.ledger.tables import ACTION, CYCLE, JOB, OUTCOME, RUN
from carbonslurm.ports import RunFilter

SHORT = timedelta(days=7)  # a window with few runs


@dataclass(slots=True)
class JobFacts:
    """What the jobs behind one run say; an array before its task."""

    tagged: bool = False
    first_eligible: datetime | None = None
    withheld: set[datetime] = field(default_factory=set)
    stopped: list[datetime] = field(default_factory=list)
    bound: tuple[int, datetime] | None = None

    @property
    def promised(self) -> datetime | None:
        """The latest start that was promised."""
        return self.bound[1] if self.bound else None

    def made_wait(self, submitted: datetime) -> bool:
        """Tell whether we made the run submitted then wait, after a stop of ours too."""
        return submitted in self.withheld or any(at < submitted for at in self.stopped)


def job_facts(connection: Connection, wanted: RunFilter) -> dict[int, JobFacts]:
    """Return what the jobs say, by the number of the run."""
    if not any_job_seen(connection):
        return {}
    facts: defaultdict[int, JobFacts] = defaultdict(JobFacts)
    behind: defaultdict[int, list[int]] = defaultdict(list)
    found = connection.execute(seen_by(wanted, _said)).all()
    for run, job, tag, first_eligible, _ in sorted(found, key=lambda row: (row[0], row[4], row[1])):
        fact = facts[run]
        fact.tagged = fact.tagged or tag is not None
        fact.first_eligible = fact.first_eligible or first_eligible
        behind[job].append(run)
    if behind:
        _add_deeds(connection, {job: [facts[run] for run in runs] for job, runs in behind.items()})
    return dict(facts)


def any_job_seen(connection: Connection) -> bool:
    """Tell whether this is more than a ledger of accounting: to look behind each run would take its time."""
    return bool(connection.execute(select(exists(select(JOB.c.id)))).scalar())


def _said(job: FromClause) -> Sequence[ColumnElement[Any]]:
    return RUN.c.id, job.c.id, job.c.tag, job.c.first_eligible, job.c.job_id == RUN.c.job_id


def seen_by(
    wanted: RunFilter, columns: Callable[[FromClause], Sequence[ColumnElement[Any]]]
) -> CompoundSelect[Any]:
    """Return a statement that gives columns of each pair of a run and a job that saw it.

    Of a few runs each is looked for among the jobs. Of many each job is looked for among the runs, since few
    jobs are flexible; the jobs are a table of their own then, written once, from which both databases begin.
    (Left to itself, SQLite begins with all runs of the cluster, which it takes for few.)
    """
    if _are_few(wanted):
        return _pairs(JOB, columns, RUN.c.id.in_(chosen(wanted)))
    return _pairs(select(JOB).where(*_early_enough(wanted)).cte("seen"), columns, matches(wanted))


def _pairs(
    job: FromClause,
    columns: Callable[[FromClause], Sequence[ColumnElement[Any]]],
    which: ColumnElement[bool],
) -> CompoundSelect[Any]:
    return union_all(*(select(*columns(job)).join_from(job, RUN, how).where(which) for how in _ways(job)))


def _ways(job: FromClause) -> Iterator[ColumnElement[bool]]:
    """Yield how a run belongs to a job, and to the array that it was a task of; as in ``lineage``.

    Two ways, since no database joins well by one number or another.
    """
    within = and_(
        job.c.cluster == RUN.c.cluster,
        job.c.first_submitted <= RUN.c.submitted,
        job.c.last_submitted >= RUN.c.submitted,
    )
    yield and_(within, job.c.job_id == RUN.c.job_id)
    yield and_(within, job.c.job_id == RUN.c.array_job_id, RUN.c.array_job_id != RUN.c.job_id)


def _are_few(wanted: RunFilter) -> bool:
    span = wanted.window or wanted.started
    return bool(wanted.ids) or (span is not None and span.length <= SHORT)


def _early_enough(wanted: RunFilter) -> Iterator[ColumnElement[bool]]:
    if wanted.clusters:
        yield JOB.c.cluster.in_(wanted.clusters)
    if span := wanted.window or wanted.started:
        yield JOB.c.first_submitted < span.end


def _among(jobs: Collection[int]) -> ColumnElement[bool]:
    """Tell whether an action is about one of these jobs: few are named, of many it is between the outermost.

    Jobs are numbered in the order in which they were seen, so those of one time lie close together; others in
    between are left out by whoever reads. To ask again which they are would take as long as the first time.
    """
    return ACTION.c.job.in_(jobs) if len(jobs) <= BATCH else ACTION.c.job.between(min(jobs), max(jobs))


def _add_deeds(connection: Connection, facts: Mapping[int, Iterable[JobFacts]]) -> None:
    mine = _among(facts.keys())
    withheld = select(ACTION.c.job, ACTION.c.submitted).distinct()
    withheld = withheld.where(mine, ACTION.c.verb == Verb.WITHHOLD.value, was_ever(DONE))
    for job, submitted in connection.execute(withheld):
        for fact in facts.get(job, ()):
            fact.withheld.add(submitted)
    stops = select(ACTION.c.job, ACTION.c.submitted).where(
        mine, ACTION.c.verb == Verb.STOP.value, was_ever(REQUEUED)
    )
    for job, submitted in connection.execute(stops):
        for fact in facts.get(job, ()):
            fact.stopped.append(submitted)
    newest = select(func.max(ACTION.c.id)).outerjoin(CYCLE).where(mine, *unobserved_bound())
    newest = newest.group_by(ACTION.c.job)
    bounds = select(ACTION.c.job, ACTION.c.id, ACTION.c.bound).where(ACTION.c.id.in_(newest))
    for job, number, bound in connection.execute(bounds):
        for fact in facts.get(job, ()):
            fact.bound = max(fact.bound or (0, bound), (number, bound))


def unobserved_bound() -> tuple[ColumnElement[bool], ...]:
    """Return what is true of an action, beside its cycle, that promised a latest start."""
    return ACTION.c.bound.is_not(None), func.coalesce(CYCLE.c.observe, False).is_(False)


def was_ever(states: Iterable[str]) -> ColumnElement[bool]:
    """Tell whether an action was ever in one of these states."""
    words = [str(state) for state in states]
    return exists().where(OUTCOME.c.action == ACTION.c.id, OUTCOME.c.state.in_(words))
