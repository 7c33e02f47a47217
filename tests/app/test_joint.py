"""Stories of many jobs and one pool: the daemon places them together."""

import logging
import re
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from carbonslurm.app.pacing import Pace
from carbonslurm.app.room import Room
from carbonslurm.core.budget import CAPACITY
from carbonslurm.core.capacity import Node
from carbonslurm.core.placing import NO_ROOM_KNOWN
from carbonslurm.sim.job import OnSignal

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
MINUTE = timedelta(minutes=1)
DAY = (400, 400, 400, 60, 300, 300, 80, 90, 300, 100, 350)  # clean at three, then at six, seven and nine


def at(hours: float) -> datetime:
    return NOON + hours * HOUR


def under(world: Any, policy: str = "joint") -> Any:
    world.with_rules(plan=replace(world.rules.plan, policy=policy), learn=policy == "joint")
    return world


@pytest.fixture
def placed(world: Any) -> Any:
    """A world that places all jobs together."""
    return under(world)


# --- the herd

RISING = (400, 390, 300, 200, 150, 60, 400)  # the cleanest hour is the last before the bound


def live(world: Any, length: timedelta, every: timedelta = 20 * MINUTE) -> None:
    """Let time pass with a cycle now and then: the stories of many jobs are long."""
    world.with_rules(plan=replace(world.rules.plan, lead=every))
    for _ in range(length // every):
        world.cycle()
        world.step(every)


def live_with_a_herd(world: Any) -> Counter[int]:
    """Fifty jobs of an hour and one GPU come at noon, for sixteen GPUs; in which hours they have started."""
    world.forecast(*RISING)
    jobs = [world.submit(HOUR, flex=6 * HOUR) for _ in range(50)]
    live(world, 9 * HOUR)
    assert all(world.job(job).finished == 1 for job in jobs)
    late = sum(world.job(job).started > at(6) for job in jobs)
    assert late == (18 if world.rules.plan.policy == "lowest-window" else 0)
    return Counter(int((world.job(job).started - NOON) / HOUR) for job in jobs)


def test_a_herd_that_would_meet_in_one_hour_is_spread_and_all_start_by_their_bounds(new_world: Any) -> None:
    """Each for itself, all fifty wait for five o'clock, and eighteen are late."""
    alone = live_with_a_herd(under(new_world(), "lowest-window"))
    together = live_with_a_herd(under(new_world()))
    assert alone == {5: 16, 6: 16, 7: 16, 8: 2}
    assert together == {3: 16, 4: 16, 5: 16, 6: 2}


def test_a_herd_that_runs_when_it_turns_dirty_is_stopped_once_and_goes_on_in_the_clean_hours(
    placed: Any,
) -> None:
    """Eight jobs fill the pool; what comes after is not worth a second stop."""
    placed.forecast(100)
    kind = {"grace": MINUTE, "gpus": 2, "on_signal": OnSignal.SAVE}
    jobs = [placed.submit(5 * HOUR, flex=12 * HOUR, time_limit=9 * HOUR, **kind) for _ in range(8)]
    live(placed, HOUR)
    placed.forecast(*[600] * 4, *[50] * 3, 60, 50, 60, 50)
    live(placed, 12 * HOUR)
    stops = Counter(row.key.job_id for row in placed.actions() if str(row.verb) == "stop")
    assert stops == Counter(jobs)
    assert {world_job.restarts for world_job in map(placed.job, jobs)} == {1}
    assert {placed.job(job).finished for job in jobs} == {1}
    assert all(at(5) <= placed.job(job).started <= at(12) for job in jobs)


# --- the room


def test_a_plan_that_stands_costs_no_further_call(placed: Any) -> None:
    placed.forecast(*DAY)
    for _ in range(20):
        placed.submit(HOUR)
    reports = placed.live(2 * HOUR)
    assert reports[0].actions == 20
    assert sum(report.actions for report in reports[1:]) <= 4


def test_the_reason_says_how_clean_it_is_then_and_whether_there_is_room(placed: Any) -> None:
    placed.forecast(*DAY)
    for _ in range(20):
        placed.submit(HOUR)
    placed.cycle()
    words = "there is room|room is scarce"
    reasons = [row.reason for row in placed.actions()]
    assert len(reasons) == 20
    assert all(re.fullmatch(rf"[0-9]+ g/kWh then, 400 now; ({words}) then \(toy\)", it) for it in reasons)


def test_while_sinfo_cannot_be_read_the_room_is_as_last_heard_and_after_an_hour_unknown(
    placed: Any, caplog: pytest.LogCaptureFixture
) -> None:
    placed.forecast(*DAY)
    placed.submit(HOUR)
    placed.live(10 * MINUTE)
    placed.owner.sinfo_fails = True
    with caplog.at_level(logging.WARNING):
        placed.live(30 * MINUTE)
    assert "the room on the nodes is as last heard: sinfo: a row has 3 fields instead of 6" in caplog.text
    second = placed.submit(HOUR)
    placed.live(10 * MINUTE)
    placed.live(HOUR)
    third = placed.submit(HOUR)
    placed.live(10 * MINUTE)
    reasons = {row.key.job_id: row.reason for row in placed.actions()}
    assert NO_ROOM_KNOWN not in reasons[second]
    assert NO_ROOM_KNOWN in reasons[third]


def test_the_room_is_asked_every_five_minutes_and_its_calls_are_counted() -> None:
    asked: list[datetime] = []
    room, pace, nodes = Room(), Pace(), [Node("n1", frozenset({"gpu"}), 4, {"a100": 1})]
    for minute in range(12):
        now = NOON + minute * MINUTE

        def ask(now: datetime = now) -> list[Node]:
            asked.append(now)
            return nodes

        pace.begin()
        assert room.recent(ask, pace, now) == nodes
        assert pace.other_reads == (CAPACITY if minute % 5 == 0 else 0)
    assert asked == [NOON, NOON + 5 * MINUTE, NOON + 10 * MINUTE]


def test_a_daemon_that_starts_anew_plans_as_the_one_before(placed: Any) -> None:
    placed.forecast(*DAY)
    for _ in range(20):
        placed.submit(HOUR)
    placed.live(20 * MINUTE)
    before = len(placed.actions())
    placed.restart()
    placed.live(20 * MINUTE)
    assert len(placed.actions()) <= before + 1


def test_where_only_joint_asks_for_the_room_others_do_not(world: Any) -> None:
    world.owner.sinfo_fails = True
    world.forecast(*DAY)
    world.submit()
    world.cycle()
    assert world.memory.room.asked is None
    assert world.memory.learning.read is None


# --- past runs


def test_lengths_are_learned_from_the_ledger(placed: Any) -> None:
    """The owner's limits say ten hours, his runs last one: after twenty of them that is known."""
    placed.forecast(*[300.0] * 6, 50, 300, 300)
    for _ in range(20):
        placed.submit(HOUR, flex=None, time_limit=10 * HOUR, gpus=1)
    placed.live(4 * HOUR)
    placed.reconcile()
    placed.restart()
    job = placed.submit(HOUR, time_limit=10 * HOUR, flex=6 * HOUR)
    placed.cycle()
    past = placed.memory.learning.past
    assert past is not None
    assert len(past.runs) == 20
    row = next(row for row in placed.actions() if row.key.job_id == job)
    assert row.until == at(6)


# --- whatever comes

WISHES = st.lists(
    st.tuples(
        st.integers(0, 5),  # hours after noon
        st.integers(1, 16),  # GPUs
        st.integers(1, 5),  # hours
        st.none() | st.integers(1, 9),  # flexible for so many
        st.booleans(),  # can be stopped
    ),
    min_size=1,
    max_size=8,
)


@settings(
    max_examples=6,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(WISHES, st.lists(st.integers(20, 600), min_size=20, max_size=30), st.integers(0, 5))
def test_whatever_comes_nothing_of_ours_waits_past_its_bound_or_runs_twice(
    new_world: Any, wishes: list[Any], values: list[int], dies: int
) -> None:
    world = under(new_world())
    world.forecast(*values)
    bounds: dict[int, datetime] = {}
    for hour in range(9):
        for _, gpus, length, flex, stops in [wish for wish in wishes if wish[0] == hour]:
            waits = None if flex is None else flex * HOUR
            grace = MINUTE if stops and waits else None
            job = world.submit(length * HOUR, flex=waits, grace=grace, gpus=gpus)
            bounds[job] = world.now + (waits or timedelta())
        if hour == dies:
            world.restart()
        live(world, HOUR)
        for job, bound in bounds.items():
            begin = world.job(job).begin
            assert begin is None or begin <= max(bound + 10 * MINUTE, world.job(job).submitted + 10 * MINUTE)
    world.without_us(60 * HOUR)
    for job in bounds:
        assert world.job(job).word in {"COMPLETED", "TIMEOUT"}
        assert world.job(job).restarts <= world.rules.plan.stop.max_stops
