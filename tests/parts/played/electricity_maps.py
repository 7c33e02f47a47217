"""Electricity Maps as the conformance suite plays it."""

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from carbonslurm.carbon import checks
from carbonslurm.carbon.electricity_maps import ElectricityMapsOptions, Question, offer
from carbonslurm.carbon.electricity_maps_reading import read_intensities, read_mix
from carbonslurm.core.forecast import Kind, Nature, Scope, Series
from carbonslurm.core.interval import Interval
from carbonslurm.ports import CarbonSource, HistorySource
from played.keys import key_file
from played.shape import FULL_HOUR, HISTORY, NOW, Lie, Played, Point, Reading, Role

KEY = "em-key-57acf6b2"
NATURE = Nature(Kind.AVERAGE, Scope.LIFECYCLE)
WINDOW = Interval(FULL_HOUR - HISTORY, FULL_HOUR)
Row = dict[str, Any]


def time(moment: object) -> object:
    return moment.strftime("%Y-%m-%dT%H:%M:%S.000Z") if isinstance(moment, datetime) else moment


def ahead(points: Sequence[Point], **more: object) -> bytes:
    """A forecast, made when it begins."""
    rows = [{"carbonIntensity": point.value, "datetime": time(point.start)} for point in points]
    made = min((point.start for point in points if isinstance(point.start, datetime)), default=NOW)
    head = {"zone": "DE", "updatedAt": time(made), "temporalGranularity": "hourly"}
    return json.dumps({**head, "forecast": rows, **more}).encode()


def past(points: Sequence[Point], key: str, row: Row | None = None, **more: object) -> bytes:
    rows = [
        {
            "zone": "DE",
            "carbonIntensity": point.value,
            "datetime": time(point.start),
            "updatedAt": "2026-11-22T10:00:00.000Z",
            "emissionFactorType": "lifecycle",
            "isEstimated": False,
            "estimationMethod": None,
            **(row or {}),
        }
        for point in points
    ]
    return json.dumps({"zone": "DE", key: rows, **more}).encode()


def _options(url: str, read_timeout: timedelta) -> ElectricityMapsOptions:
    return ElectricityMapsOptions("DE", key_file(KEY), url=url, read_timeout=read_timeout)


def _source(question: Question) -> Callable[[str, timedelta], CarbonSource | HistorySource]:
    return lambda url, read_timeout: next(
        each for each in offer(_options(url, read_timeout)).sources if each.question == question
    )


def _history(url: str, read_timeout: timedelta) -> HistorySource:
    made = offer(_options(url, read_timeout)).history
    assert made is not None
    return made


def _forecast_of(body: bytes) -> Series | None:
    read = read_intensities(body, "DE", Scope.LIFECYCLE, ahead=True)
    return checks.forecast("DE", "electricity-maps", NATURE, read.steps, NOW)


def _measured_of(body: bytes) -> Series | None:
    steps = read_intensities(body, "DE", Scope.LIFECYCLE, ahead=False).steps
    ended = [step for step in steps if step.interval.end <= NOW]
    return checks.measured("DE", "electricity-maps", NATURE, ended)


def _history_of(body: bytes) -> Series | None:
    steps = read_intensities(body, "DE", Scope.LIFECYCLE, ahead=False).steps
    return checks.history("DE", "electricity-maps", NATURE, steps, WINDOW, NOW)


def _past_lies(key: str) -> tuple[Lie, ...]:
    return (
        Lie("another zone", lambda points: past(points, key, zone="FR"), "asked for zone DE, got FR"),
        Lie("no zone", lambda points: past(points, key, zone=None), "asked for zone DE, got None"),
        Lie(
            "a sandbox",
            lambda points: past(points, key, {"estimationMethod": "SANDBOX_MODE_DATA"}),
            "sandbox",
        ),
        Lie(
            "other factors", lambda points: past(points, key, {"emissionFactorType": "direct"}), "got direct"
        ),
        Lie("days", lambda points: past(points, key, temporalGranularity="daily"), "asked for hours"),
    )


FORECAST = Played(
    name="electricity-maps forecast",
    role=Role.FORECAST,
    make=_source(Question.FORECAST),
    body=ahead,
    read=_forecast_of,
    step=timedelta(hours=1),
    shapes=(
        (b"{}", "no data"),
        (b'{"zone": "DE", "forecast": null}', "no data"),
        (b'{"forecast": "\\u001b[31mred"}', "Expected"),
        (b'{"zone": "DE", "forecast": [{"datetime": "2026-11-22T10:00Z"}]}', "[0]: no value"),
        (b'{"status": "error", "message": "Zone \\u001b does not exist."}', "does not exist"),
        (b'{"error": {"a": "\\u001b"}}', "no data"),
        (b'{"status": "no-data", "countryCode": "DE", "data": {}}', "Expected"),
    ),
    lies=(
        Lie("another zone", lambda points: ahead(points, zone="FR"), "asked for zone DE, got FR"),
        Lie(
            "made tomorrow",
            lambda points: ahead(points, updatedAt="2026-11-23T10:00:00.000Z"),
            "from the future",
        ),
        Lie("a sandbox", lambda points: ahead(points, _disclaimer="You are in SANDBOX MODE."), "sandbox"),
        Lie("other factors", lambda points: ahead(points, emissionFactorType="direct"), "got direct"),
        Lie("quarters", lambda points: ahead(points, temporalGranularity="15_minutes"), "asked for hours"),
    ),
    secrets=(KEY,),
    exempt={"ends": "an hour is named by its start alone"},
)
PLAYED = (
    FORECAST,
    replace(
        FORECAST,
        name="electricity-maps measured",
        role=Role.MEASURED,
        make=_source(Question.MEASURED),
        body=lambda points: past(points, "history"),
        read=_measured_of,
        shapes=((b"{}", "no data"), (b'{"history": "\\u001b[31mred"}', "Expected")),
        lies=_past_lies("history"),
    ),
    replace(
        FORECAST,
        name="electricity-maps history",
        role=Role.HISTORY,
        make=_history,
        body=lambda points: past(points, "data"),
        read=_history_of,
        shapes=((b"{}", "no data"), (b'{"data": "\\u001b[31mred"}', "Expected")),
        lies=_past_lies("data"),
    ),
)

OLD_MIX = {
    "zone": "DE",
    "datetime": "2026-11-22T10:00:00.000Z",
    "powerConsumptionBreakdown": {
        "nuclear": None,
        "coal": 2000,
        "wind": 6998,
        "solar": 0,
        "unknown": 2,
        "hydro discharge": 1000,
    },
}
NEW_MIX = {
    "zone": "DE",
    "data": [
        {
            "datetime": "2026-11-22T09:00:00.000Z",
            "mix": {"coal": 1, "hydro storage": {"charge": 5, "discharge": None}},
        },
        {
            "datetime": "2026-11-22T10:00:00.000Z",
            "mix": {
                "coal": 3000,
                "wind": 6000,
                "hydro storage": {"charge": 5, "discharge": 1000},
                "battery storage": {"charge": 0, "discharge": 0},
                "flows": {"imports": 70000, "exports": 0},
            },
        },
    ],
}
READINGS = (
    Reading(
        "electricity-maps v3 mix", json.dumps(OLD_MIX).encode(), lambda body: read_mix(body, "DE", "DE", "em")
    ),
    Reading(
        "electricity-maps v4 mix", json.dumps(NEW_MIX).encode(), lambda body: read_mix(body, "DE", "DE", "em")
    ),
)
