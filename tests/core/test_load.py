"""When energy was taken: nothing of it is lost or doubled, and it lies where the run did."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from carbonslurm.core.forecast import Kind, Nature, Scope, Series, Step
from carbonslurm.core.interval import Interval
from carbonslurm.core.load import energy_between, hour_profile, known_mean

MIDNIGHT = datetime(2026, 11, 22, tzinfo=UTC)
HOUR = 3600.0
runs = st.lists(
    st.tuples(st.integers(0, 200_000), st.integers(1, 100_000), st.floats(0, 500, allow_nan=False)),
    min_size=1,
    max_size=20,
)


def utc_hour(moment: float) -> int:
    return int(moment % 86_400 // HOUR)


def grid(*values: float) -> Series:
    steps = [
        Step(
            Interval(MIDNIGHT + hour * timedelta(hours=1), MIDNIGHT + (hour + 1) * timedelta(hours=1)), value
        )
        for hour, value in enumerate(values)
    ]
    return Series.from_steps("GB", "neso", Nature(Kind.AVERAGE, Scope.DIRECT), steps)


@settings(deadline=None)
@given(runs, st.integers(900, 40_000))
def test_slots_share_out_all_of_the_energy_and_no_more(runs: list[tuple[int, int, float]], slot: int) -> None:
    start = MIDNIGHT.timestamp()
    loads = np.array([(start + begin, start + begin + length, kwh) for begin, length, kwh in runs])
    edges = np.arange(start, loads[:, 1].max() + slot, slot)
    by_hand = [
        sum(
            kwh * max(min(right, end) - max(left, begin), 0.0) / (end - begin)
            for begin, end, kwh in loads.tolist()
        )
        for left, right in pairwise(edges)
    ]
    np.testing.assert_allclose(energy_between(loads, edges), by_hand, atol=1e-6)


def test_a_run_of_two_hours_and_where_it_would_have_been() -> None:
    start = MIDNIGHT.timestamp()
    loads = np.array([[start + 2.5 * HOUR, start + 4.5 * HOUR, 4.0, start - 2 * HOUR, start - HOUR, 2.0]])
    found = hour_profile(loads, grid(100, 200, 300), utc_hour)
    assert found.kwh[[2, 3, 4]].tolist() == pytest.approx([1.0, 2.0, 1.0])
    assert found.kwh.sum() == pytest.approx(4.0)
    assert found.baseline_kwh[22] == pytest.approx(2.0)
    assert found.baseline_kwh.sum() == pytest.approx(2.0)
    assert found.g_per_kwh[:3].tolist() == [100, 200, 300]
    assert np.isnan(found.g_per_kwh[3:]).all()


def test_a_baseline_without_length_took_nothing() -> None:
    start = MIDNIGHT.timestamp()
    found = hour_profile(np.array([[start, start + HOUR, 4.0, start, start, 0.0]]), None, utc_hour)
    assert (found.kwh[0], found.baseline_kwh.sum()) == (pytest.approx(4.0), 0.0)
    assert np.isnan(found.g_per_kwh).all()


def test_the_mean_of_what_is_known() -> None:
    series = grid(100, np.nan, 400)
    window = Interval(MIDNIGHT, MIDNIGHT + timedelta(hours=2.5))
    assert known_mean(series, window) == pytest.approx((100 + 0.5 * 400) / 1.5)
    assert known_mean(series, Interval(MIDNIGHT + timedelta(hours=9), MIDNIGHT + timedelta(hours=10))) is None
