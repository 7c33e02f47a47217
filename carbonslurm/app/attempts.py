"""What the ledger knows of a job's runs, as the attempts that baselines are made of."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from carbonslurm.core.baseline import Attempt, delay_caused, released_at
from carbonslurm.core.interval import Interval
from carbonslurm.core.job import AccountedRun
from carbonslurm.core.without_us import Lived
from carbonslurm.ports import RunToFigure

RESIZING = "RESIZING"  # a job's row up to a change of its size; the next one goes on where it ends


@dataclass(frozen=True, slots=True)
class Attempted:
    """One attempt and its run."""

    run: AccountedRun
    attempt: Attempt


def attempts_of(item: RunToFigure, restart: timedelta) -> list[Attempted]:
    """Return the attempts of a job up to this run, in order; those that never started left no work.

    Args:
        item: a run, with what is known of its job.
        restart: what loading a checkpoint takes, where the owner did not say.
    """
    found: list[Attempted] = []
    stopped_before = resized_before = False
    for run in (*item.earlier, item.run):
        if run.started is None or run.ended is None:
            continue
        ran = Interval(run.started, run.ended)
        changes = item.changes.get(run.key, ())
        attempt = Attempt(
            ran=ran,
            could_start=ran.start - delay_caused(changes, item.first_eligible, ran.start),
            lost=_lost(item, run, ran, restart if stopped_before else None),
            continues=stopped_before or resized_before,
        )
        found.append(Attempted(run, attempt))
        stopped_before = run.key in item.lost_from
        resized_before = run.state == RESIZING
    return found


def _lost(item: RunToFigure, run: AccountedRun, ran: Interval, restart: timedelta | None) -> timedelta:
    lost = timedelta() if restart is None else item.restart_cost.get(run.key, restart)
    lost_from = item.lost_from.get(run.key)
    if lost_from is not None:
        lost += max(ran.end - lost_from, timedelta())
    return min(lost, ran.length)


def lived(item: RunToFigure, restart: timedelta, pinned_before: datetime) -> Lived:
    """Return one ended run as the queue without us needs it.

    Args:
        item: the run, with what is known of its job.
        restart: see ``attempts_of``.
        pinned_before: a run that started before this began in both queues when it really did: who stood
            before it is not known.
    """
    run, attempt = item.run, attempts_of(item, restart)[-1].attempt
    started = attempt.ran.start
    released = released_at(item.changes.get(run.key, ()), item.first_eligible, started)
    if started < pinned_before:
        eligible = could = started
    elif attempt.continues:
        eligible = could = min(run.eligible or started, started)
    else:
        first = item.first_eligible if released else run.eligible
        eligible = min(max(first or attempt.could_start, run.key.submitted), started)
        could = released or eligible
    return Lived(
        key=run.key,
        eligible=eligible,
        released=could,
        started=started,
        length=attempt.ran.length,
        work=attempt.ran.length - attempt.lost,
        limit=run.time_limit,
        tres=run.tres,
        continues=attempt.continues,
    )
