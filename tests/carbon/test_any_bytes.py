"""Whatever comes, a reading gives a checked series or a DataError, and nothing else."""

import json
import os
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from payloads import payload
from played import READINGS
from played.shape import Reading, Role

from carbonslurm.carbon import checks, neso, neso_reading
from carbonslurm.carbon.file import FileOptions, answer
from carbonslurm.carbon.http import retry_after
from carbonslurm.carbon.written import read_csv, read_yaml
from carbonslurm.core.forecast import Series
from carbonslurm.errors import DataError

NOW = datetime(2026, 11, 22, 10, 10, tzinfo=UTC)
REGION = st.sampled_from([None, 13])

scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20)
anything = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4),
    max_leaves=12,
)
offsets = st.integers(-4, 100) | st.sampled_from([10**6, -(10**6)])
times = st.builds(
    lambda n: (NOW.replace(minute=0) + n * timedelta(minutes=30)).strftime("%Y-%m-%dT%H:%MZ"), offsets
)
texts = times | st.sampled_from(["2026-11-22T10:00", "0001-01-01T00:00+23:59", "9999-12-31T23:59-23:59"])
values = st.integers(-1, 400) | st.sampled_from([None, 5000, 5001, 1e300]) | scalars
items = st.builds(
    lambda start, end, value, actual: {
        "from": start,
        "to": end,
        "intensity": {"forecast": value, "actual": actual},
    },
    texts | scalars,
    texts | scalars,
    values,
    values,
)


@st.composite
def nearly_right(draw: st.DrawFn) -> list[Any]:
    """Rows side by side from now, of which a few are changed, repeated or lost."""
    rows = []
    for number in range(draw(st.integers(0, 12))):
        start = NOW.replace(minute=0) + number * timedelta(minutes=30)
        written = [(start + half * timedelta(minutes=30)).strftime("%Y-%m-%dT%H:%MZ") for half in (0, 1)]
        value = draw(st.integers(0, 3) if draw(st.booleans()) else st.just(200))
        rows.append({"from": written[0], "to": written[1], "intensity": {"forecast": value, "actual": value}})
    for _ in range(draw(st.integers(0, 2))):
        place = draw(st.integers(0, len(rows)))
        rows[place : place + draw(st.integers(0, 1))] = draw(st.lists(items, max_size=2))
    return rows


def believable(series: Series) -> bool:
    known = series.values[~np.isnan(series.values)]
    return bool(len(known)) and bool(((known >= 0) & (known <= checks.HIGHEST_G_PER_KWH)).all())


def told_in_one_line(error: DataError) -> None:
    assert str(error).isprintable()


def check_neso(body: bytes, region: int | None) -> None:
    try:
        series = checks.forecast("GB", "neso", neso.NATURE, neso_reading.read_forecast(body, region), NOW)
    except DataError as error:
        told_in_one_line(error)
    else:
        assert believable(series)
        assert not series.has_gaps
        assert series.at(NOW) is not None
    try:
        past = checks.measured("GB", "neso", neso.NATURE, neso_reading.read_measured(body, NOW))
    except DataError as error:
        told_in_one_line(error)
    else:
        assert past is None or (believable(past) and past.horizon <= NOW)


@given(st.binary(max_size=200), REGION)
def test_neso_reads_any_bytes(body: bytes, region: int | None) -> None:
    check_neso(body, region)


@given(anything, REGION)
def test_neso_reads_any_json(content: Any, region: int | None) -> None:
    check_neso(json.dumps(content).encode(), region)


@given(nearly_right() | st.lists(items, max_size=8), REGION, st.booleans(), scalars)
def test_neso_reads_anything_near_its_own_shape(
    rows: list[Any], region: int | None, in_a_list: bool, error: object
) -> None:
    data: Any = rows if region is None else {"regionid": region, "data": rows}
    for body in ({"data": data}, {"data": [data] if in_a_list else data}, {"data": data, "error": error}):
        check_neso(json.dumps(body).encode(), region)


cells = (
    texts
    | st.sampled_from(["", "1", "350.5", "-1", "nan", "1e999", "true", '"', "a\x00"])
    | st.text(max_size=8)
)
lines = st.lists(st.lists(cells, min_size=1, max_size=3).map(",".join), max_size=6)


@given(st.sampled_from(["time,g_per_kwh", "start,end,g_per_kwh", ""]), lines, st.text(max_size=40))
def test_csv_reads_any_text(header: str, rows: list[str], tail: str) -> None:
    check_file("a.csv", "\n".join([header, *rows]) + tail)


entries = st.dictionaries(
    st.sampled_from(["start", "g_per_kwh", "end", "estimated"]), texts | values, min_size=1, max_size=4
)
documents = st.dictionaries(
    st.sampled_from(["constant", "hours", "series", "kind", "scope", "timezone"]),
    anything | st.lists(values, min_size=24, max_size=24) | st.lists(entries, max_size=4),
    max_size=3,
)


@given(st.text(max_size=80))
@example("!!int ''")
@example("constant: !!float ''")
@example("? [a]\n: b")
@example("<<: 1")
@example("series: [&a {start: 1}, *a]")
@example("a: 2026-13-45")
@example("{series: 1, ? {} : 2}")
@example(r'constant: "\ud800\udc00"')
@example(r'series: [{start: "\ud800", g_per_kwh: 1}]')
@example(r'series: [{start: "2026-01-01T00:00\ud800", g_per_kwh: "\ud800"}]')
@example(f'hours: {[1] * 24}\ntimezone: "\\ud800"')
def test_yaml_reads_any_text(text: str) -> None:
    check_file("a.yaml", text)


@given(documents)
def test_yaml_reads_anything_near_its_own_shape(document: dict[str, Any]) -> None:
    check_file("a.yaml", json.dumps(document))  # JSON is YAML


def check_file(name: str, text: str) -> None:
    try:
        written = read_csv(text, name, None) if name.endswith("csv") else read_yaml(text, name)
        said = answer(written, FileOptions("site", name), NOW.replace(minute=0), NOW)
    except DataError as error:
        told_in_one_line(error)
        return
    assert said.forecast is not None
    assert believable(said.forecast.series)
    assert not said.forecast.series.has_gaps
    assert said.forecast.series.at(NOW) is not None
    assert said.actual is None or (believable(said.actual) and said.actual.horizon <= NOW)


# --- every reading of every provider, on damaged answers; CARBONSLURM_PAYLOADS=1000000 plays a million

TOGETHER = int(os.environ.get("CARBONSLURM_PAYLOADS", "6000"))
EACH = -(-TOGETHER // len(READINGS))


def sound(reading: Reading, said: object) -> bool:
    """Whether what was read keeps what its question promises."""
    if said is None or reading.role is None:
        return reading.role is not Role.FORECAST
    if not isinstance(said, Series) or not believable(said):
        return False
    return not said.has_gaps if reading.role is Role.FORECAST else said.horizon <= NOW


@pytest.mark.parametrize("reading", READINGS, ids=lambda reading: reading.name)
def test_a_damaged_answer_is_a_series_or_a_named_error(reading: Reading) -> None:
    assert sound(reading, reading.read(reading.good))
    believed = 0
    for number in range(EACH):
        body = payload(reading.good, number)
        try:
            said = reading.read(body)
        except DataError as error:
            told_in_one_line(error)
        except Exception as error:
            error.add_note(f"payload {number} of {reading.name}: {body[:500]!r}")
            raise
        else:
            believed += 1
            assert sound(reading, said), (number, body[:500])
    assert 0 < believed < EACH  # neither has the damage no effect, nor hides everything behind its first flaw


@given(st.text(max_size=40) | st.from_regex(r"[0-9]{1,30}", fullmatch=True))
@example("Thu, 01 Jan 0001 00:00:00 +2359")
@example("Fri, 31 Dec 9999 23:59:59 -2359")
@example("²")
def test_retry_after_reads_any_text(header: str) -> None:
    rest = retry_after(header, NOW)
    assert rest is None or timedelta() <= rest <= timedelta(days=1)
