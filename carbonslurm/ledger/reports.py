"""The questions of carbon-squeue, carbon-sacct and the demo: a few statements each, however many rows.

Runs are read in one statement with their newest figures. What their jobs add (first eligible time, withheld,
stops, bound) comes in four more, which name the same runs by the same conditions, not by long lists of ids.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import (
    ColumnElement,
    CompoundSelect,
    Connection,
    RowMapping,
    ScalarSelect,
    Select,
    and_,
    exists,
    func,
    or_,
    select,
    true,
    union_all,
)

from carbonslurm.core.action import Verb
from carbonslurm.core.footprint import Figure
from carbonslurm.core.job import JobKey
from carbonslurm.core.means import Means
from carbonslurm.ledger.choosing import chosen, matches
from carbonslurm.ledger.database import Room, in_batches
from carbonslurm.ledger.deeds import DONE, REQUEUED
from carbonslurm.ledger.encoding import read_figure, read_run
from carbonslurm.ledger.tables import ACTION, CYCLE, FIGURE, JOB, OUTCOME, RUN
from carbonslurm.ports import ActionRow, PlanRow, RunFilter, RunRow

SHORT = timedelta(days=7)  # a window with few runs
INTENDED = "intended"  # the state of an action behind which nothing is written yet

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
_NEWEST_OUTCOME: ScalarSelect[Any] = (
    select(func.max(OUTCOME.c.id)).where(OUTCOME.c.action == ACTION.c.id).correlate(ACTION).scalar_subquery()
)
_FIGURE_COLUMNS = [column.label(f"figure_{column.name}") for column in FIGURE.c]


@dataclass(slots=True)
class JobFacts:
    """What the jobs behind one run say; an array before its task."""

    tagged: bool = False
    first_eligible: datetime | None = None
    withheld: set[datetime] = field(default_factory=set)
    stopped: list[datetime] = field(default_factory=list)
    bound: tuple[int, datetime] | None = None


class Reports(Room):
    """Read-only questions."""

    def runs(self, wanted: RunFilter) -> Sequence[RunRow]:
        """Return runs in order of start (never started ones by submit), with their newest figures.

        Raises:
            LedgerError: it could not be read.
        """
        which = RUN.c.id.in_(chosen(wanted))
        order = (func.coalesce(RUN.c.started, RUN.c.submitted), RUN.c.job_id, RUN.c.submitted)
        statement = select(RUN, *_FIGURE_COLUMNS).outerjoin(FIGURE, FIGURE.c.id == RUN.c.figure)
        with self._database.reading() as connection:
            facts = job_facts(connection, wanted)
            rows = connection.execute(statement.where(which).order_by(*order)).mappings()
            return [_run_row(row, facts.get(row["id"]) or JobFacts()) for row in rows]

    def plans(self, cluster: str, job_ids: Sequence[int]) -> Mapping[int, PlanRow]:
        """Return the newest decision about each of these jobs that has one.

        Raises:
            LedgerError: it could not be read.
        """
        found: dict[int, PlanRow] = {}
        with self._database.reading() as connection:
            for batch in in_batches(job_ids):
                mine = and_(ACTION.c.cluster == cluster, ACTION.c.job_id.in_(batch))
                newest = select(func.max(ACTION.c.id)).where(mine).group_by(ACTION.c.job_id)
                for row in connection.execute(_with_state().where(ACTION.c.id.in_(newest))).mappings():
                    found[row["job_id"]] = _plan_row(row)
        return found

    def actions(self, cluster: str, since: datetime) -> Sequence[ActionRow]:
        """Return the actions intended since a moment, oldest first.

        Raises:
            LedgerError: it could not be read.
        """
        wanted = _with_state().where(ACTION.c.cluster == cluster, ACTION.c.intended_at >= since)
        with self._database.reading() as connection:
            rows = connection.execute(wanted.order_by(ACTION.c.id)).mappings()
            return [_action_row(row) for row in rows]

    def last_cycle(self, cluster: str) -> tuple[datetime, str | None] | None:
        """Return when the newest cycle began and its error, None before the first.

        Raises:
            LedgerError: it could not be read.
        """
        mine = or_(CYCLE.c.cluster == cluster, CYCLE.c.cluster.is_(None))
        newest = select(CYCLE.c.begun_at, CYCLE.c.error).where(mine).order_by(CYCLE.c.id.desc()).limit(1)
        with self._database.reading() as connection:
            row = connection.execute(newest).one_or_none()
        return None if row is None else (row.begun_at, row.error)


# --- runs


def job_facts(connection: Connection, wanted: RunFilter) -> dict[int, JobFacts]:
    """Return what the jobs say, by the number of the run."""
    facts: defaultdict[int, JobFacts] = defaultdict(JobFacts)
    behind: defaultdict[int, list[JobFacts]] = defaultdict(list)
    columns = (RUN.c.id, JOB.c.id, JOB.c.tag, JOB.c.first_eligible, JOB.c.job_id == RUN.c.job_id)
    found = connection.execute(seen(wanted, *columns)).all()
    for run, job, tag, first_eligible, _ in sorted(found, key=lambda row: (row[0], row[4], row[1])):
        fact = facts[run]
        fact.tagged = fact.tagged or tag is not None
        fact.first_eligible = fact.first_eligible or first_eligible
        behind[job].append(fact)
    if behind:
        _add_deeds(connection, _jobs(wanted), behind)
    return dict(facts)


def seen(wanted: RunFilter, *columns: Any) -> CompoundSelect[Any]:
    """Return a statement that gives columns of each pair of a run and a job that saw it.

    Of a few runs each is looked for among the jobs. Of many each job is looked for among the runs, since few
    jobs are flexible.
    """
    which = RUN.c.id.in_(chosen(wanted)) if _are_few(wanted) else and_(matches(wanted), _early_enough(wanted))
    return union_all(*(select(*columns).join_from(JOB, RUN, how).where(which) for how in _SEEN_BY))


def _jobs(wanted: RunFilter) -> CompoundSelect[Any] | Select[Any]:
    """Return a statement that gives at least the jobs that saw these runs."""
    return seen(wanted, JOB.c.id) if _are_few(wanted) else select(JOB.c.id).where(_early_enough(wanted))


def _are_few(wanted: RunFilter) -> bool:
    return bool(wanted.ids) or (wanted.window is not None and wanted.window.length <= SHORT)


def _early_enough(wanted: RunFilter) -> ColumnElement[bool]:
    of = true() if wanted.cluster is None else JOB.c.cluster == wanted.cluster
    return of if wanted.window is None else and_(of, JOB.c.first_submitted < wanted.window.end)


def _add_deeds(
    connection: Connection,
    jobs: CompoundSelect[Any] | Select[Any],
    facts: Mapping[int, Iterable[JobFacts]],
) -> None:
    mine = ACTION.c.job.in_(jobs)
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


def _run_row(row: RowMapping, facts: JobFacts) -> RunRow:
    run = read_run(row)
    return RunRow(
        run=run,
        first_eligible=facts.first_eligible,
        flexible=facts.tagged or run.tag is not None,
        withheld=run.key.submitted in facts.withheld or any(at < run.key.submitted for at in facts.stopped),
        stopped=run.key.submitted in facts.stopped,
        bound=facts.bound[1] if facts.bound else None,
        figure=_figure(row),
    )


def _figure(row: RowMapping) -> Figure | None:
    if row["figure_id"] is None:
        return None
    return read_figure({column.name: row[f"figure_{column.name}"] for column in FIGURE.c})


# --- actions


def _with_state() -> Select[Any]:
    state = func.coalesce(OUTCOME.c.state, INTENDED).label("state")
    return select(ACTION, state).outerjoin(OUTCOME, OUTCOME.c.id == _NEWEST_OUTCOME)


def _plan_row(row: RowMapping) -> PlanRow:
    return PlanRow(
        verb=row["verb"],
        state=row["state"],
        at=row["intended_at"],
        until=row["until"],
        bound=row["bound"],
        reason=row["reason"],
        g_per_kwh_now=row["g_per_kwh_now"],
        means=Means(row["means"]),
        g_per_kwh_then=row["g_per_kwh_then"],
        saving_g=row["saving_g"],
    )


def _action_row(row: RowMapping) -> ActionRow:
    return ActionRow(
        number=row["id"],
        key=JobKey(row["cluster"], row["job_id"]),
        spec=row["spec"],
        verb=row["verb"],
        state=row["state"],
        at=row["intended_at"],
        until=row["until"],
        bound=row["bound"],
        reason=row["reason"],
    )
