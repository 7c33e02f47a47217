"""Energi Data Service as the conformance suite plays it: records with naive times in UTC."""

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from carbonslurm.carbon import checks
from carbonslurm.carbon.energi_data_service import (
    NATURE,
    EnergiDataServiceOptions,
    Question,
    offer,
    read_forecast,
    read_measured,
)
from carbonslurm.core.interval import Interval
from carbonslurm.ports import CarbonSource, HistorySource
from played.shape import FULL_HOUR, HISTORY, NOW, Lie, Played, Point, Role


def time(moment: object) -> object:
    return moment.strftime("%Y-%m-%dT%H:%M:%S") if isinstance(moment, datetime) else moment


def records(points: Sequence[Point], area: str = "DK1") -> list[dict[str, Any]]:
    return [
        {"Minutes5UTC": time(point.start), "PriceArea": area, "CO2Emission": point.value} for point in points
    ]


def said(content: list[dict[str, Any]], total: int | None = None) -> bytes:
    counted = len(content) if total is None else total
    return json.dumps({"total": counted, "dataset": "CO2Emis", "records": content}).encode()


def _source(question: Question) -> Callable[[str, timedelta], CarbonSource]:
    def make(url: str, read_timeout: timedelta) -> CarbonSource:
        options = EnergiDataServiceOptions("DK1", url=url, read_timeout=read_timeout)
        return next(each for each in offer(options).sources if each.question == question)

    return make


def _history(url: str, read_timeout: timedelta) -> HistorySource:
    made = offer(EnergiDataServiceOptions("west", "DK1", url, read_timeout)).history
    assert made is not None
    return made


FORECAST = Played(
    name="energi-data-service forecast",
    role=Role.FORECAST,
    make=_source(Question.FORECAST),
    body=lambda points: said(records(points)),
    read=lambda body: checks.forecast("DK1", "energi-data-service", NATURE, read_forecast(body, "DK1"), NOW),
    step=timedelta(minutes=5),
    bad_times=(
        ("tomorrow", "not an ISO 8601 time"),
        ("", "not an ISO 8601 time"),
        ("0001-01-01T00:00:00", "not a time of this age"),
        ("9999-12-31T23:59:00", "not a time of this age"),
        (None, "Expected `str"),
        (1_795_341_600, "Expected `str"),
    ),
    shapes=(
        (b"{}", "missing required field"),
        (b'{"records": null}', "Expected `array`"),
        (b'{"records": [{"Minutes1UTC": "2026-11-22T10:00:00"}]}', "missing required field"),
    ),
    lies=(
        Lie("another area", lambda points: said(records(points, "DK2")), 'asked for DK1, got "DK2"'),
        Lie("a part of the records", lambda points: said(records(points), 864), "8 of 864 records"),
        Lie(
            "uneven times",
            lambda points: said(records([*points, Point(FULL_HOUR + timedelta(minutes=7), None, 100)])),
            "uneven times",
        ),
    ),
    exempt={"ends": "records have starts only, and their length is that of the distances"},
)
WINDOW = Interval(FULL_HOUR - HISTORY, FULL_HOUR)
MEASURED = replace(
    FORECAST,
    name="energi-data-service measured",
    role=Role.MEASURED,
    make=_source(Question.MEASURED),
    read=lambda body: checks.measured("DK1", "energi-data-service", NATURE, read_measured(body, "DK1", NOW)),
    lies=FORECAST.lies[:2],
)
PLAYED = (
    FORECAST,
    MEASURED,
    replace(
        MEASURED,
        name="energi-data-service history",
        role=Role.HISTORY,
        make=_history,
        read=lambda body: checks.history(
            "DK1", "energi-data-service", NATURE, read_measured(body, "DK1", NOW), WINDOW, NOW
        ),
    ),
)
