"""The Carbon Aware SDK's JSON files: forecasts with a time of issue, series without, and what is refused."""

import gzip
import json
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from carbonslurm import carbon
from carbonslurm.carbon.carbon_aware_json import CarbonAwareJsonOptions, offer, read
from carbonslurm.core.forecast import Kind, Nature, Scope
from carbonslurm.core.interval import Interval
from carbonslurm.errors import ConfigError, DataError, UnavailableError
from carbonslurm.ports import CarbonAnswer

HOUR = timedelta(hours=1)
START = datetime(2026, 11, 22, 8, tzinfo=UTC)


def row(number: int, rating: object, **others: object) -> dict[str, Any]:
    return {"Time": (START + number * HOUR).isoformat(), "Rating": rating, **others}


def rows(*ratings: object) -> list[dict[str, Any]]:
    return [row(number, rating) for number, rating in enumerate(ratings)]


def fetched(tmp_path: Path, content: object, now: datetime, **options: Any) -> CarbonAnswer:
    path = tmp_path / "zone.json"
    path.write_text(json.dumps(content))
    (source,) = offer(CarbonAwareJsonOptions("DE", str(path), Kind.AVERAGE, Scope.UNKNOWN, **options)).sources
    assert (source.name, source.zone, source.question) == ("carbon-aware-json", "DE", "file")
    return source.fetch(now)


def test_with_a_time_of_issue_it_is_a_forecast_made_then(tmp_path: Path, now: datetime) -> None:
    made = START + HOUR
    content = {"GeneratedAt": made.isoformat(), "Emissions": rows(100, 90, 80, 70)}
    said = fetched(tmp_path, content, now)
    assert said.forecast is not None
    assert said.actual is not None
    assert (said.forecast.generated_at, said.forecast.fetched_at) == (made, now)
    assert said.forecast.series.nature == Nature(Kind.AVERAGE, Scope.UNKNOWN)
    assert said.forecast.series.values.tolist() == [100, 90, 80, 70]
    assert bool(said.forecast.series.estimated.all())
    assert said.actual.values.tolist() == [100]  # 9:00 to 10:00 has ended, too, but nobody measured it


def test_without_one_it_is_issued_anew_each_hour(tmp_path: Path, now: datetime) -> None:
    path = tmp_path / "zone.json.gz"
    path.write_bytes(gzip.compress(json.dumps(rows(100, 90, 80, 70)).encode()))
    os.utime(path, (START.timestamp(), START.timestamp()))
    options = {"zone": "DE", "path": str(path), "kind": "average", "scope": "lifecycle"}
    (source,) = carbon.offer("carbon-aware-json", options).sources
    said = source.fetch(now)
    assert said.forecast is not None
    assert said.actual is not None
    assert said.forecast.generated_at == now.replace(minute=0)
    assert said.forecast.series.values.tolist() == [100, 90, 80, 70]
    assert said.actual.values.tolist() == [100, 90]


def test_zeros_at_the_end_are_missing_values(tmp_path: Path, now: datetime) -> None:
    content = {"GeneratedAt": START.isoformat(), "Emissions": rows(100, 90, 80, 0, 0)}
    said = fetched(tmp_path, content, now)
    assert said.forecast is not None
    assert said.forecast.series.horizon == START + 3 * HOUR


def test_ratings_in_quotes_and_lengths_of_their_own(now: datetime) -> None:
    half = timedelta(minutes=30)
    content = [
        {"Location": "a", "Time": START.isoformat(), "Rating": "100.5", "Duration": "00:30:00"},
        {"Location": "a", "Time": (START + half).isoformat(), "Rating": 90, "Duration": "01:00"},
        {"Location": "b", "Time": START.isoformat(), "Rating": 1, "Duration": 5},
    ]
    steps = read(json.dumps(content), "A").steps
    assert [step.g_per_kwh for step in steps] == [100.5, 90]
    assert steps[1].interval == Interval(START + half, START + half + HOUR)
    assert steps[1].interval.end < now


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (rows(100, None, 80), r"Emissions\[1\]: no value"),
        (rows(100, -1, 80), r"Emissions\[1\]: -1 g/kWh is outside"),
        (rows(100, "nan", 80), r'Emissions\[1\]: not a number: "nan"'),
        (rows(100, "1_0", 80), "not a number"),
        (rows(100, 0, 80), "this format's way to say nothing"),
        (rows(0, 0, 0), "an outage"),
        ([], "no rows"),
        (rows(100), "expected at least 2: how long a step is"),
        ([row(0, 100), row(1, 90), row(3, 80), row(4, 70)], "a gap: nothing from 2026-11-22T10:00:00Z to"),
        ([*rows(100, 90, 80), row(1, 91)], "two values for 2026-11-22T09:00:00Z"),
        ([row(0, 100, Duration="02:00"), row(1, 90, Duration="02:00")], "a step of 2:00:00"),
        ([row(0, 100, Duration="00:30:00"), row(1, 90, Duration="01:00")], "a gap"),
        ([row(0, 100, Duration="soon"), row(1, 90)], r"Emissions\[0\]: not a length"),
        ([row(0, 100, Location="a"), row(1, 90, Location="b")], "several places, name one as location: a, b"),
        ([{"Time": "2021-01-01T00:00:01", "Rating": "0.6"}, row(1, 90)], "time without a zone"),
        ({"GeneratedAt": "today", "Emissions": rows(100, 90)}, "GeneratedAt: not an ISO 8601 time"),
        ({"Emissions": None}, "Expected `array`"),
        ("no", "Expected"),
        (1, "Expected"),
    ],
)
def test_what_cannot_be_believed_is_refused(content: object, why: str) -> None:
    with pytest.raises(DataError, match=why) as caught:
        read(json.dumps(content), None)
    assert str(caught.value).isprintable()


def test_the_same_row_twice_is_taken_once() -> None:
    assert len(read(json.dumps([*rows(100, 90), row(1, 90)]), None).steps) == 2


def test_a_place_that_is_not_in_it(tmp_path: Path, now: datetime) -> None:
    with pytest.raises(DataError, match="no rows"):
        fetched(tmp_path, [row(0, 100, Location="a")], now, location="b")


@pytest.mark.parametrize("moment", [START - HOUR, START + 4 * HOUR])
def test_a_file_that_says_nothing_about_now_is_refused(tmp_path: Path, moment: datetime) -> None:
    with pytest.raises(DataError, match=r"zone.json: from .* says nothing about now"):
        fetched(tmp_path, rows(100, 90, 80, 70), moment)


def test_a_file_from_the_future_is_refused(tmp_path: Path, now: datetime) -> None:
    content = {"GeneratedAt": (now + HOUR).isoformat(), "Emissions": rows(100, 90, 80, 70)}
    with pytest.raises(DataError, match="after now"):
        fetched(tmp_path, content, now)


def test_a_file_that_is_not_there(tmp_path: Path, now: datetime) -> None:
    path = str(tmp_path / "none.json")
    (source,) = offer(CarbonAwareJsonOptions("DE", path, Kind.AVERAGE, Scope.UNKNOWN)).sources
    with pytest.raises(UnavailableError, match=r"none\.json"):
        source.fetch(now)


def test_another_suffix_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"path: expected \.json"):
        offer(CarbonAwareJsonOptions("DE", "/x.csv", Kind.AVERAGE, Scope.UNKNOWN))


# --- recorded files, where they are at hand


@pytest.fixture
def recorded() -> Path:
    folder = os.environ.get("CARBONSLURM_DATA")
    if folder is None:
        pytest.skip("CARBONSLURM_DATA names no folder with recorded answers")
    return Path(folder) / "providers" / "carbon_aware_sdk"


def test_a_published_forecast_ends_where_its_zeros_begin(recorded: Path) -> None:
    text = (recorded / "bluehands_casdk_json_de_2024-03-24.json").read_text()
    assert len(json.loads(text)["Emissions"]) == 188
    written = read(text, None)
    assert written.generated_at == datetime(2024, 3, 24, tzinfo=UTC)
    assert len(written.steps) == 92
    assert written.steps[-1].interval.end == datetime(2024, 3, 24, 23, tzinfo=UTC)


def test_a_file_of_many_places(recorded: Path) -> None:
    text = (recorded / "test-data-aws-emissions.json").read_text()
    with pytest.raises(DataError, match="several places"):
        read(text, None)
    assert len(read(text, "us-east-1").steps) == 24


def test_times_without_a_zone_are_refused(recorded: Path) -> None:
    with pytest.raises(DataError, match="time without a zone"):
        read((recorded / "sample-emissions-data.json").read_text(), "Sydney")
