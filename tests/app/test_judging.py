"""Under joint the daemon believes a forecast as far as earlier ones of its source were right."""

import logging
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest

from carbonslurm.app.forecasts import ForecastState, usable_forecasts
from carbonslurm.app.judging import Judging
from carbonslurm.core.choice import ForecastRules
from carbonslurm.core.forecast import Issue, Kind, Nature, Scope, Series
from carbonslurm.core.interval import Interval
from carbonslurm.errors import LedgerError

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
DAYS = 6
SAYS = (400.0, 400.0, 400.0, 60.0, *[400.0] * 20)  # clean at three o'clock


def weather() -> list[float]:
    """What was measured: an hour now and then is clean, at no particular time of the day."""
    draw = np.random.default_rng(3)
    return [float(it) for it in np.where(draw.random(24 * DAYS + 96) < 0.2, 60.0, 400.0)]


def issued(world: Any, values: Sequence[float], hours: float) -> Issue:
    """A forecast as it was published so many hours before noon."""
    moment = NOON - hours * HOUR
    return Issue(world.series(list(values), moment), moment, moment)


def with_a_past(world: Any, *, right: bool = True, upto: int = 0) -> Any:
    """Six days in which a forecast came each three hours: right, or of clean hours that never came."""
    world.with_rules(plan=replace(world.rules.plan, policy="joint"))
    wild, draw = weather(), np.random.default_rng(4)
    came = wild if right else [float(it) for it in draw.uniform(390, 410, len(wild))]
    world.measured(*came[: 24 * DAYS - upto], start=NOON - DAYS * 24 * HOUR)
    starts = range(0, 24 * DAYS, 3)
    world.ledger.keep_issues([issued(world, wild[it : it + 48], 24 * DAYS - it) for it in starts])
    return world


def now_it_says(world: Any, *values: float) -> None:
    world.ledger.keep_issue(issued(world, values, 0))


def planned(world: Any) -> list[tuple[str, str]]:
    job = world.submit(HOUR, flex=12 * HOUR)
    world.cycle()
    return [(str(row.verb), row.reason) for row in world.actions() if row.key.job_id == job]


def test_a_job_waits_by_a_forecast_whose_forerunners_were_right(world: Any) -> None:
    now_it_says(with_a_past(world), *SAYS)
    ((verb, reason),) = planned(world)
    assert verb == "withhold"
    assert reason.endswith("(toy, judged)")


def test_no_job_waits_for_a_clean_hour_by_forecasts_whose_clean_hours_never_came(world: Any) -> None:
    """Taken at its word it would have the job wait for three o'clock: the next test shows that."""
    now_it_says(with_a_past(world, right=False), *SAYS)
    assert not any("60 g/kWh then" in reason for _, reason in planned(world))
    judged = Judging().judged(state_of(world), world.ledger, world.now)
    assert judged.series is not None
    assert judged.series.at(world.now + 3 * HOUR) == pytest.approx(400, abs=40)


def test_without_a_past_a_forecast_is_taken_as_it_is(world: Any) -> None:
    world.with_rules(plan=replace(world.rules.plan, policy="joint"))
    now_it_says(world, *SAYS)
    ((verb, reason),) = planned(world)
    assert verb == "withhold"
    assert reason == "60 g/kWh then, 400 now; there is room then (toy)"


def test_policies_for_single_jobs_take_a_forecast_as_it_is(world: Any) -> None:
    with_a_past(world)
    world.with_rules(plan=replace(world.rules.plan, policy="lowest-window"))
    now_it_says(world, *SAYS)
    ((_, reason),) = planned(world)
    assert reason.endswith("if now (toy)")


def state_of(world: Any) -> ForecastState:
    return usable_forecasts(world.ledger, ["GB"], world.now, ForecastRules())["GB"]


def test_what_is_believed_covers_now_and_has_a_band(world: Any) -> None:
    now_it_says(with_a_past(world), *SAYS)
    judged = Judging().judged(state_of(world), world.ledger, world.now)
    assert judged.judged
    assert judged.series is not None
    assert judged.band is not None
    assert judged.series.at(world.now) == pytest.approx(400, rel=0.1)
    assert judged.series.at(world.now + 3 * HOUR) == pytest.approx(60, abs=30)
    assert len(judged.band.low) == len(judged.series.values)
    assert "believed as far as earlier ones were right" in str(judged)


class Counted:
    """A ledger that counts how often it is asked for earlier forecasts, and fails where it is told to."""

    def __init__(self, ledger: Any) -> None:
        self.ledger, self.asked, self.fails = ledger, 0, False

    def issues(self, zone: str, window: Interval, source: str | None = None) -> Sequence[Issue]:
        self.asked += 1
        if self.fails:
            raise LedgerError("it is locked")
        found: Sequence[Issue] = self.ledger.issues(zone, window, source)
        return found

    def actual(self, zone: str, nature: Nature, window: Interval, source: str | None = None) -> Series | None:
        found: Series | None = self.ledger.actual(zone, nature, window, source)
        return found


def test_the_past_is_read_once_and_each_third_hour_adds_one(world: Any) -> None:
    now_it_says(with_a_past(world), *SAYS)
    book, judging, state = Counted(world.ledger), Judging(), state_of(world)
    for minutes in range(0, 60, 5):
        assert judging.judged(state, book, NOON + minutes * timedelta(minutes=1)).judged
    first = book.asked
    for hours in range(1, 7):
        judging.judged(state, book, NOON + hours * HOUR)
    assert book.asked - first <= 2 * 3  # of noon and three o'clock, each in three windows at most


def test_while_the_ledger_cannot_be_read_a_forecast_is_taken_at_its_word(
    world: Any, caplog: pytest.LogCaptureFixture
) -> None:
    now_it_says(with_a_past(world), *SAYS)
    book, state = Counted(world.ledger), state_of(world)
    book.fails = True
    with caplog.at_level(logging.WARNING):
        assert Judging().judged(state, book, NOON) == state
    assert "taken at its word: it is locked" in caplog.text


def test_measured_values_of_the_day_before_yesterday_judge_nothing(world: Any) -> None:
    now_it_says(with_a_past(world, upto=30), *SAYS)
    assert not Judging().judged(state_of(world), world.ledger, world.now).judged


def test_measured_values_that_come_some_hours_late_judge_as_well(world: Any) -> None:
    now_it_says(with_a_past(world, upto=3), *SAYS)
    judged = Judging().judged(state_of(world), world.ledger, world.now)
    assert judged.series is not None
    assert judged.series.at(world.now + 3 * HOUR) == pytest.approx(60, abs=30)


def test_of_an_unknown_scope_nobody_else_s_values_judge(world: Any) -> None:
    """Its own would; it measures nothing."""
    with_a_past(world)
    state = state_of(world)
    assert state.issue is not None
    unknown = Nature(Kind.AVERAGE, Scope.UNKNOWN)
    series = replace(world.series(list(SAYS), NOON), source="other", nature=unknown)
    other = replace(state, issue=Issue(series, NOON, NOON))
    assert Judging().judged(other, world.ledger, world.now) == other
