"""Scores: by hand, unknown hours counting in nothing, and no division by zero whatever comes."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from carbonslurm.core.forecast import Band, Issue, Kind, Nature, Scope
from carbonslurm.core.hourly import Hourly, hour_of
from carbonslurm.core.score import Score, realised, score, scores
from carbonslurm.errors import UsageError

START = datetime(2026, 11, 22, tzinfo=UTC)
FIRST = hour_of(START)
NATURE = Nature(Kind.AVERAGE, Scope.LIFECYCLE)
NAN = float("nan")


def row(*values: float) -> np.ndarray:
    return np.array(values, dtype=float)


def test_errors_by_hand() -> None:
    found = score(row(100, 200, 50), row(110, 160, 50), (row(90, 170, 40), row(120, 190, 50)))
    assert found.hours == 3
    assert found.mae == pytest.approx(50 / 3)
    assert found.mape == pytest.approx((10 + 20 + 0) / 3)
    assert found.wmape == pytest.approx(50 / 350 * 100)
    assert found.bias == pytest.approx(-10)
    assert found.inside == pytest.approx(2 / 3)


def test_unknown_hours_count_in_nothing() -> None:
    assert score(row(100, NAN, 100), row(NAN, 100, 90)) == Score(1, 10, 10, 10, -10, None)
    assert score(row(NAN), row(1)) == Score(0)


def test_zero_has_no_percentage_and_counts_in_the_rest() -> None:
    found = score(row(0, 100), row(10, 100))
    assert (found.mape, found.mae, found.wmape) == (0, 5, 10)
    nothing = score(row(0, 0), row(1, 1))
    assert (nothing.mape, nothing.wmape, nothing.mae) == (None, None, 1)


def issue(first: int, *values: float, band: float | None = None) -> Issue:
    series = Hourly(first, row(*values)).series("GB", "toy", NATURE)
    edges = Band(series.values - band, series.values + band) if band is not None else None
    return Issue(series, START + timedelta(hours=first - FIRST, minutes=30), START, edges)


def test_issues_are_scored_by_how_far_ahead_they_look() -> None:
    actual = Hourly(FIRST, np.full(6, 100.0)).series("GB", "toy", NATURE)
    issues = [issue(FIRST, 100, 110, 120, 130), issue(FIRST + 2, 100, 90, 80, 70, 60)]
    near, far = scores(issues, actual, [(0, 2), (2, 4)])
    assert (near.hours, near.mae, near.bias) == (4, 5, 0)
    assert (far.hours, far.mae, far.bias) == (4, 25, 0)
    assert near.inside is None


def test_a_band_is_scored_where_there_is_one() -> None:
    actual = Hourly(FIRST, np.full(6, 100.0)).series("GB", "toy", NATURE)
    (found,) = scores([issue(FIRST, 100, 110, band=5), issue(FIRST, 150, 150)], actual, [(0, 2)])
    assert (found.hours, found.inside) == (4, 0.5)


def test_without_issues_there_is_nothing_to_score() -> None:
    actual = Hourly(FIRST, row(1)).series("GB", "toy", NATURE)
    assert scores([], actual, [(0, 24)]) == [Score(0)]


def test_a_saving_by_hand() -> None:
    """Two hours within four: at once 100, best 30; the forecast's choice gives 60."""
    actual = Hourly(FIRST, row(120, 80, 40, 20, 500))
    found = realised([Hourly(FIRST, row(9, 5, 5, 9))], actual, length=2, window=4)
    assert found is not None
    assert (found.releases, found.now, found.chosen, found.best) == (1, 100, 60, 30)
    assert found.share == pytest.approx(40 / 70)
    assert found.saved == pytest.approx(0.4)
    assert found.possible == pytest.approx(0.7)


def test_shares_are_of_sums_so_a_flat_day_weighs_nothing() -> None:
    actual = Hourly(FIRST, row(100, 50, 10, 10))
    forecasts = [Hourly(FIRST, row(2, 1)), Hourly(FIRST + 2, row(1, 2))]
    found = realised(forecasts, actual, length=1, window=2)
    assert found is not None
    assert (found.releases, found.share) == (2, 1)


def test_nothing_to_save_is_no_share() -> None:
    found = realised([Hourly(FIRST, row(1, 2))], Hourly(FIRST, row(7, 7)), length=1, window=2)
    assert found is not None
    assert found.share is None
    zero = realised([Hourly(FIRST, row(1, 2))], Hourly(FIRST, row(0, 0)), length=1, window=2)
    assert zero is not None
    assert (zero.share, zero.saved, zero.possible) == (None, None, None)


def test_a_window_that_is_not_known_whole_is_not_decided() -> None:
    actual = Hourly(FIRST, row(100, NAN, 10, 10, 10))
    short, holed = Hourly(FIRST + 2, row(1)), Hourly(FIRST, row(1, 2))
    assert realised([short, holed], actual, length=1, window=2) is None


@pytest.mark.parametrize(("length", "window"), [(0, 4), (5, 4)])
def test_a_job_must_fit_into_its_window(length: int, window: int) -> None:
    with pytest.raises(UsageError, match="is not done within"):
        realised([], Hourly(FIRST, row(1)), length, window)


days = st.lists(st.floats(0, 1000), min_size=24, max_size=60)


@given(days, days, st.integers(1, 12))
def test_perfect_foresight_realises_all_and_nobody_more(
    came: list[float], said: list[float], length: int
) -> None:
    actual = Hourly(FIRST, row(*came))
    releases = range(FIRST, actual.after - 12 + 1)
    perfect = realised([Hourly(n, actual.between(n, n + 12)) for n in releases], actual, length, 12)
    other = realised([Hourly(n, np.resize(said, 12)) for n in releases], actual, length, 12)
    assert perfect is not None
    assert other is not None
    assert perfect.chosen == perfect.best
    assert other.chosen >= other.best
    if perfect.share is not None:
        assert perfect.share == pytest.approx(1)


@given(st.lists(st.tuples(st.floats(0, 1e4) | st.just(NAN), st.floats(0, 1e4) | st.just(NAN)), max_size=30))
def test_any_hours_give_numbers_or_none(pairs: list[tuple[float, float]]) -> None:
    found = score(row(*[came for came, _ in pairs]), row(*[said for _, said in pairs]))
    for value in (found.mae, found.mape, found.wmape, found.bias):
        assert value is None or np.isfinite(value)
