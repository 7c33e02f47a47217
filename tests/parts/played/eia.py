"""EIA as the conformance suite plays it: a value is a mix of coal (760 g/kWh at the stack) and wind (0)."""

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from carbonslurm.carbon import checks, eia_reading
from carbonslurm.carbon.eia import EiaOptions, offer
from carbonslurm.core.forecast import Kind, Nature, Scope, Series
from carbonslurm.core.interval import Interval
from carbonslurm.ports import CarbonSource, HistorySource
from played.keys import key_file
from played.shape import FULL_HOUR, HISTORY, NOW, Lie, Played, Point, Role

KEY = "eia-key-0b5e77aa"
COAL = 760
NATURE = Nature(Kind.AVERAGE, Scope.DIRECT)
WINDOW = Interval(FULL_HOUR - HISTORY, FULL_HOUR)
Row = dict[str, Any]


def period(start: object) -> object:
    """A period is the end of its hour."""
    return f"{start + timedelta(hours=1):%Y-%m-%dT%H}" if isinstance(start, datetime) else start


def row(at: object, fuel: str, value: object) -> Row:
    return {
        "period": at,
        "respondent": "CISO",
        "respondent-name": "California Independent System Operator",
        "fueltype": fuel,
        "type-name": fuel,
        "value": value,
        "value-units": "megawatthours",
    }


def rows(points: Sequence[Point]) -> list[Row]:
    found = []
    for point in points:
        is_share = isinstance(point.value, int | float) and 0 <= point.value <= COAL
        wind = COAL - point.value if is_share else 1
        found.append(row(period(point.start), "COL", point.value))
        found.append(row(period(point.start), "WND", None if point.value is None else wind))
    return found


def said(data: list[Row], **more: object) -> bytes:
    """An answer with its echo of the question."""
    response = {"total": str(len(data)), "dateFormat": 'YYYY-MM-DD"T"HH24', "frequency": "hourly"}
    request = {"command": "/v2/electricity/rto/fuel-type-data/data/", "params": {"length": 5000}}
    return json.dumps(
        {"response": {**response, "data": data, **more}, "request": request, "apiVersion": "2.1.8"}
    ).encode()


def _changed(points: Sequence[Point], **change: object) -> bytes:
    first, *others = rows(points)
    return said([{**first, **change}, *others])


def _options(url: str, read_timeout: timedelta) -> EiaOptions:
    return EiaOptions("CISO", key_file(KEY), scope="direct", url=url, read_timeout=read_timeout)


def _source(url: str, read_timeout: timedelta) -> CarbonSource | HistorySource:
    (source,) = offer(_options(url, read_timeout)).sources
    return source


def _history(url: str, read_timeout: timedelta) -> CarbonSource | HistorySource:
    made = offer(_options(url, read_timeout)).history
    assert made is not None
    return made


def _read(make: Callable[[list[Any]], Series | None]) -> Callable[[bytes], Series | None]:
    def read(body: bytes) -> Series | None:
        hours = eia_reading.believed(eia_reading.by_hour(eia_reading.read_page(body, "CISO").rows))
        ended = {end: fuels for end, fuels in hours.items() if end <= NOW}
        return make(eia_reading.steps(ended, Scope.DIRECT))

    return read


MEASURED = Played(
    name="eia measured",
    role=Role.MEASURED,
    make=_source,
    body=lambda points: said(rows(points)),
    read=_read(lambda steps: checks.measured("CISO", "eia", NATURE, steps)),
    step=timedelta(hours=1),
    bad_values={
        "null": (None, ""),
        "absurd": (2_000_000, "outside"),
        "text": ("a few", "not a number"),
        "true": (True, "Expected `float"),
        "list": ([], "Expected `float"),
    },
    bad_times=(
        ("2026-11-22", "not an hour"),
        ("2026-11-22T10:00Z", "not an hour"),
        ("tomorrow\x1b", "not an hour"),
        ("", "not an hour"),
        ("2026-11-22T99", "not an ISO 8601 time"),
        ("0001-01-01T00", "not a time of this age"),
        ("9999-12-31T23", "not a time of this age"),
        (None, "Expected `str"),
        (1_795_341_600, "Expected `str"),
    ),
    place=lambda number: f"data[{2 * number}]",
    shapes=(
        (b"{}", "no data"),
        (b'{"response": null}', "no data"),
        (b'{"response": {"total": 0}}', "missing required field `data`"),
        (b'{"response": {"total": "many", "data": []}}', "not a number"),
        (b'{"response": {"total": 0, "data": "\\u001b[31mred"}}', "Expected"),
        (b'{"error": "Invalid frequency \\u001b provided.", "code": 400}', "Invalid frequency"),
        (b'{"error": {"code": "API_KEY_INVALID", "message": "\\u001b"}}', "API_KEY_INVALID"),
    ),
    lies=(
        Lie("another area", lambda points: _changed(points, respondent="PJM"), "asked for CISO, got PJM"),
        Lie(
            "other units",
            lambda points: _changed(points, **{"value-units": "gigawatthours"}),
            "expected megawatthours",
        ),
        Lie("days", lambda points: said(rows(points), frequency="daily"), "asked for hours, got daily"),
        Lie("fewer rows than it says", lambda points: said(rows(points), total=1000), "of 1000 rows"),
    ),
    secrets=(KEY,),
    exempt={
        "negative": "below 0 is a plant's own use, and counts as none",
        "ends": "an hour is named by its end alone",
    },
)
PLAYED = (
    MEASURED,
    replace(
        MEASURED,
        name="eia history",
        role=Role.HISTORY,
        make=_history,
        read=_read(lambda steps: checks.history("CISO", "eia", NATURE, steps, WINDOW, NOW)),
    ),
)
