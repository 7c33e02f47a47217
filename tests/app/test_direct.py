"""Asking providers directly: within their terms, history once, and a forecast of ours where there is none."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest

from carbonslurm.app.direct import Direct
from carbonslurm.core.choice import ForecastRules
from carbonslurm.core.forecast import Issue, Kind, Nature, Scope, Series, Step
from carbonslurm.core.interval import Interval
from carbonslurm.core.mix import Fuel, Mix
from carbonslurm.errors import DataError, RefusedError, UnavailableError
from carbonslurm.ports import CarbonAnswer, Offer, Terms

NOW = datetime(2026, 11, 22, 10, tzinfo=UTC)
HOUR = timedelta(hours=1)
NATURE = Nature(Kind.AVERAGE, Scope.LIFECYCLE)


def hourly(window: Interval, level: float) -> Series:
    count = window.length // HOUR
    spans = (
        Interval(window.start + place * HOUR, window.start + (place + 1) * HOUR) for place in range(count)
    )
    return Series.from_steps("GB", "grid", NATURE, [Step(span, level) for span in spans])


@dataclass
class Grid:
    """A provider that behaves: measured values up to now, a forecast if it makes any; it counts its calls."""

    forecasts: bool = True
    down: bool = False
    name: str = "grid"
    zone: str = "GB"
    question: str = "all"
    terms: Terms = field(default_factory=lambda: Terms(every=timedelta(minutes=30)))
    longest: timedelta = timedelta(days=14)
    calls: int = 0
    windows: list[Interval] = field(default_factory=list)

    def fetch(self, now: datetime) -> CarbonAnswer:
        self.calls += 1
        if self.down:
            raise UnavailableError("/all: no answer in time")
        issue = Issue(hourly(Interval(now, now + 24 * HOUR), 200), now, now) if self.forecasts else None
        return CarbonAnswer(issue, hourly(Interval(now - 24 * HOUR, now), 100))

    def history(self, window: Interval, now: datetime) -> Series | None:
        self.windows.append(window)
        if self.down:
            raise RefusedError("/history: HTTP 403")
        return hourly(Interval(window.start, min(window.end, now)), 100)

    def mix(self, now: datetime) -> Mix:
        self.calls += 1
        if self.down:
            raise UnavailableError("/mix: no answer in time")
        return Mix("GB", "grid", Interval(now - HOUR, now), {Fuel.WIND: 0.75, Fuel.GAS: 0.25})


class Clock:
    """A clock that the test turns on, and that waiting turns on."""

    def __init__(self) -> None:
        self.time = NOW

    def __call__(self) -> datetime:
        return self.time

    def wait(self, length: timedelta) -> None:
        self.time += length


def direct(clock: Clock, *grids: Grid) -> Direct:
    offers = [Offer((grid,), history=grid, mix=grid) for grid in grids]
    return Direct({"GB": offers}, ForecastRules(), clock, clock.wait)


def test_it_asks_again_only_after_the_provider_s_interval() -> None:
    grid, clock = Grid(), Clock()
    asked = direct(clock, grid)
    assert asked.ask("GB") == []
    assert asked.ask("GB") == []
    assert grid.calls == 1
    clock.time += timedelta(minutes=30)
    assert asked.ask("GB") == []
    assert grid.calls == 2
    assert len(asked.shelf.newest_issues("GB", NOW - HOUR)) == 1


def test_a_failure_is_a_line_and_what_was_known_stays() -> None:
    grid, clock = Grid(), Clock()
    asked = direct(clock, grid)
    asked.ask("GB")
    grid.down, clock.time = True, NOW + HOUR
    assert asked.ask("GB") == ["GB: grid: /all: no answer in time"]
    assert len(asked.shelf.newest_issues("GB", NOW - HOUR)) == 1


def test_history_is_asked_for_once_in_pieces_that_the_provider_allows() -> None:
    grid, clock = Grid(), Clock()
    asked = direct(clock, grid)
    window = Interval(NOW - timedelta(days=30), NOW)
    assert asked.ask_history("GB", window) == []
    assert [each.length.days for each in grid.windows] == [14, 14, 2]
    assert clock.time - NOW < timedelta(seconds=10)
    assert asked.ask_history("GB", Interval(NOW - timedelta(days=7), NOW)) == []
    assert len(grid.windows) == 3
    found = asked.shelf.actual("GB", NATURE, window)
    assert found is not None
    assert (found.start, found.horizon, found.has_gaps) == (window.start, window.end, False)


def test_history_that_is_refused_is_a_line_and_given_up() -> None:
    grid, clock = Grid(down=True), Clock()
    said = direct(clock, grid).ask_history("GB", Interval(NOW - timedelta(days=300), NOW))
    assert len(said) == 1
    assert said[0].startswith("GB: grid: ")
    assert said[0].endswith("/history: HTTP 403")
    assert (len(grid.windows), clock()) == (1, NOW)


def test_our_own_forecast_only_where_no_source_gives_one() -> None:
    clock = Clock()
    asked = direct(clock, Grid(forecasts=False))
    assert asked.ask("GB") == []
    (own,) = asked.shelf.newest_issues("GB", NOW - HOUR)
    assert own.series.source == "own"
    assert own.band is not None
    assert own.series.at(clock()) == pytest.approx(100, rel=0.05)
    asked = direct(Clock(), Grid(forecasts=True))
    asked.ask("GB")
    assert [each.series.source for each in asked.shelf.newest_issues("GB", NOW - HOUR)] == ["grid"]


def test_a_mix_or_why_there_is_none() -> None:
    grid = Grid()
    assert direct(Clock(), grid).mix("GB").shares[Fuel.WIND] == 0.75
    grid.down = True
    with pytest.raises(UnavailableError, match="no answer in time"):
        direct(Clock(), grid).mix("GB")
    clock = Clock()
    without = Direct({"GB": [Offer((grid,))]}, ForecastRules(), clock, clock.wait)
    with pytest.raises(DataError, match="GB: no provider"):
        without.mix("GB")


def test_a_mix_is_asked_for_again_only_after_the_provider_s_interval() -> None:
    grid, clock = Grid(), Clock()
    asked = direct(clock, grid)
    assert asked.mix("GB") is asked.mix("GB")
    assert grid.calls == 1
    clock.time += timedelta(minutes=30)
    asked.mix("GB")
    assert grid.calls == 2


def test_the_second_provider_s_mix_where_the_first_is_down() -> None:
    assert direct(Clock(), Grid(down=True), Grid()).mix("GB").shares[Fuel.GAS] == 0.25


def test_a_failure_is_told_again_while_nobody_is_asked() -> None:
    grid = Grid(down=True)
    asked = direct(Clock(), grid)
    first = asked.ask("GB")
    assert first == ["GB: grid: /all: no answer in time"]
    assert asked.ask("GB") == first
    assert grid.calls == 1


def test_a_mix_that_does_not_come_is_told_with_zone_and_provider() -> None:
    with pytest.raises(UnavailableError, match=r"^GB: other: /mix: no answer in time$"):
        direct(Clock(), Grid(down=True), Grid(down=True, name="other")).mix("GB")
