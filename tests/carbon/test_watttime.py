"""WattTime: its login, its units, its regions, and its answers in recorded shapes."""

import json
import logging
import os
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from played import watttime as played
from played.keys import key_file
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from carbonslurm import carbon
from carbonslurm.carbon.watttime import historical_path
from carbonslurm.carbon.watttime_reading import read
from carbonslurm.carbon.watttime_session import LIFE, read_region, read_token
from carbonslurm.core.forecast import Kind, Nature, Scope
from carbonslurm.core.interval import Interval
from carbonslurm.errors import CarbonslurmError, ConfigError, DataError, RefusedError, UnavailableError
from carbonslurm.ports import CarbonSource, Offer

MINUTE = timedelta(minutes=1)
HIDDEN = (played.PASSWORD, played.BASIC, "token-")


@dataclass
class Provider:
    """WattTime's server, as it behaves: each login gives a new token, and only the newest is good.

    Attributes:
        seen: the paths that were asked for.
        logins: how many there were.
        revoked: whether the next question's token is no good any more.
        always: whether no token ever is good.
        answer: what a question gets.
    """

    seen: list[str] = field(default_factory=list)
    logins: int = 0
    revoked: bool = False
    always: bool = False
    answer: Response | None = None

    def __call__(self, request: Request) -> Response:
        self.seen.append(request.path)
        if request.path == "/login":
            if request.headers.get("Authorization") != f"Basic {played.BASIC}":
                return Response("Forbidden", 403, content_type="application/json; charset=utf-8")
            self.logins += 1
            self.revoked = False
            return Response(json.dumps({"token": f"token-{self.logins}"}))
        good = request.headers.get("Authorization") == f"Bearer token-{self.logins}"
        if self.revoked or self.always or not good:
            return Response("Jwt is expired", 401, content_type="text/plain")
        if request.path == "/v3/region-from-loc":
            return Response(json.dumps({"region": "PSCO", "signal_type": request.args["signal_type"]}))
        return self.answer or Response(self.body(request))

    def body(self, request: Request) -> bytes:
        count, step = 288, timedelta(minutes=5)
        start = played.NOW if request.path == "/v3/forecast" else played.NOW - count * step
        points = [played.Point(start + number * step, None, 400) for number in range(count)]
        say = played.ahead if request.path == "/v3/forecast" else played.past
        return say(points, region=request.args["region"], signal_type=request.args["signal_type"])


@pytest.fixture
def provider(httpserver: HTTPServer) -> Provider:
    playing = Provider()
    for path in ("/login", "/v3/forecast", "/v3/historical", "/v3/region-from-loc"):
        httpserver.expect_request(path).respond_with_handler(playing)
    return playing


def offered(server: HTTPServer, **options: Any) -> Offer:
    given = {"zone": "CAISO_NORTH", "user": played.USER, "password_file": key_file(played.PASSWORD)}
    return carbon.offer("watttime", {**given, "url": server.url_for("/"), **options})


def refusal(source: CarbonSource, now: datetime, kind: type[CarbonslurmError]) -> str:
    with pytest.raises(kind) as caught:
        source.fetch(now)
    assert type(caught.value) is kind
    assert not any(hidden in str(caught.value) for hidden in HIDDEN)
    return str(caught.value)


# --- the login


def test_one_login_for_half_an_hour_of_questions(
    httpserver: HTTPServer, provider: Provider, now: datetime
) -> None:
    forecast, measured = offered(httpserver).sources
    forecast.fetch(now)
    measured.fetch(now + 2 * MINUTE)
    assert provider.seen == ["/login", "/v3/forecast", "/v3/historical"]
    measured.fetch(now + LIFE - MINUTE)
    assert provider.logins == 1
    measured.fetch(now + LIFE)
    assert provider.logins == 2
    assert LIFE < 30 * MINUTE


def test_a_token_from_the_future_is_not_trusted(
    httpserver: HTTPServer, provider: Provider, now: datetime
) -> None:
    """The clock was set back: nobody knows how old the token is."""
    measured = offered(httpserver).sources[1]
    measured.fetch(now + 60 * MINUTE)
    measured.fetch(now)
    assert provider.logins == 2


def test_a_refused_token_is_renewed_once(httpserver: HTTPServer, provider: Provider, now: datetime) -> None:
    measured = offered(httpserver).sources[1]
    measured.fetch(now)
    provider.revoked = True
    assert measured.fetch(now + MINUTE).actual is not None
    assert provider.seen[2:] == ["/v3/historical", "/login", "/v3/historical"]


def test_a_new_token_that_is_refused_is_the_end_of_it(
    httpserver: HTTPServer, provider: Provider, now: datetime
) -> None:
    provider.always = True
    measured = offered(httpserver).sources[1]
    assert "HTTP 401" in refusal(measured, now, RefusedError)
    assert provider.seen == ["/login", "/v3/historical"]
    provider.always = False
    measured.fetch(now + MINUTE)
    assert provider.logins == 2


def test_a_wrong_password_is_named_and_not_told(
    httpserver: HTTPServer, provider: Provider, now: datetime
) -> None:
    (forecast, _) = offered(httpserver, password_file=key_file("wrong-password")).sources
    message = refusal(forecast, now, RefusedError)
    assert message == "/login: HTTP 403: wrong user or password"
    assert provider.seen == ["/login"]


@pytest.mark.parametrize(
    ("body", "status", "kind"),
    [
        ("Unauthorized", 401, RefusedError),
        (json.dumps({"token": "token-x"}), 201, UnavailableError),
        (json.dumps({"token": ["token-x"]}), 200, DataError),
        (json.dumps({"token": ""}), 200, DataError),
        (json.dumps({"token": "token-x\r\nX: y"}), 200, DataError),
        (json.dumps({"token": "token-\u00e9"}), 200, DataError),
        (json.dumps({"token": "token-" * 9000}), 200, DataError),
        ('{"token": "token-x', 200, DataError),
        ("", 302, UnavailableError),
    ],
)
def test_no_answer_to_a_login_is_quoted(
    httpserver: HTTPServer, now: datetime, body: str, status: int, kind: type[CarbonslurmError]
) -> None:
    httpserver.expect_request("/login").respond_with_data(body, status)
    assert "/login: " in refusal(offered(httpserver).sources[0], now, kind)


def test_nothing_is_told_of_the_login(
    httpserver: HTTPServer, provider: Provider, now: datetime, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    given = offered(httpserver)
    echo = f"{played.PASSWORD} {played.BASIC} token-1"
    provider.answer = Response(json.dumps({"error": echo}), 400)
    for source in given.sources:
        assert "***" in refusal(source, now, RefusedError)
    assert provider.logins == 1
    told = caplog.text + repr(given) + "".join(repr(record.__dict__) for record in caplog.records)
    assert not any(hidden in told for hidden in HIDDEN)


# --- the questions


def test_72_hours_are_asked_for_and_marginal(
    httpserver: HTTPServer, provider: Provider, now: datetime
) -> None:
    issue = offered(httpserver).sources[0].fetch(now).forecast
    assert issue is not None
    assert issue.series.nature == Nature(Kind.MARGINAL, Scope.DIRECT)
    assert issue.generated_at == now
    assert issue.series.at(now) == pytest.approx(400)
    request, _ = httpserver.log[-1]
    assert dict(request.args) == {"region": "CAISO_NORTH", "signal_type": "co2_moer", "horizon_hours": "72"}


def test_the_average_rate_is_another_nature(
    httpserver: HTTPServer, provider: Provider, now: datetime
) -> None:
    actual = offered(httpserver, signal="co2_aoer").sources[1].fetch(now).actual
    assert actual is not None
    assert actual.nature == Nature(Kind.AVERAGE, Scope.DIRECT)
    assert provider.logins == 1


def test_a_region_by_its_place_is_looked_up_once(
    httpserver: HTTPServer, provider: Provider, now: datetime
) -> None:
    forecast, measured = offered(httpserver, zone="west", latitude=39.74, longitude=-104.99).sources
    for source in (forecast, measured, measured):
        source.fetch(now)
    assert provider.seen == [
        "/login",
        "/v3/region-from-loc",
        "/v3/forecast",
        "/v3/historical",
        "/v3/historical",
    ]
    lookup = next(request for request, _ in httpserver.log if "region-from-loc" in request.path)
    assert dict(lookup.args) == {"latitude": "39.74", "longitude": "-104.99", "signal_type": "co2_moer"}
    assert [request.args["region"] for request, _ in httpserver.log[2:]] == ["PSCO"] * 3


def test_the_end_of_a_window_is_in_it_so_we_ask_for_a_point_less(now: datetime) -> None:
    window = Interval(now - timedelta(days=32), now)
    asked = historical_path("PSCO", "co2_moer", window)
    assert "start=2026-10-21T10%3A10%3A00Z&end=2026-11-22T10%3A05%3A00Z" in asked
    assert asked.endswith("&include_imputed_marker=true")
    assert "start=2026-11-22T10%3A10%3A00Z&end=2026-11-22T10%3A10%3A00Z" in historical_path(
        "PSCO", "co2_moer", Interval(now, now)
    )


def test_a_plan_without_the_region_is_named(
    httpserver: HTTPServer, provider: Provider, now: datetime
) -> None:
    words = {"error": "Invalid query parameters", "message": "Invalid scope. You do not have access"}
    provider.answer = Response(json.dumps(words), 403)
    message = refusal(offered(httpserver, region="PSCO").sources[0], now, RefusedError)
    assert "HTTP 403" in message
    assert "the plan does not have co2_moer of PSCO" in message
    assert "Invalid scope" in message
    assert provider.logins == 1


# --- the reading


def test_pounds_become_grams() -> None:
    point = {"point_time": "2026-11-22T10:00:00+00:00", "value": 1000}
    body = json.dumps({"data": [point], "meta": played.meta()}).encode()
    (step,) = read(body, "CAISO_NORTH", "co2_moer", ahead=False).steps
    assert step.g_per_kwh == pytest.approx(453.59237)
    assert step.interval.length == timedelta(minutes=5)


def test_filled_in_values_are_estimates() -> None:
    rows = [
        {"point_time": f"2026-11-22T10:{number:02}:00+00:00", "value": 1, "imputed_data_used": flag}
        for number, flag in ((0, True), (5, False), (10, None))
    ]
    body = json.dumps({"data": rows, "meta": played.meta()}).encode()
    steps = read(body, "CAISO_NORTH", "co2_moer", ahead=False).steps
    assert [step.estimated for step in steps] == [True, False, False]


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({"horizon": timedelta(hours=73)}, "horizon: expected whole hours"),
        ({"horizon": timedelta(minutes=90)}, "horizon: expected whole hours"),
        ({"latitude": 1.0}, "latitude: expected together"),
        ({"longitude": 1.0}, "latitude: expected together"),
        ({"latitude": 1.0, "longitude": 1.0, "region": "PSCO"}, "region: expected a region or a place"),
        ({"latitude": 91.0, "longitude": 1.0}, "latitude: expected -90 to 90"),
        ({"signal": "health_damage"}, "signal"),
        ({"user": "a:b"}, "user: a colon"),
        ({"url": "ftp://example.org"}, "url: expected http"),
        ({"password_file": "../x"}, "password_file: expected an absolute path"),
        ({"password": "x"}, "password: unknown key"),
    ],
)
def test_impossible_options_are_refused(options: dict[str, Any], why: str) -> None:
    with pytest.raises(ConfigError, match=why):
        carbon.offer("watttime", {"zone": "PSCO", "user": "site", "password_file": "wt", **options})


# --- recorded answers, where they are at hand


@pytest.fixture
def recorded() -> Path:
    folder = os.environ.get("CARBONSLURM_DATA")
    if folder is None:
        pytest.skip("CARBONSLURM_DATA names no folder with recorded answers")
    return Path(folder) / "providers" / "watttime"


def test_recorded_values(recorded: Path) -> None:
    body = (recorded / "aiowt_historical_emissions_response.json").read_bytes()
    steps = read(body, "CAISO_NORTH", "co2_moer", ahead=False).steps
    assert [step.g_per_kwh for step in steps] == pytest.approx([870 * 0.45359237, 860 * 0.45359237])
    assert all(step.estimated for step in steps)


def test_a_recorded_percentile_is_no_intensity(recorded: Path) -> None:
    body = (recorded / "aiowt_realtime_emissions_response.json").read_bytes()
    with pytest.raises(DataError, match=r"percentile: .* not an intensity"):
        read(body, "PSCO", "co2_moer", ahead=True)


def test_recorded_answers_of_another_shape(recorded: Path) -> None:
    for name in (
        "forecasted_emissions",
        "grid_region",
        "invalid_scope",
        "coordinates_not_found",
        "new_user_fail",
        "password_reset_fail",
    ):
        with pytest.raises(DataError):
            read((recorded / f"aiowt_{name}_response.json").read_bytes(), "PSCO", "co2_moer", ahead=True)


def test_a_recorded_region(recorded: Path) -> None:
    assert read_region((recorded / "aiowt_grid_region_response.json").read_bytes()) == "PSCO"
    with pytest.raises(DataError):
        read_region((recorded / "aiowt_coordinates_not_found_response.json").read_bytes())


def test_recorded_refusals(recorded: Path, httpserver: HTTPServer, now: datetime) -> None:
    """Whatever the gateway says at the login or the question, it is one of the named errors."""
    cases = json.loads((recorded / "live_errors_2026-09-02.json").read_text())["cases"]
    for case in cases:
        httpserver.clear()
        body, status = case["body_text"], case["status"]
        if "login" in case["request"].lower():
            httpserver.expect_request("/login").respond_with_data(body, status)
        else:
            httpserver.expect_request("/login").respond_with_json({"token": "token-1"})
            httpserver.expect_request("/v3/forecast").respond_with_data(body, status)
        kind = UnavailableError if status == 302 else RefusedError
        assert f"HTTP {status}" in refusal(offered(httpserver).sources[0], now, kind)


def test_a_token_is_read_and_a_region_too() -> None:
    assert read_token(b'{"token": "a.b.c"}') == "a.b.c"
    assert read_region(b'{"region": "PSCO"}') == "PSCO"
    with pytest.raises(DataError, match="not a region"):
        read_region(b'{"region": "PS CO\\u001b"}')
