"""The Carbon Aware SDK's web API: its questions, lengths of steps, and answers in their documented shape."""

import json
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from played.carbon_aware import FORECAST, issued
from played.shape import NOW
from pytest_httpserver import HTTPServer

from carbonslurm import carbon
from carbonslurm.carbon.carbon_aware_reading import length_of, read_emissions, read_forecast
from carbonslurm.carbon.carbon_aware_sdk import emissions_path, forecast_path
from carbonslurm.core.forecast import Kind, Nature, Scope
from carbonslurm.core.interval import Interval
from carbonslurm.errors import ConfigError, DataError, UnavailableError

SERVER = {"zone": "IE", "location": "northeurope", "kind": "marginal", "scope": "operational"}


def test_a_forecast_is_asked_for_without_a_window() -> None:
    assert forecast_path("north europe&x") == "/emissions/forecasts/current?location=north+europe%26x"


def test_measured_values_are_asked_for_by_their_window() -> None:
    start = datetime(2026, 11, 21, tzinfo=UTC)
    assert emissions_path("westus", Interval(start, start + timedelta(days=1))) == (
        "/emissions/bylocation?location=westus&time=2026-11-21T00:00:00Z&toTime=2026-11-22T00:00:00Z"
    )


@pytest.mark.parametrize(
    ("text", "minutes"),
    [
        (10, 10),
        (2.5, 2.5),
        ("00:15:00", 15),
        ("0:05:00", 5),
        ("01:00", 60),
        ("1.00:00:00", 24 * 60),
        ("-00:30:00", -30),
        ("00:05:00.0000000", 5),
    ],
)
def test_a_length_is_minutes_or_a_time_span(text: str | float, minutes: float) -> None:
    assert length_of(text) == timedelta(minutes=minutes)


@pytest.mark.parametrize("text", ["", "15", "PT15M", "00:15:00.5", "1:2:3", "\u0661\u0665:00", 1e300])
def test_what_is_no_length_is_refused(text: str | float) -> None:
    with pytest.raises(DataError, match="length") as caught:
        length_of(text)
    assert str(caught.value).isprintable()


def test_the_age_of_a_forecast_counts_from_when_it_was_made(httpserver: HTTPServer, now: datetime) -> None:
    made = now - timedelta(hours=3)
    start = now - timedelta(hours=1)
    points = FORECAST.points([100] * 60, start)
    httpserver.expect_request("/emissions/forecasts/current").respond_with_json(
        [issued(points, generatedAt=made.isoformat())]
    )
    sources = carbon.offer("carbon-aware-sdk", {**SERVER, "url": httpserver.url_for("")}).sources
    (forecast,) = [source.fetch(now).forecast for source in sources if source.question == "forecast"]
    assert forecast is not None
    assert (forecast.generated_at, forecast.fetched_at) == (made, now)
    assert forecast.series.nature == Nature(Kind.MARGINAL, Scope.OPERATIONAL)


def test_a_server_whose_source_has_no_forecasts(httpserver: HTTPServer, now: datetime) -> None:
    httpserver.expect_request("/emissions/forecasts/current").respond_with_data("no", status=501)
    sources = carbon.offer("carbon-aware-sdk", {**SERVER, "url": httpserver.url_for("")}).sources
    with pytest.raises(UnavailableError, match="HTTP 501"):
        sources[0].fetch(now)


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({"url": "casdk.example"}, "url: expected http"),
        ({"location": " "}, "location: expected a name"),
        ({"kind": "both"}, "kind"),
        ({"scope": "all"}, "scope"),
    ],
)
def test_impossible_options_are_refused(options: dict[str, str], why: str) -> None:
    with pytest.raises(ConfigError, match=why):
        carbon.offer("carbon-aware-sdk", {**SERVER, "url": "http://127.0.0.1", **options})


def test_kind_and_scope_must_be_said() -> None:
    """The answers do not say whose numbers they are."""
    for key in ("kind", "scope"):
        left = {name: value for name, value in SERVER.items() if name != key}
        with pytest.raises(ConfigError, match=key):
            carbon.offer("carbon-aware-sdk", {**left, "url": "http://127.0.0.1"})


def test_measured_values_in_both_forms_of_length(now: datetime) -> None:
    rows = [
        {"location": "IE", "time": "2026-11-22T09:50:00Z", "rating": 100, "duration": 5},
        {"location": "IE", "time": "2026-11-22T09:55:00+00:00", "rating": None, "duration": "00:05:00"},
        {"location": "IE", "time": "2026-11-22T10:00:00+00:00", "rating": 90.5, "duration": "00:05:00"},
        {"location": "IE", "time": "2026-11-22T10:10:00+00:00", "rating": 80, "duration": "00:05:00"},
    ]
    steps = read_emissions(json.dumps(rows).encode(), now)
    assert [step.g_per_kwh for step in steps] == [100, 90.5]


def test_the_documented_answer_is_of_rolling_means() -> None:
    """Its windows of 30 minutes are 5 apart: what a question with a window gets."""
    folder = os.environ.get("CARBONSLURM_DATA")
    if folder is None:
        pytest.skip("CARBONSLURM_DATA names no folder with recorded answers")
    path = Path(folder) / "providers" / "carbon_aware_sdk" / "docsample_forecasts_current.json"
    with pytest.raises(DataError, match="0:30:00, 0:05:00 apart: rolling means"):
        read_forecast(path.read_bytes(), "eastus")
    content = json.loads(path.read_text())
    for point in content[0]["forecastData"]:
        point["duration"] = 5
    said = read_forecast(json.dumps(content).encode(), "eastus")
    assert [step.g_per_kwh for step in said.steps] == [380.99, 359.23, 375.12]
    assert said.generated_at == datetime(2022, 6, 1, tzinfo=UTC)
    assert said.generated_at < NOW
