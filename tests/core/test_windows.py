"""core/windows.py: the best window lies where the mean is lowest, and never behind what is known."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from carbonslurm.core.forecast import Band, Issue, Kind, Nature, Scope, Series, Step
from carbonslurm.core.interval import Interval
from carbonslurm.core.windows import best_window

START = datetime(2026, 11, 22, tzinfo=UTC)
HOUR = timedelta(hours=1)


def issue(*levels: float | None, band: tuple[float, float] | None = None) -> Issue:
    steps = [
        Step(Interval(START + place * HOUR, START + (place + 1) * HOUR), level)
        for place, level in enumerate(levels)
        if level is not None
    ]
    series = Series.from_steps("GB", "toy", Nature(Kind.AVERAGE, Scope.LIFECYCLE), steps)
    around = None if band is None else Band(series.values - band[0], series.values + band[1])
    return Issue(series, START, START, around)


def test_the_lowest_window_by_hand() -> None:
    best = best_window(issue(300, 200, 100, 100, 250), START, 2 * HOUR)
    assert best is not None
    assert best.window == Interval(START + 2 * HOUR, START + 4 * HOUR)
    assert (best.mean, best.mean_at_once) == (100, 250)
    assert best.saved_percent == pytest.approx(60)
    assert (best.low, best.high) == (None, None)
    assert best.last_start == START + 3 * HOUR


def test_the_first_of_equals_is_taken() -> None:
    best = best_window(issue(100, 100, 100), START, HOUR)
    assert best is not None
    assert best.window.start == START
    assert best.saved_percent == 0


def test_a_deadline_is_when_it_has_ended() -> None:
    best = best_window(issue(300, 200, 100, 50), START, HOUR, START + 3 * HOUR)
    assert best is not None
    assert best.window == Interval(START + 2 * HOUR, START + 3 * HOUR)


@pytest.mark.parametrize("length", [HOUR * 5, timedelta(hours=4, seconds=1)])
def test_nothing_is_assumed_behind_the_horizon(length: timedelta) -> None:
    assert best_window(issue(1, 2, 3, 4), START, length) is None
    assert best_window(issue(1, 2, 3, 4), START, length, START + timedelta(days=9)) is None


def test_a_gap_is_no_clean_hour() -> None:
    best = best_window(issue(300, None, 200, 250), START, 2 * HOUR)
    assert best is not None
    assert best.window.start == START + 2 * HOUR
    assert best.mean_at_once is None
    assert best.saved_percent is None
    assert best_window(issue(300, None, 200, None), START, 2 * HOUR) is None


def test_the_band_over_the_window() -> None:
    best = best_window(issue(300, 200, 100, band=(10, 30)), START, 2 * HOUR)
    assert best is not None
    assert (best.low, best.high) == (140, 180)


levels = st.lists(st.none() | st.floats(0, 2000), min_size=1, max_size=24).filter(
    lambda found: any(level is not None for level in found)
)


@given(levels, st.integers(1, 30), st.integers(0, 30))
def test_no_whole_hour_is_better(values: list[float | None], hours: int, start: int) -> None:
    """Against the plain way, over starts at full hours."""
    made = issue(*values)
    earliest = START + start * HOUR
    best = best_window(made, earliest, hours * HOUR)
    means = [
        made.series.mean(Interval(earliest + place * HOUR, earliest + (place + hours) * HOUR))
        for place in range(len(values))
    ]
    known = [mean for mean in means if mean is not None]
    assert (best is None) == (not known)
    if best is not None:
        assert best.mean <= min(known) + 1e-6
        assert best.mean == pytest.approx(made.series.mean(best.window))
        assert best.window.end <= made.series.horizon
        assert not np.isnan(best.mean)
