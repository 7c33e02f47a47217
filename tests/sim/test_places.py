"""Several zones: place and time together, by hand and as what must hold for every trace."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from traces import HOUR, J, hourly, most_busy, setting_of, starts_h

from carbonslurm.core.places import Transfer
from carbonslurm.errors import DataError
from carbonslurm.sim.cluster_file import read_cluster
from carbonslurm.sim.comparison import Places, Run, Setting, Zone, run
from carbonslurm.sim.figures import moved, moving_grams
from carbonslurm.sim.foresight import Perfect
from carbonslurm.sim.setting import choices_on_cluster, on_cluster

HOME = [300, 300, 200, 200, *[400] * 300]
THERE = [100, 100, 250, 250, *[400] * 300]


def two_zones(
    work: Sequence[J],
    home: Sequence[float],
    there: Sequence[float],
    transfer: Transfer,
    *,
    data_gb: float = 10.0,
    units: float = float("inf"),
    wait_h: float = 24,
    may: bool = True,
) -> Setting:
    """Jobs that are at home in the first of two zones, at 1 kW a unit."""
    made = setting_of(work, hourly(home), units=units, wait_h=wait_h)
    truth = replace(hourly(there), zone="NORTH")
    choices = np.array([[True, may]] * len(work))
    return replace(
        made,
        pool_units=[units, units],
        zone_of=[0, 1],
        others=[Zone("NORTH", truth, Perfect(truth))],
        places=Places(choices, np.full(len(work), data_gb), transfer),
    )


def anywhere(setting: Setting) -> Run:
    return run(setting, "anywhere", lambda: 0.0, lambda _: None)


@pytest.mark.parametrize(
    ("gigabytes", "transfer", "place", "start", "grams"),
    [
        (0, Transfer(), 1, 0, 200),  # nothing to move
        (5, Transfer(g_per_gb=20), 1, 0, 300),  # 200 g of work there and 100 g of moving
        (10, Transfer(g_per_gb=20), 0, 2, 400),  # 400 g either way: it stays
        (11, Transfer(g_per_gb=20), 0, 2, 400),
        (9, Transfer(kwh_per_gb=0.1), 1, 0, 380),  # 0.9 kWh at 200 g, the mean of 300 and 100
    ],
)
def test_a_job_of_two_hours_by_hand(
    gigabytes: float, transfer: Transfer, place: int, start: float, grams: float
) -> None:
    """At home the best are hours 2 and 3, with 2 kWh at 200 g; there it is clean at once."""
    setting = two_zones([J(0, 2)], HOME, THERE, transfer, data_gb=gigabytes)
    done = anywhere(setting)
    assert (done.outcome.pool.tolist(), starts_h(done)) == ([place], [start])
    assert done.row.carbon_kg == pytest.approx(grams / 1000)
    assert moving_grams(setting, done.outcome).sum() == pytest.approx(grams - 200 if place else 0)


def test_a_job_that_may_not_choose_stays() -> None:
    done = anywhere(two_zones([J(0, 2)], HOME, THERE, Transfer(), may=False))
    assert (done.outcome.pool.tolist(), starts_h(done)) == ([0], [2])


def test_policies_that_choose_no_place_live_in_each_zone_for_itself() -> None:
    """One at home, one in the north, each at its own zone's cleanest hours."""
    setting = replace(two_zones([J(0, 2), J(0, 2)], HOME, THERE, Transfer()), pool_of=[0, 1])
    done = run(setting, "lowest-window", lambda: 0.0, lambda _: None)
    assert (done.outcome.pool.tolist(), starts_h(done)) == ([0, 1], [2, 0])
    assert done.row.carbon_kg == pytest.approx(0.6)
    assert not moved(setting, done.outcome).any()


jobs = st.lists(
    st.builds(
        J,
        at=st.integers(0, 30).map(lambda quarter: quarter / 4),
        length=st.integers(1, 40).map(lambda tenth: tenth / 10),
        units=st.integers(1, 4).map(float),
    ),
    min_size=1,
    max_size=4,
)
intensity = st.lists(st.integers(1, 500), min_size=30, max_size=40).map(
    lambda values: [float(value) for value in np.resize(values, 24 * 4)]
)
some = settings(deadline=None, max_examples=12)


@some
@given(work=jobs, values=intensity, grams=st.floats(0.001, 50), kwh=st.sampled_from([0.0, 0.1]))
def test_between_equal_zones_nothing_moves(
    work: list[J], values: list[float], grams: float, kwh: float
) -> None:
    setting = two_zones(work, values, values, Transfer(grams, kwh), wait_h=5)
    assert not moved(setting, anywhere(setting).outcome).any()


@some
@given(work=jobs, home=intensity, there=intensity, grams=st.sampled_from([0.0, 1.0, 30.0]))
def test_two_zones_are_never_worse_than_the_better_of_staying(
    work: list[J], home: list[float], there: list[float], grams: float
) -> None:
    """Where there is room, under a perfect forecast, true lengths; free of cost than either zone alone."""
    setting = two_zones(work, home, there, Transfer(g_per_gb=grams), wait_h=5)
    best = anywhere(setting).row.carbon_kg
    stays = anywhere(two_zones(work, home, there, Transfer(), wait_h=5, may=False)).row.carbon_kg
    assert best is not None
    assert stays is not None
    assert best <= stays * (1 + 1e-6)
    if not grams:
        swapped = anywhere(two_zones(work, there, home, Transfer(), wait_h=5, may=False)).row.carbon_kg
        assert swapped is not None
        assert best <= swapped * (1 + 1e-6)


@some
@given(work=jobs, home=intensity, there=intensity, units=st.integers(4, 6))
def test_no_zone_has_more_busy_than_it_has_and_all_work_is_done(
    work: list[J], home: list[float], there: list[float], units: int
) -> None:
    setting = two_zones(work, home, there, Transfer(), units=units, wait_h=5)
    done = anywhere(setting)
    held = setting.trace.units.tolist()
    for pool in (0, 1):
        here = {job: units if done.outcome.pool[job] == pool else 0.0 for job, units in enumerate(held)}
        assert most_busy(done, here) <= units
    lasted = np.bincount(done.outcome.run_job, done.outcome.run_end - done.outcome.run_start)
    np.testing.assert_allclose(lasted, setting.trace.length, atol=1e-3)


CLUSTER = """\
partitions:
  batch: {nodes: 2, cpus: 8}
  north: {nodes: 1, cpus: 4, zone: NORTH}
  gpu: {nodes: 1, cpus: 8, gpus: 4}
together: [[batch, north]]
default: batch
"""


def test_jobs_choose_among_partitions_that_are_named_together_and_hold_them() -> None:
    shape = read_cluster(CLUSTER, "c.yaml")
    assert shape.zones == {"north": "NORTH"}
    made = setting_of([J(0, 1, 4), J(0, 1, 8), J(0, 1, 2)], hourly(HOME))
    named = [
        replace(job, partition=name)
        for job, name in zip(made.trace.jobs, ("batch", "batch", "gpu"), strict=True)
    ]
    trace, pool_of = on_cluster(replace(made.trace, jobs=tuple(named)), shape)
    assert pool_of == [0, 0, 2]
    assert choices_on_cluster(trace, shape, pool_of).tolist() == [
        [True, True, False],
        [True, False, False],
        [False, False, True],
    ]
    with pytest.raises(DataError, match=r"c\.yaml:1: together: no partition south"):
        read_cluster(CLUSTER.replace("[batch, north]", "[batch, south]"), "c.yaml")


def test_moving_costs_by_the_start() -> None:
    """Half a kWh a GB: at hour 0 at the mean of 300 and 100, at hour 2 at that of 200 and 250."""
    home, there = hourly(HOME), hourly(THERE)
    starts = home.edges[:1] + np.array([0, 2 * HOUR])
    assert Transfer(1.0, 0.5).grams(2.0, home, there, starts).tolist() == [202.0, 227.0]
