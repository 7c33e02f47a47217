"""EIA: pages, echoes, hours that are believed and hours that are not, and answers in recorded shapes."""

import json
import logging
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from played import eia as played
from played.keys import key_file
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from carbonslurm import carbon
from carbonslurm.carbon import eia_reading
from carbonslurm.carbon.eia import ROWS, path
from carbonslurm.core.forecast import Kind, Nature, Scope
from carbonslurm.core.interval import Interval
from carbonslurm.core.mix import Fuel
from carbonslurm.errors import ConfigError, DataError, RefusedError
from carbonslurm.ports import Offer

HOUR = timedelta(hours=1)
DATA = "/v2/electricity/rto/fuel-type-data/data/"
NIGHT = {"NG": 600, "WND": 300, "NUC": 100}
START = datetime(2026, 11, 20, tzinfo=UTC)
Said = dict[str, Any]


def offered(server: HTTPServer, **options: Any) -> Offer:
    given = {"zone": "west", "area": "CISO", "token_file": key_file(played.KEY), "url": server.url_for("/")}
    return carbon.offer("eia", {**given, **options})


def rows(hours: list[Said], start: datetime = START) -> list[played.Row]:
    """Hours side by side, the first of which begins at ``start``: what is None in an hour is null."""
    return [
        played.row(played.period(start + number * HOUR), code, value)
        for number, hour in enumerate(hours)
        for code, value in hour.items()
    ]


def known(hours: list[Said], scope: Scope = Scope.LIFECYCLE) -> list[float | None]:
    """The intensity of each hour, rounded; None where it is unknown."""
    page = eia_reading.read_page(played.said(rows(hours)), "CISO")
    steps = eia_reading.steps(eia_reading.believed(eia_reading.by_hour(page.rows)), scope)
    found = {step.interval.start: round(step.g_per_kwh, 2) for step in steps}
    return [found.get(START + number * HOUR) for number in range(len(hours))]


# --- the question


def test_a_period_is_the_end_of_its_hour(now: datetime) -> None:
    asked = path("CISO", Interval(now.replace(minute=0) - 3 * HOUR, now.replace(minute=0)), 0)
    assert "&start=2026-11-22T08&end=2026-11-22T10&" in asked
    assert "facets%5Brespondent%5D%5B%5D=CISO" in asked
    assert "&end=2026-11-22T11&" in path("CISO", Interval(now - 3 * HOUR, now), 0)


def test_all_pages_are_asked_for(httpserver: HTTPServer, now: datetime) -> None:
    """60 days of eight fuels are three pages; the warning about it says nothing that we do not know."""
    fuels = {"COL": 100, "WND": 900, "NUC": 0, "NG": 0, "SUN": 0, "WAT": 0, "OIL": 0, "BAT": -5}
    everything = rows([fuels] * (61 * 24), played.FULL_HOUR - timedelta(days=61))
    seen: list[Request] = []

    def page(request: Request) -> Response:
        seen.append(request)
        offset = int(request.args["offset"])
        warnings = [{"warning": "incomplete return", "description": "The API can only return 5000 rows"}]
        body = json.loads(played.said(everything[offset : offset + ROWS], total=len(everything)))
        return Response(json.dumps({**body, "warnings": warnings}))

    httpserver.expect_request(DATA).respond_with_handler(page)
    history = offered(httpserver).history
    assert history is not None
    assert history.longest == timedelta(days=60)
    series = history.history(Interval(played.FULL_HOUR - timedelta(days=60), played.FULL_HOUR), now)
    assert series is not None
    assert len(series.values) == 60 * 24
    assert not series.has_gaps
    assert [request.args["offset"] for request in seen] == ["0", "5000", "10000"]


def test_a_page_that_stays_empty_refuses_the_whole(httpserver: HTTPServer, now: datetime) -> None:
    def page(request: Request) -> Response:
        data = rows([NIGHT]) if request.args["offset"] == "0" else []
        return Response(played.said(data, total=4))

    httpserver.expect_request(DATA).respond_with_handler(page)
    with pytest.raises(DataError, match="fuel-type-data of CISO: 3 of 4 rows"):
        offered(httpserver).sources[0].fetch(now)


def test_the_key_is_in_a_header_and_nowhere_else(
    httpserver: HTTPServer, now: datetime, caplog: pytest.LogCaptureFixture
) -> None:
    """The API echoes what it was asked, and a rotated key may still stand in an old address."""
    caplog.set_level(logging.DEBUG)
    seen: list[Request] = []

    statuses = iter((200, 400, 403))

    def echo(request: Request) -> Response:
        seen.append(request)
        params = {"api_key": request.headers["X-Api-Key"]}
        return Response(json.dumps({"error": f"bad {params}", "request": {"params": params}}), next(statuses))

    httpserver.expect_request(DATA).respond_with_handler(echo)
    given = offered(httpserver)
    told = repr(given)
    for kind in (DataError, RefusedError, RefusedError):
        with pytest.raises(kind) as caught:
            given.sources[0].fetch(now)
        told += str(caught.value)
        assert "***" in str(caught.value)
    told += caplog.text + "".join(repr(record.__dict__) for record in caplog.records)
    assert played.KEY not in told
    assert all(played.KEY not in request.url for request in seen)
    assert all(request.headers["X-Api-Key"] == played.KEY for request in seen)


def test_what_it_offers(httpserver: HTTPServer, now: datetime) -> None:
    httpserver.expect_request(DATA).respond_with_data(
        played.said(rows([NIGHT] * 10 + [{**NIGHT, "NG": None}], played.FULL_HOUR - 12 * HOUR))
    )
    given = offered(httpserver)
    (source,) = given.sources
    answer = source.fetch(now)
    assert answer.forecast is None
    assert answer.actual is not None
    assert (answer.actual.zone, answer.actual.source) == ("west", "eia")
    assert answer.actual.nature == Nature(Kind.AVERAGE, Scope.LIFECYCLE)
    assert answer.actual.horizon == played.FULL_HOUR - 2 * HOUR
    assert given.mix is not None
    mix = given.mix.mix(now)
    assert mix.interval == Interval(played.FULL_HOUR - 3 * HOUR, played.FULL_HOUR - 2 * HOUR)
    assert mix.shares == {Fuel.GAS: 0.6, Fuel.WIND: 0.3, Fuel.NUCLEAR: 0.1}
    assert mix.megawatts == 1000


def test_without_an_hour_there_is_no_mix(httpserver: HTTPServer, now: datetime) -> None:
    httpserver.expect_request(DATA).respond_with_data(played.said([]))
    source = offered(httpserver).mix
    assert source is not None
    with pytest.raises(DataError, match="fuel-type-data of CISO: no hour since"):
        source.mix(now)


def test_a_window_that_is_not_there_yet_is_nothing(httpserver: HTTPServer, now: datetime) -> None:
    """The day before the window, asked for to compare with, is not an answer to another question."""
    httpserver.expect_request(DATA).respond_with_data(
        played.said(rows([NIGHT] * 5, played.FULL_HOUR - 30 * HOUR))
    )
    history = offered(httpserver).history
    assert history is not None
    assert history.history(Interval(played.FULL_HOUR - 24 * HOUR, played.FULL_HOUR), now) is None


# --- hours


def test_factors_weigh_what_was_made() -> None:
    assert known([NIGHT]) == [round(0.6 * 490 + 0.3 * 11 + 0.1 * 12, 2)]
    assert known([NIGHT], Scope.DIRECT) == [0.6 * 370]


def test_numbers_in_quotes_are_numbers() -> None:
    assert known([{"NG": "600", "WND": " 300.0", "NUC": "100"}]) == known([NIGHT])


@pytest.mark.parametrize("value", ["", "nan", "1e5", "0x10", "1_0", "12,5", "\u0661", "9" * 13])
def test_other_texts_are_none(value: str) -> None:
    with pytest.raises(DataError, match=r"data\[0\]: not a number"):
        known([{"NG": value}])


def test_an_hour_without_a_main_fuel_is_unknown() -> None:
    """Without its gas it would be the cleanest hour of the week."""
    for last in ({**NIGHT, "NG": None}, {"WND": 300, "NUC": 100}):
        for before in (1, 23, 24, 25):
            assert known([*[NIGHT] * before, last])[-2:] == [known([NIGHT])[0], None]


def test_a_small_fuel_may_be_missing() -> None:
    small = {**NIGHT, "OIL": 40}
    assert known([*[small] * 25, {**NIGHT, "OIL": None}])[-1] == known([NIGHT])[0]


def test_solar_may_be_missing_at_night_but_not_at_noon() -> None:
    day = [{**NIGHT, "SUN": 900} if 15 <= hour <= 23 else NIGHT for hour in range(24)]
    assert None not in known([*day, *day])
    noon = known([*day, *day, *day[:18], NIGHT])
    assert noon[-1] is None
    assert None not in noon[:-1]


def test_storage_counts_neither_way() -> None:
    for more in ({"BAT": 500, "PS": 100}, {"BAT": -800}, {"OES": None}, {"UES": 5}):
        assert known([{**NIGHT, **more}]) == known([NIGHT])


def test_own_use_counts_as_none_up_to_a_twentieth() -> None:
    assert known([{**NIGHT, "SUN": -3}]) == known([NIGHT])
    assert known([{**NIGHT, "SUN": -51}]) == [None]


def test_what_has_no_name_counts_as_the_rest_up_to_a_tenth() -> None:
    assert known([{**NIGHT, "OTH": 111}]) == known([NIGHT])
    assert known([{**NIGHT, "OTH": 112}]) == [None]
    assert known([{**NIGHT, "UNK": 60, "XYZ": 60}]) == [None]
    assert known([{"OTH": 100}]) == [None]


def test_a_slip_of_the_pen_is_unknown() -> None:
    slip = {**NIGHT, "WND": 30_000}
    assert known([*[NIGHT] * 25, slip, NIGHT])[-2:] == [None, known([NIGHT])[0]]
    assert known([NIGHT, slip])[1] is not None  # of two hours nobody knows which is the usual one


def test_an_hour_of_nothing_is_unknown() -> None:
    assert known([{"NG": 0, "WND": 0}, {"NG": None}, {"BAT": 5}, {"NG": -5}]) == [None] * 4


def test_codes_of_the_newer_kind() -> None:
    assert known([{"SNB": 100}]) == [45]
    assert known([{"WNB": 100}]) == [11]
    assert known([{"GEO": 100}]) == [38]


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({"area": "Ciso"}, "area: expected the code of a balancing area"),
        ({"area": "US-CAL-CISO"}, "area: expected the code of a balancing area"),
        ({"zone": "west"}, "area: expected the code of a balancing area"),
        ({"url": "ftp://example.org"}, "url: expected http"),
        ({"token_file": "a/b"}, "token_file: expected an absolute path"),
        ({"scope": "operational"}, "scope"),
        ({"api_key": "x"}, "api_key: unknown key"),
    ],
)
def test_impossible_options_are_refused(options: dict[str, Any], why: str) -> None:
    with pytest.raises(ConfigError, match=why):
        carbon.offer("eia", {"zone": "CISO", "token_file": "eia-key", **options})


# --- recorded answers, where they are at hand


@pytest.fixture
def recorded() -> Path:
    folder = os.environ.get("CARBONSLURM_DATA")
    if folder is None:
        pytest.skip("CARBONSLURM_DATA names no folder with recorded answers")
    return Path(folder) / "providers" / "eia"


@pytest.mark.parametrize(
    ("name", "area", "expected"),
    [
        ("emaps_US-NW-PGE-with-nulls", "PGE", {datetime(2022, 10, 31, 11, tzinfo=UTC): 490}),
        (
            "emaps_US_NW_BPAT-wind",
            "BPAT",
            {datetime(2022, 10, 31, hour, tzinfo=UTC): 11 for hour in (10, 11)},
        ),
        ("emaps_US_SMTH-coal", "AVRN", {datetime(2022, 10, 31, hour, tzinfo=UTC): 820 for hour in (10, 11)}),
        ("emaps_US_CAL_IID-battery_storage", "EIA", {}),
    ],
)
def test_recorded_hours(recorded: Path, name: str, area: str, expected: dict[datetime, float]) -> None:
    """Nulls are unknown, what comes out of batteries says nothing, and an hour begins before its period."""
    page = eia_reading.read_page((recorded / f"{name}.json").read_bytes(), area)
    hours = eia_reading.believed(eia_reading.by_hour(page.rows))
    steps = eia_reading.steps(hours, Scope.LIFECYCLE)
    assert {step.interval.start: step.g_per_kwh for step in steps} == expected


def test_recorded_demand_is_no_mix(recorded: Path) -> None:
    with pytest.raises(DataError, match="missing required field `fueltype`"):
        eia_reading.read_page((recorded / "emaps_US_NW_BPAT-consumption.json").read_bytes(), "BPAT")


def test_recorded_refusals(recorded: Path, httpserver: HTTPServer, now: datetime) -> None:
    cases = json.loads((recorded / "live_errors_2026-09-02.json").read_text())["cases"]
    for case in cases:
        httpserver.clear()
        httpserver.expect_request(DATA).respond_with_json(case["body"], case["status"])
        with pytest.raises(RefusedError, match=f"HTTP {case['status']}") as caught:
            offered(httpserver).sources[0].fetch(now)
        assert "API_KEY" in str(caught.value) or "Invalid frequency" in str(caught.value)
        with pytest.raises(DataError, match="an error: "):
            eia_reading.read_page(json.dumps(case["body"]).encode(), "CISO")
