"""A rush: who goes first where not all promises can be kept, and what is left alone then."""

from dataclasses import replace

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from scenes import HOUR, Job, scene

from carbonslurm.core.demand import jobs_of
from carbonslurm.core.line import Jobs
from carbonslurm.core.rush import kept
from carbonslurm.core.scene import Placement, Scene
from carbonslurm.core.timetable import Joint, joint

FLAT = [100.0] * 48
CLEAN_LATER = [500.0] * 8 + [50.0] * 12 + [500.0] * 28


def with_latest(planned: Scene, hours: list[float]) -> Scene:
    """The same, its waiting jobs promised a start in so many hours: below zero it has passed."""
    latest = planned.now + np.array(hours) * HOUR
    return replace(planned, waiting=replace(planned.waiting, latest=latest))


def line(placement: Placement) -> list[int]:
    """The waiting jobs in the order of the queue."""
    assert placement.order is not None
    return np.argsort(placement.order, kind="stable").tolist()


def test_nobody_is_stopped_where_not_all_promises_can_be_kept() -> None:
    """For the clean hours it would be, and for jobs that cannot wait, were there fewer of those."""
    running = [Job(20.0, (10.0,))]
    assert joint(scene(CLEAN_LATER, running=running, room=[1.0]), Joint()).stops
    assert joint(scene(CLEAN_LATER, [Job(0.0, (1.0,))], [Job(20.0, (2.0,))], room=[1.0]), Joint()).stops
    rush = [Job(0.0, (10.0,)) for _ in range(4)]
    assert joint(scene(CLEAN_LATER, rush, running, room=[1.0]), Joint()).stops == ()


def test_in_a_slight_rush_who_may_still_wait_makes_room_for_a_last_chance() -> None:
    """One hour has 10.5 units of work for 10; nobody is stopped for the promises that are broken already."""
    running = [Job(20.0, (10.0,), 5.0), Job(0.0, (10.0,), 5.0)]
    jobs = [Job(0.0, (1.0,), 0.5) for _ in range(11)]
    planned = scene(FLAT, jobs, running, room=[10.0])
    assert [stop.job for stop in joint(with_latest(planned, [0.1, *[-1.0] * 10]), Joint()).stops] == [
        int(planned.running.ids[0])
    ]
    assert joint(with_latest(planned, [-1.0] * 11), Joint()).stops == ()


def test_nobody_waits_for_carbon_in_a_rush() -> None:
    """One that could wait for the clean hours goes into the queue behind those that cannot."""
    jobs = [Job(9.0, (4.0,)), *(Job(0.0, (10.0,)) for _ in range(4))]
    planned = scene(CLEAN_LATER, jobs, room=[1.0])
    placement = joint(planned, Joint(explain=True))
    assert (placement.starts <= planned.now + 1.0).all()
    assert set(placement.reasons) == {"more cannot wait than there is room for"}


def test_a_promise_that_can_be_kept_comes_before_one_that_is_broken() -> None:
    """The second can start as promised now, and not in the next cycle."""
    jobs = [Job(0.0, (20.0,)) for _ in range(3)]
    planned = with_latest(scene(FLAT, jobs, room=[1.0]), [-2.0, 0.1, -1.0])
    placement = joint(planned, Joint())
    assert line(placement) == [1, 0, 2]
    assert (placement.starts <= planned.now).tolist() == [False, True, False]


def test_of_broken_promises_the_small_ones_come_first() -> None:
    """One large job waits for ten small ones, which came an hour after it."""
    jobs = [Job(0.0, (24.0,), 8.0), *(Job(0.0, (1.0,)) for _ in range(10))]
    planned = with_latest(scene(FLAT, jobs, room=[10.0]), [-2.0, *[-1.0] * 10])
    assert line(joint(planned, Joint()))[-1] == 0


def test_a_large_job_does_not_wait_for_ever() -> None:
    """Each hour that it is late counts; after so many it comes before any that is new."""
    jobs = [Job(0.0, (24.0,), 8.0), *(Job(0.0, (1.0,)) for _ in range(10))]
    planned = with_latest(scene(FLAT, jobs, room=[10.0]), [-50 * 24 * 0.8, *[-1.0] * 10])
    assert line(joint(planned, Joint()))[0] == 0


def test_whose_promise_can_be_kept_goes_before_who_is_given_up() -> None:
    """The first cannot start within its hour, whoever waits; the second can, two days and a half later."""
    busy = [Job(0.0, (10.0,), 10.0)]
    jobs = [Job(1.0, (2.0,), 10.0), Job(60.0, (1.0,), 10.0)]
    assert line(joint(scene(FLAT, jobs, busy, room=[10.0]), Joint())) == [1, 0]


def test_who_was_given_up_long_ago_comes_before_a_promise_that_can_be_kept() -> None:
    """Fourteen days, and fifty times as long as they would take of the pool, count as much."""
    busy, jobs = [Job(0.0, (10.0,), 10.0)], [Job(0.0, (2.0,), 10.0), Job(60.0, (1.0,), 10.0)]
    planned = scene(FLAT, jobs, busy, room=[10.0])
    hours = 14 * 24 + 50 * 2 - 50 * 1 - 60
    assert line(joint(with_latest(planned, [1.0 - hours, 60.0]), Joint())) == [1, 0]
    assert line(joint(with_latest(planned, [-1.0 - hours, 60.0]), Joint())) == [0, 1]


def jobs(waiting: list[Job], running: list[Job] | None = None) -> Jobs:
    """The jobs of a pool, in slots of an hour."""
    return jobs_of(scene(FLAT, waiting, running or []), 0, HOUR)


def test_one_large_job_is_given_up_for_many_small_ones() -> None:
    """All could start now as far as each knows; without the large one they do so within their two hours."""
    large, small = Job(1.0, (24.0,), 9.0), [Job(2.0, (4.0,)) for _ in range(10)]
    assert kept(jobs([large, *small]), 10.0, Joint()).tolist() == [False, *[True] * 10]
    assert kept(jobs([large, *small[:1]]), 10.0, Joint()).all()


def test_what_runs_takes_its_room_and_a_broken_promise_takes_none() -> None:
    """Of two units one is held for a day: of two jobs one is given up, and it is not the one that is late."""
    planned = scene(FLAT, [Job(0.0, (5.0,)), Job(0.0, (3.0,)), Job(0.0, (1.0,))], [Job(0.0, (24.0,))])
    columns = jobs_of(with_latest(planned, [0.5, 0.5, -1.0]), 0, HOUR)
    assert kept(columns, 2.0, Joint()).tolist() == [False, True, False, False]


ROWS = st.lists(
    st.builds(
        Job,
        slack=st.floats(0.0, 30.0),
        rests=st.tuples(st.floats(0.1, 60.0), st.floats(0.1, 60.0)),
        units=st.integers(1, 8).map(float),
    ),
    min_size=1,
    max_size=12,
)


@given(ROWS, ROWS)
def test_promises_that_are_to_be_kept_fit_and_none_is_given_up_without_need(
    waiting: list[Job], running: list[Job]
) -> None:
    """Up to each hour what cannot wait of those that stay is within the pool, or what runs alone is not."""
    columns, room, moments = jobs(waiting, running), 10.0, np.arange(1.0, 49.0)[:, None, None]
    cannot_wait = np.clip(moments - columns.slack[:, None], 0.0, columns.rests).mean(axis=2) * columns.units
    stays, runs = kept(columns, room, Joint()), columns.runs == 1
    free = room * moments[:, 0, 0] - cannot_wait[:, runs].sum(axis=1)
    taken = cannot_wait[:, stays].sum(axis=1)
    assert not (stays & runs).any()
    assert ((taken <= free + 1e-6) | (taken <= 1e-6)).all()
    if (cannot_wait[:, ~runs].sum(axis=1) <= free).all():
        assert stays[~runs].all()


def test_without_a_rush_the_queue_keeps_its_order() -> None:
    """Nothing is said about it."""
    placement = joint(scene(FLAT, [Job(4.0, (2.0,))], room=[1.0]), Joint())
    assert placement.order is not None
    assert np.isnan(placement.order).all()


def test_prices_outlive_a_rush() -> None:
    """They are of no use in it, and are searched for anew from there once it is over."""
    calm = [Job(9.0, (4.0,)) for _ in range(8)]
    rush = [Job(0.0, (10.0,)) for _ in range(8)]
    before = joint(scene(CLEAN_LATER, calm, room=[2.0]), Joint()).scarcity
    within = joint(scene(CLEAN_LATER, rush, room=[2.0], now=0.25, scarcity=before), Joint()).scarcity
    after = joint(scene(CLEAN_LATER, calm, room=[2.0], now=0.5, scarcity=within), Joint()).scarcity
    assert before is not None
    assert within is not None
    assert after is not None
    np.testing.assert_array_equal(within.g_per_kwh, before.g_per_kwh)
    assert within.tables == (None,)
    assert after.found_at > within.found_at
