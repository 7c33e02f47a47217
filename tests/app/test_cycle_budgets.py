"""Stories of budgets: a job that said nothing waits only while one is used up, and never past its bound."""

from datetime import UTC, datetime, timedelta
from typing import Any

from carbonslurm.core.allowance import Allowance, AtEnd, OwnerKind, Standing
from carbonslurm.core.tag import FlexibleBy

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
MINUTE = timedelta(minutes=1)
DIRTY_UNTIL_THREE = (300.0, 300.0, 300.0, 50.0)


def used_up(world: Any, job: int, at_end: AtEnd = AtEnd.FLEXIBLE, used: float = 100.0) -> list[Standing]:
    (queued,) = [it for it in world.owner.snapshot().jobs if it.key.job_id == job]
    return [Standing(Allowance(OwnerKind.USER, queued.user, 100.0, at_end), "2026-11", used)]


def test_within_its_budget_it_starts_when_its_window_ends(world: Any) -> None:
    world.forecast(*DIRTY_UNTIL_THREE)
    job = world.submit(by=FlexibleBy.BUDGET)
    world.budgets = used_up(world, job, used=99.0)
    world.live(HOUR)
    assert world.job(job).started <= NOON + 10 * MINUTE
    assert "withhold" not in world.verbs()


def test_with_its_budget_used_up_it_waits_for_the_clean_hour(world: Any) -> None:
    world.forecast(*DIRTY_UNTIL_THREE)
    job = world.submit(by=FlexibleBy.BUDGET)
    world.budgets = used_up(world, job)
    world.live(4 * HOUR)
    assert world.job(job).started == NOON + 3 * HOUR
    assert world.actions()[0].reason.endswith("is used up")


def test_a_new_month_lets_it_go(world: Any) -> None:
    world.forecast(*DIRTY_UNTIL_THREE)
    job = world.submit(by=FlexibleBy.BUDGET)
    world.budgets = used_up(world, job)
    world.live(HOUR)
    assert world.job(job).started is None
    world.budgets = used_up(world, job, used=0.0)
    world.live(HOUR)
    assert NOON + HOUR <= world.job(job).started <= NOON + HOUR + 10 * MINUTE


def test_at_its_bound_it_starts_however_much_was_used(world: Any) -> None:
    world.forecast(*[300.0] * 5, 50.0)
    job = world.submit(flex=2 * HOUR, by=FlexibleBy.BUDGET)
    world.budgets = used_up(world, job, AtEnd.GREEN, used=1e9)
    world.live(3 * HOUR)
    assert world.job(job).started <= NOON + 2 * HOUR
