"""Series: means that equal the plain sum over steps, gaps that stay unknown, and horizons that end."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from carbonslurm.core.forecast import Band, Issue, Kind, Nature, Scope, Series, Step
from carbonslurm.core.interval import Interval, from_epoch
from carbonslurm.errors import DataError

START = datetime(2026, 11, 22, tzinfo=UTC)
HOUR = timedelta(hours=1)
NATURE = Nature(Kind.AVERAGE, Scope.LIFECYCLE)


def hourly(*values: float) -> Series:
    """One value an hour from START; None leaves a gap."""
    steps = [
        Step(Interval(START + number * HOUR, START + (number + 1) * HOUR), value)
        for number, value in enumerate(values)
        if value is not None
    ]
    return Series.from_steps("GB", "toy", NATURE, steps)


def between(first: float, last: float) -> Interval:
    return Interval(START + first * HOUR, START + last * HOUR)


def test_a_value_holds_from_its_start_until_just_before_its_end() -> None:
    series = hourly(100, 200)
    assert series.at(START) == 100
    assert series.at(START + HOUR - timedelta(microseconds=1)) == 100
    assert series.at(START + HOUR) == 200


def test_nothing_is_known_before_the_start_or_from_the_horizon_on() -> None:
    series = hourly(100, 200)
    assert series.at(START - timedelta(microseconds=1)) is None
    assert series.at(series.horizon) is None
    assert (series.start, series.horizon) == (START, START + 2 * HOUR)


def test_a_naive_moment_is_refused() -> None:
    with pytest.raises(DataError, match="without a zone"):
        hourly(100).at(START.replace(tzinfo=None))


@pytest.mark.parametrize(
    ("window", "mean"),
    [
        (between(0, 1), 100),
        (between(0, 2), 150),
        (between(0.5, 1.5), 150),
        (between(0.75, 2), 180),
        (between(1, 1), 200),
    ],
)
def test_a_mean_is_weighted_by_time(window: Interval, mean: float) -> None:
    assert hourly(100, 200).mean(window) == pytest.approx(mean)


@pytest.mark.parametrize("window", [between(-0.1, 1), between(1, 2.1), between(3, 4), between(2, 2)])
def test_a_mean_that_reaches_beyond_what_is_known_is_unknown(window: Interval) -> None:
    assert hourly(100, 200).mean(window) is None


def test_a_gap_is_unknown_and_not_zero() -> None:
    series = hourly(100, None, 300)
    assert series.has_gaps
    assert series.at(START + 1.5 * HOUR) is None
    assert series.mean(between(0.5, 1.1)) is None
    assert series.mean(between(1, 1)) is None
    assert series.mean(between(2, 3)) == 300
    assert [step.g_per_kwh for step in series.steps()] == [100, 300]


def test_a_zero_is_a_value() -> None:
    series = hourly(0, 100)
    assert series.at(START) == 0
    assert series.mean(between(0, 1)) == 0


def test_steps_in_any_order_give_the_same_series() -> None:
    steps = hourly(3, 1, 2).steps()
    series = Series.from_steps("GB", "toy", NATURE, reversed(steps))
    assert series.steps() == steps


def test_two_values_for_one_moment_are_refused() -> None:
    steps = [Step(between(0, 1), 1), Step(between(0.5, 2), 2)]
    with pytest.raises(DataError, match="two values for 2026-11-22T00:30:00"):
        Series.from_steps("GB", "toy", NATURE, steps)


def test_a_series_without_steps_is_refused() -> None:
    with pytest.raises(DataError):
        Series.from_steps("GB", "toy", NATURE, [])


@pytest.mark.parametrize(
    ("edges", "values", "flags"),
    [([0, 1], [1, 2], [False, False]), ([0, 1, 1], [1, 2], [False, False]), ([0, 1], [1], [])],
)
def test_arrays_that_do_not_fit_are_refused(
    edges: list[float], values: list[float], flags: list[bool]
) -> None:
    with pytest.raises(DataError, match="toy: GB: "):
        Series("GB", "toy", NATURE, np.array(edges), np.array(values), np.array(flags, dtype=bool))


def test_both_dst_days_have_a_value_for_each_hour_that_they_have() -> None:
    """Steps are instants: the clocks' change in a zone leaves neither a gap nor an overlap."""
    for day in (datetime(2026, 3, 29, tzinfo=UTC), datetime(2026, 10, 25, tzinfo=UTC)):
        steps = [Step(Interval(day + n * HOUR, day + (n + 1) * HOUR), float(n)) for n in range(24)]
        series = Series.from_steps("GB", "toy", NATURE, steps)
        assert not series.has_gaps
        assert len(series.values) == 24


def test_an_issue_ages_from_when_its_source_made_it_else_from_when_we_read_it() -> None:
    fetched = START + 3 * HOUR
    assert Issue(hourly(1), START, fetched).published == START
    assert Issue(hourly(1), None, fetched).published == fetched


# --- bands ---


def test_an_issue_may_say_how_sure_it_is() -> None:
    series = hourly(100, None, 300)
    band = Band(np.array([90, np.nan, 250]), np.array([120, np.nan, 300]))
    assert Issue(series, START, START, band).band is band
    assert band.share == 0.8
    assert Issue(series, START, START).band is None


@pytest.mark.parametrize(
    ("low", "high", "share", "words"),
    [
        ([1, 2], [1], 0.8, "as many"),
        ([[1, 2]], [[2, 3]], 0.8, "as many"),
        ([1, np.nan], [1, 2], 0.8, "without"),
        ([1, 3], [1, 2], 0.8, "above its high"),
        ([1], [2], 0, "share of 0"),
        ([1], [2], 1, "share of 1"),
    ],
)
def test_a_band_that_contradicts_itself_is_refused(
    low: list[float], high: list[float], share: float, words: str
) -> None:
    with pytest.raises(DataError, match=words):
        Band(np.array(low, dtype=float), np.array(high, dtype=float), share)


@pytest.mark.parametrize("low", [[1.0], [1.0, np.nan, 3.0], [1.0, 2.0]])
def test_a_band_that_does_not_fit_its_series_is_refused(low: list[float]) -> None:
    with pytest.raises(DataError, match="toy: GB: the band"):
        Issue(hourly(100, 200, 300), START, START, Band(np.array(low), np.array(low) + 1))


# --- against the plain way ---

values = st.lists(st.none() | st.floats(0, 2000), min_size=1, max_size=30).filter(
    lambda given: any(value is not None for value in given)
)
seconds = st.integers(-4_000, 31 * 3600)


def plainly(series: Series, window: Interval) -> float | None:
    """The mean second by second's worth of overlap, or None where the overlaps do not fill the window."""
    total = covered = 0.0
    for step in series.steps():
        first, last = max(step.interval.start, window.start), min(step.interval.end, window.end)
        overlap = max((last - first).total_seconds(), 0.0)
        total, covered = total + overlap * step.g_per_kwh, covered + overlap
    return total / covered if covered == window.length.total_seconds() else None


@given(values, seconds, st.integers(1, 31 * 3600))
def test_a_mean_equals_the_sum_over_the_steps(given: list[float | None], first: int, length: int) -> None:
    series, start = hourly(*given), START + timedelta(seconds=first)  # type: ignore[arg-type]
    window = Interval(start, start + timedelta(seconds=length))
    expected = plainly(series, window)
    mean = series.mean(window)
    assert mean is expected is None or mean == pytest.approx(expected, abs=1e-6)


@given(values)
def test_steps_survive_the_way_into_a_series(given: list[float | None]) -> None:
    series = hourly(*given)  # type: ignore[arg-type]
    again = Series.from_steps("GB", "toy", NATURE, series.steps())
    assert again.steps() == series.steps()
    assert from_epoch(float(again.edges[0])) == again.start


@given(
    st.lists(st.floats(0, 900), min_size=1, max_size=30),
    st.floats(-3000, 110_000),
    st.floats(1, 60_000),
    st.integers(0, 3),
)
def test_the_mean_of_one_window_is_that_of_many(
    values: list[float], start: float, seconds: float, gaps: int
) -> None:
    """One is worked out in plain numbers and many by numpy: to the last bit the same."""
    told = np.array(values)
    told[: min(gaps, len(told) - 1)] = np.nan
    edges = 1000.0 + 3600.0 * np.arange(len(told) + 1)
    found = Series("GB", "toy", NATURE, edges, told, np.zeros(len(told), dtype=bool))
    (many,) = found.means(np.array([start]), seconds)
    one = found.mean_of(start, seconds)
    assert one == (None if np.isnan(many) else many)
