"""Drawings and pictures: they show what they are given, on paper of any size, by the local clock."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from carbonslurm.cli import pictures
from carbonslurm.cli.forecast.drawing import Curve, drawn, expected_from, legend, ticks_between, time_ticks
from carbonslurm.cli.forecast.heat import bars, heat_map
from carbonslurm.cli.forecast.paper import Paper
from carbonslurm.core.forecast import Band, Issue, Kind, Nature, Scope, Series
from carbonslurm.core.interval import Interval
from carbonslurm.core.patterns import patterns

NOW = datetime(2026, 11, 26, 13, 20, tzinfo=UTC)
HOUR = timedelta(hours=1)
NATURE = Nature(Kind.AVERAGE, Scope.LIFECYCLE)
ASCII = Paper(80, 12, unicode=False, colour=False)
FINE = Paper(80, 12, unicode=True, colour=False)


def series(start: datetime, values: list[float]) -> Series:
    edges = start.timestamp() + 3600.0 * np.arange(len(values) + 1)
    return Series(
        "GB", "toy", NATURE, edges, np.array(values, dtype=float), np.zeros(len(values), dtype=bool)
    )


def curve(measured: list[float], expected: list[float], band: float = 0) -> Curve:
    """Measured until now, expected from now on."""
    start = NOW - len(measured) * HOUR
    issue = None
    if expected:
        ahead = series(NOW, expected)
        around = Band(ahead.values - band, ahead.values + band) if band else None
        issue = Issue(ahead, NOW, NOW, around)
    window = Interval(start, NOW + max(len(expected), 1) * HOUR)
    return Curve(window, NOW, series(start, measured) if measured else None, issue)


@pytest.fixture
def berlin(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    before = os.environ.get("TZ")
    monkeypatch.setenv("TZ", "Europe/Berlin")
    time.tzset()
    yield
    if before is None:
        monkeypatch.delenv("TZ")
    else:
        monkeypatch.setenv("TZ", before)
    time.tzset()


# --- in the terminal


def test_a_rise_is_drawn_as_one() -> None:
    lines = drawn(curve([100] * 10 + [200] * 10, [300] * 20), ASCII).splitlines()
    marks = [(line.index(mark), row) for mark in "*o" for row, line in enumerate(lines) if mark in line]
    columns, rows = zip(*sorted(marks), strict=True)
    assert len(marks) == 3
    assert list(rows) == sorted(rows, reverse=True)
    assert list(columns) == sorted(columns)
    assert lines[0] == "g/kWh"
    assert {line.split()[0] for line in lines[1:13] if line.split()[0].isdigit()} >= {"100", "200", "300"}


def test_a_gap_is_drawn_as_one() -> None:
    text = drawn(curve([100] * 8 + [float("nan")] * 8 + [100] * 8, []), ASCII)
    (row,) = [line for line in text.splitlines() if "*" in line]
    assert " " * 15 in row[row.index("*") : row.rindex("*")]


def test_nothing_is_drawn_of_nothing() -> None:
    assert drawn(curve([], []), ASCII) == ""
    assert drawn(curve([float("nan")] * 3, []), ASCII) == ""


def test_the_forecast_begins_where_the_measured_ends() -> None:
    made = curve([100] * 10, [200] * 10)
    assert expected_from(made) == NOW.timestamp()
    assert "*" in drawn(made, ASCII)
    assert legend(made, ASCII) == "  * measured  o forecast"
    assert "band" not in legend(curve([], [200.0] * 4, band=9), FINE)
    assert "80%" in legend(curve([], [200.0] * 4, band=9), FINE)


curves = st.builds(
    curve,
    st.lists(st.floats(0, 2000) | st.just(float("nan")), min_size=1, max_size=30),
    st.lists(st.floats(0, 2000), max_size=30),
    st.sampled_from([0.0, 50.0]),
)


@given(curves, st.integers(20, 200), st.integers(3, 40), st.booleans())
def test_it_fits_on_its_paper(made: Curve, width: int, height: int, unicode: bool) -> None:
    text = drawn(made, Paper(width, height, unicode=unicode, colour=False))
    lines = text.split("\n")
    assert not text or len(lines) == height + 3
    assert max(map(len, lines)) <= width
    assert unicode or text.isascii()


@given(st.floats(0, 3000), st.floats(0, 3000))
def test_ticks_are_few_even_and_enclose_what_there_is(first: float, second: float) -> None:
    least, most = sorted((first, second))
    ticks = ticks_between(least, most)
    assert 3 <= len(ticks) <= 7
    assert ticks[0] <= least + 1e-9
    assert ticks[-1] >= most - 1e-9
    assert np.allclose(np.diff(ticks), ticks[1] - ticks[0])


@pytest.mark.usefixtures("berlin")
def test_the_axis_says_local_hours_on_the_day_that_clocks_go_back() -> None:
    start = datetime(2026, 10, 24, 22, tzinfo=UTC)  # midnight in Berlin
    found = time_ticks(Interval(start, start + 25 * HOUR), 5)
    assert [label for _, label in found] == ["10-25", "06:00", "12:00", "18:00"]
    assert found[1][0] - found[0][0] == 7 * 3600


# --- heat


def test_heat_in_words_colours_and_marks() -> None:
    made = series(NOW - 24 * 14 * HOUR, [100.0 if place % 24 < 12 else 300.0 for place in range(24 * 14)])
    found = patterns(made, Interval(made.start, made.horizon), UTC)
    assert found is not None
    plain = heat_map(found, unicode=False, colour=False)
    assert plain.isascii()
    assert plain.count("###") == 7 * 11 + 1  # the twelfth hour is half and half, and the scale has one
    assert "\x1b[48;5;" in heat_map(found, unicode=True, colour=True)
    assert bars(found, unicode=False).splitlines()[0].startswith("Nov   200 ####")
    assert "(of 336 h)" in bars(found, unicode=False)


# --- pictures


@pytest.mark.parametrize("suffix", ["png", "svg"])
def test_the_same_curve_is_the_same_picture(tmp_path: Path, suffix: str) -> None:
    made = curve([100.0, float("nan"), 200.0], [300.0, 200.0], band=20)
    files = [tmp_path / f"{name}.{suffix}" for name in "ab"]
    for file in files:
        pictures.save_curve(file, made, "GB", "toy; average, lifecycle")
    assert files[0].read_bytes() == files[1].read_bytes()


def test_a_picture_says_what_it_shows(tmp_path: Path) -> None:
    file = tmp_path / "a.svg"
    pictures.save_curve(
        file, curve([100.0] * 3, [300.0] * 3, band=20), "GB: carbon intensity", "toy; average"
    )
    drawing = file.read_text()
    for words in (
        "GB: carbon intensity",
        "g CO2e / kWh",
        "measured",
        "forecast",
        "80% band",
        "toy; average; grey: night, 22:00 to 06:00",
    ):
        assert f"<!-- {words} -->" in drawing
    for made in (curve([100.0] * 3, []), curve([], [100.0] * 3)):
        pictures.save_curve(file, made, "GB", "toy")
        assert ("<!-- forecast -->" in file.read_text()) == (made.issue is not None)


@pytest.mark.usefixtures("berlin")
def test_nights_are_local() -> None:
    start = datetime(2026, 11, 26, 12, tzinfo=UTC)
    ((left, right),) = pictures.nights(start.timestamp(), (start + 24 * HOUR).timestamp())
    assert datetime.fromtimestamp(left, UTC) == datetime(2026, 11, 26, 21, tzinfo=UTC)
    assert datetime.fromtimestamp(right, UTC) == datetime(2026, 11, 27, 5, tzinfo=UTC)


def test_no_figure_stays_behind_and_pyplot_is_never_imported(tmp_path: Path) -> None:
    code = (
        "import sys\n"
        "from pathlib import Path\n"
        "from carbonslurm.cli import pictures\n"
        "assert 'matplotlib' not in sys.modules\n"
        "figure, axes = pictures._sheet(pictures.WIDE)\n"
        "axes.plot([0, 1], [0, 1])\n"
        "pictures._write(figure, Path(sys.argv[1]))\n"
        "print('matplotlib.pyplot' in sys.modules)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "a.png")], capture_output=True, text=True, check=True
    )
    assert done.stdout == "False\n"


def test_without_matplotlib_one_line_says_what_to_install() -> None:
    """matplotlib is made impossible to import, as where it is not installed."""
    code = (
        "import sys\n"
        "from carbonslurm.cli import pictures\n"
        "from carbonslurm.errors import UnavailableError\n"
        "from pathlib import Path\n"
        "sys.modules['matplotlib'] = None\n"
        "try:\n"
        "    pictures.checked(Path('a.png'))\n"
        "except UnavailableError as error:\n"
        "    print(error)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "--plot needs matplotlib: pip install 'carbonslurm[plot]'\n"
