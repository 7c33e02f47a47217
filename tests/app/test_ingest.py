"""Stories of accounting: what sacct says becomes runs, once each, and their figures.

A job here takes 1 kW on its one GPU, so an hour at 300 g/kWh emits 300 g.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from carbonslurm.core.accounted import Accounted, SetAside
from carbonslurm.core.forecast import Kind
from carbonslurm.core.interval import Interval
from carbonslurm.core.job import AccountedRun, AccountedStep
from carbonslurm.ports import RunFilter
from carbonslurm.sim.job import OnSignal

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
MINUTE = timedelta(minutes=1)
SECOND = timedelta(seconds=1)
GRID = (300.0, 300.0, 300.0, 50.0, 50.0, 50.0)


def withheld(world: Any) -> int:
    world.forecast(*GRID)
    job = world.submit()
    world.live(5 * HOUR)
    world.measured(*GRID)
    return int(job)


def test_a_job_that_waited_saved_what_the_dirty_hour_would_have_cost(world: Any) -> None:
    withheld(world)
    assert world.reconcile().runs == 1
    row = world.rows()[0]
    assert (row.flexible, row.withheld, row.stopped) == (True, True, False)
    assert row.figure.emitted_g == pytest.approx(50)
    assert row.figure.baseline == Interval(NOON, NOON + HOUR)
    assert row.figure.baseline_g == pytest.approx(300)
    assert row.figure.saved_g == pytest.approx(250)
    assert row.figure.energy_kwh == pytest.approx(1)


def test_reading_sacct_again_changes_nothing(world: Any) -> None:
    withheld(world)
    world.reconcile()
    before = world.rows()
    for _ in range(3):
        world.without_us(20 * MINUTE)
        report = world.reconcile()
        assert (report.runs, report.figures) == (0, 0)
    assert world.rows() == before


def test_a_job_that_nobody_touched_is_its_own_baseline(world: Any) -> None:
    """It waited an hour for room: no saving, and no loss, of ours."""
    world.forecast(*GRID)
    world.fill(HOUR)
    job = world.submit(flex=None)
    world.without_us(4 * HOUR)
    world.measured(*GRID)
    world.reconcile()
    row = next(row for row in world.rows() if row.run.key.job_id == job)
    assert row.run.started == NOON + HOUR
    assert row.figure.saved_g == 0
    assert (row.flexible, row.withheld) == (False, False)


def test_a_run_that_goes_on_has_no_figure_yet(world: Any) -> None:
    world.forecast(*GRID)
    world.submit(4 * HOUR, flex=None)
    world.without_us(HOUR)
    world.reconcile()
    assert world.rows()[0].figure is None
    world.without_us(4 * HOUR)
    world.measured(*GRID)
    world.reconcile()
    assert world.rows()[0].figure.emitted_g == pytest.approx(3 * 300 + 50)


@dataclass(frozen=True)
class Printed:
    """A sacct that says what a test has written."""

    runs: tuple[AccountedRun, ...]
    aside: tuple[SetAside, ...] = ()
    steps: tuple[AccountedStep, ...] = ()

    def accounted(self, _window: Interval, _now: datetime, _jobs: Sequence[int] = ()) -> Accounted:
        return Accounted(self.runs, len(self.steps), self.aside, self.steps)


def test_steps_that_sacct_shows_are_kept_with_their_runs(world: Any) -> None:
    """They change no figure."""
    job = world.submit(HOUR, flex=None)
    world.without_us(2 * HOUR)
    world.measured(*GRID)
    world.reconcile()
    (before,) = world.rows()
    (run,) = (it for it in world.owner.runs(Interval(NOON - HOUR, world.now)) if it.key.job_id == job)
    step = AccountedStep(
        run.key, "0", "train", run.state, "0:0", run.started, run.ended, run.tres, energy_joules=7.0
    )
    for _ in range(2):
        world.reconcile(Printed((run,), steps=(step,)))
        assert world.ledger.steps(RunFilter()) == {run.key: [step]}
    assert world.rows() == [before]


def test_a_job_that_was_resized_is_one_run_in_two_pieces(world: Any) -> None:
    """The delay that we caused moves the baseline of both."""
    withheld(world)
    (run,) = world.owner.runs(Interval(NOON - HOUR, world.now))
    half = run.started + 30 * MINUTE
    pieces = (
        replace(run, ended=half, state="RESIZING"),
        replace(run, key=replace(run.key, submitted=half), started=half),
    )
    world.reconcile(Printed(pieces))
    first, second = (row.figure for row in world.rows())
    assert first.baseline == Interval(NOON, NOON + 30 * MINUTE)
    assert second.baseline == Interval(NOON + 30 * MINUTE, NOON + HOUR)
    assert first.saved_g + second.saved_g == pytest.approx(250)


def test_the_time_in_which_a_run_was_suspended_takes_no_energy(world: Any) -> None:
    """Somebody else ran on its nodes, and is charged for that."""
    world.measured(300.0, 300.0)
    world.submit(flex=None)
    world.without_us(2 * HOUR)
    (run,) = world.owner.runs(Interval(NOON - HOUR, world.now))
    world.reconcile(Printed((replace(run, suspended=45 * MINUTE),)))
    (figure,) = [row.figure for row in world.rows()]
    assert (figure.energy_kwh, figure.emitted_g) == (pytest.approx(0.25), pytest.approx(75))
    assert figure.saved_g == 0


def test_rows_that_are_no_runs_are_kept_aside_and_the_others_accounted_for(world: Any) -> None:
    withheld(world)
    runs = tuple(world.owner.runs(Interval(NOON - HOUR, world.now)))
    broken = SetAside("toy", "9", NOON, "COMPLETED, and has no end", "9|COMPLETED")
    for _ in range(2):
        world.reconcile(Printed(runs, (broken,)))
        assert [row.item for row in world.ledger.aside()] == [broken]
    assert len(world.rows()) == len(runs)


def test_a_job_that_was_cancelled_before_it_started_emits_nothing(world: Any) -> None:
    world.forecast(*GRID)
    job = world.submit()
    world.cycle()
    world.without_us(MINUTE)
    world.owner.cancel(job)
    assert world.reconcile().figures == 0
    assert world.rows()[0].figure is None


def test_without_intensity_grams_are_unknown_and_energy_is_not(world: Any) -> None:
    world.submit(flex=None)
    world.without_us(2 * HOUR)
    world.reconcile()
    figure = world.rows()[0].figure
    assert figure.energy_kwh == pytest.approx(1)
    assert (figure.emitted_g, figure.baseline_g, figure.saved_g, figure.source) == (None, None, None, None)


def test_a_forecast_stands_in_for_a_measurement_and_is_flagged(world: Any) -> None:
    world.forecast(*GRID)
    world.submit(flex=None)
    world.without_us(2 * HOUR)
    world.reconcile()
    figure = world.rows()[0].figure
    assert (figure.emitted_g, figure.estimated) == (pytest.approx(300), True)


def test_when_the_measurement_comes_a_new_figure_counts(world: Any) -> None:
    world.forecast(*GRID)
    world.submit(flex=None)
    world.without_us(2 * HOUR)
    world.reconcile()
    world.without_us(HOUR)
    world.measured(280.0, 300.0)
    assert world.reconcile().figures == 1
    figure = world.rows()[0].figure
    assert (figure.emitted_g, figure.estimated) == (pytest.approx(280), False)


def stopped(world: Any, on_signal: OnSignal) -> int:
    """One hour clean, three dirty, then clean again; the job works for three hours in all."""
    grid = (100.0, 600.0, 600.0, 600.0, 50.0, 50.0, 50.0, 50.0)
    world.forecast(100)
    job = world.submit(3 * HOUR, on_signal=on_signal, grace=MINUTE, time_limit=5 * HOUR, saves_in=30 * SECOND)
    world.cycle()
    world.without_us(HOUR)
    world.forecast(*grid[1:])
    world.live(10 * MINUTE)
    world.without_us(8 * HOUR)
    world.measured(*grid)
    world.reconcile()
    return int(job)


def test_both_runs_of_a_stopped_job_count_and_so_does_the_work_it_lost(world: Any) -> None:
    job = stopped(world, OnSignal.SAY)
    first, second = world.rows()
    assert [row.run.key.job_id for row in (first, second)] == [job, job]
    assert [row.run.state for row in (first, second)] == ["REQUEUED", "COMPLETED"]
    assert [row.stopped for row in (first, second)] == [True, False]
    # The first ran from noon to half a minute past one: what came after the signal counts as lost.
    after = 30 / 3600
    assert first.run.ended == NOON + HOUR + 30 * SECOND
    assert first.figure.lost == 30 * SECOND
    assert first.figure.emitted_g == pytest.approx(100 + 600 * after)
    assert first.figure.baseline == Interval(NOON, NOON + HOUR)
    # The second did the rest of the three hours.
    rest = 2 - after
    assert second.run.started == NOON + 4 * HOUR
    assert second.figure.emitted_g == pytest.approx(50 * rest)
    assert second.figure.baseline.start == NOON + HOUR
    assert second.figure.baseline_g == pytest.approx(600 * rest)


def test_the_saving_of_a_stopped_job_is_net_of_what_it_cost(world: Any) -> None:
    stopped(world, OnSignal.SAY)
    emitted = sum(row.figure.emitted_g for row in world.rows())
    saved = sum(row.figure.saved_g for row in world.rows())
    without_us = 100 + 2 * 600
    assert emitted + saved == pytest.approx(without_us, rel=0.01)


def test_a_job_that_saved_in_silence_is_charged_as_if_it_had_not(world: Any) -> None:
    """Nobody of ours can know: rather too small a saving than one that is not there."""
    stopped(world, OnSignal.SAVE)
    first, second = world.rows()
    assert first.figure.lost == first.run.ended - first.run.started
    assert first.figure.baseline_g == 0
    assert second.figure.baseline.start == NOON


def test_a_job_that_ignored_its_stop_did_its_work_twice(world: Any) -> None:
    """An hour was lost; without us it would have emitted 1,300 g."""
    stopped(world, OnSignal.IGNORE)
    emitted = sum(row.figure.emitted_g for row in world.rows())
    saved = sum(row.figure.saved_g for row in world.rows())
    assert emitted == pytest.approx(100 + 10 + 150)
    assert saved == pytest.approx(1300 - emitted, rel=0.01)


def test_the_tasks_of_an_array_are_runs_of_their_own(world: Any) -> None:
    world.forecast(*GRID)
    first = world.submit(tasks=3)
    world.live(5 * HOUR)
    world.measured(*GRID)
    world.reconcile()
    rows = world.rows()
    assert [row.run.key.job_id for row in rows] == [first, first + 1, first + 2]
    assert {row.withheld for row in rows} == {True}
    assert [row.figure.saved_g for row in rows] == pytest.approx([250] * 3)


def test_an_end_that_slurmdbd_hears_of_late_is_read_and_counts(world: Any) -> None:
    """Hours after it: the next reading reaches back far enough."""
    world.forecast(*GRID)
    world.submit(flex=None)
    world.reconcile()
    runs = world.owner.runs
    world.without_us(2 * HOUR)

    class Late:
        def accounted(self, window: Interval, _: datetime, _jobs: Sequence[int] = ()) -> Accounted:
            return Accounted(tuple(replace(run, ended=None, state="RUNNING") for run in runs(window)))

    world.reconcile(Late())
    assert world.rows()[0].run.ended is None
    world.without_us(3 * HOUR)
    world.reconcile()
    assert world.rows()[0].run.ended == NOON + HOUR


# --- intensities of both kinds, and their revisions


def test_both_kinds_stand_side_by_side(world: Any, marginal: Any) -> None:
    """Waiting for the hours with a low average was right by it, and wrong by what is marginal there."""
    world.ledger.keep_actual(marginal(world, [400.0, 400.0, 400.0, 700.0, 700.0], NOON), NOON)
    withheld(world)
    world.reconcile()
    figure = world.rows()[0].figure
    assert (figure.nature.kind, figure.emitted_g, figure.saved_g) == ("average", 50, 250)
    beside = figure.beside
    assert (beside.nature.kind, beside.source, beside.estimated) == ("marginal", "moer", False)
    assert (beside.emitted_g, beside.baseline_g) == pytest.approx((700, 400))
    assert figure.by(Kind.AVERAGE) is figure
    assert figure.by(Kind.MARGINAL) is beside


def test_where_one_kind_lacks_an_hour_the_other_is_the_figure(world: Any, marginal: Any) -> None:
    world.measured(100.0)
    world.ledger.keep_actual(marginal(world, [400.0, 600.0], NOON), NOON)
    world.submit(2 * HOUR, flex=None)
    world.without_us(3 * HOUR)
    world.reconcile()
    figure = world.rows()[0].figure
    assert (figure.nature.kind, figure.emitted_g) == ("marginal", pytest.approx(1000))
    assert (figure.beside.nature.kind, figure.beside.emitted_g) == ("average", None)


def test_a_kind_that_comes_later_is_put_beside(world: Any, marginal: Any) -> None:
    world.measured(*GRID)
    world.submit(flex=None)
    world.without_us(2 * HOUR)
    world.reconcile()
    assert world.rows()[0].figure.beside is None
    world.without_us(100 * 24 * HOUR)
    world.ledger.keep_actual(marginal(world, [400.0], NOON), world.now)
    assert world.reconcile().figures == 1
    assert world.rows()[0].figure.beside.emitted_g == pytest.approx(400)


def test_a_revised_measurement_makes_a_new_figure_and_the_old_one_keeps_its_day(world: Any) -> None:
    world.measured(*GRID)
    world.submit(flex=None)
    world.without_us(2 * HOUR)
    world.reconcile()
    told = world.now
    world.without_us(40 * 24 * HOUR)
    world.measured(330.0)
    world.reconcile()
    assert world.rows()[0].figure.emitted_g == pytest.approx(330)
    (row,) = world.ledger.runs(RunFilter(as_of=told))
    assert row.figure.emitted_g == pytest.approx(300)
    world.without_us(HOUR)
    world.reconcile()
    world.without_us(HOUR)
    assert world.reconcile().figures == 0


def test_runs_of_many_weeks_are_figured_at_once(world: Any) -> None:
    """Each by the hours that it ran in, and by whose numbers those were."""
    world.reconcile()  # from here on sacct is asked for everything
    day = 24 * HOUR
    for week in range(4):
        moment = NOON + week * 7 * day
        world.measured(100.0 * (week + 1), start=moment)
        world.submit(flex=None)
        world.without_us(7 * day)
    world.reconcile()
    assert [row.figure.emitted_g for row in world.rows()] == pytest.approx([100, 200, 300, 400])
    assert {row.figure.source for row in world.rows()} == {"toy"}
    assert {row.figure.zone for row in world.rows()} == {"GB"}
