"""Times written by a clock on the wall: on the days when clocks are set they are read right, or refused."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carbonslurm.errors import DataError
from carbonslurm.formats.sacct_rows import RowReader

COLUMNS = ("JobIDRaw", "Submit", "Eligible", "Start", "End", "State", "Elapsed")
BERLIN = "Europe/Berlin"  # 2026-10-25: 01:00 UTC is 02:00 a second time
BACK = {  # when clocks are set back, and by how much
    BERLIN: datetime(2026, 10, 25, 1, tzinfo=UTC),
    "America/New_York": datetime(2026, 11, 1, 6, tzinfo=UTC),
    "Australia/Lord_Howe": datetime(2026, 4, 4, 15, tzinfo=UTC),  # by half an hour
}
MINUTE = timedelta(minutes=1)


def row(zone: str, *moments: datetime, elapsed: str = "") -> list[str]:
    local = [moment.astimezone(ZoneInfo(zone)).replace(tzinfo=None).isoformat() for moment in moments]
    return ["7", *local, "COMPLETED", elapsed]


def read(zone: str, fields: list[str]) -> tuple[datetime | None, ...]:
    run = RowReader(COLUMNS, "green", ZoneInfo(zone), None).run(fields)
    return run.key.submitted, run.started, run.ended


@given(
    zone=st.sampled_from(sorted(BACK)),
    since=st.integers(-200, 100),
    wait=st.integers(0, 300),
    length=st.integers(0, 300),
    tells=st.booleans(),
)
def test_what_is_read_is_right_or_refused(zone: str, since: int, wait: int, length: int, tells: bool) -> None:
    """Never another moment than the one that was written, whatever the row says besides."""
    submit = BACK[zone] + since * MINUTE
    start, end = submit + wait * MINUTE, submit + (wait + length) * MINUTE
    fields = row(zone, submit, start, start, end, elapsed=str(length * 60) if tells else "")
    try:
        assert read(zone, fields) == (submit, start, end)
    except DataError as error:
        assert "twice" in str(error)  # noqa: PT017  # either is right


def test_the_order_of_things_says_which_hour_it_was() -> None:
    """Submitted in the first of the two hours or the second: it started before the clocks were set."""
    back = BACK[BERLIN]
    moments = (back - 50 * MINUTE, back - 50 * MINUTE, back - 40 * MINUTE, back - 30 * MINUTE)
    fields = row(BERLIN, back - 70 * MINUTE, back - 70 * MINUTE, back - 50 * MINUTE, back + 10 * MINUTE)
    with pytest.raises(DataError, match="there twice"):
        read(BERLIN, fields)
    fields[-1] = "01:00:00"
    assert read(BERLIN, fields)[1:] == (back - 50 * MINUTE, back + 10 * MINUTE)
    with pytest.raises(DataError, match="SLURM_TIME_FORMAT"):
        read(BERLIN, row(BERLIN, *moments, elapsed="00:10:00"))


def test_a_time_that_was_not_there_shows_another_zone() -> None:
    fields = ["7", *["2026-03-29T02:30:00"] * 4, "COMPLETED", ""]
    with pytest.raises(DataError, match=r"there is no 2026-03-29T02:30:00 in Europe/Berlin"):
        read(BERLIN, fields)


def test_a_day_without_any_setting_is_read_as_it_stands() -> None:
    moments = [datetime(2026, 6, 1, hour, tzinfo=UTC) for hour in (8, 8, 9, 10)]
    assert read(BERLIN, row(BERLIN, *moments)) == (moments[0], moments[2], moments[3])
