"""The queue without us: what it is worked out from, and what is kept of it."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest

from carbonslurm.core.interval import Interval
from carbonslurm.core.job import AccountedRun, RunKey
from carbonslurm.ledger.writing import Ledger
from carbonslurm.ports import QueuePass, RunFilter

Hours = Callable[[float], datetime]


@pytest.fixture
def passed(clock: Hours) -> QueuePass:
    return QueuePass("green", "gpu", Interval(clock(0), clock(9)), "easy on one node")


def history(ledger: Ledger, clock: Hours, first: float, last: float, *partitions: str) -> list[AccountedRun]:
    window = Interval(clock(first), clock(last))
    return [item.run for item in ledger.queue_history("green", partitions or ("gpu",), window)]


def test_who_held_room_within_a_window(ledger: Ledger, make_run: Any, clock: Hours) -> None:
    before, within, on = make_run(0, 1, 2), make_run(0, 3, 4, job_id=8), make_run(0, 3, None, job_id=9)
    never, later = make_run(0, None, 4, job_id=10), make_run(0, 9, 10, job_id=11)
    other = make_run(0, 3, 4, job_id=12, partition="cpu")
    elsewhere = make_run(0, 3, 4, key=RunKey("blue", 13, clock(0)))
    ledger.keep_runs([elsewhere, other, later, never, on, within, before], clock(20))
    assert history(ledger, clock, 2, 9) == [within, on]
    assert history(ledger, clock, 1, 9.5, "gpu", "cpu") == [before, within, on, later, other]


def test_the_attempts_of_a_job_come_in_order(ledger: Ledger, make_run: Any, clock: Hours) -> None:
    second, first, stranger = (
        make_run(2, 3, 4),
        make_run(0, 1, 2, state="REQUEUED"),
        make_run(1, 1, 4, job_id=8),
    )
    ledger.keep_runs([second, stranger, first], clock(5))
    assert history(ledger, clock, 0, 9) == [first, second, stranger]


def test_a_start_makes_its_run_s_figure_due_and_comes_with_it(
    ledger: Ledger, make_run: Any, make_figure: Any, clock: Hours, passed: QueuePass
) -> None:
    run = make_run()
    ledger.keep_runs([run], clock(4))
    ledger.keep_figures([(run.key, make_figure())], clock(4))
    assert not ledger.runs_to_figure("green")
    assert ledger.keep_queue_starts(passed, {run.key: clock(0.5)}, clock(5)) == 1
    (due,) = ledger.runs_to_figure("green")
    assert due.queue_starts == {run.key: clock(0.5)}
    figure = make_figure(queue=Interval(clock(0.5), clock(2.5)), queue_g=250.0)
    ledger.keep_figures([(run.key, figure)], clock(5))
    assert not ledger.runs_to_figure("green")
    (row,) = ledger.runs(RunFilter())
    assert row.figure == figure


def test_a_start_that_hardly_moved_is_no_news(
    ledger: Ledger, make_run: Any, clock: Hours, passed: QueuePass
) -> None:
    key = make_run().key
    ledger.keep_runs([make_run()], clock(4))
    assert ledger.keep_queue_starts(passed, {key: clock(0.5)}, clock(5)) == 1
    assert ledger.keep_queue_starts(passed, {key: clock(0.51)}, clock(6)) == 0
    assert ledger.keep_queue_starts(passed, {key: clock(0.6)}, clock(7)) == 1
    assert ledger.runs_to_figure("green")[0].queue_starts == {key: clock(0.6)}


def test_when_it_was_last_worked_out(ledger: Ledger, clock: Hours, passed: QueuePass) -> None:
    assert ledger.last_queue_pass("green", "gpu") is None
    ledger.keep_queue_starts(passed, {}, clock(5))
    ledger.keep_queue_starts(passed, {}, clock(7))
    assert ledger.last_queue_pass("green", "gpu") == clock(7)
    assert ledger.last_queue_pass("green", "cpu") is ledger.last_queue_pass("blue", "gpu") is None


def test_starts_of_unknown_runs_are_a_mistake(ledger: Ledger, clock: Hours, passed: QueuePass) -> None:
    with pytest.raises(KeyError):
        ledger.keep_queue_starts(passed, {RunKey("green", 99, clock(0)): clock(1)}, clock(5))


def test_news_about_the_hours_of_the_queue_s_baseline_counts(
    ledger: Ledger, make_run: Any, make_figure: Any, make_series: Any, clock: Hours
) -> None:
    """A run that ours moved later: its baseline lies after it."""
    ledger.keep_runs([make_run()], clock(4))
    figure = make_figure(queue=Interval(clock(6), clock(8)), estimated=True)
    ledger.keep_figures([(make_run().key, figure)], clock(9))
    ledger.keep_actual(make_series((4, 5, 100)), clock(10))
    assert not ledger.runs_to_figure("green")
    ledger.keep_actual(make_series((7, 8, 100)), clock(10))
    assert len(ledger.runs_to_figure("green")) == 1
