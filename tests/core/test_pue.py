"""PUE over time: by hand, and what must hold for every history of it."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carbonslurm.core.interval import Interval
from carbonslurm.core.pue import Pue
from carbonslurm.errors import DataError

MIDNIGHT = datetime(2026, 11, 22, tzinfo=UTC)
HOUR = timedelta(hours=1)


def at(hour: float) -> datetime:
    return MIDNIGHT + hour * HOUR


COOLED_BETTER = Pue(((at(0), 1.5), (at(10), 1.2), (at(20), 1.1)))


@pytest.mark.parametrize(
    ("window", "value"),
    [
        ((1, 2), 1.5),
        ((-5, -4), 1.5),
        ((10, 11), 1.2),
        ((30, 31), 1.1),
        ((9, 12), 1.3),
        ((0, 40), 1.225),
        ((10, 10), 1.2),
    ],
)
def test_the_mean_of_a_window_by_hand(window: tuple[float, float], value: float) -> None:
    assert COOLED_BETTER.mean(Interval(at(window[0]), at(window[1]))) == pytest.approx(value)


@pytest.mark.parametrize(("hour", "value"), [(-1, 1.5), (0, 1.5), (9.9, 1.5), (10, 1.2), (99, 1.1)])
def test_the_value_at_a_moment(hour: float, value: float) -> None:
    assert COOLED_BETTER.at(at(hour)) == value


def test_a_constant_is_one_for_all_time() -> None:
    assert Pue.constant(1.3).mean(Interval(at(0), at(1))) == Pue.constant(1.3).at(at(-1e5)) == 1.3


@pytest.mark.parametrize(
    "steps",
    [(), ((at(1), 1.2), (at(1), 1.3)), ((at(2), 1.2), (at(1), 1.3)), ((datetime(2026, 1, 1), 1.2),)],  # noqa: DTZ001
)
def test_what_is_no_history_is_refused(steps: tuple[tuple[datetime, float], ...]) -> None:
    with pytest.raises(DataError):
        Pue(steps)


histories = st.lists(st.tuples(st.integers(-50, 50), st.floats(1, 5)), min_size=1, max_size=6).map(
    lambda it: Pue(tuple((at(hour), value) for hour, value in sorted(dict(it).items())))
)


@given(histories, st.floats(-60, 60), st.floats(0.01, 50), st.floats(0.01, 50))
def test_two_windows_side_by_side_have_the_mean_of_the_whole(
    pue: Pue, start: float, one: float, two: float
) -> None:
    first, second = Interval(at(start), at(start + one)), Interval(at(start + one), at(start + one + two))
    whole = pue.mean(Interval(first.start, second.end))
    assert whole == pytest.approx((pue.mean(first) * one + pue.mean(second) * two) / (one + two), rel=1e-6)
