"""What is known of a long window, and the piece of it that one run needs."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from carbonslurm.core.forecast import Kind, Nature, Scope
from carbonslurm.core.interval import Interval
from carbonslurm.core.painted import Painted, best_of_each_kind

MIDNIGHT = datetime(2026, 11, 22, tzinfo=UTC)
HOUR = timedelta(hours=1)
AVERAGE, MARGINAL = Nature(Kind.AVERAGE, Scope.LIFECYCLE), Nature(Kind.MARGINAL, Scope.DIRECT)
NAMES = ("meter", "model")


def between(first: float, last: float) -> Interval:
    return Interval(MIDNIGHT + first * HOUR, MIDNIGHT + last * HOUR)


def known(*steps: tuple[float, str] | None, nature: Nature = AVERAGE) -> Painted:
    """An hour for each: g/kWh and whose; None is unknown."""
    edges = MIDNIGHT.timestamp() + 3600.0 * np.arange(len(steps) + 1)
    values = np.array([np.nan if step is None else step[0] for step in steps])
    said_by = np.array([-1 if step is None else NAMES.index(step[1]) for step in steps], dtype=np.int64)
    estimated = np.array([step is not None and step[1] == "model" for step in steps])
    return Painted("GB", nature, edges, values, estimated, said_by, NAMES)


DAY = known((100, "meter"), (200, "meter"), (300, "model"), None, (400, "model"))


@pytest.mark.parametrize(
    ("window", "values", "source"),
    [
        ((0, 2), [100, 200], "meter"),
        ((0.5, 0.6), [100], "meter"),
        ((1, 3), [200, 300], "meter, model"),
        ((2.5, 5), [300, None, 400], "model"),
        ((-3, 0.5), [100], "meter"),
        ((4.5, 9), [400], "model"),
        ((1, 1), [200], "meter"),
    ],
)
def test_a_piece_has_the_steps_that_it_touches_and_names_whose_they_are(
    window: tuple[float, float], values: list[float | None], source: str
) -> None:
    piece = DAY.series(between(*window))
    assert piece is not None
    assert [None if np.isnan(value) else value for value in piece.values] == values
    assert piece.source == source


@pytest.mark.parametrize("window", [(-3, -2), (5, 6), (7, 9)])
def test_outside_of_it_there_is_no_piece(window: tuple[float, float]) -> None:
    assert DAY.series(between(*window)) is None


@pytest.mark.parametrize(
    ("window", "gap"),
    [
        ((0, 3), None),
        ((0, 5), (3, 4)),
        ((2, 9), (3, 9)),
        ((-2, 1), (-2, 0)),
        ((-2, 9), (-2, 9)),
        ((3.2, 3.3), (3.2, 3.3)),
    ],
)
def test_the_gap_of_a_window_is_what_forecasts_are_asked_for(
    window: tuple[float, float], gap: tuple[float, float] | None
) -> None:
    assert DAY.gap(between(*window)) == (None if gap is None else between(*gap))


def test_the_kind_that_knows_more_goes_first_average_where_both_know_as_much() -> None:
    average, marginal = known((100, "meter"), (200, "meter")), known((700, "meter"), None, nature=MARGINAL)
    both = [marginal, average]
    assert [it.nature for it in best_of_each_kind(both, between(0, 2))] == [AVERAGE, MARGINAL]
    assert [it.nature for it in best_of_each_kind(both, between(0, 1))] == [AVERAGE, MARGINAL]
    assert [it.nature for it in best_of_each_kind(both, between(1, 2))] == [AVERAGE]
    late = known(None, (700, "meter"), nature=AVERAGE)
    assert [it.nature for it in best_of_each_kind([late, marginal], between(0, 1))] == [MARGINAL]


def test_of_two_scopes_of_one_kind_one_is_taken() -> None:
    direct = known((90, "meter"), (190, "meter"), nature=Nature(Kind.AVERAGE, Scope.DIRECT))
    (best,) = best_of_each_kind([known((100, "meter"), None), direct], between(0, 2))
    assert best.nature.scope is Scope.DIRECT


def test_a_run_of_no_length_has_the_intensity_of_its_moment() -> None:
    (best,) = best_of_each_kind([DAY], between(2, 2))
    assert best.mean(between(2, 2)) == 300
    assert best_of_each_kind([DAY], between(3, 3)) == []


steps = st.none() | st.tuples(st.floats(0, 1000), st.sampled_from(NAMES))


@given(st.lists(steps, min_size=1, max_size=12), st.integers(-120, 840), st.integers(0, 540))
def test_a_piece_says_of_its_window_what_the_whole_says(
    given_steps: list[tuple[float, str] | None], first: int, length: int
) -> None:
    whole, window = known(*given_steps), between(first / 60, (first + length) / 60)
    piece, all_of_it = whole.series(window), whole.series()
    assert all_of_it is not None
    mean = None if piece is None else piece.mean(window)
    assert mean == (None if all_of_it.mean(window) is None else pytest.approx(all_of_it.mean(window)))
    gap = whole.gap(window)
    if window.length:
        assert (gap is None) is (whole.known_seconds(window) >= window.length.total_seconds() - 1e-6)
    else:
        assert (gap is None) is (all_of_it.at(window.start) is not None)


@given(
    st.lists(steps, min_size=1, max_size=12),
    st.integers(-120, 840),
    st.integers(0, 540),
    st.sampled_from([1.0, 1 / 60, 1 / 3600]),
)
def test_a_cut_says_of_its_window_what_the_piece_says(
    given_steps: list[tuple[float, str] | None], first: int, length: int, unit: float
) -> None:
    """The piece is copied out and numpy's; the cut looks up what it needs in the whole."""
    whole = known(*given_steps)
    window = between(first / 60, first / 60 + length * unit)
    piece = whole.series(window)
    for cut in best_of_each_kind([whole], window):
        assert piece is not None
        assert (cut.nature, cut.source) == (piece.nature, piece.source)
        mean = piece.mean(window)
        assert cut.mean(window) == (None if mean is None else pytest.approx(mean, rel=1e-12))
        assert cut.estimated_within(window) is piece.estimated_within(window)
    seen = piece is not None and any(
        step.interval.start < window.end and window.start < step.interval.end for step in piece.steps()
    )
    if window.length:
        assert bool(best_of_each_kind([whole], window)) is seen


@given(st.lists(steps, min_size=1, max_size=12), st.integers(-120, 840), st.integers(0, 540))
def test_estimates_within_a_window_are_those_of_its_steps(
    given_steps: list[tuple[float, str] | None], first: int, length: int
) -> None:
    whole, window = known(*given_steps).series(), between(first / 60, (first + length) / 60)
    assert whole is not None
    assert whole.estimated_within(window) is any(
        step.estimated and step.interval.start < window.end and window.start < step.interval.end
        for step in whole.steps()
    )


def test_a_short_window_late_in_a_long_picture_is_not_lost_in_rounding() -> None:
    whole = known(*[(1000 / 3, "meter")] * 20_000, (100, "meter"), (200, "meter"))
    assert whole.mean(between(20_001 - 1 / 3600, 20_001 + 1 / 3600)) == pytest.approx(150, rel=1e-12)
