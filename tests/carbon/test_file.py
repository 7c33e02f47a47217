"""The file provider: what a site wrote, read whole or refused with file and line."""

import gzip
import os
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from carbonslurm import carbon
from carbonslurm.carbon.file import FileOptions, FileSource, issued_at
from carbonslurm.carbon.written import Profile, read_csv, read_yaml
from carbonslurm.core.forecast import Kind, Nature, Scope
from carbonslurm.core.interval import Interval
from carbonslurm.core.joint import bridged
from carbonslurm.errors import ConfigError, DataError, UnavailableError
from carbonslurm.ports import CarbonAnswer

Write = Callable[..., FileSource]
HOUR = timedelta(hours=1)


@pytest.fixture
def write(tmp_path: Path, now: datetime) -> Write:
    """Write a file, an hour old and more, and return the source that reads it."""

    def put(name: str, text: str | bytes, **options: Any) -> FileSource:
        path = tmp_path / name
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        changed = (now - timedelta(days=8)).timestamp()
        os.utime(path, (changed, changed))
        return FileSource(FileOptions("site", str(path), **options))

    return put


def hourly(now: datetime, before: int, after: int, header: str = "timestamp,g_per_kwh") -> str:
    """Write a CSV around a moment; the value is the number of hours since the first row."""
    first = now.replace(minute=0) - before * HOUR
    rows = [f"{(first + number * HOUR).isoformat()},{number}" for number in range(before + after)]
    return "\n".join([header, *rows]) + "\n"


def refused(source: FileSource, now: datetime) -> str:
    with pytest.raises(DataError) as caught:
        source.fetch(now)
    assert str(caught.value).isprintable()
    return str(caught.value).removeprefix(f"{Path(source.options.path).parent}/")


def series(answer: CarbonAnswer) -> Any:
    assert answer.forecast is not None
    return answer.forecast.series


# --- a CSV series


def test_a_series_is_divided_at_now(write: Write, now: datetime) -> None:
    answer = write("a.csv", hourly(now, 24, 24)).fetch(now)
    assert series(answer).start == now.replace(minute=0) - 3 * HOUR
    assert series(answer).at(now) == 24
    assert series(answer).horizon == now.replace(minute=0) + 24 * HOUR
    assert bool(series(answer).estimated.all())
    assert answer.actual.horizon == now.replace(minute=0)
    assert answer.actual.values.tolist() == list(range(24))
    assert not answer.actual.estimated.any()
    assert series(answer).nature == Nature(Kind.AVERAGE, Scope.UNKNOWN)


@pytest.mark.parametrize("steps", [1, 12], ids=["of an hour", "of a minute's twelfth"])
def test_a_step_in_the_file_is_no_error_of_its_forecast(write: Write, now: datetime, steps: int) -> None:
    """480 g/kWh until just now, 120 from now on: the forecast is not moved to where the measurement ended."""
    length = HOUR / steps / (60 if steps > 1 else 1)
    start = now.replace(minute=0) if steps == 1 else now
    rows = [(start + n * length, 480 if n < 0 else 120) for n in range(-4, 40)]
    text = "\n".join(["time,g_per_kwh", *(f"{moment.isoformat()},{value}" for moment, value in rows)])
    answer = write("a.csv", text).fetch(now)
    assert answer.forecast is not None
    assert bridged(answer.forecast, answer.actual).series.at(now) == 120


def test_a_step_that_lasts_long_has_the_one_before_it_in_the_forecast(write: Write, now: datetime) -> None:
    """Eight hours ago it began: what ended then is in forecast and measurement, and moves nothing."""
    ends = [now - 20 * HOUR, now - 8 * HOUR, now + 8 * HOUR]
    rows = [
        f"{a.isoformat()},{b.isoformat()},{v}" for a, b, v in zip(ends, ends[1:], (480, 120), strict=False)
    ]
    answer = write("a.csv", "\n".join(["start,end,g_per_kwh", *rows])).fetch(now)
    assert answer.forecast is not None
    assert bridged(answer.forecast, answer.actual).series.at(now) == 120


def test_an_old_series_that_covers_now_is_fresh(write: Write, now: datetime) -> None:
    """The file is eight days old; it is as good as it covers now."""
    issue = write("a.csv", hourly(now, 24, 24)).fetch(now).forecast
    assert issue.published == now.replace(minute=0)


def test_within_an_hour_the_issue_is_the_same(write: Write, now: datetime) -> None:
    """What the archive stores once stays one issue, however often it is fetched."""
    source = write("a.csv", hourly(now, 24, 24))
    first, second = source.fetch(now).forecast, source.fetch(now + timedelta(minutes=49)).forecast
    assert first.generated_at == second.generated_at
    assert first.series.edges.tolist() == second.series.edges.tolist()
    assert source.fetch(now + timedelta(minutes=50)).forecast.generated_at == now.replace(minute=0) + HOUR


def test_a_changed_file_is_a_new_issue(write: Write, now: datetime) -> None:
    source = write("a.csv", hourly(now, 24, 24))
    changed = (now - timedelta(minutes=3)).timestamp()
    os.utime(source.options.path, (changed, changed))
    assert source.fetch(now).forecast.generated_at == now - timedelta(minutes=3)


def test_a_change_in_the_future_is_a_wrong_clock(now: datetime) -> None:
    assert issued_at(now + HOUR, now) == now.replace(minute=0)


def test_a_long_series_is_cut_to_a_week_on_either_side(write: Write, now: datetime) -> None:
    answer = write("a.csv", hourly(now, 1000, 1000)).fetch(now)
    assert len(series(answer).values) == 3 + 7 * 24 + 1
    assert len(answer.actual.values) == 7 * 24


def test_the_horizon_holds_until_the_next_issue(write: Write, now: datetime) -> None:
    source = write("a.csv", hourly(now, 10, 1000), horizon=timedelta(hours=5))
    assert series(source.fetch(now)).horizon >= now.replace(minute=59) + 5 * HOUR


def test_steps_of_seconds(write: Write, now: datetime) -> None:
    """As in a demonstration, where hours take seconds."""
    rows = [f"{(now + timedelta(seconds=5 * n)).isoformat()},{n * 10 + 1}" for n in range(-3, 10)]
    with pytest.raises(DataError, match="outside"):
        write("a.csv", "\n".join(["time,g_per_kwh", *rows])).fetch(now)
    rows = [f"{(now + timedelta(seconds=5 * n)).isoformat()},{n * 10 + 100}" for n in range(-3, 10)]
    answer = write("a.csv", "\n".join(["time,g_per_kwh", *rows])).fetch(now)
    assert series(answer).at(now + timedelta(seconds=7)) == 110
    assert answer.actual.values.tolist() == [70, 80, 90]


def test_gzip_bom_ends_flags_and_a_chosen_column(write: Write, now: datetime) -> None:
    text = (
        "\ufeffstart,end,direct,gCO2eq_per_kWh,estimated\r\n"
        "2026-11-22T08:00:00+00:00,2026-11-22T09:00:00Z,1,100,1\r\n"
        "\r\n"
        "2026-11-22T10:00:00+01:00,2026-11-22T10:00:00Z,2,200,0\r\n"
        "2026-11-22T10:00:00Z,2026-11-22T10:15:00Z,3,300,\r\n"
    )
    source = write("a.csv.gz", gzip.compress(text.encode()))
    answer = source.fetch(now)
    assert answer.actual.values.tolist() == [100, 200]
    assert answer.actual.estimated.tolist() == [True, False]
    assert series(answer).values.tolist() == [100, 200, 300]
    direct = write("b.csv", text, column="direct", scope=Scope.DIRECT, kind=Kind.MARGINAL).fetch(now)
    assert series(direct).values.tolist() == [1, 2, 3]
    assert series(direct).nature == Nature(Kind.MARGINAL, Scope.DIRECT)


def test_the_same_row_twice_is_taken_once() -> None:
    text = "time,g_per_kwh\n" + "2026-01-01T00:00Z,1\n" * 2 + "2026-01-01T01:00Z,2\n"
    assert len(read_csv(text, "a.csv", None).content) == 2


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "a.csv:1: no column timestamp or start or time"),
        ("time,g_per_kwh\n", "a.csv:1: no rows"),
        ("time,watts\n", "a.csv:1: no column g_per_kwh or gCO2eq_per_kWh in the header: time,watts"),
        ("T,1\n", "a.csv:4: time without a zone: 2026-01-01T02:00:00"),
        ("2026-01-01T02:00Z,\n", "a.csv:4: no value (null)"),
        ("2026-01-01T02:00Z,NaN\n", "a.csv:4: nan g/kWh is outside 0 to 5000"),
        ("2026-01-01T02:00Z,-0.1\n", "a.csv:4: -0.1 g/kWh is outside 0 to 5000"),
        ("2026-01-01T02:00Z,inf\n", "a.csv:4: inf g/kWh is outside 0 to 5000"),
        ("2026-01-01T02:00Z,low\x1b\n", 'a.csv:4: not a number: "low?"'),
        ("2026-01-01T02:00Z\n", "a.csv:4: 1 cells, expected 2"),
        ("2026-01-01T02:00Z,1,2\n", "a.csv:4: 3 cells, expected 2"),
        ("2026-01-01T03:00Z,1\n", "a.csv:4: a gap: nothing from 2026-01-01T02:00:00Z to"),
        ("2026-01-01T01:00Z,3\n", "a.csv:4: 2026-01-01T01:00:00Z is covered already"),
        ("2025-12-31T23:00Z,3\n", "a.csv:4: 2025-12-31T23:00:00Z is covered already"),
        ('2026-01-01T02:00Z,"1\n', "a.csv:4: unexpected end of data"),
    ],
)
def test_a_bad_csv_is_refused_with_its_line(text: str, why: str) -> None:
    start = "time,g_per_kwh\n2026-01-01T00:00Z,1\n2026-01-01T01:00Z,2\n"
    whole = text if not text or text.startswith("time") else start + text
    with pytest.raises(DataError) as caught:
        read_csv(whole.replace("T,1", "2026-01-01T02:00,1"), "a.csv", None)
    assert str(caught.value).startswith(why)
    assert str(caught.value).isprintable()


def test_one_row_without_an_end_has_no_length() -> None:
    with pytest.raises(DataError, match=r"a\.csv:2: the length of a step is unknown"):
        read_csv("time,g_per_kwh\n2026-01-01T00:00Z,1\n", "a.csv", None)


def test_an_end_before_its_start_is_refused() -> None:
    text = "start,end,g_per_kwh\n2026-01-01T01:00Z,2026-01-01T00:00Z,1\n"
    with pytest.raises(DataError, match=r"a\.csv:2: ends at 2026-01-01T00:00:00Z, not after its start"):
        read_csv(text, "a.csv", None)


def test_a_series_that_does_not_cover_now_is_refused(write: Write, now: datetime) -> None:
    source = write("a.csv", hourly(now, 24, 24))
    assert refused(source, now + 48 * HOUR) == "a.csv: ended at 2026-11-23T10:00:00Z"
    assert refused(source, now - 48 * HOUR) == "a.csv: begins at 2026-11-21T10:00:00Z, after now"


# --- YAML


def test_a_constant_measures_nothing(write: Write, now: datetime) -> None:
    answer = write("a.yaml", "constant: 350\n").fetch(now)
    assert answer.actual is None
    assert set(series(answer).values.tolist()) == {350}
    assert series(answer).start == now.replace(minute=0) - 24 * HOUR
    assert series(answer).horizon >= now + 48 * HOUR
    assert bool(series(answer).estimated.all())


def test_a_profile_follows_the_clock_of_its_zone(write: Write, now: datetime) -> None:
    text = f"hours: {list(range(24))}\ntimezone: Europe/Berlin\nkind: marginal\nscope: lifecycle\n"
    answer = write("a.yml", text, horizon=timedelta(hours=6)).fetch(now)
    assert series(answer).at(now) == 11
    assert series(answer).nature == Nature(Kind.MARGINAL, Scope.LIFECYCLE)
    assert series(answer).horizon == now.replace(minute=0) + 7 * HOUR


@pytest.mark.parametrize(
    ("zone", "date", "hours"),
    [
        ("Europe/Berlin", "2026-03-29", 23),
        ("Europe/Berlin", "2026-10-25", 25),
        ("Europe/Berlin", "2026-06-01", 24),
        ("Pacific/Chatham", "2026-04-05", 25),
        ("Pacific/Chatham", "2026-09-27", 23),
        ("Asia/Kolkata", "2026-09-27", 24),
        ("Australia/Lord_Howe", "2026-04-05", 24.5),
    ],
)
def test_each_hour_of_the_clock_once_and_the_days_of_change_right(zone: str, date: str, hours: int) -> None:
    place = ZoneInfo(zone)
    midnight = datetime.fromisoformat(date).replace(tzinfo=place)
    start = midnight.astimezone(UTC)
    end = (midnight + timedelta(days=1)).astimezone(UTC)  # the same hour on the clock
    assert end - start == timedelta(hours=hours)
    steps = Profile(tuple(map(float, range(24))), place).steps(start, end)
    assert steps[0].interval.start <= start
    assert steps[-1].interval.end >= end
    assert all(left.interval.end == right.interval.start for left, right in pairwise(steps))
    for number in range(int((end - start) / timedelta(minutes=15))):
        moment = start + number * timedelta(minutes=15)
        found = [step for step in steps if step.interval.start <= moment < step.interval.end]
        assert [step.g_per_kwh for step in found] == [moment.astimezone(place).hour]


def test_a_yaml_series_takes_its_last_length_from_the_one_before(write: Write, now: datetime) -> None:
    text = """
kind: average
series:
  - {start: 2026-11-22T09:00:00Z, g_per_kwh: 100}
  - {start: "2026-11-22T11:00+01:00", g_per_kwh: 200.5, estimated: true}
  - start: 2026-11-22 11:00:00+00:00
    g_per_kwh: 300
"""
    answer = write("a.yaml", text).fetch(now)
    assert answer.actual.values.tolist() == [100]
    assert series(answer).values.tolist() == [100, 200.5, 300]
    assert series(answer).horizon == datetime(2026, 11, 22, 12, tzinfo=UTC)
    assert series(answer).mean(Interval(now, now + HOUR)) is not None


START = "series:\n- {start: 2026-01-01T00:00Z, g_per_kwh: 1}\n"


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "a.yaml:1: Expected `object`, got `null`"),
        ("[]", "a.yaml:1: Expected `object`, got `array`"),
        ("{}", "a.yaml:1: expected one of constant, hours and series, got none"),
        ("constant: 1\nhours: []", "a.yaml:1: expected one of constant, hours and series, got constant and"),
        ("\nconstant: -1", "a.yaml:2: -1 g/kWh is outside"),
        ("constant: nan", "a.yaml:1: nan g/kWh is outside"),
        ("constant: low", "a.yaml:1: Expected `float | null`, got `str` - at `$.constant`"),
        ("constant: null", "a.yaml:1: expected one of"),
        ("constant: 1\ncolour: red", "a.yaml:1: Object contains unknown field `colour`"),
        ("constant: 1\nkind: mean", "a.yaml:1: Invalid enum value 'mean' - at `$.kind`"),
        ("constant: 1\ntimezone: Europe/Berlin", "a.yaml:1: timezone: only hours have one"),
        ("hours: [1, 2]", "a.yaml:1: hours: expected 24 numbers, got 2"),
        (f"hours: {[1] * 24}\ntimezone: Mars/North", 'a.yaml:1: timezone: no such zone: "Mars/North"'),
        (f"hours: {[1] * 24}\ntimezone: ../../etc/passwd", "a.yaml:1: timezone: no such zone"),
        (f"hours: {[1] * 24}\ntimezone: 'a\\0b'", "a.yaml:1: timezone: no such zone"),
        (f"hours: {[1] * 23 + [None]}", "a.yaml:1: Expected `float`, got `str`"),
        ("series: []", "a.yaml:1: no rows"),
        ("series: 1", "a.yaml:1: Expected `array | null`, got `str`"),
        (START + "- 7", "a.yaml:3: Expected `object`, got `str`"),
        (START + "- {start: 2026-01-01T01:00Z}", "a.yaml:3: Object missing required field `g_per_kwh`"),
        (START + "- {start: 2026-01-01T01:00Z, g_per_kwh: null}", "a.yaml:3: no value (null)"),
        (START + "- {start: 2026-01-01T01:00Z, g_per_kwh: 9999}", "a.yaml:3: 9999 g/kWh is outside"),
        (START + "- {start: 2026-01-01T01:00, g_per_kwh: 1}", "a.yaml:3: time without a zone"),
        (START + "- {start: 2026-01-01, g_per_kwh: 1}", "a.yaml:3: time without a zone"),
        (START + "- {start: 2026-01-01T00:00Z, g_per_kwh: 2}", "a.yaml:2: the length of a step is unknown"),
        (START + "- {start: 2025-12-31T00:00Z, g_per_kwh: 2}", "a.yaml:2: the length of a step is unknown"),
        ("a: [", "a.yaml:1: not YAML"),
        ("a: b\n  c: d", "a.yaml:2: not YAML"),
        ("&a [*a]", "a.yaml:1: not YAML: found unconstructable recursive node"),
        ("[" * 100_000, "a.yaml:1: not YAML"),
        ("a: \x00", "a.yaml:1: not YAML"),
        ("--- 1\n--- 2", "a.yaml:2: not YAML"),
        ("!!python/object/apply:os.system [ls]", "a.yaml:1: Expected `object`, got `array`"),
    ],
)
def test_a_bad_yaml_is_refused_with_its_line(text: str, why: str) -> None:
    with pytest.raises(DataError) as caught:
        read_yaml(text, "a.yaml")
    assert str(caught.value).startswith(why)
    assert str(caught.value).isprintable()


def test_file_and_configuration_must_agree(write: Write, now: datetime) -> None:
    source = write("a.yaml", "constant: 1\nscope: direct\n", scope=Scope.LIFECYCLE)
    assert refused(source, now) == "a.yaml: the file says direct, the configuration lifecycle"


# --- the wire


def test_a_missing_file_is_unavailable(tmp_path: Path, now: datetime) -> None:
    path = tmp_path / "none.csv"
    with pytest.raises(UnavailableError) as caught:
        FileSource(FileOptions("site", str(path))).fetch(now)
    assert str(caught.value) == f"{path}: No such file or directory"


def test_a_folder_is_no_file(tmp_path: Path, now: datetime) -> None:
    (tmp_path / "a.csv").mkdir()
    with pytest.raises(UnavailableError, match="Is a directory"):
        FileSource(FileOptions("site", str(tmp_path / "a.csv"))).fetch(now)


@pytest.mark.parametrize(
    ("name", "raw", "why"),
    [
        ("a.csv.gz", b"plain", "not a whole gzip file"),
        ("a.csv.gz", gzip.compress(b"time,g_per_kwh\n" * 100)[:-9], "not a whole gzip file"),
        ("a.csv", b"time\xff", "not UTF-8 at byte 4"),
        ("a.csv.gz", gzip.compress(b" " * 65_000_000, 1), "more than"),
    ],
)
def test_a_file_that_is_not_text_is_refused(
    write: Write, now: datetime, name: str, raw: bytes, why: str
) -> None:
    assert why in refused(write(name, raw), now)


# --- the options


def test_options_become_a_source(tmp_path: Path) -> None:
    given = {
        "zone": "site",
        "path": str(tmp_path / "a.csv"),
        "kind": "marginal",
        "horizon": timedelta(hours=6),
    }
    (source,) = carbon.offer("file", given).sources
    assert (source.name, source.zone) == ("file", "site")


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({"path": "a.json"}, "path: expected .csv"),
        ({"path": "a.yaml", "column": "x"}, "column: only a CSV"),
        ({"path": "a.csv", "horizon": timedelta(0)}, "horizon: expected more than 0"),
        ({"path": "a.csv", "kind": "mean"}, "kind"),
        ({"path": 3}, "path"),
        ({}, "path"),
        ({"path": "a.csv", "colour": 1}, "colour: unknown key"),
    ],
)
def test_impossible_options_are_refused(options: dict[str, Any], why: str) -> None:
    with pytest.raises(ConfigError) as caught:
        carbon.offer("file", {"zone": "site", **options})
    assert why in str(caught.value)


def test_an_unknown_provider_is_refused() -> None:
    with pytest.raises(ConfigError, match="type: expected one of neso, "):
        carbon.offer("oracle", {})
