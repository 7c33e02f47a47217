"""What the jobs behind runs say of them: first eligible time, whether we made them wait, stops, bounds.

In a few statements, however many runs; only runs whose jobs we have seen have any.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, CompoundSelect, Connection, and_, exists, func, select, union_all

from carbonslurm.core.action import Verb
from carbonslurm.ledger.chosen import chosen, matches
from carbonslurm.ledger.database import BATCH
from carbonslurm.ledger.deeds import DONE, REQUEUED
from carbonslurm.ledger.tables import ACTION, CYCLE, JOB, OUTCOME, RUN
from carbonslurm.ports import RunFilter

SHORT = timedelta(days=7)  # a window with few runs

_WITHIN = and_(
    JOB.c.cluster == RUN.c.cluster,
    JOB.c.first_submitted <= RUN.c.submitted,
    JOB.c.last_submitted >= RUN.c.submitted,
)
# A run's job, and the array that it was a task of; as in ``lineage``. Two joins, since no database joins well
# by one number or another.
_SEEN_BY = (
    and_(_WITHIN, JOB.c.job_id == RUN.c.job_id),
    and_(_WITHIN, JOB.c.job_id == RUN.c.array_job_id, RUN.c.array_job_id != RUN.c.job_id),
)


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
    if not connection.execute(select(exists(select(JOB.c.id)))).scalar():
        return {}  # a ledger of accounting alone: to look behind each of its runs would take its time
    facts: defaultdict[int, JobFacts] = defaultdict(JobFacts)
    behind: defaultdict[int, list[int]] = defaultdict(list)
    columns = (RUN.c.id, JOB.c.id, JOB.c.tag, JOB.c.first_eligible, JOB.c.job_id == RUN.c.job_id)
    found = connection.execute(_seen(wanted, *columns)).all()
    for run, job, tag, first_eligible, _ in sorted(found, key=lambda row: (row[0], row[4], row[1])):
        fact = facts[run]
        fact.tagged = fact.tagged or tag is not None
        fact.first_eligible = fact.first_eligible or first_eligible
        behind[job].append(run)
    if behind:
        _add_deeds(connection, {job: [facts[run] for run in runs] for job, runs in behind.items()})
    return dict(facts)


def _seen(wanted: RunFilter, *columns: Any) -> CompoundSelect[Any]:
    """Return a statement that gives columns of each pair of a run and a job that saw it.

    Of a few runs each is looked for among the jobs. Of many each job is looked for among the runs, since few
    jobs are flexible.
    """
    which = (
        RUN.c.id.in_(chosen(wanted)) if _are_few(wanted) else and_(matches(wanted), *_early_enough(wanted))
    )
    return union_all(*(select(*columns).join_from(JOB, RUN, how).where(which) for how in _SEEN_BY))


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
    withheld = withheld.where(mine, ACTION.c.verb == Verb.WITHHOLD.value, _ever(DONE))
    for job, submitted in connection.execute(withheld):
        for fact in facts.get(job, ()):
            fact.withheld.add(submitted)
    stops = select(ACTION.c.job, ACTION.c.submitted).where(
        mine, ACTION.c.verb == Verb.STOP.value, _ever(REQUEUED)
    )
    for job, submitted in connection.execute(stops):
        for fact in facts.get(job, ()):
            fact.stopped.append(submitted)
    newest = select(func.max(ACTION.c.id)).outerjoin(CYCLE).where(mine, ACTION.c.bound.is_not(None))
    newest = newest.where(func.coalesce(CYCLE.c.observe, False).is_(False)).group_by(ACTION.c.job)
    bounds = select(ACTION.c.job, ACTION.c.id, ACTION.c.bound).where(ACTION.c.id.in_(newest))
    for job, number, bound in connection.execute(bounds):
        for fact in facts.get(job, ()):
            fact.bound = max(fact.bound or (0, bound), (number, bound))


def _ever(states: Iterable[str]) -> ColumnElement[bool]:
    """Tell whether an action was ever in one of these states."""
    words = [str(state) for state in states]
    return exists().where(OUTCOME.c.action == ACTION.c.id, OUTCOME.c.state.in_(words))
