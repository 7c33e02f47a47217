"""Whole hours: means by time, unknown where too little is known, gaps filled from around them."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from carbonslurm.core.forecast import Kind, Nature, Scope, Series, Step
from carbonslurm.core.hourly import Hourly, filled, hour_of, hourly, joined, start_of
from carbonslurm.core.interval import Interval
from carbonslurm.errors import DataError

START = datetime(2026, 11, 22, tzinfo=UTC)
HOUR = timedelta(hours=1)
NATURE = Nature(Kind.AVERAGE, Scope.LIFECYCLE)


def series(*steps: tuple[float, float, float]) -> Series:
    """Steps from (first, last, value) in hours since START."""
    made = [Step(Interval(START + first * HOUR, START + last * HOUR), value) for first, last, value in steps]
    return Series.from_steps("GB", "toy", NATURE, made)


def test_an_hour_is_the_mean_of_its_steps_by_time() -> None:
    grid = hourly(series((0, 0.5, 100), (0.5, 1, 200), (1, 1.25, 0), (1.25, 2, 400)))
    assert grid.first == hour_of(START)
    assert grid.values == pytest.approx([150, 300])


def test_a_long_step_fills_its_hours() -> None:
    assert hourly(series((0, 3, 70))).values == pytest.approx([70, 70, 70])


def test_an_hour_half_known_is_known_and_less_is_not() -> None:
    grid = hourly(series((0.5, 1, 100), (1, 2, 200), (2, 2.25, 300)))
    assert grid.values[:2] == pytest.approx([100, 200])
    assert np.isnan(grid.values[2])
    assert hourly(series((2, 2.25, 300)), known=0.25).values == pytest.approx([300])


def test_a_gap_is_unknown_and_a_zero_is_a_value() -> None:
    grid = hourly(series((0, 1, 0), (3, 4, 10)))
    assert grid.values[0] == 0
    assert np.isnan(grid.values[1:3]).all()
    assert grid.known == 2


def test_the_way_back_gives_steps_of_an_hour_that_are_estimates() -> None:
    again = Hourly(hour_of(START), np.array([1.0, np.nan, 3.0])).series("GB", "own", NATURE)
    assert again.start == START
    assert [step.g_per_kwh for step in again.steps()] == [1, 3]
    assert again.estimated.all()
    assert hourly(again).values[2] == 3


def test_what_lies_outside_of_a_grid_is_unknown() -> None:
    grid = Hourly(10, np.array([1.0, 2.0]))
    assert np.array_equal(grid.between(9, 13), [np.nan, 1, 2, np.nan], equal_nan=True)
    assert np.isnan(grid.between(20, 22)).all()
    assert len(grid.between(5, 5)) == 0
    assert grid.until(11).values.tolist() == [1]
    assert len(grid.until(3).values) == 0


def test_unknown_ends_are_trimmed() -> None:
    grid = Hourly(10, np.array([np.nan, 1, np.nan, 2, np.nan])).trimmed()
    assert (grid.first, grid.after, grid.known) == (11, 14, 2)
    assert len(Hourly(10, np.array([np.nan])).trimmed().values) == 0


def test_a_revision_replaces_what_it_revises() -> None:
    old, new = Hourly(10, np.array([1.0, 2.0])), Hourly(11, np.array([5.0, np.nan, 7.0]))
    both = joined([old, new])
    assert both.first == 10
    assert np.array_equal(both.values, [1, 5, np.nan, 7], equal_nan=True)
    assert len(joined([]).values) == 0


def test_a_short_gap_is_bridged_by_a_line() -> None:
    values = np.arange(48, dtype=float)
    holed = values.copy()
    holed[20:23] = np.nan
    assert filled(holed) == pytest.approx(values)


def test_a_long_gap_takes_the_hours_of_the_days_around_it() -> None:
    day = np.sin(np.arange(24) / 24 * 2 * np.pi) * 100 + 200
    values = np.tile(day, 6)
    holed = values.copy()
    holed[30:80] = np.nan
    assert filled(holed) == pytest.approx(values)


def test_nothing_cannot_be_filled() -> None:
    with pytest.raises(DataError, match="nothing is known"):
        filled(np.full(3, np.nan))


def test_a_row_is_a_row() -> None:
    with pytest.raises(DataError, match="one row"):
        Hourly(0, np.zeros((2, 2)))


holed = st.lists(st.none() | st.floats(0, 2000), min_size=1, max_size=80).filter(
    lambda given: any(value is not None for value in given)
)


@given(holed)
def test_filling_changes_nothing_known_and_stays_within_it(given: list[float | None]) -> None:
    values = np.array([np.nan if value is None else value for value in given])
    there = ~np.isnan(values)
    whole = filled(values)
    assert np.array_equal(whole[there], values[there])
    assert whole.min() >= np.nanmin(values) - 1e-9
    assert whole.max() <= np.nanmax(values) + 1e-9


@given(
    st.lists(st.tuples(st.integers(1, 200), st.floats(0, 2000)), min_size=1, max_size=20),
    st.integers(0, 5000),
)
def test_whole_hours_equal_the_means_of_the_series(steps: list[tuple[int, float]], offset: int) -> None:
    edges = (
        float(start_of(hour_of(START)).timestamp()) + offset + 60.0 * np.cumsum([0] + [n for n, _ in steps])
    )
    made = Series(
        "GB", "toy", NATURE, edges, np.array([v for _, v in steps]), np.zeros(len(steps), dtype=bool)
    )
    grid = hourly(made)
    means = made.means((grid.first + np.arange(len(grid.values))) * 3600.0, 3600.0)
    whole = ~np.isnan(means)
    assert grid.values[whole] == pytest.approx(means[whole], abs=1e-5)
