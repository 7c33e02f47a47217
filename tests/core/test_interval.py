"""Time: aware, UTC, half-open, and the same in every time zone and on both DST days."""

from datetime import UTC, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carbonslurm.core.interval import Interval, aware, from_epoch, iso, to_epoch
from carbonslurm.errors import DataError

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
CHATHAM = ZoneInfo("Pacific/Chatham")  # UTC+12:45, with DST
LONDON = ZoneInfo("Europe/London")

instants = st.datetimes(
    min_value=datetime(1971, 1, 1),  # noqa: DTZ001 - the strategy adds the zone
    max_value=datetime(2200, 1, 1),  # noqa: DTZ001
    timezones=st.sampled_from([UTC, CHATHAM, LONDON, timezone(-timedelta(hours=9, minutes=30))]),
    allow_imaginary=False,
)


def test_a_naive_time_is_refused() -> None:
    with pytest.raises(DataError, match="without a zone: 2026-11-22T12:00:00"):
        aware(NOON.replace(tzinfo=None))


@pytest.mark.parametrize("ends", [(NOON.replace(tzinfo=None), NOON), (NOON, NOON.replace(tzinfo=None))])
def test_an_interval_refuses_naive_times(ends: tuple[datetime, datetime]) -> None:
    with pytest.raises(DataError, match="without a zone"):
        Interval(*ends)


def test_an_interval_may_be_empty_but_not_reversed() -> None:
    assert Interval(NOON, NOON).length == timedelta()
    with pytest.raises(DataError, match="ends before it starts"):
        Interval(NOON, NOON - timedelta(microseconds=1))


def test_times_of_other_zones_become_utc() -> None:
    there = datetime(2026, 11, 23, 1, 45, tzinfo=CHATHAM)
    assert Interval(there, there).start.tzinfo is UTC
    assert Interval(there, there) == Interval(NOON, NOON)


@given(instants)
def test_an_instant_survives_the_way_to_utc(moment: datetime) -> None:
    assert aware(moment).timestamp() == moment.timestamp()  # == is False in an hour that comes twice
    assert aware(moment).tzinfo is UTC


@given(instants)
def test_an_epoch_is_the_first_whole_second_not_before(moment: datetime) -> None:
    behind = from_epoch(to_epoch(moment)) - aware(moment)
    assert timedelta() <= behind < timedelta(seconds=1)


@pytest.mark.parametrize("seconds", [1e12, -1e12, 10**18, 10**30, float("inf"), float("nan")])
def test_an_epoch_that_no_date_has_is_refused(seconds: float) -> None:
    with pytest.raises(DataError, match="no date"):
        from_epoch(seconds)


def test_whole_seconds_are_kept_as_they_are() -> None:
    assert from_epoch(to_epoch(NOON)) == NOON


@pytest.mark.parametrize(("day", "hours"), [((2026, 3, 29), 23), ((2026, 10, 25), 25), ((2026, 11, 22), 24)])
def test_a_local_day_is_as_long_as_it_is(day: tuple[int, int, int], hours: int) -> None:
    start = datetime(*day, tzinfo=LONDON)
    assert Interval(start, start + timedelta(days=1)).length == timedelta(hours=hours)


def test_the_hour_that_comes_twice_is_two_hours() -> None:
    first = datetime(2026, 10, 25, 1, 30, tzinfo=LONDON)
    assert Interval(first, first.replace(fold=1)).length == timedelta(hours=1)


def test_people_read_utc() -> None:
    assert iso(datetime(2026, 11, 23, 1, 45, 0, 999_999, tzinfo=CHATHAM)) == "2026-11-22T12:00:00Z"


@given(instants, instants, st.timedeltas(min_value=timedelta(), max_value=timedelta(days=99)))
def test_a_shifted_interval_keeps_its_length(start: datetime, other: datetime, length: timedelta) -> None:
    begun = aware(start)
    shifted = Interval(begun, begun + length).shifted_to(other)
    assert (shifted.start, shifted.length) == (aware(other), length)
