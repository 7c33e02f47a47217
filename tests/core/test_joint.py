"""The joint: no step between what was measured and what is forecast, and the far end left alone."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from math import exp

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from carbonslurm.core.forecast import Band, Issue, Kind, Nature, Scope, Series, Step
from carbonslurm.core.interval import Interval
from carbonslurm.core.joint import FADE, bridged, step_at_joint
from carbonslurm.errors import DataError

START = datetime(2026, 11, 22, tzinfo=UTC)
HOUR = timedelta(hours=1)
NATURE = Nature(Kind.AVERAGE, Scope.LIFECYCLE)
FADE_HOURS = FADE / HOUR


def hourly(first: int, *values: float) -> Series:
    steps = [
        Step(Interval(START + (first + n) * HOUR, START + (first + n + 1) * HOUR), value)
        for n, value in enumerate(values)
        if not np.isnan(value)
    ]
    return Series.from_steps("FR", "toy", NATURE, steps)


def issue(series: Series, band: Band | None = None) -> Issue:
    return Issue(series, START, START, band)


def test_a_step_vanishes_at_the_joint_and_fades_after_it() -> None:
    """The step of Energy-Charts for France: last actual 59.6, first forecast 49.4."""
    moved = bridged(issue(hourly(0, *[49.4] * 48)), hourly(-3, 57, 58, 59.6)).series.values
    assert moved[0] == pytest.approx(59.6)
    assert moved[4] == pytest.approx(49.4 + 10.2 * exp(-4 / FADE_HOURS))
    assert moved[47] == pytest.approx(49.4, abs=0.001)
    assert (np.diff(moved) < 0).all()


def test_an_overlap_tells_the_offset_and_its_hours_stay_as_they_were() -> None:
    forecast, measured = hourly(-4, 100, 100, 110, 120, 130, 140), hourly(-6, 90, 95, 90, 105, 120, 140)
    assert step_at_joint(forecast, measured) == pytest.approx((5 + 10 + 20) / 3)
    moved = bridged(issue(forecast), measured).series.values
    assert moved[:4].tolist() == [100, 100, 110, 120]
    assert moved[4] == pytest.approx(130 + 35 / 3)


def test_the_longer_the_gap_the_less_of_the_step() -> None:
    forecast = hourly(4, 50, 50)
    assert step_at_joint(forecast, hourly(-1, 90)) == pytest.approx(40 * exp(-4 / FADE_HOURS))


def test_without_a_step_nothing_changes() -> None:
    plain = issue(hourly(0, 59.6, 49.4))
    assert np.array_equal(bridged(plain, hourly(-2, 60, 59.6)).series.values, plain.series.values)


def test_what_ended_before_the_measurement_does_is_left_alone() -> None:
    old = issue(hourly(-20, 10, 20))
    assert np.array_equal(bridged(old, hourly(-4, 100, 100)).series.values, [10, 20])


def test_gaps_stay_gaps_and_the_band_moves_along() -> None:
    series = hourly(0, 50, np.nan, 50)
    band = Band(np.array([40, np.nan, 40]), np.array([60, np.nan, 60]))
    moved = bridged(issue(series, band), hourly(-1, 70))
    assert moved.band is not None
    assert np.isnan(moved.series.values[1])
    assert moved.band.low[0] == pytest.approx(60)
    assert moved.band.high - moved.band.low == pytest.approx([20, np.nan, 20], nan_ok=True)


def test_two_natures_do_not_meet() -> None:
    other = replace(hourly(-1, 70), nature=Nature(Kind.AVERAGE, Scope.DIRECT))
    with pytest.raises(DataError, match=r"forecast \(average, lifecycle\).*\(average, direct\)"):
        bridged(issue(hourly(0, 50)), other)


def test_two_sources_do_not_meet() -> None:
    """Another model of the same grid has another level, and that step would be taken for an error."""
    with pytest.raises(DataError, match="FR: a forecast of toy does not continue what other measured"):
        bridged(issue(hourly(0, 50)), replace(hourly(-1, 70), source="other"))


def test_a_measurement_that_knows_nothing_moves_nothing() -> None:
    nothing = replace(hourly(-2, 70, 70), values=np.full(2, np.nan))
    assert step_at_joint(hourly(0, 50), nothing) is None
    assert bridged(issue(hourly(0, 50)), nothing).series.values.tolist() == [50]


levels = st.lists(st.floats(0, 2000), min_size=1, max_size=30)


@given(levels, levels, st.integers(-10, 10))
def test_no_value_becomes_negative_and_none_passes_the_step(
    said: list[float], came: list[float], start: int
) -> None:
    forecast, measured = hourly(start, *said), hourly(-len(came), *came)
    step = step_at_joint(forecast, measured)
    moved = bridged(issue(forecast), measured).series.values
    assert (moved >= 0).all()
    assert np.abs(moved - forecast.values).max() <= abs(step or 0) + 1e-9
