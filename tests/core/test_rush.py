"""A rush: who goes first where not all promises can be kept, and what is left alone then."""

from dataclasses import replace

import numpy as np
from scenes import HOUR, Job, scene

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
