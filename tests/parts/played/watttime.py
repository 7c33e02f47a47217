"""WattTime as the conformance suite plays it, with its login."""

import base64
import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from werkzeug import Request, Response

from carbonslurm.carbon import checks
from carbonslurm.carbon.watttime import NATURES, Question, WattTimeOptions, offer
from carbonslurm.carbon.watttime_reading import read
from carbonslurm.carbon.watttime_session import read_region, read_token
from carbonslurm.core.forecast import Series
from carbonslurm.core.interval import Interval
from carbonslurm.ports import CarbonSource, HistorySource
from played.keys import key_file
from played.shape import FULL_HOUR, HISTORY, NOW, Lie, Played, Point, Reading, Role

USER, PASSWORD, TOKEN = "site", "p@ssword-8c41", "head.payload.signature-31f0"
BASIC = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
REGION, SIGNAL = "CAISO_NORTH", "co2_moer"
NATURE = NATURES[SIGNAL]
LB_PER_MWH = 1 / 0.45359237  # of one g/kWh
WINDOW = Interval(FULL_HOUR - HISTORY, FULL_HOUR)


def login(request: Request) -> Response | None:
    """The right user gets the token; everything else wants it."""
    if request.path == "/login":
        if request.headers.get("Authorization") != f"Basic {BASIC}":
            return Response("Forbidden", 403, content_type="application/json; charset=utf-8")
        return Response(json.dumps({"token": TOKEN}), content_type="application/json")
    if request.headers.get("Authorization") != f"Bearer {TOKEN}":
        return Response("Jwt is missing", 401, content_type="text/plain")
    return None


def time(moment: object) -> object:
    return moment.strftime("%Y-%m-%dT%H:%M:%S+00:00") if isinstance(moment, datetime) else moment


def pounds(value: object) -> object:
    return value * LB_PER_MWH if isinstance(value, int | float) and not isinstance(value, bool) else value


def meta(**more: object) -> dict[str, object]:
    return {
        "data_point_period_seconds": 300,
        "region": REGION,
        "warnings": [{"type": "EXAMPLE_WARNING", "message": "This is just an example"}],
        "signal_type": SIGNAL,
        "model": {"type": "binned_regression", "date": "2023-03-01"},
        "units": "lbs_co2_per_mwh",
        **more,
    }


def ahead(points: Sequence[Point], made: datetime | None = None, **more: object) -> bytes:
    """A forecast, made when it begins, unless it says otherwise."""
    begins = min((point.start for point in points if isinstance(point.start, datetime)), default=NOW)
    rows = [{"point_time": time(point.start), "value": pounds(point.value)} for point in points]
    head = meta(generated_at=time(made or begins), generated_at_period_seconds=300, **more)
    return json.dumps({"data": rows, "meta": head}).encode()


def past(points: Sequence[Point], **more: object) -> bytes:
    rows = [
        {
            "point_time": time(point.start),
            "value": pounds(point.value),
            "last_updated": "2026-11-22T10:05:00+00:00",
            "imputed_data_used": False,
        }
        for point in points
    ]
    return json.dumps({"data": rows, "meta": meta(**more)}).encode()


def options(url: str, read_timeout: timedelta) -> WattTimeOptions:
    return WattTimeOptions("north", USER, key_file(PASSWORD), REGION, url=url, read_timeout=read_timeout)


def _source(question: Question) -> Callable[[str, timedelta], CarbonSource | HistorySource]:
    return lambda url, read_timeout: next(
        each for each in offer(options(url, read_timeout)).sources if each.question == question
    )


def _history(url: str, read_timeout: timedelta) -> HistorySource:
    made = offer(options(url, read_timeout)).history
    assert made is not None
    return made


def _forecast_of(body: bytes) -> Series | None:
    steps = read(body, REGION, SIGNAL, ahead=True).steps
    return checks.forecast("north", "watttime", NATURE, steps, NOW)


def _past_of(body: bytes, window: Interval) -> Series | None:
    steps = read(body, REGION, SIGNAL, ahead=False).steps
    return checks.history("north", "watttime", NATURE, steps, window, NOW)


SHAPES = (
    (b"{}", "no data"),
    (b'{"data": null}', "no data"),
    (b'{"data": []}', "no data"),
    (b'{"data": "\\u001b[31mred"}', "Expected"),
    (b'{"error": "Invalid query parameters", "message": "Invalid \\u001b scope."}', "scope"),
    (b'{"error": {"a": "\\u001b"}}', "no data"),
)


def _lies(say: Callable[..., bytes]) -> tuple[Lie, ...]:
    return (
        Lie("another region", lambda points: say(points, region="PSCO"), "asked for CAISO_NORTH, got PSCO"),
        Lie("another signal", lambda points: say(points, signal_type="health_damage"), "got health_damage"),
        Lie("a percentile", lambda points: say(points, units="percentile"), "not an intensity"),
        Lie("other units", lambda points: say(points, units="kgs_co2_per_mwh"), "got kgs_co2_per_mwh"),
        Lie("no units", lambda points: say(points, units=None), "got None"),
        Lie("days", lambda points: say(points, data_point_period_seconds=86400), "got 86400"),
        Lie("no time", lambda points: say(points, data_point_period_seconds=0), "got 0"),
        Lie("no period", lambda points: say(points, data_point_period_seconds=None), "got None"),
    )


FORECAST = Played(
    name="watttime forecast",
    role=Role.FORECAST,
    make=_source(Question.FORECAST),
    body=ahead,
    read=_forecast_of,
    step=timedelta(minutes=5),
    shapes=SHAPES,
    lies=(
        *_lies(ahead),
        Lie(
            "made tomorrow",
            lambda points: ahead(points).replace(
                b'"generated_at": "2026-11-22', b'"generated_at": "2026-11-23'
            ),
            "from the future",
        ),
    ),
    secrets=(PASSWORD, BASIC, TOKEN),
    handshake=login,
    exempt={"ends": "a point is named by its start alone"},
)
MEASURED = replace(
    FORECAST,
    name="watttime measured",
    role=Role.MEASURED,
    make=_source(Question.MEASURED),
    body=past,
    read=lambda body: _past_of(body, Interval(NOW - timedelta(days=1), NOW)),
    lies=_lies(past),
)
PLAYED = (
    FORECAST,
    MEASURED,
    replace(
        MEASURED,
        name="watttime history",
        role=Role.HISTORY,
        make=_history,
        read=lambda body: _past_of(body, WINDOW),
    ),
)
READINGS = (
    Reading("watttime login", json.dumps({"token": TOKEN}).encode(), read_token),
    Reading(
        "watttime region",
        b'{"region": "PSCO", "region_full_name": "Public Service Co of Colorado", "signal_type": "co2_moer"}',
        read_region,
    ),
)
