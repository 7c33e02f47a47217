"""The past as the next job sees it, from either database."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from carbonslurm.app.prospects import prospects
from carbonslurm.core.action import Action, Verb
from carbonslurm.core.job import Queue
from carbonslurm.core.past import EndedRun, Kept
from carbonslurm.ledger.reading import Reading
from carbonslurm.ledger.writing import Ledger
from carbonslurm.ports import Outcome, OutcomeState

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from carbonslurm.ledger.place import Place

HOUR = timedelta(hours=1)


def test_runs_that_ended_by_themselves_or_at_their_limit_are_the_past(
    place: Place, make_run: Any, clock: Callable[[float], datetime]
) -> None:
    runs = [
        make_run(0, 1, 2, job_id=1, time_limit=4 * HOUR),
        make_run(0, 1, 5, job_id=2, time_limit=4 * HOUR, state="TIMEOUT"),
        make_run(0, 1, 1.1, job_id=3, state="FAILED"),
        make_run(0, 1, None, job_id=4),
        make_run(0, 1, 2, job_id=5, user="bob"),
    ]
    with Ledger.open(place, cluster="green") as ledger:
        ledger.keep_runs(runs, clock(9))
    with Reading.open(place) as reading:
        assert reading.own_runs("green", "ada", clock(0)) == [
            EndedRun(4 * HOUR, 4 * HOUR, at_limit=True),
            EndedRun(1 * HOUR, 4 * HOUR),
        ]
        assert reading.own_runs("green", "ada", clock(3)) == [EndedRun(4 * HOUR, 4 * HOUR, at_limit=True)]
        assert reading.own_runs("blue", "ada", clock(0)) == []


def test_delays_are_from_the_last_plan_that_was_carried_out_to_the_start(
    place: Place, make_run: Any, make_job: Any, clock: Callable[[float], datetime]
) -> None:
    jobs = [make_job(number) for number in range(1, 8)]
    with Ledger.open(place, cluster="green") as ledger:
        ledger.note(Queue(clock(0), tuple(jobs)), {job.key: clock(0) for job in jobs})
        for until, state in (
            (clock(2), OutcomeState.CONFIRMED),
            (clock(3), OutcomeState.APPLIED),
            (clock(9), OutcomeState.REFUSED),
        ):
            wanted = [Action(Verb.WITHHOLD, job, "clean then", until=until) for job in jobs]
            numbers = ledger.intend(None, wanted, clock(1))
            ledger.settle({number: Outcome(state, clock(1)) for number in numbers})
        ledger.keep_runs(
            [make_run(0, 3 + number / 4, 9, job_id=number, partition="gpu") for number in range(1, 7)],
            clock(9),
        )
    with Reading.open(place) as reading:
        found = sorted(reading.past_delays("green", "gpu", clock(0)))
        assert found == [number * HOUR / 4 for number in range(1, 7)]
        assert sorted(reading.past_delays("green", "", clock(0))) == found
        assert reading.past_delays("green", "cpu", clock(0)) == []
        assert reading.past_delays("green", "gpu", clock(2)) == []
        seen = prospects(reading, "green", "ada", "gpu", None, clock(9))
        assert seen.punctuality is not None
        assert (seen.punctuality.jobs, seen.punctuality.usual, seen.punctuality.most) == (6, HOUR, 1.5 * HOUR)
        assert seen.habit is not None
        assert seen.habit.runs == 6


def test_what_came_of_the_savings_that_plans_expected(
    place: Place, make_run: Any, make_job: Any, make_figure: Any, clock: Callable[[float], datetime]
) -> None:
    """The last plan that was carried out counts; tasks of arrays and other people's jobs do not."""
    jobs = [make_job(number) for number in range(1, 9)]
    with Ledger.open(place, cluster="green") as ledger:
        ledger.note(Queue(clock(0), tuple(jobs)), {job.key: clock(0) for job in jobs})
        for grams, state in (
            (900.0, OutcomeState.CONFIRMED),
            (200.0, OutcomeState.APPLIED),
            (70.0, OutcomeState.REFUSED),
        ):
            wanted = [
                Action(Verb.WITHHOLD, job, "clean then", until=clock(2), saving_g=grams) for job in jobs
            ]
            numbers = ledger.intend(None, wanted, clock(1))
            ledger.settle({number: Outcome(state, clock(1)) for number in numbers})
        runs = [make_run(0, 3, 5, job_id=number) for number in range(1, 7)]
        runs += [make_run(0, 3, 5, job_id=7, array_job_id=6), make_run(0, 3, 5, job_id=8, user="bob")]
        ledger.keep_runs(runs, clock(9))
        figure = replace(make_figure(), emitted_g=100.0, baseline_g=250.0)
        ledger.keep_figures([(run.key, figure) for run in runs], clock(9))
    with Reading.open(place) as reading:
        assert reading.past_savings("green", "ada", clock(0)) == [(200.0, 150.0)] * 6
        assert reading.past_savings("green", "ada", clock(2)) == []
        assert prospects(reading, "green", "ada", "gpu", None, clock(9)).kept == Kept(6, 1200.0, 900.0)
        assert prospects(reading, "green", "bob", "gpu", None, clock(9)).kept is None
