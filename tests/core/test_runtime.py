"""Predicted lengths: survival curves and what is left of a run."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from carbonslurm.core.runtime import Runs, assumed, learned

QUANTILES = np.array([0.1, 0.3, 0.5, 0.7, 0.9])
NONE = np.array([])
hours = st.lists(st.floats(60, 400_000), max_size=60).map(np.array)


def test_of_a_mean_alone_the_median_is_that_of_an_exponential() -> None:
    """Its rest does not depend on how long it has run."""
    rests = assumed(3600.0).rests(np.array([0.0, 1800.0]), np.array([0.5]))
    np.testing.assert_allclose(rests, 3600 * np.log(2), rtol=0.1)


def test_many_runs_of_the_owner_speak_louder_than_the_guess() -> None:
    """A thousand runs of an hour, where ten were guessed."""
    curve = learned([Runs(np.full(1000, 3600.0), NONE)], assumed(36_000.0))
    assert abs(curve.rests(np.zeros(1), np.array([0.5]))[0, 0] - 3600) < 60


def test_few_runs_leave_room_for_the_guess() -> None:
    """One short run does not prove that the next is short."""
    curve = learned([Runs(np.array([60.0]), NONE)], assumed(36_000.0))
    assert curve.rests(np.zeros(1), np.array([0.5]))[0, 0] > 10_000


def test_runs_that_have_not_ended_make_longer_ones_likelier() -> None:
    """Leaving them out would make the long ones too rare."""
    ended = np.full(50, 3600.0)
    alone = learned([Runs(ended, NONE)], assumed(3600.0))
    with_lasting = learned([Runs(ended, np.full(50, 90_000.0))], assumed(3600.0))
    quantile = np.array([0.9])
    assert with_lasting.rests(np.zeros(1), quantile) > 2 * alone.rests(np.zeros(1), quantile)


def test_heavy_tails_make_what_has_run_long_run_longer() -> None:
    """Half end within minutes, one in ten runs for days."""
    ended = np.concatenate((np.full(50, 300.0), np.full(40, 7200.0), np.full(10, 200_000.0)))
    rests = learned([Runs(ended, NONE)], assumed(7200.0)).rests(np.array([0.0, 8000.0]), np.array([0.5]))
    assert rests[1, 0] > rests[0, 0]


@given(ended=hours, lasting=hours, lasted=st.lists(st.floats(0, 1e6), min_size=1, max_size=8).map(np.array))
def test_rests_rise_with_their_quantile_and_are_never_nothing(
    ended: np.ndarray, lasting: np.ndarray, lasted: np.ndarray
) -> None:
    """Whatever has been seen."""
    rests = learned([Runs(ended, lasting)], assumed(10_000.0)).rests(lasted, QUANTILES)
    assert rests.shape == (len(lasted), len(QUANTILES))
    assert np.isfinite(rests).all()
    assert (rests >= 60.0).all()
    assert (np.diff(rests, axis=1) >= -1e-6).all()
