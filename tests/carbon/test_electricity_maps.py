"""Electricity Maps: its questions, refusals, estimates and mix, and its answers in recorded shapes."""

import json
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from played import electricity_maps as played
from played.keys import key_file
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from carbonslurm import carbon
from carbonslurm.carbon.electricity_maps import HORIZONS, path
from carbonslurm.carbon.electricity_maps_reading import read_intensities, read_mix
from carbonslurm.core.forecast import Kind, Nature, Scope
from carbonslurm.core.interval import Interval
from carbonslurm.core.mix import Fuel
from carbonslurm.errors import ConfigError, DataError, RefusedError
from carbonslurm.ports import Offer, Terms

HOUR = timedelta(hours=1)


def offered(server: HTTPServer, **options: Any) -> Offer:
    given = {"zone": "DE", "token_file": key_file(played.KEY), "url": server.url_for("/"), **options}
    return carbon.offer("electricity-maps", given)


@pytest.fixture
def asked(httpserver: HTTPServer) -> list[Request]:
    """What the server was asked; a free token has no forecasts."""
    requests: list[Request] = []

    def answer(request: Request) -> Response:
        requests.append(request)
        start = played.NOW.replace(minute=0) - 4 * HOUR
        points = [played.Point(start + number * HOUR, None, 100 + number) for number in range(6)]
        if request.path.endswith("/forecast"):
            return Response(json.dumps({"error": "Endpoint not available"}), 403)
        if request.path.endswith("/past-range"):
            return Response(played.past(points, "data"))
        if "carbon-intensity" in request.path:
            return Response(played.past(points, "history"))
        return Response(json.dumps(played.OLD_MIX if "/v3/" in request.path else played.NEW_MIX))

    httpserver.expect_request("/v4/carbon-intensity/forecast").respond_with_handler(answer)
    httpserver.expect_request("/v4/carbon-intensity/history").respond_with_handler(answer)
    httpserver.expect_request("/v4/carbon-intensity/past-range").respond_with_handler(answer)
    httpserver.expect_request("/v4/electricity-mix/latest").respond_with_handler(answer)
    httpserver.expect_request("/v3/power-breakdown/latest").respond_with_handler(answer)
    return requests


def test_every_question_names_its_zone_and_forbids_looking_up_the_caller() -> None:
    for version in ("v4", "v3"):
        query = parse_qs(urlsplit(path(version, "carbon-intensity/history", "US-CAL-CISO", {})).query)
        assert query["zone"] == ["US-CAL-CISO"]
        assert query["disableCallerLookup"] == ["true"]
    assert query["shouldUseFallbackCallerLookup"] == ["false"]


def test_a_free_token_has_its_past_without_forecasts(
    httpserver: HTTPServer, asked: list[Request], now: datetime
) -> None:
    forecast, measured = offered(httpserver).sources
    with pytest.raises(RefusedError, match=r"HTTP 403: .*Endpoint not available.*free token has no"):
        forecast.fetch(now)
    actual = measured.fetch(now).actual
    assert actual is not None
    assert [step.g_per_kwh for step in actual.steps()] == [100, 101, 102, 103]
    assert actual.nature == Nature(Kind.AVERAGE, Scope.LIFECYCLE)
    assert not forecast.terms.public
    assert {request.headers["auth-token"] for request in asked} == {played.KEY}
    assert not any(played.KEY in request.url for request in asked)


def test_the_horizon_and_the_factors_are_asked_for(
    httpserver: HTTPServer, asked: list[Request], now: datetime
) -> None:
    forecast, _ = offered(httpserver, horizon=timedelta(hours=72), scope="direct", area="FR").sources
    with pytest.raises(RefusedError):
        forecast.fetch(now)
    assert asked[0].args["horizonHours"] == "72"
    assert asked[0].args["emissionFactorType"] == "direct"
    assert asked[0].args["temporalGranularity"] == "hourly"
    assert asked[0].args["zone"] == "FR"


def test_the_plan_says_how_often_it_may_be_asked(httpserver: HTTPServer) -> None:
    for options, calls in (({}, 50), ({"calls_per_hour": 500}, 500)):
        given = offered(httpserver, **options)
        parts = (*given.sources, given.history, given.mix)
        assert {part.terms for part in parts if part} == {Terms(timedelta(minutes=30), calls, public=False)}


def test_history_is_asked_for_by_its_window(
    httpserver: HTTPServer, asked: list[Request], now: datetime
) -> None:
    history = offered(httpserver).history
    assert history is not None
    assert history.longest == timedelta(days=10)
    window = Interval(played.FULL_HOUR - 10 * 24 * HOUR, played.FULL_HOUR)
    series = history.history(window, now)
    assert series is not None
    assert len(series.steps()) == 4
    assert asked[0].args["start"] == "2026-11-12T10:00:00Z"
    assert asked[0].args["end"] == "2026-11-22T10:00:00Z"


@pytest.mark.parametrize(("version", "shares"), [("v4", (0.3, 0.6, 0.1)), ("v3", (0.2, 0.6998, 0.1))])
def test_the_mix_of_both_versions(
    httpserver: HTTPServer, asked: list[Request], now: datetime, version: str, shares: tuple[float, ...]
) -> None:
    source = offered(httpserver, version=version, zone="north", area="DE").mix
    assert source is not None
    mix = source.mix(now)
    assert len(asked) == 1
    assert (mix.zone, mix.source, mix.megawatts) == ("north", "electricity-maps", 10_000)
    assert tuple(mix.shares[fuel] for fuel in (Fuel.COAL, Fuel.WIND, Fuel.STORAGE)) == pytest.approx(shares)
    assert mix.shares.get(Fuel.OTHER, 0.0) == pytest.approx(0.0002 if version == "v3" else 0)
    assert mix.interval == Interval(played.FULL_HOUR, played.FULL_HOUR + HOUR)


def test_a_sandbox_has_no_mix() -> None:
    body = json.dumps({**played.NEW_MIX, "_disclaimer": "SANDBOX MODE: random data"}).encode()
    with pytest.raises(DataError, match=r"sandbox data: .* get a real token"):
        read_mix(body, "DE", "DE", "electricity-maps")


@pytest.mark.parametrize("body", [{}, {"zone": "DE"}, {"zone": "DE", "data": []}, {"zone": "DE", "mix": {}}])
def test_no_mix_is_none(body: dict[str, Any]) -> None:
    with pytest.raises(DataError):
        read_mix(json.dumps(body).encode(), "DE", "DE", "electricity-maps")


@pytest.mark.parametrize(
    ("estimated", "method", "expected"),
    [
        (False, None, False),
        (True, "TIME_SLICER_AVERAGE", True),
        (True, None, True),
        (False, "FORECASTS_HIERARCHY", True),
        (None, None, False),
    ],
)
def test_a_method_of_estimation_makes_an_estimate(
    estimated: bool | None, method: str | None, expected: bool
) -> None:
    row = {"isEstimated": estimated, "estimationMethod": method}
    body = played.past([played.Point(played.FULL_HOUR, None, 100)], "history", row)
    (step,) = read_intensities(body, "DE", Scope.LIFECYCLE, ahead=False).steps
    assert step.estimated == expected


def test_an_issue_is_as_old_as_the_provider_says(httpserver: HTTPServer, now: datetime) -> None:
    points = [played.Point(played.FULL_HOUR + number * HOUR, None, 100) for number in range(25)]
    body = played.ahead(points, updatedAt="2026-11-22T09:12:00.000Z")
    httpserver.expect_request("/v4/carbon-intensity/forecast").respond_with_data(body)
    issue = offered(httpserver).sources[0].fetch(now).forecast
    assert issue is not None
    assert issue.generated_at == datetime(2026, 11, 22, 9, 12, tzinfo=UTC)
    assert issue.series.horizon == played.FULL_HOUR + 25 * HOUR


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({"horizon": timedelta(hours=7)}, "horizon: expected 6h, 24h, 48h, 72h"),
        ({"url": "ftp://example.org"}, "url: expected http"),
        ({"token_file": "a/b"}, "token_file: expected an absolute path"),
        ({"scope": "operational"}, "scope"),
        ({"version": "v5"}, "version"),
        ({"token": "x"}, "token: unknown key"),
    ],
)
def test_impossible_options_are_refused(options: dict[str, Any], why: str) -> None:
    with pytest.raises(ConfigError, match=why):
        carbon.offer("electricity-maps", {"zone": "DE", "token_file": "em", **options})
    assert HORIZONS[-1] == 72


# --- recorded answers, where they are at hand


@pytest.fixture
def recorded() -> Path:
    folder = os.environ.get("CARBONSLURM_DATA")
    if folder is None:
        pytest.skip("CARBONSLURM_DATA names no folder with recorded answers")
    return Path(folder) / "providers" / "electricitymaps"


def test_recorded_history(recorded: Path) -> None:
    body = (recorded / "aioem_carbon_intensity_history.json").read_bytes()
    steps = read_intensities(body, "DE", Scope.LIFECYCLE, ahead=False).steps
    assert len(steps) == 24
    assert steps[0].interval.start == datetime(2024, 3, 5, 20, tzinfo=UTC)
    assert (steps[0].g_per_kwh, steps[0].estimated) == (599, False)
    assert steps[-1].estimated
    with pytest.raises(DataError, match="asked for zone FR, got DE"):
        read_intensities(body, "FR", Scope.LIFECYCLE, ahead=False)
    with pytest.raises(DataError, match="asked for direct factors, got lifecycle"):
        read_intensities(body, "DE", Scope.DIRECT, ahead=False)


def test_recorded_mix(recorded: Path) -> None:
    mix = read_mix((recorded / "aioem_latest_power_breakdown.json").read_bytes(), "DE", "DE", "em")
    assert mix.megawatts == 52900
    assert mix.shares[Fuel.COAL] == pytest.approx(23893 / 52900)
    assert mix.shares[Fuel.STORAGE] == pytest.approx(1706 / 52900)
    assert mix.shares[Fuel.NUCLEAR] == pytest.approx(440 / 52900)


def test_the_documentation_s_forecast(recorded: Path) -> None:
    body = (recorded / "docsample_forecast.json").read_bytes()
    reading = read_intensities(body, "DK-DK2", Scope.LIFECYCLE, ahead=True)
    assert [step.g_per_kwh for step in reading.steps] == [101]
    assert reading.updated == datetime(2026, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize("ahead", [False, True])
def test_answers_of_other_questions_and_older_versions_are_refused(recorded: Path, ahead: bool) -> None:
    names = {
        "aioem_latest_carbon_intensity",
        "aioem_no-data-response",
        "aioem_response",
        "aioem_unknown-response",
        "aioem_zones",
        "docsample_latest",
    }
    for name in names:
        with pytest.raises(DataError):
            read_intensities((recorded / f"{name}.json").read_bytes(), "DE", Scope.LIFECYCLE, ahead=ahead)


def test_recorded_refusals(recorded: Path, httpserver: HTTPServer, now: datetime) -> None:
    cases = json.loads((recorded / "live_errors_2026-09-02.json").read_text())["cases"]
    assert {case["status"] for case in cases} == {400, 401, 404}
    for case in cases:
        body = case.get("body_text") or json.dumps(case["body"])
        httpserver.clear()
        httpserver.expect_request("/v4/carbon-intensity/history").respond_with_data(body, case["status"])
        with pytest.raises(RefusedError, match=f"HTTP {case['status']}") as caught:
            offered(httpserver).sources[1].fetch(now)
        said = case["body"].get("message", "") if "body" in case else "Cannot GET"
        assert said[:40] in str(caught.value)
