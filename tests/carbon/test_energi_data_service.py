"""Energi Data Service: its questions, its areas, and its answers in their reconstructed shape."""

import json
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from pytest_httpserver import HTTPServer

from carbonslurm import carbon
from carbonslurm.carbon.energi_data_service import (
    NATURE,
    EnergiDataServiceOptions,
    Question,
    around,
    offer,
    path,
    read_forecast,
)
from carbonslurm.core.forecast import Kind, Nature, Scope
from carbonslurm.core.interval import Interval
from carbonslurm.errors import ConfigError, DataError

FIVE = timedelta(minutes=5)


def asked(question: Question, area: str, window: Interval) -> dict[str, str]:
    parts = urlsplit(path(question, area, window))
    assert parts.path == f"/dataset/{question}"
    return {name: value for name, (value,) in parse_qs(parts.query, strict_parsing=True).items()}


def test_the_forecast_is_asked_from_this_hour_on(now: datetime) -> None:
    assert asked(Question.FORECAST, "DK1", around(Question.FORECAST, now)) == {
        "start": "2026-11-22T10:00",
        "end": "2026-11-25T10:00",
        "timezone": "utc",
        "filter": '{"PriceArea":["DK1"]}',
        "columns": "Minutes5UTC,PriceArea,CO2Emission",
        "sort": "Minutes5UTC asc",
        "limit": "0",
    }


def test_measured_values_are_asked_a_day_back(now: datetime) -> None:
    question = asked(Question.MEASURED, "DK2", around(Question.MEASURED, now))
    assert (question["start"], question["end"]) == ("2026-11-21T10:00", "2026-11-22T11:00")
    assert question["filter"] == '{"PriceArea":["DK2"]}'


@pytest.mark.parametrize(
    ("options", "area"),
    [
        (EnergiDataServiceOptions("DK2"), "DK2"),
        (EnergiDataServiceOptions("dk1"), "DK1"),
        (EnergiDataServiceOptions("east", "dk2"), "DK2"),
        (EnergiDataServiceOptions("DK1", "DK2"), "DK2"),
    ],
)
def test_an_area_by_its_name_or_the_zones(options: EnergiDataServiceOptions, area: str) -> None:
    assert {getattr(source, "area", None) for source in offer(options).sources} == {area}


@pytest.mark.parametrize("area", ["DK3", "", '"]} x', "\x1b"])
def test_no_such_area(area: str) -> None:
    with pytest.raises(ConfigError, match="area: expected DK1 or DK2") as caught:
        carbon.offer("energi-data-service", {"zone": "Denmark", "area": area})
    assert str(caught.value).isprintable()


def test_times_without_a_zone_are_utc_and_others_keep_theirs() -> None:
    body = {
        "records": [
            {"Minutes5UTC": "2026-11-22T10:00:00", "PriceArea": "DK1", "CO2Emission": 1.5},
            {"Minutes5UTC": "2026-11-22T11:05:00+01:00", "PriceArea": "DK1", "CO2Emission": 2},
        ]
    }
    first, second = read_forecast(json.dumps(body).encode(), "DK1")
    assert first.interval == Interval(*(datetime(2026, 11, 22, 10, minute, tzinfo=UTC) for minute in (0, 5)))
    assert second.interval.start == first.interval.end


def test_both_questions_over_the_wire(httpserver: HTTPServer, now: datetime) -> None:
    def answer(start: datetime, values: list[float | None]) -> dict[str, object]:
        return {
            "records": [
                {
                    "Minutes5UTC": f"{start + number * FIVE:%Y-%m-%dT%H:%M:%S}",
                    "PriceArea": "DK1",
                    "CO2Emission": value,
                }
                for number, value in enumerate(values)
            ]
        }

    hour = now.replace(minute=0)
    httpserver.expect_request("/dataset/CO2EmisProg").respond_with_json(answer(hour, [90, 91, 92, 93]))
    httpserver.expect_request("/dataset/CO2Emis").respond_with_json(answer(hour, [88, None, 89]))
    ahead, past = (
        source.fetch(now)
        for source in carbon.offer(
            "energi-data-service", {"zone": "DK1", "url": httpserver.url_for("")}
        ).sources
    )
    assert ahead.forecast is not None
    assert ahead.actual is None
    assert ahead.forecast.series.nature == NATURE == Nature(Kind.AVERAGE, Scope.UNKNOWN)
    assert ahead.forecast.series.at(now) == 92
    assert past.forecast is None
    assert past.actual is not None
    assert past.actual.values.tolist() == [
        88
    ]  # the next is unknown, and that of the running step provisional


# --- the recorded answer, where it is at hand


def test_recorded_forecast() -> None:
    folder = os.environ.get("CARBONSLURM_DATA")
    if folder is None:
        pytest.skip("CARBONSLURM_DATA names no folder with recorded answers")
    name = "reconstructed_CO2EmisProg_2019-12-10.json"
    content = json.loads((Path(folder) / "providers" / "energidataservice" / name).read_text())
    with pytest.raises(DataError, match="asked for DK1, got"):
        read_forecast(json.dumps(content).encode(), "DK1")
    both = content["records"]
    for area in ("DK1", "DK2"):
        content["records"] = [record for record in both if record["PriceArea"] == area]
        content["total"] = len(content["records"])
        steps = read_forecast(json.dumps(content).encode(), area)
        assert len(steps) == 12
        assert {step.interval.length for step in steps} == {FIVE}
