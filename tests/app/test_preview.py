"""A job that is about to be submitted: what is foretold is what the planner would do with it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carbonslurm.app.preview import NO_ROOM, NO_ROOM_BEHIND_BEGIN, Basis, Preview, preview
from carbonslurm.core.bound import BoundRules
from carbonslurm.core.forecast import Kind, Nature, Scope, Series, Step
from carbonslurm.core.interval import Interval
from carbonslurm.core.job import Tres
from carbonslurm.core.length import Past, PastRun
from carbonslurm.core.policy_names import NAMES
from carbonslurm.core.power import PowerModel
from carbonslurm.core.situation import PlanRules, Zones
from carbonslurm.core.tag import Declaration

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
RULES = PlanRules(
    zones=Zones("GB"),
    assumed_length=4 * HOUR,
    bound=BoundRules(max_wait=24 * HOUR, margin=timedelta(minutes=5)),
    power=PowerModel(gpu_watts={"a100": 1000}, gpu_utilisation=1, cpu_watts=0, node_watts=0, pue=1),
)
FLEX = Declaration(flex=12 * HOUR)


def series(*values: float) -> Series:
    """One value for each hour from noon on, the last for two more days."""
    hours = [*values, *[values[-1]] * 48]
    steps = [
        Step(Interval(NOON + number * HOUR, NOON + (number + 1) * HOUR), value)
        for number, value in enumerate(hours)
    ]
    return Series.from_steps("GB", "toy", Nature(Kind.AVERAGE, Scope.LIFECYCLE), steps)


CLEAN_AT_THREE = series(300, 300, 300, 100)


def foretold(declared: Declaration = FLEX, **changes: Any) -> Preview:
    given: dict[str, Any] = {
        "limit": HOUR,
        "partition": "",
        "tres": Tres(cpus=1, nodes=1, gpus={"a100": 1}),
        "series": CLEAN_AT_THREE,
        "rules": RULES,
        "now": NOON,
    }
    return preview(declared, **(given | changes))


def test_it_is_planned_for_the_clean_hour() -> None:
    found = foretold()
    assert (found.start, found.bound) == (NOON + 3 * HOUR, NOON + 12 * HOUR)
    assert (found.g_now, found.g_then) == (pytest.approx(300), pytest.approx(100))
    assert (found.mean_now, found.mean_then) == (300, 100)
    assert found.reason == "100 g/kWh over its run, 300 if now (toy)"


def test_it_starts_at_once_where_waiting_does_not_pay() -> None:
    found = foretold(series=series(100, 300))
    assert found.start == NOON
    assert found.reason == "now is the cleanest before its bound: 100 g/kWh (toy)"
    assert found.g_now == found.g_then


def test_a_begin_of_its_own_is_the_earliest_start_and_the_wait_counts_from_it() -> None:
    begin = NOON + 5 * HOUR
    found = foretold(begin=begin, series=series(*[100] * 5, 300, 300, 200))
    assert (found.begin, found.start, found.bound) == (begin, NOON + 7 * HOUR, begin + 12 * HOUR)
    assert (found.mean_now, found.mean_then) == (300, 200)


def test_where_waiting_behind_its_begin_does_not_pay_it_starts_then() -> None:
    begin = NOON + 5 * HOUR
    found = foretold(begin=begin)
    assert (found.start, found.mean_now) == (begin, 100)


def test_a_begin_that_has_passed_is_none() -> None:
    assert foretold(begin=NOON - HOUR) == foretold()


@pytest.mark.parametrize("finish", [NOON - HOUR, NOON, NOON + HOUR])
def test_a_finish_without_room_is_called_so(finish: datetime) -> None:
    found = foretold(Declaration(finish=finish))
    assert (found.start, found.bound, found.reason) == (NOON, NOON, NO_ROOM)


def test_without_room_behind_its_begin_it_starts_then() -> None:
    begin = NOON + 2 * HOUR
    found = foretold(Declaration(finish=NOON + 3 * HOUR), begin=begin)
    assert (found.start, found.bound, found.reason) == (begin, begin, NO_ROOM_BEHIND_BEGIN)


def test_without_a_forecast_it_starts_at_once_and_no_grams_are_made_up() -> None:
    found = foretold(series=None)
    assert (found.start, found.reason) == (NOON, "no usable forecast")
    assert (found.g_now, found.g_then, found.mean_now) == (None, None, None)


def test_the_policy_that_never_waits_says_so() -> None:
    assert foretold(rules=replace(RULES, policy="no-wait")).reason == "the policy never waits"


@pytest.mark.parametrize(
    ("length", "limit", "expected", "basis"),
    [
        (None, HOUR, HOUR, Basis.LIMIT),
        (HOUR, 2 * HOUR, HOUR, Basis.DECLARED),
        (HOUR, None, HOUR, Basis.DECLARED),
        (3 * HOUR, 2 * HOUR, 2 * HOUR, Basis.LIMIT),
        (None, None, 4 * HOUR, Basis.ASSUMED),
    ],
)
def test_a_length_says_where_it_comes_from(
    length: timedelta | None, limit: timedelta | None, expected: timedelta, basis: Basis
) -> None:
    found = foretold(replace(FLEX, length=length), limit=limit)
    assert (found.length, found.basis) == (expected, basis)


offsets = st.integers(-20, 200).map(lambda quarters: NOON + quarters * timedelta(minutes=15))


@given(
    declared=st.builds(
        Declaration, flex=st.none() | st.integers(1, 48).map(lambda n: n * HOUR), finish=st.none() | offsets
    ),
    begin=st.none() | offsets,
    limit=st.none() | st.integers(1, 30).map(lambda n: n * HOUR),
    values=st.none() | st.lists(st.integers(0, 500), min_size=1, max_size=30),
    policy=st.sampled_from(NAMES),
)
def test_no_start_is_before_its_begin_or_behind_its_bound(
    declared: Declaration,
    begin: datetime | None,
    limit: timedelta | None,
    values: list[int] | None,
    policy: str,
) -> None:
    known = None if values is None else series(*values)
    rules = replace(RULES, policy=policy)
    found = foretold(declared, begin=begin, limit=limit, series=known, rules=rules)
    assert max(NOON, begin or NOON) <= found.start <= found.bound


def test_past_runs_say_how_long_it_is_expected_to_run() -> None:
    runs = [PastRun("ada", "science", "gpu", NOON, 1800.0, True, 2 * HOUR, Tres(4, 1, {"a100": 1}))] * 30
    found = foretold(limit=2 * HOUR, past=Past(runs))
    assert (found.length, found.basis) == (HOUR / 2, Basis.PAST)
    declared = foretold(replace(FLEX, length=HOUR), limit=2 * HOUR, past=Past(runs))
    assert (declared.length, declared.basis) == (HOUR, Basis.DECLARED)
    assert foretold(limit=2 * HOUR, past=Past([])).basis is Basis.LIMIT


def test_under_joint_it_is_shown_when_it_would_start_alone() -> None:
    alone = foretold(rules=replace(RULES, policy="lowest-window"))
    assert foretold(rules=replace(RULES, policy="joint")) == alone
