"""What two nodes of eight GPUs emitted and saved, and what they took while they idled.

A job here takes 1 kW on each of its GPUs, so a whole node takes 8 kW; an idle one takes 2 kW.
"""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from carbonslurm.app.cluster_totals import Group, GroupTotals, cluster_totals
from carbonslurm.core.footprint import Baseline
from carbonslurm.core.idle import Nodes
from carbonslurm.core.interval import Interval

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
GRID = (300.0, 300.0, 300.0, 50.0, 50.0, 50.0, 50.0, 50.0)


def totals(world: Any, first: float, last: float, idle: float | None = 2000.0) -> GroupTotals:
    group = Group(("gpu",), Nodes(2, 32, 8), "GB", 8000.0, idle, lambda _: 1.0)
    other = Group(("cpu",), Nodes(1, 16), "GB", 8000.0, idle, lambda _: 1.0)
    window = Interval(NOON + first * HOUR, NOON + last * HOUR)
    found, nothing = cluster_totals(world.ledger, "toy", [group, other], window)
    assert (nothing.runs, nothing.nature, nothing.counted) == (0, None, ())
    return found


def half_of_it_waits(world: Any) -> None:
    """Eight GPUs for an hour, withheld from noon to three; and four of another's at noon."""
    world.forecast(*GRID)
    world.submit(HOUR, gpus=8)
    world.submit(HOUR, flex=None, gpus=4)
    world.live(7 * HOUR)
    world.measured(*GRID)


def test_sums_against_both_baselines(world: Any) -> None:
    half_of_it_waits(world)
    world.reconcile(nodes=4)
    found = totals(world, 0, 4)
    assert (found.runs, found.nature) == (2, "average, lifecycle")
    simple, queue = found.counted
    assert (simple.baseline, queue.baseline) == (Baseline.SIMPLE, Baseline.QUEUE)
    assert (simple.runs, queue.runs) == (2, 2)
    assert simple.emitted_g == pytest.approx(8 * 50 + 4 * 300)
    assert simple.saved_g == queue.saved_g == pytest.approx(8 * 250)


def test_without_a_queue_baseline_its_sum_has_no_runs(world: Any) -> None:
    half_of_it_waits(world)
    world.reconcile()
    simple, queue = totals(world, 0, 4).counted
    assert (simple.runs, queue.runs, queue.saved_percent) == (2, 0, None)


def test_idle_nodes_are_counted_hour_by_hour(world: Any) -> None:
    """Held: half a node from noon to one, a whole one from three to four; of 8 node-hours 6.5 idled."""
    half_of_it_waits(world)
    world.reconcile()
    found = totals(world, 0, 4)
    assert (found.utilisation, found.idle_node_hours) == (1.5 / 8, 6.5)
    assert found.idle_kwh == pytest.approx(13)
    assert found.idle_g == pytest.approx(3 * 300 + 4 * 300 + 4 * 300 + 2 * 50)


def test_idle_power_takes_its_share_of_the_saving(world: Any) -> None:
    half_of_it_waits(world)
    world.reconcile()
    found = totals(world, 0, 4)
    simple = found.counted[0]
    assert simple.saved_percent == pytest.approx(100 * 2000 / 3600)
    follows = 3 / 16 * 0.75
    assert found.cluster_percent(simple) == pytest.approx(100 * 2000 / 3600 * follows / (0.25 + follows))


def test_without_idle_watts_nothing_is_claimed_of_idle_nodes(world: Any) -> None:
    half_of_it_waits(world)
    world.reconcile()
    found = totals(world, 0, 4, idle=None)
    assert (found.idle_kwh, found.idle_g, found.share, found.cluster_percent(found.counted[0])) == (None,) * 4


def test_a_run_that_began_before_the_window_holds_nodes_and_is_in_no_sum(world: Any) -> None:
    half_of_it_waits(world)
    world.submit(20 * HOUR, flex=None, gpus=4, time_limit=20 * HOUR)
    world.without_us(2 * HOUR)
    world.reconcile()
    found = totals(world, 8, 9)
    assert (found.runs, found.counted, found.utilisation) == (0, (), 1 / 4)


def test_grams_of_several_natures_are_not_added(world: Any, marginal: Any) -> None:
    world.measured(*GRID)
    world.ledger.keep_actual(marginal(world, [700.0] * 4, NOON + 8 * HOUR), world.now)
    for _ in range(2):
        world.submit(HOUR, flex=None)
        world.without_us(9 * HOUR)
    world.reconcile()
    found = totals(world, 0, 12)
    assert (found.runs, found.nature, found.counted) == (2, None, ())


def test_a_long_window_is_the_sum_of_its_pieces(world: Any) -> None:
    """The seam, 30 days after the start, lies in the middle of the run that waited, at half past three."""
    half_of_it_waits(world)
    world.reconcile(nodes=4)
    hours = 30 * 24 + 0.5
    long, short = totals(world, 4 - hours, 4), totals(world, 0, 4)
    assert (long.runs, long.nature, long.counted) == (2, short.nature, short.counted)
    assert long.idle_node_hours == pytest.approx(2 * hours - 1.5)
    assert long.utilisation == pytest.approx(1.5 / (2 * hours))
    assert long.idle_kwh == pytest.approx(2.0 * long.idle_node_hours)
    assert long.idle_g is None  # nobody knows the intensity of all these days
