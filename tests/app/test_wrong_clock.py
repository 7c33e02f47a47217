"""Our daemon's clock is not slurmctld's: plans are wrong by as much, bounds hold, and no run is missed.

But for a job that waited for others: from when on its wait counts, only our clock says.
"""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from carbonslurm.core.accounted import Accounted

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
MINUTE = timedelta(minutes=1)
WINDOW = 10 * MINUTE
WRONG = (-3 * HOUR, -10 * MINUTE, -3 * MINUTE, 3 * MINUTE, 10 * MINUTE, 3 * HOUR)


def submitted(world: Any, ahead: timedelta) -> dict[int, datetime]:
    """Jobs of every kind that waits -> the latest start of each; it gets cleaner hour by hour."""
    world.forecast(*range(900, 100, -50))
    first = world.submit(30 * MINUTE, flex=None)
    return {
        world.submit(flex=4 * HOUR): NOON + 4 * HOUR,
        world.submit(flex=4 * HOUR, begin=NOON + HOUR): NOON + 5 * HOUR,
        world.submit(flex=4 * HOUR, needs=(first,)): NOON + 4.5 * HOUR + max(ahead, timedelta()),
        world.submit(flex=2 * HOUR, tasks=2): NOON + 2 * HOUR,
    }


@pytest.mark.parametrize("off", WRONG, ids=str)
def test_a_wrong_clock_makes_no_job_late(world: Any, off: timedelta) -> None:
    world.off = off
    jobs = submitted(world, off)
    world.live(12 * HOUR)
    for job, latest in jobs.items():
        assert world.job(job).started <= latest + WINDOW, (job, world.verbs(job))


@pytest.mark.parametrize("off", WRONG, ids=str)
def test_a_clock_that_jumps_makes_no_job_late(world: Any, off: timedelta) -> None:
    jobs = submitted(world, off)
    for jump in (off, timedelta(), off):
        world.off = jump
        world.live(40 * MINUTE)
    world.off = timedelta()
    world.live(10 * HOUR)
    for job, latest in jobs.items():
        assert world.job(job).started <= latest + WINDOW, (job, world.verbs(job))


@pytest.mark.parametrize("off", [*WRONG, timedelta(days=10), timedelta(days=-10)], ids=str)
def test_what_ran_while_the_clock_was_wrong_is_read_once_it_is_right(world: Any, off: timedelta) -> None:
    """Short runs that no reading saw while they ran, and an hour between two readings."""
    world.measured(*[300.0] * 60)
    world.reconcile()
    jobs = []
    for jump in (timedelta(), off, off, timedelta(), timedelta()):
        world.off = jump
        jobs.append(world.submit(5 * MINUTE, flex=None))
        world.without_us(8 * HOUR)
        world.reconcile()
    world.reconcile()
    rows = world.rows()
    assert {row.run.key.job_id for row in rows} == set(jobs)
    assert all(row.figure is not None and row.figure.emitted_g is not None for row in rows)


def test_facts_that_change_after_a_clock_was_ahead_make_a_new_figure(world: Any) -> None:
    world.measured(300.0, 300.0)
    world.reconcile()
    world.submit(flex=None)
    world.without_us(2 * HOUR)
    world.off = timedelta(hours=10)
    world.reconcile()
    assert world.rows()[0].figure.emitted_g == pytest.approx(300)
    world.off = timedelta()

    class Mended:
        def accounted(self, window: Any, now: datetime, _jobs: Any = ()) -> Accounted:
            found = world.owner.accounted(window, now)
            return Accounted(tuple(replace(run, ended=run.started + HOUR / 2) for run in found.runs))

    world.reconcile(Mended())
    assert world.rows()[0].figure.emitted_g == pytest.approx(150)
