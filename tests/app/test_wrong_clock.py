"""Our daemon's clock is not slurmctld's: plans are wrong by as much, and bounds hold.

But for a job that waited for others: from when on its wait counts, only our clock says.
"""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

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
