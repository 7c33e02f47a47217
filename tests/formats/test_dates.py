"""The dates and times of day of Slurm's commands, as sacct and sbatch read them."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from carbonslurm.errors import UsageError
from carbonslurm.formats.times import read_moment

BERLIN = ZoneInfo("Europe/Berlin")
NOW = datetime(2026, 11, 22, 9, 30, tzinfo=UTC)  # 10:30 in Berlin


def at(text: str, *, ahead: bool = False) -> str:
    return read_moment(text, NOW, BERLIN, ahead=ahead).astimezone(BERLIN).replace(tzinfo=None).isoformat()


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("06:15PM", "2026-11-22T18:15:00"),
        ("12:05am", "2026-11-22T00:05:00"),
        ("12:05pm", "2026-11-22T12:05:00"),
        ("fika", "2026-11-22T15:00:00"),
        ("teatime", "2026-11-22T16:00:00"),
        ("midnight", "2026-11-22T00:00:00"),
        ("1121", "2026-11-21T00:00:00"),
        ("1123", "2025-11-23T00:00:00"),
        ("0229", "2024-02-29T00:00:00"),
        ("112125", "2025-11-21T00:00:00"),
        ("1121-18:30", "2026-11-21T18:30:00"),
        ("11.21", "2026-11-21T00:00:00"),
        ("11/21/24-07:00:01", "2024-11-21T07:00:01"),
        ("2026-01", "2026-01-01T00:00:00"),
    ],
)
def test_who_looks_back_gets_the_last_such_moment(text: str, found: str) -> None:
    assert at(text) == found


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("06:15AM", "2026-11-23T06:15:00"),
        ("midnight", "2026-11-23T00:00:00"),
        ("fika", "2026-11-22T15:00:00"),
        ("1121", "2027-11-21T00:00:00"),
        ("1122", "2026-11-22T00:00:00"),
        ("0229", "2028-02-29T00:00:00"),
    ],
)
def test_who_looks_ahead_gets_the_next_one(text: str, found: str) -> None:
    assert at(text, ahead=True) == found


@pytest.mark.parametrize(
    "text", ["13:00pm", "0am", "1332", "0230", "11.21.2026", "1121-", "1121-25:00", "2026-13"]
)
def test_what_no_calendar_has_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="expected a time such as"):
        at(text)
