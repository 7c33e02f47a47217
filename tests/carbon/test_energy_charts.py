"""Energy-Charts: its paths, its countries, the joint of measured values and forecast, the mix."""

import json
import logging
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from played.energy_charts import MIX
from pytest_httpserver import HTTPServer

from carbonslurm import carbon
from carbonslurm.carbon.energy_charts import NATURE, answer, around, mix_path, path
from carbonslurm.carbon.energy_charts_places import COUNTRIES, country_code
from carbonslurm.carbon.energy_charts_reading import read, read_mix
from carbonslurm.core.forecast import Kind, Nature, Scope
from carbonslurm.core.interval import Interval
from carbonslurm.core.mix import Fuel
from carbonslurm.errors import ConfigError, DataError

HOUR = timedelta(hours=1)
QUARTER = timedelta(minutes=15)


def said(
    start: datetime,
    step: timedelta,
    measured: list[float | None],
    forecast: list[float | None],
    **others: object,
) -> bytes:
    times = [int((start + number * step).timestamp()) for number in range(len(measured))]
    return json.dumps(
        {"unix_seconds": times, "co2eq": measured, "co2eq_forecast": forecast, **others}
    ).encode()


def test_it_is_asked_by_days_from_yesterday_to_the_end_of_tomorrow(now: datetime) -> None:
    assert path("de", around(now)) == "/co2eq?country=de&start=2026-11-21&end=2026-11-23"
    assert mix_path("de", now) == "/public_power?country=de&start=2026-11-21&end=2026-11-22"


def test_the_end_of_a_day_is_the_countrys() -> None:
    """At 23:00 UTC it is tomorrow in Berlin."""
    late = datetime(2026, 11, 22, 23, 0, tzinfo=UTC)
    assert path("de", around(late)) == "/co2eq?country=de&start=2026-11-21&end=2026-11-24"
    window = Interval(datetime(2026, 11, 1, tzinfo=UTC), datetime(2026, 11, 2, 22, tzinfo=UTC))
    assert path("de", window) == "/co2eq?country=de&start=2026-11-01&end=2026-11-03"


@pytest.mark.parametrize("country", ["de", "DE", "Germany", " germany "])
def test_a_country_by_code_or_name(country: str) -> None:
    assert country_code(country) == "de"


def test_a_country_may_be_the_zones_name() -> None:
    (source,) = carbon.offer("energy-charts", {"zone": "DE"}).sources
    assert getattr(source, "country", None) == "de"


def test_no_name_means_two_countries() -> None:
    names = [*COUNTRIES, *(name.casefold() for name in COUNTRIES.values())]
    assert len(names) == len(set(names))


@pytest.mark.parametrize("country", ["us", "de&x=1", "\x1b"])
def test_no_such_country(country: str) -> None:
    with pytest.raises(ConfigError, match="country: expected one of") as caught:
        carbon.offer("energy-charts", {"zone": "DE", "country": country})
    assert str(caught.value).isprintable()


# --- the joint


@pytest.mark.parametrize("step", [QUARTER, HOUR])
def test_the_length_of_a_step_is_that_of_the_answer(now: datetime, step: timedelta) -> None:
    start = now.replace(minute=0) - 2 * step
    both = answer("DE", read(said(start, step, [60, 59, None, None], [None, None, 49, 48])), now)
    assert both.actual is not None
    assert both.forecast is not None
    assert both.actual.nature == both.forecast.series.nature == NATURE == Nature(Kind.AVERAGE, Scope.UNKNOWN)
    assert both.actual.horizon == both.forecast.series.start == now.replace(minute=0)
    assert both.forecast.series.horizon == now.replace(minute=0) + 2 * step
    assert both.forecast.series.values.tolist() == [49, 48]
    assert both.forecast.generated_at is None


def test_measured_values_that_lag_are_the_start_of_the_forecast(now: datetime) -> None:
    start = now.replace(minute=0) - 6 * HOUR
    both = answer("FR", read(said(start, HOUR, [60, 59, *[None] * 8], [None, None, *[49] * 8])), now)
    assert both.forecast is not None
    assert both.forecast.series.start == start + 2 * HOUR
    assert both.forecast.series.at(now) == 49


def test_an_overlap_is_measured(now: datetime) -> None:
    """Switzerland's forecast reached 13 hours into the past; what is known by now is not forecast."""
    start = now.replace(minute=0) - 4 * HOUR
    body = said(start, HOUR, [12, 11, 10, 9, None, None], [None, 38, 38, 38, 38, 37])
    both = answer("CH", read(body), now)
    assert both.actual is not None
    assert both.forecast is not None
    assert both.actual.values.tolist() == [12, 11, 10, 9]
    assert both.forecast.series.values.tolist() == [38, 37]


def test_the_running_step_is_neither_measured_nor_missed(now: datetime) -> None:
    """Its value is provisional; the forecast behind it begins a few minutes after now."""
    start = now.replace(minute=0) - QUARTER
    both = answer("DE", read(said(start, QUARTER, [60, 59, None, None], [None, None, 49, 48])), now)
    assert both.actual is not None
    assert both.forecast is not None
    assert both.actual.horizon == now.replace(minute=0)
    assert both.forecast.series.start == now.replace(minute=15)


def test_a_country_without_a_forecast_has_measured_values(now: datetime) -> None:
    start = now.replace(minute=0) - 2 * HOUR
    both = answer("XK", read(said(start, HOUR, [900, 910, None], [None] * 3)), now)
    assert both.forecast is None
    assert both.actual is not None


def test_measured_values_alone_may_be_late(now: datetime) -> None:
    """Some countries publish a day later; only a forecast would pretend to be of now."""
    start = now.replace(minute=0) - 20 * HOUR
    assert answer("XK", read(said(start, HOUR, [900, 910, None], [None] * 3)), now).actual is not None
    with pytest.raises(DataError, match="an old answer: measured to"):
        answer("XK", read(said(start, HOUR, [900, 910, *[None] * 30], [None, None, *[900] * 30])), now)


def test_a_country_of_which_nothing_is_known_is_refused(now: datetime) -> None:
    with pytest.raises(DataError, match="0 values, expected at least 2"):
        answer("MT", read(said(now.replace(minute=0), HOUR, [None] * 3, [None] * 3)), now)


def test_the_end_of_the_path_is_announced(
    httpserver: HTTPServer, now: datetime, caplog: pytest.LogCaptureFixture
) -> None:
    start = now.replace(minute=0) - HOUR
    body = said(start, HOUR, [60, None, None], [None, 49, 48], deprecated=True)
    httpserver.expect_request(
        "/co2eq",
        query_string="country=de&start=2026-11-21&end=2026-11-23",
        headers={"Cache-Control": "no-cache"},
    ).respond_with_data(body)
    options = {"zone": "DE", "country": "Germany", "url": httpserver.url_for("/")}
    (source,) = carbon.offer("energy-charts", options).sources
    with caplog.at_level(logging.WARNING, logger="carbonslurm"):
        assert source.fetch(now).forecast is not None
    (message,) = [each.getMessage() for each in caplog.records if each.name.startswith("carbonslurm")]
    assert "deprecated" in message


# --- the mix


def test_the_newest_complete_mix_counts(now: datetime) -> None:
    """The last quarter has no trade yet; what is never there is no part of it; imports are a share."""
    mix = read_mix(json.dumps(MIX).encode(), "DE", now)
    assert mix.interval == Interval(now.replace(minute=0) - 2 * QUARTER, now.replace(minute=0) - QUARTER)
    assert mix.megawatts == 15_000
    assert mix.shares == pytest.approx({Fuel.IMPORTS: 2 / 15, Fuel.COAL: 5 / 15, Fuel.WIND: 8 / 15})


def test_exports_are_no_part_of_the_mix(now: datetime) -> None:
    content: dict[str, Any] = json.loads(json.dumps(MIX))
    content["production_types"][1]["data"] = [-1000, -2000, -100]
    assert Fuel.IMPORTS not in read_mix(json.dumps(content).encode(), "DE", now).shares


@pytest.mark.parametrize(
    ("production", "why"),
    [
        ([{"name": "Fusion", "data": [1, 2, 3]}], "a kind of production that is not known"),
        ([{"name": "Solar", "data": [1, 2]}], "Solar: 2 values for 3 times"),
        ([{"name": "Solar", "data": [1, 2, 1e300]}], "Solar: 1e[+]300 MW"),
        ([{"name": "Solar", "data": [None, None, None]}], "no complete mix"),
        ([{"name": "Load", "data": [1, 2, 3]}], "no complete mix"),
        ([{"name": "Solar", "data": [-1, -1, -1]}], "a mix of nothing"),
        ([], "no complete mix"),
    ],
)
def test_a_mix_that_is_none_is_refused(now: datetime, production: list[Any], why: str) -> None:
    with pytest.raises(DataError, match=why):
        read_mix(json.dumps({**MIX, "production_types": production}).encode(), "DE", now)


# --- recorded answers, where they are at hand


@pytest.fixture
def recorded() -> Path:
    folder = os.environ.get("CARBONSLURM_DATA")
    if folder is None:
        pytest.skip("CARBONSLURM_DATA names no folder with recorded answers")
    return Path(folder) / "providers" / "energy_charts"


@pytest.mark.parametrize(
    ("name", "step", "measured", "ahead"),
    [
        ("bluehands_de_co2", QUARTER, 65, 123),
        ("bluehands_at", QUARTER, 72, 212),
        ("bluehands_fr", HOUR, 18, 29),
        ("bluehands_ch", HOUR, 18, 29),
        ("gridshift_co2eq_fr_2026-10-04", QUARTER, 24, 75),
    ],
)
def test_recorded_answers(recorded: Path, name: str, step: timedelta, measured: int, ahead: int) -> None:
    said = read((recorded / f"{name}.json").read_bytes())
    then = said.measured[-1].interval.end + timedelta(minutes=10)
    both = answer("zone", said, then)
    assert both.actual is not None
    assert both.forecast is not None
    series = both.forecast.series
    assert (len(both.actual.values), len(series.values)) == (measured, ahead)
    assert series.start == both.actual.horizon
    assert series.horizon - series.start == ahead * step
    with pytest.raises(DataError, match="an old answer: measured to"):
        answer("zone", said, then + timedelta(hours=12))
