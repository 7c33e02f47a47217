"""How far a forecast is believed: by what earlier ones were worth, or by its nature."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from carbonslurm.core.doubt import Past, believed, by_nature
from carbonslurm.core.hourly import Hourly

NOW = 480_000  # an hour, a multiple of 24
LEADS = 48
ORIGINS = np.arange(NOW - 24 * 28, NOW, 3)
HOURS = np.arange(NOW - 24 * 30, NOW + LEADS)


def truth(seed: int) -> Hourly:
    """A month with a clean noon and weather."""
    noise = np.random.default_rng(seed).normal(0, 1, len(HOURS))
    weather = np.convolve(noise, np.exp(-np.arange(60) / 20), mode="full")[: len(HOURS)]
    return Hourly(int(HOURS[0]), 300 - 80 * np.cos((HOURS % 24 - 12) * np.pi / 12) + 20 * weather)


def past_of(series: Hourly, said: np.ndarray) -> Past:
    return Past(ORIGINS, said, series.until(NOW))


def right(series: Hourly) -> np.ndarray:
    """What forecasts said that were always right."""
    return np.array([series.between(origin, origin + LEADS) for origin in ORIGINS.tolist()])


def test_a_forecast_that_was_always_right_is_left_as_it_is() -> None:
    series = truth(1)
    said = Hourly(NOW, series.between(NOW, NOW + LEADS))
    found = believed(said, past_of(series, right(series)))
    assert found is not None
    np.testing.assert_allclose(found[0].values, said.values, rtol=0.01)
    assert (found[1].high - found[1].low).max() < 5


def test_a_forecast_that_was_never_right_becomes_what_the_day_usually_is() -> None:
    """It swings by 300 g/kWh at random; the day by 80 around 300, with weather."""
    series, draw = truth(2), np.random.default_rng(3)
    said = Hourly(NOW, draw.uniform(0, 600, LEADS))
    found = believed(said, past_of(series, draw.uniform(0, 600, (len(ORIGINS), LEADS))))
    assert found is not None
    usual = 300 - 80 * np.cos((np.arange(LEADS) - 12) * np.pi / 12)
    wild, now_mild = np.abs(said.values - usual).mean(), np.abs(found[0].values - usual).mean()
    assert now_mild < wild / 3


def test_what_was_measured_last_moves_the_next_hours() -> None:
    """The forecast knows nothing of weather; an hour that ended 100 g/kWh above it tells of the next."""
    series = truth(4)
    plain = np.array([300 - 80 * np.cos((origin + np.arange(LEADS) - 12) * np.pi / 12) for origin in ORIGINS])
    measured = series.until(NOW)
    high = Hourly(measured.first, np.append(measured.values[:-1], 500.0))
    said = Hourly(NOW, 300 - 80 * np.cos((np.arange(LEADS) - 12) * np.pi / 12))
    found = believed(said, Past(ORIGINS, plain, high))
    assert found is not None
    assert found[0].values[0] > said.values[0] + 50
    assert np.abs(found[0].values[40:] - said.values[40:]).mean() < 50


def test_what_was_measured_three_hours_ago_tells_less_of_the_next_ones() -> None:
    """Nothing newer is known, and each time nothing newer was known: so much is made of it, and no more."""
    series = truth(4)
    plain = np.array([300 - 80 * np.cos((origin + np.arange(LEADS) - 12) * np.pi / 12) for origin in ORIGINS])
    said = Hourly(NOW, 300 - 80 * np.cos((np.arange(LEADS) - 12) * np.pi / 12))
    moved = {}
    for lag in (0, 3):
        measured = series.until(NOW - lag)
        last = 450 - 80 * np.cos((measured.after - 1 - 12) * np.pi / 12)  # 150 more than usual
        high = Hourly(measured.first, np.append(measured.values[:-1], last))
        found = believed(said, Past(ORIGINS, plain, high, lag))
        assert found is not None
        moved[lag] = float(found[0].values[0] - said.values[0])
    assert 0 < moved[3] < moved[0]


def test_a_forecast_that_was_always_right_is_left_as_it_is_however_late_measured_values_come() -> None:
    series = truth(1)
    said = Hourly(NOW, series.between(NOW, NOW + LEADS))
    for lag in (1, 12, 24):
        found = believed(said, Past(ORIGINS, right(series), series.until(NOW - lag), lag))
        assert found is not None
        np.testing.assert_allclose(found[0].values, said.values, rtol=0.02)


def test_the_band_holds_about_as_much_as_it_says() -> None:
    held = []
    for seed in range(30):
        series = truth(seed)
        noise = np.random.default_rng(seed + 100).normal(0, 40, (len(ORIGINS) + 1, LEADS))
        ahead = series.between(NOW, NOW + LEADS)
        found = believed(Hourly(NOW, ahead + noise[-1]), past_of(series, right(series) + noise[:-1]))
        assert found is not None
        held.append(((found[1].low <= ahead) & (ahead <= found[1].high)).mean())
    assert np.mean(held) == pytest.approx(0.8, abs=0.08)


def test_without_a_past_nothing_is_said_of_it() -> None:
    series = truth(5)
    said = Hourly(NOW, series.between(NOW, NOW + LEADS))
    assert believed(said, Past(ORIGINS[:0], np.empty((0, LEADS)), series.until(NOW))) is None
    assert believed(said, Past(ORIGINS, right(series), Hourly(NOW, np.empty(0)))) is None
    two_days = Past(ORIGINS[-16:], right(series)[-16:], series.until(NOW))
    assert believed(said, two_days) is None


def test_by_its_nature_a_forecast_is_less_sure_the_further_it_looks() -> None:
    band = by_nature(np.array([100.0, 300.0] * 24), np.arange(48.0))
    width = band.high - band.low
    assert width[0] == 0
    assert (np.diff(width[::2]) > 0).all()
    flat = by_nature(np.full(48, 200.0), np.arange(48.0))
    np.testing.assert_array_equal(flat.low, flat.high)


@settings(deadline=None, max_examples=30)
@given(st.lists(st.floats(0, 1000), min_size=LEADS, max_size=LEADS), st.integers(0, 5), st.floats(0, 300))
def test_whatever_is_said_the_band_lies_around_what_is_believed(
    values: list[float], seed: int, noise: float
) -> None:
    """And no intensity is below zero."""
    series = truth(seed)
    wrong = right(series) + np.random.default_rng(seed).normal(0, noise, (len(ORIGINS), LEADS))
    found = believed(Hourly(NOW, np.array(values)), past_of(series, wrong))
    assert found is not None
    middle, band = found[0].values, found[1]
    assert np.isfinite(middle).all()
    assert (band.low >= 0).all()
    assert (band.low <= middle).all()
    assert (middle <= band.high).all()
