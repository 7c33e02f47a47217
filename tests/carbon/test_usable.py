"""What planning reads: the forecast that counts, moved to where the measurement ended."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from carbonslurm.app.forecasts import ForecastState, usable_forecasts
from carbonslurm.core.choice import OWN, ForecastRules
from carbonslurm.core.forecast import Issue, Kind, Nature, Scope, Series, Step
from carbonslurm.core.interval import Interval
from carbonslurm.ledger.writing import Ledger

DIRECT = Nature(Kind.AVERAGE, Scope.DIRECT)
LIFECYCLE = Nature(Kind.AVERAGE, Scope.LIFECYCLE)
HOUR = timedelta(hours=1)


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    with Ledger.open(tmp_path / "ledger.db") as opened:
        yield opened


def series(source: str, start: datetime, hours: int, value: float, nature: Nature = DIRECT) -> Series:
    steps = [Step(Interval(start + n * HOUR, start + (n + 1) * HOUR), value) for n in range(hours)]
    return Series.from_steps("GB", source, nature, steps)


def publish(ledger: Ledger, source: str, at: datetime, nature: Nature = DIRECT) -> None:
    ledger.keep_issue(Issue(series(source, at, 48, 100, nature), None, at))


def state(ledger: Ledger, now: datetime, *order: str) -> ForecastState:
    return usable_forecasts(ledger, ["GB"], now, ForecastRules(order={"GB": order}))["GB"]


def first(found: ForecastState) -> float:
    assert found.series is not None
    return float(found.series.values[0])


def test_a_forecast_begins_where_the_measurement_ended_and_stays_as_issued(
    ledger: Ledger, now: datetime
) -> None:
    publish(ledger, "a", now)
    ledger.keep_actual(series("a", now - 3 * HOUR, 3, 160), now)
    found = state(ledger, now, "a")
    assert found.series is not None
    assert found.series.values[0] == pytest.approx(160)
    assert found.series.values[-1] == pytest.approx(100, abs=0.1)
    assert all(
        earlier >= later for earlier, later in zip(found.series.values, found.series.values[1:], strict=False)
    )
    stored = ledger.newest_issue("GB")
    assert stored is not None
    assert set(stored.series.values.tolist()) == {100.0}


def test_what_was_measured_in_another_nature_or_long_ago_moves_nothing(ledger: Ledger, now: datetime) -> None:
    publish(ledger, "a", now)
    ledger.keep_actual(series("a", now - 3 * HOUR, 3, 160, LIFECYCLE), now)
    ledger.keep_actual(series("a", now - 24 * HOUR, 3, 160), now)
    assert first(state(ledger, now, "a")) == 100


@pytest.mark.parametrize("nature", [DIRECT, Nature(Kind.AVERAGE, Scope.UNKNOWN)])
def test_what_another_source_measured_moves_nothing(ledger: Ledger, now: datetime, nature: Nature) -> None:
    """Two models of one grid have two levels: the joint would be a step, and be taken for news."""
    publish(ledger, "a", now, nature)
    ledger.keep_actual(series("b", now - 3 * HOUR, 3, 60, nature), now)
    assert first(state(ledger, now, "a", "b")) == 100
    ledger.keep_actual(series("a", now - 3 * HOUR, 3, 160, nature), now - HOUR)
    ledger.keep_actual(series("b", now - 3 * HOUR, 3, 61, nature), now)
    assert first(state(ledger, now, "a", "b")) == pytest.approx(160)


def test_our_own_is_taken_as_it_is(ledger: Ledger, now: datetime) -> None:
    publish(ledger, OWN, now)
    ledger.keep_actual(series("a", now - 3 * HOUR, 3, 160), now)
    assert first(state(ledger, now, "a", OWN)) == 100


def test_a_state_says_whose_forecast_it_is_and_why_not_anothers(ledger: Ledger, now: datetime) -> None:
    assert str(state(ledger, now, "a", "b")) == "zone GB: no forecast yet"
    publish(ledger, "b", now - HOUR)
    assert str(state(ledger, now, "a", "b")) == (
        "zone GB: forecast of b, 60 min old, average, direct; not of a: no forecast yet"
    )
    assert "forecast of b, 5 h old" in str(state(ledger, now + 4 * HOUR, "b"))
    late = state(ledger, now + 12 * HOUR, "b")
    assert (late.series, late.source) == (None, None)
    assert str(late).startswith("zone GB: b: the forecast is stale")


def test_a_forecast_from_the_future_does_not_shut_its_source_out(ledger: Ledger, now: datetime) -> None:
    """It was made by a clock that was wrong, a provider's or ours; the next one counts again."""
    publish(ledger, "a", now + 400 * 24 * HOUR)
    assert "from the future" in str(state(ledger, now, "a"))
    publish(ledger, "a", now)
    assert state(ledger, now, "a").source == "a"
