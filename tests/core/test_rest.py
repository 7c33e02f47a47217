"""When a provider may be asked again: never sooner than allowed, always again some time, within its calls."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from carbonslurm.core.rest import (
    EARLIEST,
    FIRST_REST,
    LONGEST_REST,
    LONGEST_WORD,
    NEVER,
    REFUSED_REST,
    Asked,
    Pace,
    Terms,
    answered,
    begun,
    failed,
    has_room,
    is_ahead,
    may_be_asked,
    merged,
    rest_after_failure,
    rest_after_refusal,
    rest_as_told,
    told_to_wait,
)

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
SECOND, MINUTE, HOUR = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1)
HALF_HOURLY = Pace(Terms(every=30 * MINUTE), 10 * MINUTE)


def asked_once(pace: Pace = HALF_HOURLY, at: datetime = NOON) -> Asked:
    return answered(begun(NEVER, pace, at), pace, at, ("forecast",), at + SECOND)


def test_after_an_answer_a_question_rests_for_its_interval() -> None:
    asked = asked_once()
    assert not may_be_asked(asked, HALF_HOURLY, NOON + 30 * MINUTE - EARLIEST - SECOND)
    assert may_be_asked(asked, HALF_HOURLY, NOON + 30 * MINUTE - EARLIEST)
    assert (asked.failures, asked.reason, asked.gave) == (0, None, ("forecast",))


def test_a_timetable_of_the_same_period_does_not_miss_its_turn_by_a_moment() -> None:
    for period in (2 * SECOND, MINUTE, 30 * MINUTE):
        pace = Pace(Terms(every=period), timedelta())
        assert may_be_asked(
            asked_once(pace), pace, NOON + period - period / 20 if period < MINUTE else NOON + period
        )


def test_the_site_may_want_to_ask_less_often_than_the_terms_allow() -> None:
    assert replace(HALF_HOURLY, interval=2 * HOUR).every == 2 * HOUR - EARLIEST


def test_rests_double_up_to_an_hour_and_chance_shortens_them_by_half_at_most() -> None:
    rests = [rest_after_failure(HALF_HOURLY, number, 0) for number in range(1, 10)]
    assert rests[:6] == [MINUTE * 2**number for number in range(6)]
    assert set(rests[6:]) == {HOUR}
    assert rest_after_failure(HALF_HOURLY, 3, 1) == 2 * MINUTE
    assert rest_after_failure(HALF_HOURLY, 10_000, 0) == HOUR


def test_a_file_is_looked_at_again_at_the_sites_interval_whatever_is_wrong_with_it() -> None:
    pace = Pace(Terms(every=timedelta()), 2 * SECOND)
    assert {rest_after_failure(pace, number, 0) for number in (1, 2, 50)} == {pace.every}
    assert rest_after_refusal(pace, 9, 1) == pace.every <= 2 * SECOND


def test_refusals_rest_ever_longer_up_to_a_day_and_never_shorter_by_chance() -> None:
    rests = [rest_after_refusal(HALF_HOURLY, number, 0) for number in range(1, 9)]
    assert rests == [REFUSED_REST * 2**number for number in range(5)] + [LONGEST_WORD] * 3
    assert rest_after_refusal(HALF_HOURLY, 1, 1) == 66 * MINUTE


def test_retry_after_is_respected_and_chance_only_adds_to_it() -> None:
    assert rest_as_told(7 * MINUTE, HALF_HOURLY, 5, 0) == 7 * MINUTE
    assert rest_as_told(10 * MINUTE, HALF_HOURLY, 5, 0.5) == 10.5 * MINUTE
    assert rest_as_told(400 * HOUR, HALF_HOURLY, 1, 0) == LONGEST_WORD
    assert rest_as_told(None, HALF_HOURLY, 2, 0) == 2 * MINUTE
    asked = failed(begun(NEVER, HALF_HOURLY, NOON), HALF_HOURLY, NOON, "429", NOON + SECOND, 7 * MINUTE)
    assert asked.left_until == NOON + SECOND + 7 * MINUTE


def test_a_failure_keeps_what_the_last_answer_was() -> None:
    asked = failed(asked_once(), HALF_HOURLY, NOON + HOUR, "HTTP 500:\n\tno", NOON + HOUR, MINUTE)
    again = failed(asked, HALF_HOURLY, NOON + 2 * HOUR, "HTTP 500: no", NOON + 2 * HOUR, MINUTE)
    assert (again.failures, again.reason, again.gave) == (2, "HTTP 500: no", ("forecast",))
    assert again.answered_at == NOON + SECOND
    assert asked_once(at=NOON + 3 * HOUR).failures == 0


def test_a_word_to_all_questions_of_a_provider_never_shortens_a_rest() -> None:
    asked = asked_once()
    assert told_to_wait(asked, NOON + MINUTE, "429") == asked
    assert told_to_wait(asked, NOON + HOUR, "429").left_until == NOON + HOUR


def test_a_memory_from_the_future_keeps_nobody_waiting() -> None:
    """A clock was a year ahead, and was set right."""
    ahead = asked_once(at=NOON + timedelta(days=365))
    assert may_be_asked(ahead, HALF_HOURLY, NOON)
    assert has_room([NOON + timedelta(days=365)], Terms(every=MINUTE, calls=1), NOON)


moments = st.none() | st.integers(0, 100).map(lambda minutes: NOON + minutes * MINUTE)
memories = st.builds(
    Asked,
    asked_at=moments,
    left_until=moments,
    reason=st.sampled_from([None, "429"]),
    calls=st.lists(st.integers(0, 100).map(lambda minutes: NOON + minutes * MINUTE), max_size=3).map(tuple),
)


@given(mine=memories, theirs=memories)
def test_what_two_know_of_a_question_loses_no_rest_that_was_told(mine: Asked, theirs: Asked) -> None:
    both = merged(mine, theirs)
    latest = max(filter(None, (mine.asked_at, theirs.asked_at)), default=None)
    assert both.asked_at == latest
    told = [each.left_until for each in (mine, theirs) if each.reason is not None]
    for until in told:
        if until is not None and (latest is None or until > latest):
            assert both.left_until is not None
            assert both.left_until >= until
    assert {*both.calls} <= {*mine.calls, *theirs.calls}
    assert all(call in both.calls for each in (mine, theirs) for call in each.calls if not latest)


def test_a_stored_memory_from_the_future_is_known_as_such() -> None:
    mine = Asked(asked_at=NOON)
    assert is_ahead(Asked(asked_at=NOON + 2 * HOUR), mine)
    assert not is_ahead(Asked(asked_at=NOON + MINUTE), mine)
    assert not is_ahead(NEVER, mine)
    absurd = Asked(asked_at=NOON, left_until=NOON + 999 * HOUR, reason="429")
    assert merged(Asked(asked_at=NOON + MINUTE), absurd).left_until is None


def test_history_may_use_a_share_of_the_calls_but_at_least_one() -> None:
    terms = Terms(every=MINUTE, calls=4)
    assert has_room([NOON], terms, NOON, 0.5)
    assert not has_room([NOON, NOON], terms, NOON, 0.5)
    assert has_room([NOON, NOON], terms, NOON)
    assert has_room([], Terms(every=MINUTE, calls=1), NOON, 0.5)


# --- many questions, for long ---

terms = st.builds(
    Terms,
    every=st.sampled_from([timedelta(), 5 * MINUTE, HOUR]),
    calls=st.none() | st.integers(1, 40),
    per=st.sampled_from([5 * MINUTE, HOUR, 24 * HOUR]),
)
outcomes = st.sampled_from(["answer", "failure", "refusal", "wait 7 min", "wait"])


def life(
    agreed: Terms, questions: int, tick: timedelta, length: timedelta, draw: Callable[[], tuple[str, float]]
) -> list[list[tuple[datetime, datetime, Pace]]]:
    """Ask for ``length``, the longest unasked first; return when, and until when each then rested."""
    pace = Pace(agreed, tick, questions)
    memory = [NEVER] * questions
    calls: list[list[tuple[datetime, datetime, Pace]]] = [[] for _ in memory]
    now = NOON
    while now < NOON + length:
        order = sorted(range(questions), key=lambda number: memory[number].asked_at or NOON - HOUR)
        for number in order:
            made = [call for asked in memory for call in asked.calls]
            if may_be_asked(memory[number], pace, now) and has_room(made, agreed, now):
                memory[number] = _outcome(begun(memory[number], pace, now), pace, now, *draw())
                until = memory[number].left_until
                assert until is not None
                calls[number].append((now, until, pace))
        now += tick
    return calls


def _outcome(asked: Asked, pace: Pace, now: datetime, outcome: str, chance: float) -> Asked:
    if outcome == "answer":
        return answered(asked, pace, now, (), now)
    rest = {
        "failure": rest_after_failure(pace, asked.failures + 1, chance),
        "refusal": rest_after_refusal(pace, asked.failures + 1, chance),
        "wait 7 min": rest_as_told(7 * MINUTE, pace, asked.failures + 1, chance),
        "wait": rest_as_told(None, pace, asked.failures + 1, chance),
    }[outcome]
    return failed(asked, pace, now, outcome, now, rest)


@settings(max_examples=30, deadline=None)
@given(agreed=terms, questions=st.integers(1, 5), data=st.data())
def test_no_question_is_asked_too_soon_none_is_forgotten_and_calls_do(
    agreed: Terms, questions: int, data: st.DataObject
) -> None:
    tick = 5 * MINUTE
    pace = Pace(agreed, tick, questions)
    patience = (
        max(pace.every, 1.1 * LONGEST_WORD, pace.share)
        + questions * max(pace.share, tick)
        + agreed.per
        + 2 * tick
    )
    length = min(3 * patience, timedelta(days=10))
    script = data.draw(st.lists(st.tuples(outcomes, st.floats(0, 1)), min_size=1, max_size=8))
    turns = iter(range(10**9))
    calls = life(agreed, questions, tick, length, lambda: script[next(turns) % len(script)])
    for mine in calls:
        for (_, until, _), (later, _, _) in pairwise(mine):
            assert later >= until
        moments = [NOON, *(at for at, _, _ in mine), NOON + length]
        gaps = [later - earlier for earlier, later in pairwise(moments)]
        assert max(gaps) <= patience
    if agreed.calls is not None:
        made = sorted(at for mine in calls for at, _, _ in mine)
        for first, last in zip(made, made[agreed.calls :], strict=False):
            assert last - first > agreed.per


@given(
    agreed=terms,
    sharers=st.integers(1, 400),
    failures=st.integers(0, 10**6),
    chance=st.floats(0, 1),
    late=st.timedeltas(timedelta(), HOUR),
)
def test_every_rest_ends(agreed: Terms, sharers: int, failures: int, chance: float, late: timedelta) -> None:
    pace = Pace(agreed, 30 * MINUTE, sharers)
    before = begun(Asked(failures=failures), pace, NOON)
    rest = rest_after_failure(pace, failures + 1, chance)
    assert min(FIRST_REST, pace.every) / 2 <= rest <= max(LONGEST_REST, pace.every)
    asked = failed(before, pace, NOON, "away", NOON + late, rest)
    assert asked.left_until is not None
    assert asked.left_until <= NOON + late + max(LONGEST_REST, pace.every, pace.share)
    assert may_be_asked(asked, pace, asked.left_until)


@pytest.mark.parametrize("questions", [1, 3, 350])
def test_a_tight_budget_is_dealt_out_evenly(questions: int) -> None:
    """50 calls an hour: each of 350 zones has its turn every seven hours, none more often than another."""
    agreed = Terms(every=5 * MINUTE, calls=50)
    calls = life(agreed, questions, 5 * MINUTE, 24 * HOUR, lambda: ("answer", 0.0))
    counts = [len(mine) for mine in calls]
    assert max(counts) - min(counts) <= 1
    assert min(counts) >= {1: 288, 3: 288, 350: 3}[questions]
