"""doctor: what it says of sources and forecasts."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest

from carbonslurm.app.doctor import look_at_forecast, look_at_room, look_at_source
from carbonslurm.app.forecasts import ForecastState
from carbonslurm.core.forecast import Issue, Kind, Nature, Scope, Series, Step
from carbonslurm.core.interval import Interval
from carbonslurm.core.rest import Asked, Terms
from carbonslurm.errors import UnavailableError
from carbonslurm.ports import CarbonAnswer
from carbonslurm.sim.cluster import SimulatedCluster

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
NATURE = Nature(Kind.AVERAGE, Scope.DIRECT)
SERIES = Series.from_steps("GB", "a", NATURE, [Step(Interval(NOON, NOON + 24 * HOUR), 100)])
TERMS = Terms(every=HOUR)


@dataclass
class Source:
    """A source that is well; it counts who asks."""

    name: str = "a"
    zone: str = "GB"
    question: str = "forecast"
    terms: Terms = TERMS
    asked: list[datetime] = field(default_factory=list)

    def fetch(self, now: datetime) -> CarbonAnswer:
        self.asked.append(now)
        return CarbonAnswer(forecast=Issue(SERIES, None, now))


def test_a_source_that_is_left_alone_is_not_asked_and_its_last_words_are_told() -> None:
    source = Source()
    remembered = Asked(NOON - HOUR, failures=3, left_until=NOON + HOUR, reason="HTTP 429")
    with pytest.raises(UnavailableError) as caught:
        look_at_source(source, lambda: NOON, lambda: remembered)
    assert str(caught.value) == "a: left alone until 2026-11-22T13:00:00Z, after 3 failures: HTTP 429"
    assert source.asked == []


def test_a_source_that_only_rests_is_asked() -> None:
    remembered = Asked(NOON, answered_at=NOON, left_until=NOON + HOUR)
    for asked in (remembered, Asked(NOON - HOUR, failures=1, left_until=NOON, reason="away")):
        found = look_at_source(Source(), lambda: NOON, lambda memory=asked: memory)
        assert found == "a: average, direct, forecast to 2026-11-23T12:00:00Z"


def test_whose_forecast_counts_is_told_or_why_none_does() -> None:
    state = ForecastState("GB", SERIES, HOUR, "a", passed_over=("b: no forecast yet",))
    assert look_at_forecast(state) == "forecast of a, 60 min old, average, direct; not of b: no forecast yet"
    own = ForecastState("GB", SERIES, HOUR, "own", data_age=30 * HOUR)
    told = "forecast of own, 60 min old, made from values up to 30 h ago, average, direct"
    assert look_at_forecast(own) == told
    with pytest.raises(UnavailableError, match="a: the forecast is stale"):
        look_at_forecast(ForecastState("GB", reason="a: the forecast is stale"))


def test_the_room_is_told_pool_by_pool() -> None:
    cluster = SimulatedCluster(NOON, {"gpu": 16, "old": 4})
    assert look_at_room(cluster) == "placed together: gpu/a100 16, gpu/cpu 64, old/a100 4, old/cpu 16"
    with pytest.raises(UnavailableError, match="each is placed alone"):
        look_at_room(SimulatedCluster(NOON, {"gpu": 0}))
