"""Moments as people give them to Slurm's commands."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carbonslurm.errors import UsageError
from carbonslurm.formats.times import length_text, read_moment

BERLIN = ZoneInfo("Europe/Berlin")
NOW = datetime(2026, 11, 22, 9, 30, tzinfo=UTC)  # 10:30 in Berlin


def at(text: str, *, ahead: bool = False, now: datetime = NOW) -> datetime:
    return read_moment(text, now, BERLIN, ahead=ahead)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("now", NOW),
        ("now+12hours", NOW + timedelta(hours=12)),
        ("now+90", NOW + timedelta(seconds=90)),
        ("now-7days", NOW - timedelta(days=7)),
        ("now-1week", NOW - timedelta(weeks=1)),
        ("today", datetime(2026, 11, 21, 23, tzinfo=UTC)),
        ("tomorrow", datetime(2026, 11, 22, 23, tzinfo=UTC)),
        ("noon", datetime(2026, 11, 22, 11, tzinfo=UTC)),
        ("18:00", datetime(2026, 11, 22, 17, tzinfo=UTC)),
        ("08:15:30", datetime(2026, 11, 22, 7, 15, 30, tzinfo=UTC)),
        ("2026-12-01", datetime(2026, 11, 30, 23, tzinfo=UTC)),
        ("2026-12-01T08:00", datetime(2026, 12, 1, 7, tzinfo=UTC)),
        ("2026-12-01T08:00Z", datetime(2026, 12, 1, 8, tzinfo=UTC)),
        ("uts1795340767", datetime(2026, 11, 22, 9, 46, 7, tzinfo=UTC)),
    ],
)
def test_the_forms_of_slurm(text: str, found: datetime) -> None:
    assert at(text) == found


def test_a_time_of_day_that_has_passed_means_tomorrow_where_a_future_is_asked_for() -> None:
    assert at("08:00", ahead=True) == datetime(2026, 11, 23, 7, tzinfo=UTC)
    assert at("18:00", ahead=True) == datetime(2026, 11, 22, 17, tzinfo=UTC)


def test_a_wall_time_has_the_offset_of_its_own_day() -> None:
    """Clocks went back on 25 October 2026: the evening before was still summer time."""
    assert at("2026-10-24T20:00") == datetime(2026, 10, 24, 18, tzinfo=UTC)
    assert at("2026-10-25T20:00") == datetime(2026, 10, 25, 19, tzinfo=UTC)


@pytest.mark.parametrize("text", ["", "soon", "25:00", "now+", "now+3parsecs", "2026-13-01", "12h"])
def test_other_words_are_refused_by_name(text: str) -> None:
    with pytest.raises(UsageError, match="expected a time such as"):
        at(text)


@given(st.text(max_size=30), st.booleans())
def test_any_text_is_a_moment_or_refused(text: str, ahead: bool) -> None:
    try:
        found = at(text, ahead=ahead)
    except UsageError:
        return
    assert found.tzinfo is UTC


@pytest.mark.parametrize(
    ("length", "text"),
    [
        (timedelta(seconds=5), "00:00:05"),
        (timedelta(days=1, hours=2, minutes=3, seconds=4), "1-02:03:04"),
        (None, "Unknown"),
    ],
)
def test_lengths_are_written_as_slurm_does(length: timedelta | None, text: str) -> None:
    assert length_text(length) == text
