"""The intent log: every change of a job is written here before it is made.

Actions are never changed; what becomes of one is added behind it. A repeated outcome adds nothing: each cycle
confirms again what is ours, and only news is worth a row.
"""

import json
from collections.abc import Mapping, Sequence
from datetime import datetime

from sqlalchemy import Connection, and_, exists, insert, select, update

from carbonslurm.core.action import Action, Verb
from carbonslurm.core.stop import OVER, Phase, StopInFlight
from carbonslurm.ledger.database import Database, Room, in_batches, insert_one
from carbonslurm.ledger.deeds import Deed, State, job_key, read_deeds
from carbonslurm.ledger.encoding import Columns, tag_text
from carbonslurm.ledger.jobs import current_jobs, job_number
from carbonslurm.ledger.switch import SwitchReader
from carbonslurm.ledger.tables import ACTION, CYCLE, OUTCOME
from carbonslurm.ports import CycleReport, Outcome, OutcomeState, Pause


class ActionLog(Room):
    """Intents and what became of them."""

    def intend(self, cycle: int | None, actions: Sequence[Action], at: datetime) -> Sequence[int]:
        """Write actions before they are done; return their numbers, in order. All or none.

        Raises:
            ValueError: a stop says not when to go on, or its job declared no checkpoint.
            LedgerError: nothing was written, so nothing may be done.
        """
        with self._database.writing() as connection:
            return _write_actions(connection, cycle, actions, at)

    def observe(self, cycle: int | None, actions: Sequence[Action], at: datetime) -> None:
        """Write actions that would be done, and are not; in one step, so that none is ever taken for done.

        Raises:
            ValueError: as for intend.
            LedgerError: nothing was written.
        """
        with self._database.writing() as connection:
            numbers = _write_actions(connection, cycle, actions, at)
            state = OutcomeState.OBSERVED.value
            rows = [{"action": number, "state": state, "at": at, "detail": ""} for number in numbers]
            if rows:
                connection.execute(insert(OUTCOME), rows)

    def settle(self, outcomes: Mapping[int, Outcome]) -> None:
        """Add what became of actions, by their numbers; the state that one is in already adds nothing.

        Raises:
            LedgerError: nothing was written.
        """
        self._add({number: (it.state, it.at, it.detail) for number, it in outcomes.items()}, OutcomeState)

    def stops_begun(self, cluster: str, since: datetime) -> int:
        """Return how many stops were begun since a moment; what was only observed, or refused, is none.

        Raises:
            LedgerError: it could not be read.
        """
        wanted = and_(
            ACTION.c.cluster == cluster, ACTION.c.verb == Verb.STOP.value, ACTION.c.intended_at >= since
        )
        with self._database.reading() as connection:
            return sum(deed.begun for deed in read_deeds(connection, wanted))

    def stops_in_flight(self, cluster: str) -> Sequence[StopInFlight]:
        """Return the stops that have not come to their end, oldest first.

        Raises:
            LedgerError: it could not be read.
        """
        end = OUTCOME.alias()
        over = exists().where(end.c.action == ACTION.c.id, end.c.state.in_([phase.value for phase in OVER]))
        wanted = and_(ACTION.c.cluster == cluster, ACTION.c.verb == Verb.STOP.value, ~over)
        with self._database.reading() as connection:
            deeds = read_deeds(connection, wanted)
        return [_in_flight(deed) for deed in deeds if deed.in_flight]

    def advance_stop(self, action: int, phase: Phase, at: datetime, detail: str = "") -> None:
        """Write the phase that a stop is in; the phase that it is in already adds nothing.

        Raises:
            LedgerError: it could not be written.
        """
        self._add({action: (phase, at, detail)}, Phase)

    def _add(self, news: Mapping[int, tuple[State, datetime, str]], kind: type[State]) -> None:
        """Add states, each unless the newest of its kind (outcome or phase) is the same."""
        words = [word.value for word in kind]
        newest: dict[int, str] = {}
        with self._database.writing() as connection:
            for batch in in_batches(sorted(news)):
                mine = and_(OUTCOME.c.action.in_(batch), OUTCOME.c.state.in_(words))
                told = select(OUTCOME.c.action, OUTCOME.c.state).where(mine).order_by(OUTCOME.c.id)
                newest.update((action, state) for action, state in connection.execute(told))
            rows = [
                {"action": action, "state": state.value, "at": at, "detail": detail}
                for action, (state, at, detail) in news.items()
                if newest.get(action) != state.value
            ]
            if rows:
                connection.execute(insert(OUTCOME), rows)


class CycleLog(SwitchReader):
    """One row a cycle, failed ones too, and the admin's switch.

    Args:
        database: the ledger.
        cluster: whose cycles these are, None where there is only one.
    """

    def __init__(self, database: Database, cluster: str | None = None) -> None:
        super().__init__(database)
        self._cluster = cluster

    def pause(self) -> Pause | None:
        """Return the pause that lasts, None where there is none.

        Raises:
            LedgerError: it could not be read.
        """
        return self.pause_of(self._cluster or "")

    def begin_cycle(self, at: datetime, *, observe: bool) -> int:
        """Write that a cycle begins; return its number.

        Raises:
            LedgerError: it could not be written.
        """
        row = {"cluster": self._cluster, "begun_at": at, "observe": observe}
        with self._database.writing() as connection:
            return insert_one(connection, CYCLE, row)

    def end_cycle(self, cycle: int, at: datetime, report: CycleReport) -> None:
        """Write what it did.

        Raises:
            LedgerError: it could not be written.
        """
        row = {
            "ended_at": at,
            "pending": report.pending,
            "flexible": report.flexible,
            "running": report.running,
            "actions": report.actions,
            "refused": report.refused,
            "error": report.error,
            "notes": json.dumps(report.notes),
        }
        with self._database.writing() as connection:
            connection.execute(update(CYCLE).where(CYCLE.c.id == cycle).values(row))


def _write_actions(
    connection: Connection, cycle: int | None, actions: Sequence[Action], at: datetime
) -> list[int]:
    for action in actions:
        _check(action)
    rows = current_jobs(connection, [action.job for action in actions])
    jobs = [
        row.id if (row := rows.get(action.job.key)) else job_number(connection, action.job)
        for action in actions
    ]
    return [
        insert_one(
            connection, ACTION, {**_action_columns(action), "cycle": cycle, "intended_at": at, "job": job}
        )
        for action, job in zip(actions, jobs, strict=True)
    ]


def _check(action: Action) -> None:
    checkpoint = action.job.tag.checkpoint if action.job.tag else None
    if action.verb is Verb.STOP and (action.until is None or checkpoint is None):
        raise ValueError(f"a stop of {action.job.spec} needs a restart time and a checkpoint")


def _action_columns(action: Action) -> Columns:
    return {
        "verb": action.verb.value,
        "cluster": action.job.key.cluster,
        "job_id": action.job.key.job_id,
        "spec": action.job.spec,
        "submitted": action.job.submitted,
        "restarts": action.job.restarts,
        "before": action.job.eligible,
        "tag": tag_text(action.job.tag),
        "means": action.means.value,
        "site_factor": action.site_factor,
        "until": action.until,
        "bound": action.bound,
        "reason": action.reason,
        "g_per_kwh_now": action.g_per_kwh_now,
        "g_per_kwh_then": action.g_per_kwh_then,
        "saving_g": action.saving_g,
        "final": action.final,
    }


def _in_flight(deed: Deed) -> StopInFlight:
    phase, _ = deed.phases[-1]
    if deed.until is None or deed.checkpoint is None:
        raise AssertionError(f"action {deed.number} is a stop without restart or checkpoint")
    return StopInFlight(
        action=deed.number,
        key=job_key(deed),
        spec=deed.spec,
        restarts=deed.restarts,
        checkpoint=deed.checkpoint,
        restart_at=deed.until,
        phase=phase,
        signalled_at=deed.entered(Phase.SIGNALLING, Phase.SIGNALLED),
        delayed_at=deed.entered(Phase.DELAYED),
    )
