"""The GB operator: its paths, its regions, and its answers in their recorded shapes."""

import json
import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from pytest_httpserver import HTTPServer

from carbonslurm import carbon
from carbonslurm.carbon import checks
from carbonslurm.carbon.neso import NATURE, NesoOptions, Question, history_path, mix_path, offer, path
from carbonslurm.carbon.neso_places import REGIONS, outward, region_id
from carbonslurm.carbon.neso_reading import read_forecast, read_measured, read_mix
from carbonslurm.core.forecast import Kind, Nature, Scope
from carbonslurm.core.interval import Interval
from carbonslurm.core.mix import Fuel
from carbonslurm.errors import ConfigError, DataError


def item(start: str, end: str, forecast: int | None, actual: int | None) -> dict[str, Any]:
    day = "2026-11-22T"
    intensity = {"forecast": forecast, "actual": actual, "index": "low"}
    return {"from": f"{day}{start}Z", "to": f"{day}{end}Z", "intensity": intensity}


# The shape of a recorded pt24h answer: a value not measured yet is null, and the running half hour has one.
PAST = [
    item("08:30", "09:00", 90, 91),
    item("09:00", "09:30", 92, None),
    item("09:30", "10:00", 94, 95),
    item("10:00", "10:30", 96, 97),
    item("10:30", "11:00", 98, None),
]


def said(items: list[dict[str, Any]]) -> bytes:
    return json.dumps({"data": items}).encode()


@pytest.mark.parametrize(
    ("minute", "start"), [(0, "10:01"), (1, "10:01"), (29, "10:01"), (30, "10:31"), (59, "10:31")]
)
def test_one_address_for_each_half_hour(minute: int, start: str) -> None:
    now = datetime(2026, 11, 22, 10, minute, 59, tzinfo=UTC)
    assert path(Question.FORECAST, None, now) == f"/intensity/2026-11-22T{start}Z/fw48h"
    assert path(Question.MEASURED, None, now) == f"/intensity/2026-11-22T{start}Z/pt24h"
    assert path(Question.FORECAST, 13, now) == f"/regional/intensity/2026-11-22T{start}Z/fw48h/regionid/13"


@pytest.mark.parametrize("region", [13, "13", "London", "london ", "UKPN London"])
def test_a_region_by_number_or_name(region: int | str) -> None:
    assert region_id(region) == 13


@pytest.mark.parametrize("postcode", ["SW1A", "sw1a 1aa", "SW1A1AA", " SW1A "])
def test_a_postcode_by_its_outward_half(postcode: str) -> None:
    assert outward(postcode) == "SW1A"
    (source,) = offer(NesoOptions("LDN", postcode=postcode)).sources
    now = datetime(2026, 11, 22, 10, 10, tzinfo=UTC)
    place = getattr(source, "place", None)
    assert path(Question.FORECAST, place, now) == (
        "/regional/intensity/2026-11-22T10:01Z/fw48h/postcode/SW1A"
    )
    assert mix_path(place) == "/regional/postcode/SW1A"


@pytest.mark.parametrize("postcode", ["", "SW1A 1A", "1AA", "SW1A/../x", "LONDON", "SW1A1AA1"])
def test_no_such_postcode(postcode: str) -> None:
    with pytest.raises(ConfigError, match="postcode: expected one such as"):
        outward(postcode)


def test_another_postcode_than_asked_is_refused() -> None:
    region = {"regionid": 13, "postcode": "SW1A", "data": [item("10:00", "10:30", 94, None)]}
    assert len(read_forecast(json.dumps({"data": region}).encode(), "SW1A")) == 1
    with pytest.raises(DataError, match="asked for postcode G12, got"):
        read_forecast(json.dumps({"data": region}).encode(), "G12")


def test_history_begins_with_the_half_hour_of_its_window() -> None:
    """The API counts the full half hour to the one before."""
    start = datetime(2026, 11, 1, tzinfo=UTC)
    assert history_path(Interval(start, start + timedelta(days=14))) == (
        "/intensity/2026-11-01T00:01Z/2026-11-15T00:00Z"
    )
    odd = Interval(start + timedelta(minutes=45), start + timedelta(hours=2))
    assert history_path(odd) == "/intensity/2026-11-01T00:45Z/2026-11-01T02:00Z"


def test_only_gb_has_history() -> None:
    assert offer(NesoOptions("GB")).history is not None
    assert offer(NesoOptions("LDN", region=13)).history is None


def mixed(*shares: tuple[str, float], start: str = "10:00", end: str = "10:30") -> dict[str, Any]:
    day = "2026-11-22T"
    mix = [{"fuel": fuel, "perc": perc} for fuel, perc in shares]
    return {"from": f"{day}{start}Z", "to": f"{day}{end}Z", "generationmix": mix}


GAS_AND_WIND = mixed(("gas", 60.1), ("wind", 20), ("imports", 20), ("coal", 0))


@pytest.mark.parametrize(
    ("data", "place"),
    [
        (GAS_AND_WIND, None),
        ([GAS_AND_WIND], None),
        ([{"regionid": 13, "data": [GAS_AND_WIND]}], 13),
        ({"regionid": 13, "postcode": "SW1A", "data": [GAS_AND_WIND]}, "SW1A"),
    ],
)
def test_the_mix_is_shares_of_what_there_is(data: object, place: int | str | None, now: datetime) -> None:
    mix = read_mix(json.dumps({"data": data}).encode(), place, "GB", now)
    assert list(mix.shares) == [Fuel.GAS, Fuel.WIND, Fuel.IMPORTS]
    assert mix.shares[Fuel.GAS] == pytest.approx(60.1 / 100.1)
    assert mix.megawatts is None


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (mixed(("gas", 50), ("wind", 20)), "70 percent in all"),
        (mixed(("gas", 120), ("wind", -20)), "gas: 120 percent"),
        (mixed(("gas", 50), ("gas", 50)), "a fuel that is twice"),
        (mixed(("gas", 50), ("hope", 50)), "a fuel that is unknown"),
        (mixed(), "0 percent in all"),
        (mixed(("gas", 100), start="06:00", end="06:30"), "not an answer to that"),
        (mixed(("gas", 100), start="10:00", end="10:00"), "a step of"),
        ([], "got 0 of them"),
    ],
)
def test_a_mix_that_is_none_is_refused(data: object, why: str, now: datetime) -> None:
    with pytest.raises(DataError, match=why):
        read_mix(json.dumps({"data": data}).encode(), None, "GB", now)


def test_the_mix_over_the_wire(httpserver: HTTPServer, now: datetime) -> None:
    httpserver.expect_request("/generation").respond_with_json({"data": GAS_AND_WIND})
    mix = offer(NesoOptions("GB", url=httpserver.url_for("/"))).mix
    assert mix is not None
    assert (mix.mix(now).zone, mix.mix(now).source) == ("GB", "neso")


def test_there_are_17_regions_and_no_name_means_two() -> None:
    assert list(REGIONS) == list(range(1, 18))
    names = [name for pair in REGIONS.values() for name in set(pair)]
    assert len(names) == len({name.casefold() for name in names})


@pytest.mark.parametrize("region", [0, 18, -1, "", "Lon\x1bdon", "Ireland"])
def test_no_such_region(region: int | str) -> None:
    with pytest.raises(ConfigError, match="region: expected 1 to 17") as caught:
        region_id(region)
    assert str(caught.value).isprintable()


def test_measured_values_are_those_of_half_hours_that_ended(now: datetime) -> None:
    steps = read_measured(said(PAST), now)
    assert [step.g_per_kwh for step in steps] == [91, 95]
    assert not any(step.estimated for step in steps)
    series = checks.measured("GB", "neso", NATURE, steps)
    assert series is not None
    assert series.has_gaps
    assert series.horizon == datetime(2026, 11, 22, 10, tzinfo=UTC)


def test_nothing_measured_yet_is_nothing(now: datetime) -> None:
    items = [item("09:30", "10:00", 94, None)]
    assert checks.measured("GB", "neso", NATURE, read_measured(said(items), now)) is None


@pytest.mark.parametrize("value", [-1, 0, 5001])
def test_one_bad_measured_value_refuses_the_whole(now: datetime, value: int) -> None:
    with pytest.raises(DataError, match=r"data\[1\]: "):
        read_measured(said([PAST[0], item("09:00", "09:30", 92, value)]), now)


def test_another_region_than_asked_is_refused() -> None:
    region = {"regionid": 12, "data": [item("10:00", "10:30", 94, None)]}
    for data in (region, [region], [], [{**region, "regionid": 13}] * 2):
        with pytest.raises(DataError, match="asked for region 13, got"):
            read_forecast(json.dumps({"data": data}).encode(), 13)


def test_gb_has_two_sources_and_a_region_one() -> None:
    """A failure of the measured values must not cost the forecast, so each is asked alone."""
    assert [source.name for source in offer(NesoOptions("GB")).sources] == ["neso", "neso"]
    assert len(offer(NesoOptions("LDN", region="London")).sources) == 1
    assert Nature(Kind.AVERAGE, Scope.OPERATIONAL) == NATURE


def test_both_questions_over_the_wire(httpserver: HTTPServer, now: datetime) -> None:
    ahead = [item("10:00", "10:30", 96, 97), item("10:30", "11:00", 98, None)]
    httpserver.expect_request("/intensity/2026-11-22T10:01Z/fw48h").respond_with_json({"data": ahead})
    httpserver.expect_request("/intensity/2026-11-22T10:01Z/pt24h").respond_with_json({"data": PAST})
    forecast, measured = (
        source.fetch(now)
        for source in carbon.offer("neso", {"zone": "GB", "url": httpserver.url_for("/")}).sources
    )
    assert forecast.forecast is not None
    assert forecast.forecast.generated_at is None
    assert forecast.forecast.series.values.tolist() == [96, 98]
    assert forecast.actual is None
    assert measured.forecast is None
    assert measured.actual is not None
    assert [step.g_per_kwh for step in measured.actual.steps()] == [91, 95]


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({"region": 18}, "region: expected 1 to 17"),
        ({"region": [1]}, "region"),
        ({"url": "ftp://example.org"}, "url: expected http"),
        ({"zone": 1}, "zone"),
        ({"colour": "red"}, "colour: unknown key, expected one of postcode, read_timeout, region, url, zone"),
        ({"postcode": "Lon\x1bdon"}, "postcode: expected one such as"),
        ({"postcode": "SW1A", "region": 13}, "postcode: a region is given, too"),
    ],
)
def test_impossible_options_are_refused(options: dict[str, Any], why: str) -> None:
    with pytest.raises(ConfigError) as caught:
        carbon.offer("neso", {"zone": "GB", **options})
    assert why in str(caught.value)


def test_importing_the_room_imports_no_http_client() -> None:
    code = "import sys, carbonslurm.carbon as c; assert 'httpx' not in sys.modules and c.PROVIDERS"
    subprocess.run([sys.executable, "-c", code], check=True)


# --- recorded answers, where they are at hand (their licence and size keep them out of the repository)


@pytest.fixture
def recorded() -> Path:
    folder = os.environ.get("CARBONSLURM_DATA")
    if folder is None:
        pytest.skip("CARBONSLURM_DATA names no folder with recorded answers")
    return Path(folder) / "providers" / "neso_uk"


@pytest.mark.parametrize(
    ("name", "region", "first"),
    [
        ("bluehands_national_fw48h_2023-12-03.json", None, 211),
        ("bluehands_regional_london_fw48h_2023-12-03.json", 13, 134),
    ],
)
def test_recorded_forecasts(recorded: Path, name: str, region: int | None, first: int) -> None:
    steps = read_forecast((recorded / name).read_bytes(), region)
    then = datetime(2023, 12, 3, 10, 41, tzinfo=UTC)
    series = checks.forecast("GB", "neso", NATURE, steps, then)
    assert len(series.values) == 96
    assert series.at(then) == first
    assert series.horizon - series.start == timedelta(hours=48)


def test_recorded_measured_values(recorded: Path) -> None:
    body = (recorded / "bluehands_national_fw48h_2023-12-03.json").read_bytes()
    assert read_measured(body, datetime(2023, 12, 3, 10, 41, tzinfo=UTC)) == []
    (step,) = read_measured(body, datetime(2023, 12, 3, 11, 0, tzinfo=UTC))
    assert step.g_per_kwh == 206


def test_recorded_errors_inside_a_200(recorded: Path) -> None:
    cases = json.loads((recorded / "live_cases_2026-08-30.json").read_text())["cases"]
    for case in cases:
        if case["request"] == "GET /intensity":
            assert len(read_forecast(json.dumps(case["body"]).encode(), None)) == 1
        else:
            with pytest.raises(DataError):
                read_forecast(json.dumps(case["body"]).encode(), None)


def test_recorded_mix(recorded: Path) -> None:
    cases = json.loads((recorded / "live_cases_2026-08-30.json").read_text())["cases"]
    (body,) = [case["body"] for case in cases if case["request"] == "GET /generation"]
    then = datetime.fromisoformat(body["data"]["from"])
    mix = read_mix(json.dumps(body).encode(), None, "GB", then)
    assert mix.shares[Fuel.IMPORTS] == pytest.approx(0.227, abs=0.001)
    assert sum(mix.shares.values()) == pytest.approx(1)
