"""The questions of carbon-squeue, carbon-sacct and the demo: a few statements each, however many rows.

Runs are read in one statement with their newest figures. What their jobs add (first eligible time, withheld,
stops, bound) comes in four more, which name the same runs by the same conditions, not by long lists of ids.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import (
    RowMapping,
    ScalarSelect,
    Select,
    and_,
    func,
    or_,
    select,
)

from carbonslurm.core.footprint import Beside, Figure
from carbonslurm.core.job import JobKey
from carbonslurm.core.means import Means
from carbonslurm.ledger.chosen import chosen
from carbonslurm.ledger.database import Room, in_batches
from carbonslurm.ledger.encoding import read_figure, read_run
from carbonslurm.ledger.figures import besides, counting_figure
from carbonslurm.ledger.job_facts import JobFacts, job_facts
from carbonslurm.ledger.tables import ACTION, CYCLE, FIGURE, OUTCOME, RUN
from carbonslurm.ports import ActionRow, PlanRow, RunFilter, RunRow

INTENDED = "intended"  # the state of an action behind which nothing is written yet

_NEWEST_OUTCOME: ScalarSelect[Any] = (
    select(func.max(OUTCOME.c.id)).where(OUTCOME.c.action == ACTION.c.id).correlate(ACTION).scalar_subquery()
)
_FIGURE_COLUMNS = [column.label(f"figure_{column.name}") for column in FIGURE.c]


class Reports(Room):
    """Read-only questions."""

    def runs(self, wanted: RunFilter) -> Sequence[RunRow]:
        """Return runs in order of start (never started ones by submit), with their figures.

        Raises:
            LedgerError: it could not be read.
        """
        which = RUN.c.id.in_(chosen(wanted))
        order = (func.coalesce(RUN.c.started, RUN.c.submitted), RUN.c.job_id, RUN.c.submitted)
        counts = FIGURE.c.id == counting_figure(wanted.as_of)
        statement = select(RUN, *_FIGURE_COLUMNS).outerjoin(FIGURE, counts)
        with self._database.reading() as connection:
            facts = job_facts(connection, wanted)
            rows = connection.execute(statement.where(which).order_by(*order)).mappings().all()
            numbers = [row["figure_id"] for row in rows if row["figure_id"] is not None]
            beside = besides(connection, numbers)
            return [_run_row(row, facts.get(row["id"]) or JobFacts(), beside) for row in rows]

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


def _run_row(row: RowMapping, facts: JobFacts, beside: Mapping[int, Beside]) -> RunRow:
    run = read_run(row)
    return RunRow(
        run=run,
        first_eligible=facts.first_eligible,
        flexible=facts.tagged or run.tag is not None,
        withheld=facts.made_wait(run.key.submitted),
        stopped=run.key.submitted in facts.stopped,
        bound=facts.promised,
        figure=_figure(row, beside),
    )


def _figure(row: RowMapping, beside: Mapping[int, Beside]) -> Figure | None:
    number = row["figure_id"]
    if number is None:
        return None
    return read_figure({column.name: row[f"figure_{column.name}"] for column in FIGURE.c}, beside.get(number))


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
        submitted=row["submitted"],
        saving_g=row["saving_g"],
    )
