"""The maths of policies that pause: by hand, and what must hold for every series."""

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from traces import HOUR, START, hourly

from carbonslurm.core.pausing import allowed_units, cheapest, pause_thresholds, percentile, pieces


def hours(stretches: list[tuple[float, float]]) -> list[tuple[float, float]]:
    return [((left - START) / HOUR, (right - START) / HOUR) for left, right in stretches]


def test_pieces_are_cut_to_the_window() -> None:
    cut = pieces(hourly([10, 20, 30]), START + 0.5 * HOUR, START + 2 * HOUR)
    assert ((cut.ends - cut.starts) / HOUR).tolist() == [0.5, 1]
    assert cut.values.tolist() == [10, 20]


@pytest.mark.parametrize(("start", "end"), [(-2.0, -1.0), (3.0, 4.0)])
def test_of_what_is_not_known_there_are_no_pieces(start: float, end: float) -> None:
    assert len(pieces(hourly([10, 20, 30]), START + start * HOUR, START + end * HOUR).values) == 0


# --- percentile


def test_the_percentile_is_by_time() -> None:
    """Ten hours, the window begins in the middle of one: 30 % of nine and a half hours are 2.85."""
    series = hourly([100, 90, 80, 70, 60, 50, 40, 30, 20, 10])
    assert percentile(series, START, START + 10 * HOUR, 0.3) == 30
    assert percentile(series, START, START + 10 * HOUR, 0.31) == 40
    assert percentile(series, START + 9.5 * HOUR, START + 20 * HOUR, 0.3) == 10
    assert np.isnan(percentile(series, START + 20 * HOUR, START + 30 * HOUR, 0.3))


# --- cheapest


@pytest.mark.parametrize(
    ("start", "end", "seconds", "expected"),
    [
        (0, 6, 1, [(3, 4)]),
        (0, 6, 2, [(2, 4)]),
        (0, 6, 1.5, [(2, 2.5), (3, 4)]),  # of the last step that is needed the beginning
        (0, 3, 1, [(2, 3)]),
        (3.5, 6, 1, [(3.5, 4), (5, 5.5)]),  # of the two hours of 300 only one lies within
        (0, 6, 9, [(0, 6)]),  # longer than the window: all of it
    ],
)
def test_the_cleanest_stretches_by_hand(
    start: float, end: float, seconds: float, expected: list[tuple[float, float]]
) -> None:
    series = hourly([300, 200, 100, 50, 400, 300])
    found = cheapest(series, START + start * HOUR, START + end * HOUR, seconds * HOUR)
    assert hours(found) == expected


def test_of_equal_steps_the_earlier_is_taken() -> None:
    assert hours(cheapest(hourly([100, 50, 100, 50]), START, START + 4 * HOUR, HOUR)) == [(1, 2)]


values = st.lists(st.integers(1, 500), min_size=1, max_size=30)


@given(values, st.floats(0.01, 40))
def test_no_other_stretches_are_cleaner(steps: list[int], wanted: float) -> None:
    series = hourly(steps)
    found = cheapest(series, START, START + len(steps) * HOUR, wanted * HOUR)
    lasting = sum(right - left for left, right in found)
    assert lasting == pytest.approx(min(wanted, len(steps)) * HOUR)
    emitted = sum(
        float(series.means(np.array([left]), right - left)[0]) * (right - left) for left, right in found
    )
    ordered, left, least = sorted(steps), min(wanted, len(steps)), 0.0
    for value in ordered:
        least += value * min(left, 1.0)
        left -= min(left, 1.0)
    assert emitted / HOUR == pytest.approx(least)


# --- thresholds


def test_one_slot_without_switching_is_the_geometric_mean() -> None:
    """k = 1, beta = 0: (U - L) / (U - U/alpha) = 1 + 1/alpha gives alpha = sqrt(U / L), phi_1 = sqrt(U L)."""
    assert pause_thresholds(100, 400, 1, 0.0) == pytest.approx([200])


def test_one_slot_with_switching() -> None:
    """k = 1: phi_1 = (U + 2 beta) / alpha, and phi_2 is L + 2 beta."""
    (first,) = pause_thresholds(100, 400, 1, 30.0)
    alpha = (400 + 60) / first
    spread = 400 * (1 - 1 / alpha) - 60 / alpha
    assert 400 - spread * (1 + 1 / alpha) == pytest.approx(160)


def test_two_switches_that_cost_more_than_the_spread_are_never_worth_it() -> None:
    assert np.isinf(pause_thresholds(100, 150, 3, 25.0)).all()
    assert np.isinf(pause_thresholds(100, 100, 3, 0.0)).all()


@given(low=st.floats(1, 400), spread=st.floats(1, 600), slots=st.integers(1, 200), cost=st.floats(0, 1))
def test_thresholds_fall_towards_the_lowest_value(low: float, spread: float, slots: int, cost: float) -> None:
    beta = cost * spread * 0.49
    found = pause_thresholds(low, low + spread, slots, beta)
    assert (np.diff(found) <= 1e-9 * (low + spread)).all()
    assert (found >= low + 2 * beta - 1e-6 * (low + spread)).all()


# --- the varying cap


def test_the_cap_by_hand() -> None:
    """One flexible unit: it may be busy up to the geometric mean of 100 and 400."""
    assert allowed_units(3, 4, 100, 400, 199) == 4
    assert allowed_units(3, 4, 100, 400, 201) == 3
    assert allowed_units(4, 4, 100, 400, 400) == 4


@given(
    units=st.integers(1, 100),
    share=st.floats(0, 1),
    low=st.floats(1, 500),
    spread=st.floats(0, 500),
    at=st.floats(0, 1),
)
@example(units=2, share=0.0, low=3.0, spread=1e-15, at=0.0)
def test_the_cap_lies_between_what_is_guaranteed_and_what_there_is(
    units: int, share: float, low: float, spread: float, at: float
) -> None:
    guaranteed = float(int(units * share))
    allowed = allowed_units(guaranteed, units, low, low + spread, low + at * spread)
    assert guaranteed <= allowed <= units
    assert allowed_units(guaranteed, units, low, low + spread, low) == units
