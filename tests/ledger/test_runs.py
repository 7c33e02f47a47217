"""Runs from sacct, what is due, and what the ledger knows of their jobs."""

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import func, select

from carbonslurm.core.action import Action, Verb
from carbonslurm.core.interval import Interval
from carbonslurm.core.job import AccountedRun, JobState, Queue, RunKey
from carbonslurm.core.stop import Phase, Seen
from carbonslurm.ledger.tables import FIGURE
from carbonslurm.ledger.writing import Ledger
from carbonslurm.ports import Outcome, OutcomeState, RunFilter, RunToFigure

Hours = Callable[[float], datetime]


def _due(ledger: Ledger, at: datetime) -> list[RunToFigure]:
    return list(ledger.runs_to_figure("green"))


def _stored(ledger: Ledger) -> list[AccountedRun]:
    return [row.run for row in ledger.runs(RunFilter())]


def _figures(ledger: Ledger) -> int:
    with ledger._database.reading() as connection:  # noqa: SLF001  # rows are what this is about
        return int(connection.execute(select(func.count()).select_from(FIGURE)).scalar_one())


def test_reading_sacct_twice_changes_nothing(ledger: Ledger, make_run: Any, clock: Hours) -> None:
    runs = [make_run(), make_run(4, 5, None), make_run(job_id=8)]
    assert ledger.keep_runs(runs, clock(9)) == 3
    assert ledger.keep_runs(runs, clock(10)) == 0
    assert len(_stored(ledger)) == 3


def test_a_run_that_ended_since_is_brought_up_to_date(ledger: Ledger, make_run: Any, clock: Hours) -> None:
    ledger.keep_runs([make_run(ended=None)], clock(2))
    assert _due(ledger, clock(2)) == []
    assert ledger.keep_runs([make_run()], clock(3)) == 1
    assert ledger.keep_runs([make_run(ended=None)], clock(4)) == 0
    assert _stored(ledger) == [make_run()]
    assert [due.run for due in _due(ledger, clock(4))] == [make_run()]


def test_runs_that_still_run_are_found_with_their_jobs(ledger: Ledger, make_run: Any, clock: Hours) -> None:
    going = make_run(job_id=8, ended=None)
    ledger.keep_runs([make_run(), going, make_run(job_id=9, started=None, ended=None)], clock(2))
    for wanted in (RunFilter(running=True), RunFilter(running=True, window=Interval(clock(0), clock(9)))):
        assert [row.run for row in ledger.runs(wanted)] == [going]
    (item,) = ledger.with_jobs("green", [going])
    assert (item.run, item.earlier) == (going, ())
    assert ledger.accounted_until("green") is None
    ledger.mark_accounted("green", clock(3))
    assert ledger.accounted_until("green") == clock(3)


def test_a_dump_without_names_and_nodes_takes_none_away(ledger: Ledger, make_run: Any, clock: Hours) -> None:
    whole = replace(make_run(), name="train", node_list="n[1-2]")
    ledger.keep_runs([whole], clock(2))
    assert ledger.keep_runs([replace(whole, name=None, node_list="")], clock(3)) == 0
    assert ledger.keep_runs([replace(whole, name="tune", node_list="")], clock(4)) == 1
    assert _stored(ledger) == [replace(whole, name="tune")]


readings = st.lists(st.tuples(st.integers(0, 2), st.sampled_from([None, 3])), max_size=12)


@settings(max_examples=25, deadline=None)
@given(readings=readings)
def test_readings_in_any_order_and_number_make_the_same_runs(
    readings: Sequence[tuple[int, int | None]], make_run: Any, clock: Hours
) -> None:
    def kept(batches: Sequence[Sequence[AccountedRun]]) -> list[AccountedRun]:
        with tempfile.TemporaryDirectory() as folder, Ledger.open(Path(folder) / "ledger.db") as ledger:
            for batch in batches:
                ledger.keep_runs(batch, clock(9))
            return _stored(ledger)

    runs = [make_run(job_id=number, ended=ended) for number, ended in readings]
    assert kept([[run] for run in runs]) == kept([runs]) == kept([runs[::-1], runs])


def test_a_figure_is_due_once(ledger: Ledger, make_run: Any, make_figure: Any, clock: Hours) -> None:
    ledger.keep_runs([make_run(), make_run(job_id=8, started=None, state="CANCELLED")], clock(4))
    (due,) = _due(ledger, clock(4))
    ledger.keep_figures([(due.run.key, make_figure())], clock(4))
    assert _due(ledger, clock(5)) == []


def test_changed_facts_make_a_figure_due_again(
    ledger: Ledger, make_run: Any, make_figure: Any, clock: Hours
) -> None:
    run = make_run()
    ledger.keep_runs([run], clock(4))
    ledger.keep_figures([(run.key, make_figure())], clock(4))
    ledger.keep_runs([replace(run, energy_joules=1e6)], clock(5))
    assert len(_due(ledger, clock(5))) == 1
    ledger.keep_figures([(run.key, make_figure(energy_method="slurm"))], clock(5))
    (row,) = ledger.runs(RunFilter())
    assert row.figure == make_figure(energy_method="slurm")
    assert _figures(ledger) == 2


def test_facts_that_change_while_a_figure_is_worked_out_are_not_missed(
    ledger: Ledger, make_run: Any, make_figure: Any, clock: Hours
) -> None:
    ledger.keep_runs([make_run()], clock(4))
    ledger.keep_runs([make_run(ended=3.5)], clock(6))
    ledger.keep_figures([(make_run().key, make_figure())], clock(5))
    assert len(_due(ledger, clock(7))) == 1


@pytest.mark.parametrize("facts", [{"estimated": True}, {"emitted_g": None}, {"baseline_g": None}])
def test_an_estimate_waits_for_news_about_its_own_hours(
    ledger: Ledger, make_run: Any, make_figure: Any, make_series: Any, clock: Hours, facts: dict[str, Any]
) -> None:
    ledger.keep_runs([make_run()], clock(4))
    ledger.keep_actual(make_series((0, 4, 90)), clock(4))
    ledger.keep_figures([(make_run().key, make_figure(**facts))], clock(5))
    assert _due(ledger, clock(6)) == []
    ledger.keep_actual(make_series((3, 5, 100)), clock(6))
    assert _due(ledger, clock(6)) == []
    ledger.keep_actual(make_series((2, 3, 100)), clock(7))
    assert len(_due(ledger, clock(8))) == 1
    ledger.keep_figures([(make_run().key, make_figure(**facts))], clock(8))
    assert _due(ledger, clock(9)) == []
    assert _figures(ledger) == 1


@pytest.mark.parametrize(
    ("revised", "due"),
    [((1, 2), True), ((0, 1), True), ((6, 7), True), ((3, 4), False), ((8, 9), False)],
    ids=["its own hours", "its baseline's", "its queue's", "between", "after"],
)
def test_a_final_figure_is_due_again_when_its_hours_are_revised(
    ledger: Ledger,
    make_run: Any,
    make_figure: Any,
    make_series: Any,
    clock: Hours,
    revised: tuple[float, float],
    due: bool,
) -> None:
    """However old it is: a year later the provider says something else."""
    ledger.keep_actual(make_series(*((hour, hour + 1, 100) for hour in range(9))), clock(9))
    ledger.keep_runs([make_run()], clock(9))
    figure = make_figure(queue=Interval(clock(6), clock(8)), queue_g=1.0, zone="gb")
    ledger.keep_figures([(make_run().key, figure)], clock(9))
    assert _due(ledger, clock(10)) == []
    ledger.keep_actual(make_series((*revised, 120)), clock(9000))
    assert bool(_due(ledger, clock(9001))) is due


@pytest.mark.parametrize("facts", [{"zone": "fr"}, {"value": 100}])
def test_what_says_nothing_new_of_its_zone_makes_no_figure_due(
    ledger: Ledger, make_run: Any, make_figure: Any, make_series: Any, clock: Hours, facts: dict[str, Any]
) -> None:
    ledger.keep_actual(make_series((0, 4, 100)), clock(9))
    ledger.keep_runs([make_run()], clock(9))
    ledger.keep_figures([(make_run().key, make_figure(zone="gb"))], clock(9))
    ledger.keep_actual(make_series((0, 4, facts.get("value", 120)), zone=facts.get("zone", "gb")), clock(20))
    assert _due(ledger, clock(21)) == []


def test_which_figure_it_was_on_a_day(
    ledger: Ledger, make_run: Any, make_figure: Any, make_beside: Any, clock: Hours
) -> None:
    run = make_run()
    ledger.keep_runs([run], clock(4))
    first, second = (
        make_figure(beside=make_beside()),
        make_figure(emitted_g=190.0, beside=make_beside(queue_g=5.0)),
    )
    ledger.keep_figures([(run.key, first)], clock(5))
    ledger.keep_figures([(run.key, second)], clock(50))
    ledger.keep_figures([(run.key, second)], clock(60))
    assert _figures(ledger) == 2

    def shown(at: float | None) -> Any:
        (row,) = ledger.runs(RunFilter(as_of=None if at is None else clock(at)))
        return row.figure

    assert [shown(at) for at in (4.9, 5, 49, 50, None)] == [None, first, first, second, second]


def test_a_figure_that_differs_by_rounding_only_is_not_stored(
    ledger: Ledger, make_run: Any, make_figure: Any, make_beside: Any, clock: Hours
) -> None:
    ledger.keep_runs([make_run()], clock(4))
    for hour, beside in ((5, None), (6, None), (7, make_beside()), (8, make_beside(emitted_g=400.0 + 1e-10))):
        figure = make_figure(emitted_g=200.0 + hour * 1e-12, beside=beside)
        ledger.keep_figures([(make_run().key, figure)], clock(hour))
    assert _figures(ledger) == 2


def test_values_stored_a_little_later_than_they_say_are_not_missed(
    ledger: Ledger, make_run: Any, make_figure: Any, make_series: Any, clock: Hours
) -> None:
    """They carry the time when asking began; a figure may have been worked out before the answer came."""
    ledger.keep_runs([make_run()], clock(4))
    ledger.keep_figures([(make_run().key, make_figure(estimated=True))], clock(5))
    ledger.keep_actual(make_series((2, 3, 100)), clock(4.95))
    assert len(_due(ledger, clock(5))) == 1


def test_news_about_the_baselines_hours_counts(
    ledger: Ledger, make_run: Any, make_figure: Any, make_issue: Any, clock: Hours
) -> None:
    ledger.keep_runs([make_run(started=5, ended=7)], clock(8))
    ledger.keep_figures([(make_run().key, make_figure(estimated=True))], clock(8))
    ledger.keep_issue(make_issue(9, (0, 1, 100)))
    assert len(_due(ledger, clock(10))) == 1


def test_a_revision_makes_a_settled_figure_due_however_old(
    ledger: Ledger, make_run: Any, make_figure: Any, make_series: Any, clock: Hours
) -> None:
    """And only those: of runs that lie, or have their baselines, in other hours nothing is due."""
    other = make_run(20, 21, 22, job_id=8)
    ledger.keep_actual(make_series((0, 1, 80), (1, 2, 90), (2, 3, 95), (21, 22, 70)), clock(30))
    ledger.keep_runs([make_run(), other], clock(30))
    baseline = Interval(clock(21), clock(22))
    figures = [(make_run().key, make_figure()), (other.key, make_figure(baseline=baseline))]
    ledger.keep_figures(figures, clock(31))
    year = 365 * 24
    ledger.keep_actual(make_series((2, 3, 95)), clock(year))
    assert _due(ledger, clock(year)) == []
    ledger.keep_actual(make_series((0, 1, 81)), clock(year))
    assert [due.run.key for due in _due(ledger, clock(year))] == [make_run().key]
    ledger.keep_figures([(make_run().key, make_figure(baseline_g=301.0))], clock(year))
    assert _due(ledger, clock(year)) == []
    assert _figures(ledger) == 3


def test_a_new_forecast_concerns_no_settled_figure(
    ledger: Ledger, make_run: Any, make_figure: Any, make_issue: Any, clock: Hours
) -> None:
    ledger.keep_runs([make_run()], clock(4))
    ledger.keep_figures([(make_run().key, make_figure())], clock(5))
    ledger.keep_issue(make_issue(6, (0, 3, 100)))
    assert _due(ledger, clock(7)) == []


@pytest.mark.parametrize("estimated", [False, True])
def test_news_that_come_in_while_a_figure_is_worked_out_are_not_missed(
    ledger: Ledger, make_run: Any, make_figure: Any, make_series: Any, clock: Hours, estimated: bool
) -> None:
    ledger.keep_runs([make_run()], clock(4))
    assert len(_due(ledger, clock(4))) == 1
    ledger.keep_actual(make_series((1, 2, 90)), clock(4))
    ledger.keep_figures([(make_run().key, make_figure(estimated=estimated))], clock(4))
    assert len(_due(ledger, clock(5))) == 1
    ledger.keep_figures([(make_run().key, make_figure(estimated=estimated))], clock(5))
    assert _due(ledger, clock(6)) == []


def test_figures_of_unknown_runs_are_a_mistake(ledger: Ledger, make_figure: Any, clock: Hours) -> None:
    with pytest.raises(KeyError):
        ledger.keep_figures([(RunKey("green", 99, clock(0)), make_figure())], clock(1))


def test_earlier_attempts_come_with_a_run(ledger: Ledger, make_run: Any, clock: Hours) -> None:
    first = make_run(0, 1, 2, state="NODE_FAIL")
    second = make_run(2, 3, 4, state="PREEMPTED")
    third = make_run(4, 5, 6)
    stranger = make_run(100, 101, 102)
    ledger.keep_runs([stranger, third, first, second], clock(103))
    found = [(due.run, due.earlier) for due in _due(ledger, clock(103))]
    assert found == [(first, ()), (second, (first,)), (third, (first, second)), (stranger, ())]


def test_attempts_are_linked_by_what_the_queue_showed(
    ledger: Ledger, make_run: Any, make_job: Any, clock: Hours
) -> None:
    """The state of an attempt says nothing where a site requeues on an exit code."""
    first, second = make_run(0, 1, 2, state="FAILED"), make_run(2, 3, 4)
    ledger.note(Queue(clock(0), (make_job(),)), {make_job().key: clock(0.5)})
    ledger.note(Queue(clock(2), (make_job(submitted=clock(2), restarts=1),)), {})
    ledger.keep_runs([first, second], clock(5))
    due = _due(ledger, clock(5))[1]
    assert (due.run, due.earlier, due.first_eligible) == (second, (first,), clock(0.5))


def test_an_old_job_says_nothing_of_a_new_one_with_its_id(
    ledger: Ledger, make_run: Any, make_job: Any, clock: Hours
) -> None:
    ledger.note(Queue(clock(0), (make_job(),)), {make_job().key: clock(0)})
    ledger.keep_runs([make_run(50, 51, 52, tag=None)], clock(53))
    (due,) = _due(ledger, clock(53))
    assert (due.first_eligible, due.withheld) == (None, False)
    (row,) = ledger.runs(RunFilter())
    assert (row.flexible, row.first_eligible) == (False, None)


def test_a_task_is_known_by_its_array(ledger: Ledger, make_run: Any, make_job: Any, clock: Hours) -> None:
    """The array was seen to wait; the task, seen when it ran, looks as if it could always have started."""
    array, task = make_job(13, spec="13_[1-3]"), make_job(14, state=JobState.RUNNING)
    ledger.note(Queue(clock(0), (array, task)), {array.key: clock(2), task.key: clock(0)})
    (number,) = ledger.intend(None, [Action(Verb.WITHHOLD, array, "a reason", until=clock(3))], clock(0))
    ledger.settle({number: Outcome(OutcomeState.CONFIRMED, clock(1))})
    ledger.keep_runs([make_run(0, 3, 4, job_id=14, array_job_id=13)], clock(5))
    (due,) = _due(ledger, clock(5))
    assert (due.first_eligible, due.withheld) == (clock(2), True)
    (row,) = ledger.runs(RunFilter(ids=(13,)))
    assert (row.first_eligible, row.withheld) == (clock(2), True)


@pytest.mark.parametrize(
    ("states", "withheld"),
    [
        ([OutcomeState.APPLIED], True),
        ([OutcomeState.APPLIED, OutcomeState.OVERRIDDEN], True),
        ([OutcomeState.UNCERTAIN], False),
        ([OutcomeState.REFUSED], False),
        ([OutcomeState.OBSERVED], False),
        ([], False),
    ],
)
def test_withheld_is_what_slurm_took(
    ledger: Ledger, make_run: Any, make_job: Any, clock: Hours, states: list[OutcomeState], withheld: bool
) -> None:
    (number,) = ledger.intend(None, [Action(Verb.WITHHOLD, make_job(), "a reason", until=clock(3))], clock(0))
    for state in states:
        ledger.settle({number: Outcome(state, clock(1))})
    ledger.keep_runs([make_run(0, 3, 4)], clock(5))
    assert [due.withheld for due in _due(ledger, clock(5))] == [withheld]
    assert [row.withheld for row in ledger.runs(RunFilter())] == [withheld]


def test_our_stop_is_charged_to_the_runs_around_it(
    ledger: Ledger, make_run: Any, make_job: Any, clock: Hours
) -> None:
    job = make_job(started=clock(1), state=JobState.RUNNING)
    ledger.note(Queue(clock(0), (job,)), {job.key: clock(0)})
    (number,) = ledger.intend(None, [Action(Verb.STOP, job, "a reason", until=clock(4))], clock(2))
    for hour, phase in ((2.1, Phase.SIGNALLED), (2.2, Phase.REQUEUED), (2.3, Phase.DELAYED), (3, Phase.DONE)):
        ledger.advance_stop(number, phase, clock(hour))
    ledger.note(Queue(clock(3), (make_job(submitted=clock(2.2), restarts=1),)), {})
    stopped, resumed = make_run(0, 1, 2.2, state="REQUEUED"), make_run(2.2, 4, 6)
    ledger.keep_runs([stopped, resumed], clock(7))
    first, second = _due(ledger, clock(7))
    assert first.lost_from == second.lost_from == {stopped.key: clock(2.1)}
    assert (first.restart_cost, second.restart_cost) == ({}, {resumed.key: timedelta(minutes=2)})
    assert (first.earlier, second.earlier) == ((), (stopped,))
    assert [row.stopped for row in ledger.runs(RunFilter())] == [True, False]


def test_the_whole_run_of_a_job_that_showed_no_checkpoint_counts_as_lost(
    ledger: Ledger, make_run: Any, make_job: Any, clock: Hours
) -> None:
    job = make_job(started=clock(1), state=JobState.RUNNING)
    (number,) = ledger.intend(None, [Action(Verb.STOP, job, "a reason", until=clock(4))], clock(2))
    ledger.advance_stop(number, Phase.SIGNALLED, clock(2.1), Seen.RUNNING)
    ledger.advance_stop(number, Phase.DELAYED, clock(2.2), Seen.OUT_OF_GRACE)
    stopped = make_run(0, 1, 2.2, state="REQUEUED")
    ledger.keep_runs([stopped, make_run(2.2, 4, 6)], clock(7))
    assert _due(ledger, clock(7))[1].lost_from == {stopped.key: clock(1)}


def test_a_job_that_requeued_itself_on_our_signal_was_stopped_by_us(
    ledger: Ledger, make_run: Any, make_job: Any, clock: Hours
) -> None:
    job = make_job(started=clock(1), state=JobState.RUNNING)
    (number,) = ledger.intend(None, [Action(Verb.STOP, job, "a reason", until=clock(4))], clock(2))
    ledger.advance_stop(number, Phase.SIGNALLED, clock(2.1))
    ledger.advance_stop(number, Phase.ENDED, clock(2.5))
    stopped = make_run(0, 1, 2.2, state="REQUEUED")
    ledger.keep_runs([stopped, make_run(2.2, 2.3, 6)], clock(7))
    assert _due(ledger, clock(7))[1].lost_from == {stopped.key: clock(2.1)}


def test_the_mark_of_what_was_read_is_one_per_cluster(ledger: Ledger, clock: Hours) -> None:
    assert ledger.accounted_until("green") is None
    ledger.mark_accounted("green", clock(1))
    ledger.mark_accounted("blue", clock(2))
    ledger.mark_accounted("green", clock(3))
    assert (ledger.accounted_until("green"), ledger.accounted_until("blue")) == (clock(3), clock(2))
