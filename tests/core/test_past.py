"""What past runs and plans say of the next job."""

from __future__ import annotations

from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from carbonslurm.core.past import FEW, EndedRun, habit, punctuality

HOUR = timedelta(hours=1)
MINUTE = timedelta(minutes=1)
past_runs = st.lists(
    st.builds(
        EndedRun,
        length=st.integers(0, 500).map(lambda count: count * MINUTE),
        limit=st.one_of(st.none(), st.integers(1, 500).map(lambda count: count * MINUTE)),
        at_limit=st.booleans(),
    ),
    max_size=40,
)


def of(limit: timedelta | None, *hours: float) -> list[EndedRun]:
    return [EndedRun(hour * HOUR, limit) for hour in hours]


def test_runs_with_the_same_limit_speak_for_themselves() -> None:
    past = [*of(4 * HOUR, 1, 1.5, 2, 2.5, 3), *of(10 * HOUR, *[10] * 20)]
    found = habit(past, 4 * HOUR)
    assert found is not None
    assert (found.runs, found.length, found.low, found.high) == (5, 2 * HOUR, 1 * HOUR, 3 * HOUR)
    assert (found.share, found.same_limit) == (0.5, True)


def test_else_all_of_them_do_by_the_share_of_their_limits() -> None:
    past = [*of(10 * HOUR, 1, 2, 3), *of(20 * HOUR, 4, 10), *of(None, 90)]
    found = habit(past, 5 * HOUR)
    assert found is not None
    assert (found.runs, found.share, found.same_limit) == (5, 0.2, False)
    assert (found.length, found.low, found.high) == (1 * HOUR, 0.5 * HOUR, 2.5 * HOUR)


def test_without_a_limit_the_lengths_themselves_count() -> None:
    found = habit(of(10 * HOUR, 1, 2, 3, 4, 5), None)
    assert found is not None
    assert found.length == 3 * HOUR


def test_few_runs_say_nothing() -> None:
    assert habit(of(HOUR, *[0.5] * (FEW - 1)), HOUR) is None
    assert punctuality([HOUR] * (FEW - 1)) is None


@given(past_runs, st.one_of(st.none(), st.integers(1, 500).map(lambda count: count * MINUTE)))
def test_low_half_and_high_are_in_order_and_within_the_limit(
    past: list[EndedRun], limit: timedelta | None
) -> None:
    found = habit(past, limit)
    if found is None:
        return
    assert timedelta() <= found.low <= found.length <= found.high
    assert 0 <= found.at_limit <= found.runs
    if limit is not None and not found.same_limit:
        assert found.high <= limit


@given(st.lists(st.integers(-600, 600).map(lambda count: count * MINUTE), min_size=FEW, max_size=50))
def test_a_start_ahead_of_its_plan_is_in_time(delays: list[timedelta]) -> None:
    found = punctuality(delays)
    assert found is not None
    assert timedelta() <= found.usual <= found.most <= max(*delays, timedelta())
