"""Policies: hand-worked examples, and a search over every second's worth of starts."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carbonslurm.core.forecast import Kind, Nature, Scope, Series, Step
from carbonslurm.core.interval import Interval
from carbonslurm.core.policies import POLICIES, Question, judged_length, lowest_window, no_wait, threshold
from carbonslurm.core.policy_names import JOINT, NAMES

START = datetime(2026, 11, 22, tzinfo=UTC)
HOUR = timedelta(hours=1)
MINUTE = timedelta(minutes=1)
NATURE = Nature(Kind.AVERAGE, Scope.LIFECYCLE)


def series_of(*values: float, step: timedelta = HOUR, start: datetime = START) -> Series:
    edges = [start + number * step for number in range(len(values) + 1)]
    steps = [
        Step(Interval(left, right), value)
        for (left, right), value in zip(pairwise(edges), values, strict=True)
    ]
    return Series.from_steps("GB", "toy", NATURE, steps)


def asked(
    series: Series, *, earliest: float = 0, bound: float = 24, length: float = 1, limit: float = 0
) -> Question:
    return Question(START + earliest * HOUR, START + bound * HOUR, length * HOUR, series, limit)


DAY = series_of(300, 200, 100, 50, 400, 300)


def test_the_names_that_a_site_may_choose_are_those_of_the_policies() -> None:
    assert (*POLICIES, JOINT) == NAMES


def test_no_wait_starts_at_once() -> None:
    assert no_wait(asked(DAY, earliest=0.5)).start == START + 0.5 * HOUR


# --- threshold ---


@pytest.mark.parametrize(
    ("limit", "bound", "hour"),
    [
        (300, 24, 0),  # clean enough now
        (250, 24, 1),
        (100, 24, 2),  # at the threshold counts
        (99, 24, 3),
        (10, 24, 24),  # never: the bound
        (100, 2, 2),  # the bound itself may be chosen
        (100, 1.5, 1.5),
    ],
)
def test_threshold_starts_at_the_first_clean_moment_or_the_bound(
    limit: float, bound: float, hour: float
) -> None:
    assert threshold(asked(DAY, limit=limit, bound=bound)).start == START + hour * HOUR


def test_threshold_does_not_take_an_unknown_hour_for_clean() -> None:
    steps = [*series_of(300).steps(), Step(Interval(START + 2 * HOUR, START + 3 * HOUR), 90)]
    series = Series.from_steps("GB", "toy", NATURE, steps)
    assert threshold(asked(series, limit=100)).start == START + 2 * HOUR


# --- lowest-window ---


@pytest.mark.parametrize(
    ("length", "bound", "hour"),
    [
        (1, 5, 3),  # the hour of 50
        (2, 4, 2),  # 100 and 50
        (3, 3, 1),  # 200, 100, 50
        (0.5, 5, 3),  # the first of the equal ones
        (1.5, 4, 2.5),  # half an hour of 100, all of 50
        (1, 2.25, 2.25),  # cut by the bound: 75 % of 100, 25 % of 50
        (1, 0, 0),
    ],
)
def test_lowest_window_by_hand(length: float, bound: float, hour: float) -> None:
    assert lowest_window(asked(DAY, length=length, bound=bound)).start == START + hour * HOUR


def test_lowest_window_may_start_between_two_steps() -> None:
    """90 minutes, cheapest when they end where the dirty hour begins."""
    series = series_of(400, 100, 200, 100, 400)
    assert lowest_window(asked(series, length=2.5, bound=2.5)).start == START + 1 * HOUR
    series = series_of(400, 200, 100, 400)
    assert lowest_window(asked(series, length=1.5, bound=2)).start == START + 1.5 * HOUR


def test_a_flat_forecast_is_no_reason_to_wait() -> None:
    assert lowest_window(asked(series_of(*[200] * 24), length=3, bound=20)).start == START


def test_an_equal_later_window_is_no_reason_to_wait() -> None:
    assert lowest_window(asked(series_of(100, 200, 100, 200), bound=3)).start == START


def test_a_long_run_is_judged_on_half_of_what_is_known() -> None:
    """Ten hours into a forecast of six: three are compared, since the bound leaves no room."""
    question = asked(DAY, length=10, bound=6)
    assert judged_length(question) == 3 * HOUR
    assert lowest_window(question).start == START + 1 * HOUR


def test_a_forecast_that_ends_before_the_start_decides_nothing() -> None:
    question = asked(DAY, earliest=7, bound=9)
    assert lowest_window(question).start == question.earliest


def test_a_start_falls_on_a_whole_second_behind_its_edge() -> None:
    fraction = timedelta(milliseconds=400)
    series = series_of(300, 100, 300, start=START + fraction)
    question = Question(START + HOUR / 2, START + 2 * HOUR, HOUR, series)
    assert lowest_window(question).start == START + HOUR + timedelta(seconds=1)


# --- properties ---

grams = st.floats(0, 1000).map(lambda value: round(value, 1))
questions = st.builds(
    lambda values, step, earliest, wait, length, limit: Question(
        earliest=START + earliest * MINUTE,
        bound=START + (earliest + wait) * MINUTE,
        length=length * MINUTE,
        series=series_of(*values, step=step * MINUTE),
        threshold=limit,
    ),
    values=st.lists(grams, min_size=6, max_size=16),
    step=st.sampled_from([5, 30, 60]),
    earliest=st.integers(0, 25),
    wait=st.integers(0, 900),
    length=st.integers(1, 600),
    limit=grams,
)


def every_minute(question: Question) -> list[datetime]:
    count = int((question.bound - question.earliest) / MINUTE)
    return [question.earliest + number * MINUTE for number in range(count + 1)]


@given(questions)
def test_no_minute_is_better_than_the_lowest_window(question: Question) -> None:
    """Edges and lengths are whole minutes, so (where not half the horizon is judged) one of them is best."""
    length = judged_length(question)
    means = [question.series.mean(Interval(start, start + length)) for start in every_minute(question)]
    known = [mean for mean in means if mean is not None]
    choice = lowest_window(question).start
    mean = question.series.mean(Interval(choice, choice + length))
    if known:
        assert mean is not None
        assert mean <= min(known) + 1e-6
    else:
        assert choice == question.earliest


@given(questions)
def test_the_threshold_takes_the_first_clean_minute(question: Question) -> None:
    clean = [
        start
        for start in every_minute(question)
        if (now := question.series.at(start)) is not None and now <= question.threshold
    ]
    assert threshold(question).start == min(clean, default=question.bound)


@pytest.mark.parametrize("name", POLICIES)
@given(question=questions)
def test_every_policy_starts_within_its_bounds_and_says_why(name: str, question: Question) -> None:
    choice = POLICIES[name](question)
    assert question.earliest <= choice.start <= question.bound
    assert choice.reason


@pytest.mark.parametrize("name", POLICIES)
@given(question=questions, days=st.integers(-900, 900))
def test_shifting_all_times_shifts_the_start(name: str, question: Question, days: int) -> None:
    shift = timedelta(days=days)
    steps = [
        Step(Interval(step.interval.start + shift, step.interval.end + shift), step.g_per_kwh)
        for step in question.series.steps()
    ]
    moved = Question(
        question.earliest + shift,
        question.bound + shift,
        question.length,
        Series.from_steps("GB", "toy", NATURE, steps),
        question.threshold,
    )
    assert POLICIES[name](moved).start == POLICIES[name](question).start + shift
