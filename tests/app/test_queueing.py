"""Stories of a full cluster: what a queue without us would have done, and what is saved against that.

A job here takes 1 kW on each of its GPUs; four nodes of four GPUs are all there is.
"""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from carbonslurm.core.footprint import Baseline
from carbonslurm.core.interval import Interval

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
GRID = (300.0, 300.0, 300.0, 50.0, 50.0, 50.0, 50.0, 50.0)
NODES = 4


def hours(interval: Interval | None) -> tuple[float, float] | None:
    if interval is None:
        return None
    return ((interval.start - NOON) / HOUR, (interval.end - NOON) / HOUR)


def figures(world: Any) -> dict[int, Any]:
    return {row.run.key.job_id: row.figure for row in world.rows()}


def one_waits_for_the_clean_hours(world: Any) -> int:
    world.forecast(*GRID)
    job = world.submit(HOUR, gpus=16)
    world.live(5 * HOUR)
    world.measured(*GRID)
    return int(job)


def test_where_there_is_room_both_baselines_are_the_same(world: Any) -> None:
    job = one_waits_for_the_clean_hours(world)
    world.reconcile(nodes=NODES)
    figure = figures(world)[job]
    assert hours(figure.baseline) == hours(figure.queue) == (0, 1)
    assert figure.queue_g == figure.baseline_g == pytest.approx(16 * 300)
    assert figure.saved(Baseline.QUEUE) == figure.saved_g == pytest.approx(16 * 250)


def test_without_machines_nobody_claims_to_know_the_queue(world: Any) -> None:
    job = one_waits_for_the_clean_hours(world)
    world.reconcile()
    figure = figures(world)[job]
    assert (figure.queue, figure.queue_g, figure.saved(Baseline.QUEUE)) == (None, None, None)


def test_what_runs_in_the_place_of_one_that_waits_is_counted_against_it(world: Any) -> None:
    """Without us the second would have waited for the first; so the dirty hours are only swapped."""
    world.forecast(*GRID)
    first = world.submit(HOUR, gpus=16)
    world.live(HOUR / 2)
    second = world.submit(HOUR, flex=None, gpus=16)
    world.live(6 * HOUR)
    world.measured(*GRID)
    world.reconcile(nodes=NODES)
    found = figures(world)
    assert [hours(found[job].queue) for job in (first, second)] == [(0, 1), (1, 2)]
    assert hours(found[second].baseline) == (0.5, 1.5)
    assert [found[job].saved(Baseline.QUEUE) for job in (first, second)] == pytest.approx([16 * 250, 0])


def test_a_wait_that_the_queue_would_have_made_anyway_saves_nothing(world: Any) -> None:
    """All is taken until three; ours was withheld until then. The simple baseline cannot tell."""
    world.forecast(*GRID)
    world.fill(3 * HOUR)
    job = world.submit(HOUR, gpus=16)
    world.live(6 * HOUR)
    world.measured(*GRID)
    world.reconcile(nodes=NODES)
    figure = figures(world)[job]
    assert hours(figure.queue) == (3, 4)
    assert figure.saved(Baseline.QUEUE) == pytest.approx(0)
    assert figure.saved_g > 0


def test_where_nothing_of_ours_was_done_no_run_saves_anything(world: Any) -> None:
    world.forecast(*GRID)
    world.fill(2 * HOUR)
    for _ in range(3):
        world.submit(HOUR, flex=None, gpus=16)
    world.without_us(8 * HOUR)
    world.measured(*GRID)
    world.reconcile(nodes=NODES)
    rows = [row for row in world.rows() if row.figure]
    assert len(rows) == 4
    assert [row.figure.queue for row in rows] == [Interval(row.run.started, row.run.ended) for row in rows]
    assert {row.figure.saved(Baseline.QUEUE) for row in rows} == {0}


def test_a_second_look_half_an_hour_later_moves_nothing(world: Any) -> None:
    one_waits_for_the_clean_hours(world)
    world.reconcile(nodes=NODES)
    before = world.rows()
    world.without_us(2 * HOUR)
    assert world.reconcile(nodes=NODES).figures == 0
    assert world.rows() == before


def test_a_queue_that_is_known_later_adds_a_figure_and_keeps_the_old(world: Any) -> None:
    """The site describes its machines only now."""
    job = one_waits_for_the_clean_hours(world)
    world.reconcile()
    world.without_us(HOUR)
    assert world.reconcile(nodes=NODES).figures == 1
    assert hours(figures(world)[job].queue) == (0, 1)


def test_a_run_that_goes_on_holds_its_place(world: Any) -> None:
    """It has no figure yet, and ours could not have started before it, whoever waited."""
    world.forecast(*GRID)
    world.submit(20 * HOUR, flex=None, gpus=12, time_limit=24 * HOUR)
    job = world.submit(HOUR, gpus=4)
    world.live(6 * HOUR)
    world.measured(*GRID)
    world.reconcile(nodes=NODES)
    assert hours(figures(world)[job].queue) == (0, 1)


def test_a_run_of_days_is_looked_at_when_it_has_ended(world: Any) -> None:
    """Its start lies far behind; of one that began before all that is looked at nothing is said."""
    day = 24 * HOUR
    world.reconcile(nodes=NODES)
    longest = world.submit(17 * day, flex=None, gpus=4, time_limit=20 * day)
    world.without_us(7 * day)
    long = world.submit(9 * day, flex=None, gpus=4, time_limit=20 * day)
    world.without_us(11 * day)
    world.measured(*[100.0] * (18 * 24))
    world.reconcile(nodes=NODES)
    found = figures(world)
    assert hours(found[long].queue) == (7 * 24, 16 * 24)
    assert found[longest].queue is None
