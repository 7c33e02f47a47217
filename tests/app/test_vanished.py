"""Runs whose end slurmdbd hears of so late that no reading reaches back to it: they do not run for ever."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from carbonslurm.app.vanished import AT_ONCE, Vanished
from carbonslurm.core.accounted import Accounted, SetAside
from carbonslurm.core.interval import Interval
from carbonslurm.core.job import AccountedRun, RunKey

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)


@dataclass
class Cut:
    """A sacct that was not told of the first job's end, and for a while does not hear of it."""

    world: Any
    cut: bool = True
    runaway: bool = False
    asked: list[tuple[int, ...]] = field(default_factory=list)

    def accounted(self, window: Interval, now: datetime, jobs: Sequence[int] = ()) -> Accounted:
        if jobs:
            self.asked.append(tuple(jobs))
        if not self.cut:
            found: Accounted = self.world.owner.accounted(window, now, jobs)
            return found
        first, *others = self.world.owner.accounted(Interval(NOON - DAY, now), now).runs
        if not self.runaway:
            return Accounted((running(first), *others))
        key = first.key
        row = SetAside(key.cluster, str(key.job_id), key.submitted, "a runaway job", "row")
        return Accounted(tuple(others), 0, (row,))


def running(run: AccountedRun) -> AccountedRun:
    return replace(run, ended=None, state="RUNNING")


@pytest.fixture
def sacct(world: Any) -> Cut:
    world.measured(300.0, 300.0)
    world.submit(flex=None)
    world.without_us(HOUR / 2)
    return Cut(world)


@pytest.mark.parametrize("runaway", [False, True], ids=["runs", "set aside"])
def test_an_end_a_day_old_is_asked_for_and_counts(world: Any, sacct: Cut, runaway: bool) -> None:
    """The end lies before all that the reading reaches back for."""
    sacct.runaway = runaway
    for _ in range(5):
        world.reconcile(sacct)
        world.submit(HOUR / 4, flex=None)
        world.without_us(8 * HOUR)
    assert sacct.asked == []
    sacct.cut = False
    world.reconcile(sacct)
    row = world.rows()[0]
    assert sacct.asked == [(row.run.key.job_id,)]
    assert row.run.ended == NOON + HOUR
    assert row.figure.emitted_g == pytest.approx(300)
    assert list(world.ledger.aside()) == []


def test_what_slurmdbd_has_purged_is_asked_for_once_by_each_daemon(world: Any, sacct: Cut) -> None:
    world.reconcile(sacct)

    class Purged(Cut):
        def accounted(self, window: Interval, now: datetime, jobs: Sequence[int] = ()) -> Accounted:
            super().accounted(window, now, jobs)
            return Accounted()

    purged = Purged(world)
    for _ in range(3):
        world.reconcile(purged)
    assert len(purged.asked) == 1
    world.restart()
    world.reconcile(purged)
    assert len(purged.asked) == 2
    assert world.rows()[0].run.ended is None


def test_many_are_asked_for_some_at_once_and_again_where_an_answer_did_not_come() -> None:
    keys = [RunKey("green", number, NOON) for number in range(AT_ONCE + 1)]
    vanished = Vanished()
    next(iter(vanished.among(keys, Accounted())))  # asked, and no answer came
    assert [len(batch) for batch in vanished.among(keys, Accounted())] == [AT_ONCE, 1]
    assert list(vanished.among(keys, Accounted())) == []
