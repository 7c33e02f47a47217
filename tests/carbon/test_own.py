"""Our own forecasts in the daemon: made where they are needed, from what was measured, once an hour."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from carbonslurm.app.forecasting import MOST, OLDEST, Forecasting
from carbonslurm.app.forecasts import ForecastState, usable_forecasts
from carbonslurm.core.choice import OWN, ForecastRules, OwnForecast, order_of
from carbonslurm.core.forecast import Issue, Kind, Nature, Scope, Series
from carbonslurm.core.interval import Interval
from carbonslurm.ledger.writing import Ledger

DIRECT = Nature(Kind.AVERAGE, Scope.DIRECT)
UNSAID = Nature(Kind.AVERAGE, Scope.UNKNOWN)
LIFECYCLE = Nature(Kind.AVERAGE, Scope.LIFECYCLE)
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)


@dataclass
class Site:
    """One zone with two sources, ``a`` and ``b``; its grid is dirty at night and clean at noon."""

    now: datetime
    ledger: Ledger
    own: OwnForecast = OwnForecast.FALLBACK
    forecasting: Forecasting = field(init=False)

    def __post_init__(self) -> None:
        self.restart()

    def restart(self) -> None:
        self.forecasting = Forecasting(self.ledger, self.rules, self.own, lambda: self.now)

    @property
    def rules(self) -> ForecastRules:
        return ForecastRules(6 * HOUR, {"GB": order_of(["a", "b"], self.own)})

    def measured(
        self, start: datetime, end: datetime, source: str = "a", nature: Nature = DIRECT, times: float = 1
    ) -> None:
        hours = np.arange(start.timestamp() // 3600, end.timestamp() // 3600)
        values = times * (300 + 200 * np.cos(hours % 24 / 24 * 2 * np.pi))
        edges = np.append(hours, hours[-1] + 1) * 3600
        flags = np.zeros(len(hours), dtype=bool)
        self.ledger.keep_actual(Series("GB", source, nature, edges, values, flags), self.now)

    def published(self, source: str, hours: float = 48, nature: Nature = DIRECT) -> None:
        edges = self.now.timestamp() + np.array([0, hours * 3600])
        series = Series("GB", source, nature, edges, np.array([500.0]), np.array([True]))
        self.ledger.keep_issue(Issue(series, None, self.now))

    def mine(self) -> list[Issue]:
        window = Interval(self.now - 99 * DAY, self.now + DAY)
        return list(self.ledger.issues("GB", window, OWN))

    def state(self) -> ForecastState:
        return usable_forecasts(self.ledger, ["GB"], self.now, self.rules)["GB"]


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    with Ledger.open(tmp_path / "ledger.db") as opened:
        yield opened


@pytest.fixture
def site(ledger: Ledger, now: datetime) -> Callable[..., Site]:
    return lambda **more: Site(now, ledger, **more)


def test_where_no_source_forecasts_ours_is_made_from_what_was_measured(site: Callable[..., Site]) -> None:
    here = site()
    here.measured(here.now - 14 * DAY, here.now)
    (issue,) = here.forecasting.run()
    assert (issue.published, issue.series.nature) == (here.now, DIRECT)
    assert issue.series.at(here.now) is not None
    assert issue.series.horizon >= here.now + 95 * HOUR
    night, noon = (here.now.replace(hour=hour) + DAY for hour in (0, 12))
    assert issue.series.at(night) == pytest.approx(500, rel=0.05)
    assert issue.series.at(noon) == pytest.approx(100, rel=0.1)
    (kept,) = here.mine()
    assert kept.band is not None
    assert bool(np.all(kept.band.low <= kept.series.values))
    assert bool(np.all(kept.series.values <= kept.band.high))
    state = here.state()
    assert (state.source, state.reason) == (OWN, None)
    assert state.passed_over == ("a: no forecast yet", "b: no forecast yet")


def test_it_is_made_once_an_hour_whatever_the_daemons_life(site: Callable[..., Site]) -> None:
    here = site()
    here.measured(here.now - 3 * DAY, here.now + 5 * HOUR)
    made = []
    for minute in range(180):
        if minute % 20 == 0:
            here.restart()
        made += here.forecasting.run()
        here.now += MINUTE
    assert [issue.published.hour for issue in made] == [10, 11, 12, 13]
    assert len(here.mine()) == 4


def test_two_days_are_enough_and_less_is_not(site: Callable[..., Site]) -> None:
    here = site()
    here.measured(here.now - 2 * DAY + HOUR, here.now)
    assert here.forecasting.run() == ()
    assert here.state().reason == "no forecast yet"
    here.measured(here.now - 2 * DAY - HOUR, here.now)
    assert here.forecasting.run() == ()
    here.now += HOUR
    assert len(here.forecasting.run()) == 1


def test_a_source_that_forecasts_leaves_nothing_to_do(site: Callable[..., Site]) -> None:
    here = site()
    here.measured(here.now - 3 * DAY, here.now)
    here.published("b")
    assert here.forecasting.run() == ()
    here.now += 6 * HOUR + MINUTE
    assert len(here.forecasting.run()) == 1
    assert here.state().source == OWN
    here.published("a")
    assert here.state().source == "a"


def test_a_forecast_that_reaches_too_short_is_replaced_by_ours(site: Callable[..., Site]) -> None:
    here = site()
    here.measured(here.now - 3 * DAY, here.now)
    here.published("a", hours=5)
    assert len(here.forecasting.run()) == 1
    assert here.state().source == OWN
    assert "a: reaches only to" in here.state().passed_over[0]


def test_always_ours_comes_first_and_never_there_is_none(site: Callable[..., Site]) -> None:
    for own, source in ((OwnForecast.ALWAYS, OWN), (OwnForecast.NEVER, "a")):
        here = site(own=own)
        here.measured(here.now - 3 * DAY, here.now)
        here.published("a")
        assert len(here.forecasting.run()) == (own is OwnForecast.ALWAYS)
        assert here.state().source == source


def test_it_is_made_of_one_nature_the_one_by_which_the_zone_plans(site: Callable[..., Site]) -> None:
    here = site()
    here.measured(here.now - 3 * DAY, here.now, "a", LIFECYCLE)
    here.measured(here.now - 3 * DAY, here.now, "b", DIRECT)
    assert here.forecasting.run()[0].series.nature == LIFECYCLE
    here.published("b", nature=DIRECT)
    here.now += 7 * HOUR
    here.measured(here.now - 7 * HOUR, here.now, "b", DIRECT)
    assert here.forecasting.run()[0].series.nature == DIRECT
    assert here.state().series is not None


def test_of_unknown_scope_it_is_made_of_one_source(site: Callable[..., Site]) -> None:
    """Two sources that do not say what they count have two levels; one model of both would have a step."""
    here = site()
    here.published("b", hours=5, nature=UNSAID)
    here.measured(here.now - 4 * DAY, here.now, "b", UNSAID)
    here.measured(here.now - 2 * DAY, here.now, "a", UNSAID, times=5)
    (issue,) = here.forecasting.run()
    assert issue.series.values.max() == pytest.approx(500, rel=0.1)
    assert here.state().source == OWN


def test_of_a_nature_that_nobody_measures_there_is_none(site: Callable[..., Site]) -> None:
    """A zone plans by its source's nature; history of another says nothing about it."""
    here = site()
    here.published("a", nature=LIFECYCLE)
    here.measured(here.now - 3 * DAY, here.now, "b", DIRECT)
    here.now += 7 * HOUR
    assert here.forecasting.run() == ()
    assert here.state().series is None


def test_with_values_hours_old_there_is_a_forecast_and_its_band_is_wider(site: Callable[..., Site]) -> None:
    here = site()
    wander = np.convolve(np.random.default_rng(7).normal(0, 8, 24 * 42), 0.95 ** np.arange(48), "valid")
    hours = int(here.now.timestamp() // 3600) - len(wander) + np.arange(len(wander) + 1)
    values = 300 + 100 * np.cos(hours[:-1] % 24 / 24 * 2 * np.pi) + wander
    series = Series("GB", "a", DIRECT, hours * 3600.0, values, np.zeros(len(wander), dtype=bool))
    here.ledger.keep_actual(series, here.now)
    fresh = here.forecasting.run()[0]
    here.now += 30 * HOUR
    stale = here.forecasting.run()[0]
    assert stale.series.at(here.now) is not None

    def width(issue: Issue) -> float:
        assert issue.band is not None
        return float(np.mean((issue.band.high - issue.band.low)[:6] / issue.series.values[:6]))

    assert width(stale) > width(fresh)


def test_a_model_is_trained_anew_each_night(site: Callable[..., Site]) -> None:
    here = site()
    here.measured(here.now - 3 * DAY, here.now)
    here.forecasting.run()
    first = here.forecasting._models["GB"]  # noqa: SLF001  # what is kept in memory is what this is about
    here.now += HOUR
    here.forecasting.run()
    assert here.forecasting._models["GB"] is first  # noqa: SLF001
    here.now += DAY
    here.forecasting.run()
    assert here.forecasting._models["GB"].model.trained_until >= first.model.trained_until  # noqa: SLF001
    assert here.forecasting._models["GB"] is not first  # noqa: SLF001


def test_of_values_older_than_four_days_there_is_no_forecast(site: Callable[..., Site]) -> None:
    """A source that no longer measures: what is made anew each hour is still of that day."""
    here = site()
    here.now = end = here.now.replace(minute=0)
    here.measured(end - 14 * DAY, end)
    here.now = end + OLDEST
    (last,) = here.forecasting.run()
    assert last.measured_until == end
    here.now += MINUTE
    here.restart()
    here.now += HOUR
    assert here.forecasting.run() == ()
    here.now += 6 * HOUR
    assert here.state().series is None
    here.measured(end + OLDEST, here.now)
    here.now += HOUR
    assert len(here.forecasting.run()) == 1


def test_a_state_says_how_old_the_values_were_that_ours_was_made_from(site: Callable[..., Site]) -> None:
    """It counts from the measurement, not from when the forecast was made: that is never long ago."""
    here = site()
    here.now = end = here.now.replace(minute=0)
    here.measured(end - 14 * DAY, end)
    here.now = end + 20 * HOUR
    here.forecasting.run()
    here.measured(end, end + 20 * HOUR)  # comes later: this forecast was made without it
    here.now += 30 * MINUTE
    state = here.state()
    assert (state.age, state.data_age) == (30 * MINUTE, 20 * HOUR + 30 * MINUTE)
    assert state.age_text == "30 min old, made from values up to 20 h ago"
    assert "forecast of own, 30 min old, made from values up to 20 h ago, average, direct" in str(state)
    here.published("a")
    assert (here.state().source, here.state().data_age) == ("a", None)


@pytest.mark.parametrize(("days", "then"), [(3, 205), (34, 36), (60, 73)])
def test_a_model_is_trained_anew_when_its_history_has_grown(
    site: Callable[..., Site], days: int, then: int
) -> None:
    """A fresh daemon begins with what the source gives at once; the past comes in behind, within minutes."""
    here = site()
    here.measured(here.now - days * DAY, here.now + 2 * HOUR)
    here.forecasting.run()
    first = here.forecasting._models["GB"].model  # noqa: SLF001
    here.measured(here.now - then * DAY, here.now - days * DAY)
    here.now += HOUR
    here.forecasting.run()
    grown = here.forecasting._models["GB"].model  # noqa: SLF001
    assert grown is not first
    here.now += HOUR
    here.forecasting.run()
    assert here.forecasting._models["GB"].model is grown  # noqa: SLF001


def test_a_hole_that_is_filled_counts_as_growth(site: Callable[..., Site]) -> None:
    """The daemon was away for weeks: the span of the history is as it was, and more of it is known."""
    here = site()
    here.measured(here.now - 30 * DAY, here.now - 28 * DAY)
    here.measured(here.now - DAY, here.now + HOUR)
    here.forecasting.run()
    first = here.forecasting._models["GB"].model  # noqa: SLF001
    here.measured(here.now - 28 * DAY, here.now - DAY)
    here.now += HOUR
    here.forecasting.run()
    assert here.forecasting._models["GB"].model is not first  # noqa: SLF001


def test_a_round_makes_a_few_and_the_next_goes_on(ledger: Ledger, now: datetime) -> None:
    """A daemon that starts with hundreds of zones has its first cycle soon."""
    site = Site(now, ledger)
    site.measured(now - 3 * DAY, now)
    measured = ledger.actual("GB", DIRECT, Interval(now - 3 * DAY, now))
    assert measured is not None
    zones = [f"zone {number}" for number in range(MOST + 2)]
    for zone in zones:
        ledger.keep_actual(replace(measured, zone=zone, source="a"), now)
    rules = ForecastRules(6 * HOUR, {zone: order_of(["a"], OwnForecast.FALLBACK) for zone in zones})
    forecasting = Forecasting(ledger, rules, OwnForecast.FALLBACK, lambda: now)
    made = [[issue.series.zone for issue in forecasting.run()] for _ in range(3)]
    assert made == [zones[:MOST], zones[MOST:], []]


def test_a_clock_that_is_put_back_keeps_no_forecast_from_being_made(site: Callable[..., Site]) -> None:
    """The daemon started while the machine's clock was years ahead."""
    here, right = site(), site().now
    here.measured(right - 3 * DAY, right)
    here.now = right + 1000 * DAY
    assert here.forecasting.run() == ()
    here.now = right
    assert len(here.forecasting.run()) == 1
