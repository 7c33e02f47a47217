"""What every answer must pass: times, the length of steps, windows of history, where a forecast may begin."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carbonslurm.carbon import checks
from carbonslurm.core.forecast import Kind, Nature, Scope, Step
from carbonslurm.core.interval import Interval
from carbonslurm.errors import DataError

NATURE = Nature(Kind.AVERAGE, Scope.UNKNOWN)
HOUR = timedelta(hours=1)


def steps(start: datetime, *values: float, length: timedelta = HOUR) -> list[Step]:
    return [
        Step(Interval(start + number * length, start + (number + 1) * length), value)
        for number, value in enumerate(values)
    ]


# --- times


def test_a_time_keeps_its_own_zone_whatever_is_agreed_for_others() -> None:
    berlin = ZoneInfo("Europe/Berlin")
    assert checks.moment("2026-11-22T11:00", unsaid=berlin) == datetime(2026, 11, 22, 10, tzinfo=UTC)
    assert checks.moment("2026-11-22T11:00Z", unsaid=berlin) == datetime(2026, 11, 22, 11, tzinfo=UTC)


@pytest.mark.parametrize("seconds", [0, -1, 946_684_799, 7_258_118_400, 1_795_342_500_000, 10**40])
def test_unix_seconds_of_another_age_are_refused(seconds: int) -> None:
    with pytest.raises(DataError, match="not a time of this age"):
        checks.unix(seconds)


def test_the_ends_of_the_age_in_unix_seconds_are_those_of_its_years() -> None:
    assert checks.unix(946_684_800) == datetime(checks.EARLIEST_YEAR, 1, 1, tzinfo=UTC)
    last = checks.unix(7_258_118_399) + timedelta(seconds=1)
    assert last == datetime(checks.LATEST_YEAR + 1, 1, 1, tzinfo=UTC)


# --- the length of a step


@given(
    st.datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001 - bounds
    st.sampled_from([5, 15, 30, 60]),
    st.sets(st.integers(0, 200), max_size=30),
    st.randoms(use_true_random=False),
)
def test_the_length_is_found_whatever_is_missing(
    start: datetime, minutes: int, numbers: set[int], dice: object
) -> None:
    """Two neighbours are enough; the order and repeats do not matter."""
    length = timedelta(minutes=minutes)
    starts = [start + number * length for number in (*numbers, 7, 8, 8)]
    dice.shuffle(starts)  # type: ignore[attr-defined]
    assert checks.spacing(starts) == length


def test_uneven_times_are_refused(now: datetime) -> None:
    with pytest.raises(DataError, match="uneven times: some 0:15:00 apart, some 0:20:00"):
        checks.spacing([now, now + timedelta(minutes=15), now + timedelta(minutes=35)])


def test_one_time_has_no_length(now: datetime) -> None:
    with pytest.raises(DataError, match="1 times, expected at least 2"):
        checks.spacing([now, now])


# --- history


def test_history_is_what_touches_the_window_and_has_ended(now: datetime) -> None:
    start = now.replace(minute=0) - 4 * HOUR
    window = Interval(start + timedelta(minutes=30), now + 4 * HOUR)
    series = checks.history("DE", "test", NATURE, steps(start - HOUR, 1, 2, 3, 4, 5, 6, 7), window, now)
    assert series is not None
    assert series.values.tolist() == [2, 3, 4, 5]
    assert series.horizon == now.replace(minute=0)


def test_history_of_another_time_is_no_answer(now: datetime) -> None:
    window = Interval(now - 24 * HOUR, now)
    with pytest.raises(DataError, match="not an answer to that"):
        checks.history("DE", "test", NATURE, steps(now - 48 * HOUR, 1, 2), window, now)
    assert checks.history("DE", "test", NATURE, steps(now + HOUR, 1, 2), window, now) is None


# --- where a forecast may begin


@pytest.mark.parametrize(
    ("start", "since", "taken"),
    [
        (-60, None, True),
        (-61, None, False),
        (0, None, True),
        (1, None, False),
        (-300, -300, True),  # it goes on from values that are five hours old
        (-301, -300, False),
        (5, 5, True),  # it goes on from the running step
        (65, 5, True),
        (66, 5, False),
        (1, -300, False),  # it does not go on from there, nor begin now
        (0, -300, True),
    ],
)
def test_a_forecast_begins_now_or_where_it_goes_on(
    now: datetime, start: int, since: int | None, taken: bool
) -> None:
    ahead = steps(now + timedelta(minutes=start), *range(1, 49))
    from_then = None if since is None else now + timedelta(minutes=since)
    if taken:
        assert checks.forecast("DE", "test", NATURE, ahead, now, from_then).start == ahead[0].interval.start
    else:
        with pytest.raises(DataError, match="not an answer to that"):
            checks.forecast("DE", "test", NATURE, ahead, now, from_then)
