"""Runs from sacct, once each, and the figures worked out for them.

sacct is read again and again over overlapping windows, so a run that says nothing new changes nothing, in
whatever order the readings come; one that has ended is never taken for running again. A figure is worked out
anew when its run's facts changed, or when something newer about its hours was stored (``news``). Figures are
only added; one that says the same as the newest is not stored twice.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime
from itertools import pairwise
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Row,
    and_,
    false,
    insert,
    or_,
    select,
    update,
)

from carbonslurm.core.action import Verb
from carbonslurm.core.baseline import BeginChange
from carbonslurm.core.energy import Measurement
from carbonslurm.core.footprint import Figure
from carbonslurm.core.job import AccountedRun, RunKey
from carbonslurm.core.stop import Phase
from carbonslurm.ledger.database import Room, in_batches
from carbonslurm.ledger.deeds import Deed, deeds_of
from carbonslurm.ledger.encoding import Columns, read_run, run_columns
from carbonslurm.ledger.figures import add_figures, newest_figure, newest_figures
from carbonslurm.ledger.lineage import Lineage
from carbonslurm.ledger.measurements import measurements
from carbonslurm.ledger.news import concern_since, seen
from carbonslurm.ledger.queue_starts import queue_starts, run_numbers
from carbonslurm.ledger.tables import READ_MARK, RUN
from carbonslurm.ports import RunToFigure

# Runs handed out at once: at about 3 kB each they stay well under 100 MB.
AT_ONCE = 5_000
# What some dumps lack: a reading without it does not take it away again.
MAY_BE_LEFT_OUT = ("node_list", "job_name")
SIGNAL_SENT = (Phase.SIGNALLING, Phase.SIGNALLED, Phase.REQUEUED, Phase.DELAYED, Phase.DONE)


class RunBook(Room):
    """The daemon's side of accounting."""

    _seen: tuple[int, int] | None = None  # the news that the runs last handed out could be figured with

    def keep_runs(self, runs: Sequence[AccountedRun], at: datetime) -> int:
        """Store runs; one already stored is brought up to date. Return how many were new or changed.

        Raises:
            LedgerError: it could not be written.
        """
        newest = {run.key: run for run in sorted(runs, key=lambda run: run.ended is not None)}
        with self._database.writing() as connection:
            old = _stored(connection, newest)
            new = [_new_row(run, at) for key, run in newest.items() if key not in old]
            self._database.place.insert(connection, RUN, new)
            changed = [_change(connection, old[key], run, at) for key, run in newest.items() if key in old]
        return len(new) + sum(changed)

    def runs_to_figure(self, cluster: str) -> Sequence[RunToFigure]:
        """Return ended runs whose figures are missing, or were made before news of them or of their hours.

        At most 5,000 at once, those that ended first: ask again after ``keep_figures``.

        Raises:
            LedgerError: it could not be read.
        """
        due = select(RUN).where(RUN.c.cluster == cluster, RUN.c.settled.is_(False), _due())
        with self._database.reading() as connection:
            self._seen = seen(connection)
            rows = connection.execute(due.order_by(RUN.c.ended, RUN.c.id).limit(AT_ONCE)).mappings().all()
            return to_figure(connection, cluster, [read_run(row) for row in rows])

    def keep_figures(self, figures: Sequence[tuple[RunKey, Figure]], at: datetime) -> None:
        """Add figures; older ones are kept, the newest counts.

        News that came in since the runs were handed out concern them, too: they are due again.

        Args:
            figures: of runs that were kept before.
            at: the moment when working them out began.

        Raises:
            KeyError: a run that the ledger does not know.
            LedgerError: it could not be written.
        """
        with self._database.writing() as connection:
            numbers = run_numbers(connection, [key for key, _ in figures])
            old = newest_figures(connection, list(numbers.values()))
            offered = {numbers[key]: figure for key, figure in figures}
            news = {
                run: figure
                for run, figure in offered.items()
                if run not in old or not figure.is_like(old[run])
            }
            add_figures(self._database.place, connection, news, at)
            for final in (True, False):
                done = [numbers[key] for key, figure in figures if figure.is_final is final]
                for batch in in_batches(done):
                    # Facts that came in meanwhile leave it to be worked out again.
                    settled = RUN.c.changed_at <= at if final else false()
                    mark = {"figured_at": at, "settled": settled, "figure": newest_figure}
                    connection.execute(update(RUN).where(RUN.c.id.in_(batch)).values(mark))
            if self._seen is not None:
                concern_since(connection, self._seen)

    def many_were_written(self) -> None:
        """Have the database count its rows anew: see ``Place.count_anew``.

        Raises:
            LedgerError: it could not be written.
        """
        with self._database.writing() as connection:
            self._database.place.count_anew(connection)

    def mark_accounted(self, cluster: str, until: datetime) -> None:
        """Remember that moment.

        Raises:
            LedgerError: it could not be written.
        """
        with self._database.writing() as connection:
            moved = connection.execute(
                update(READ_MARK).where(READ_MARK.c.cluster == cluster).values(until=until)
            )
            if moved.rowcount == 0:
                connection.execute(insert(READ_MARK).values(cluster=cluster, until=until))


# --- keeping


def _stored(connection: Connection, keys: Mapping[RunKey, object]) -> dict[RunKey, Row[Any]]:
    ids: defaultdict[str, set[int]] = defaultdict(set)
    for key in keys:
        ids[key.cluster].add(key.job_id)
    found: dict[RunKey, Row[Any]] = {}
    for cluster, numbers in ids.items():
        for batch in in_batches(sorted(numbers)):
            mine = select(RUN).where(RUN.c.cluster == cluster, RUN.c.job_id.in_(batch))
            for row in connection.execute(mine):
                key = RunKey(cluster, row.job_id, row.submitted)
                if key in keys:
                    found[key] = row
    return found


def _new_row(run: AccountedRun, at: datetime) -> Columns:
    return {**run_columns(run), "recorded_at": at, "changed_at": at, "settled": _has_nothing_to_figure(run)}


def _change(connection: Connection, row: Row[Any], run: AccountedRun, at: datetime) -> bool:
    facts = run_columns(run)
    for name in MAY_BE_LEFT_OUT:
        facts[name] = row._mapping[name] if facts[name] is None else facts[name]  # noqa: SLF001  # as below
    older = row.ended is not None and run.ended is None
    if older or all(row._mapping[name] == value for name, value in facts.items()):  # noqa: SLF001  # public API
        return False
    # Due by figured_at: a clock that was ahead would make what changed now look older than its figure.
    news = {**facts, "changed_at": at, "figured_at": None, "settled": _has_nothing_to_figure(run)}
    connection.execute(update(RUN).where(RUN.c.id == row.id).values(news))
    return True


def _has_nothing_to_figure(run: AccountedRun) -> bool:
    return run.ended is not None and run.started is None


# --- what is due


def _due() -> ColumnElement[bool]:
    """Tell, of an unsettled run, whether there is something to work out."""
    new = or_(RUN.c.figured_at.is_(None), RUN.c.changed_at > RUN.c.figured_at)
    return and_(RUN.c.started.is_not(None), RUN.c.ended.is_not(None), new)


def to_figure(connection: Connection, cluster: str, runs: Sequence[AccountedRun]) -> list[RunToFigure]:
    """Return runs with what the ledger knows of their jobs."""
    lineage = Lineage(connection, cluster, runs)
    attempts = [(*lineage.earlier(run), run) for run in runs]
    jobs = [lineage.rows(chain) for chain in attempts]
    deeds = deeds_of(connection, {job.id for rows in jobs for job in rows})
    queued = queue_starts(connection, {run.key for chain in attempts for run in chain})
    measured = measurements(connection, [run.key for run in runs])
    return [
        _to_figure(chain, rows, deeds, queued, measured.get(chain[-1].key, ()))
        for chain, rows in zip(attempts, jobs, strict=True)
    ]


def _to_figure(
    chain: Sequence[AccountedRun],
    jobs: Sequence[Row[Any]],
    deeds: Mapping[int, Sequence[Deed]],
    queued: Mapping[RunKey, datetime],
    measured: Sequence[Measurement],
) -> RunToFigure:
    mine = [deed for job in jobs for deed in deeds.get(job.id, ()) if not deed.observed]
    stops = _stops_behind(chain, mine)
    return RunToFigure(
        run=chain[-1],
        earlier=tuple(chain[:-1]),
        first_eligible=next((job.first_eligible for job in jobs if job.first_eligible), None),
        changes={run.key: _begin_changes(run, mine) for run in chain},
        lost_from={run.key: at for run in chain if (at := _lost_from(run, stops.get(run.key)))},
        restart_cost={
            after.key: deed.checkpoint.restart
            for before, after in pairwise(chain)
            if (deed := stops.get(before.key)) and deed.checkpoint and deed.checkpoint.restart
        },
        queue_starts={run.key: queued[run.key] for run in chain if run.key in queued},
        measured=measured,
    )


def _begin_changes(run: AccountedRun, deeds: Sequence[Deed]) -> tuple[BeginChange, ...]:
    """Return the changes of a run's start; a task's were made to its array, so the submit time tells.

    A release by other means than made the job wait is no change: it only takes away what came before. Nor is
    a site factor taken back, which is a leave that is not final.
    """
    mine = [deed for deed in deeds if deed.run.submitted == run.key.submitted]
    changes: list[BeginChange] = []
    means = None
    for deed in sorted(mine, key=lambda deed: deed.number):
        if deed.withheld:
            means = deed.means
            changes.append(BeginChange(deed.intended_at, deed.until))
        elif (deed.verb is Verb.LEAVE and deed.final) or (
            deed.verb is Verb.RELEASE and deed.changed_job and means in {deed.means, None}
        ):
            changes.append(BeginChange(deed.intended_at, None))
    return tuple(changes)


def _lost_from(run: AccountedRun, stop: Deed | None) -> datetime | None:
    """Return from when on the work of a run counts as lost: nobody knows what a silent job has saved."""
    if stop is None:
        return None
    return run.started if stop.silent else stop.entered(*SIGNAL_SENT)


def _stops_behind(chain: Sequence[AccountedRun], deeds: Sequence[Deed]) -> dict[RunKey, Deed]:
    """Return our stop of each run that we stopped: it got to the requeue, or the job requeued itself."""
    states = {run.key: run.state for run in chain}
    stops = {}
    for deed in deeds:
        requeued_itself = deed.entered(Phase.SIGNALLED) is not None and states.get(deed.run) == "REQUEUED"
        if deed.run in states and (deed.stopped or requeued_itself):
            stops[deed.run] = deed
    return stops
