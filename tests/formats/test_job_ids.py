"""Job ids as sacct takes them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carbonslurm.errors import UsageError
from carbonslurm.formats.job_ids import JobPick, read_job_picks


@pytest.mark.parametrize(
    ("text", "picks"),
    [
        ("12", [JobPick(12)]),
        ("13_4", [JobPick(13, (range(4, 5),))]),
        ("13_[1-3,7]", [JobPick(13, (range(1, 4), range(7, 8)))]),
        ("13_[0-8:2%3]", [JobPick(13, (range(0, 9, 2),))]),
        ("20+1", [JobPick(20, offset=1)]),
        ("12.batch,12.0", [JobPick(12, step="batch"), JobPick(12, step="0")]),
        ("1,13_[2,4],5", [JobPick(1), JobPick(13, (range(2, 3), range(4, 5))), JobPick(5)]),
    ],
)
def test_ids_are_read(text: str, picks: list[JobPick]) -> None:
    assert list(read_job_picks(text)) == picks


def test_a_pick_knows_its_tasks() -> None:
    (pick,) = read_job_picks("13_[0-8:2,5]")
    assert [task for task in range(12) if pick.has_task(task)] == [0, 2, 4, 5, 6, 8]
    assert not pick.has_task(None)
    assert JobPick(13).has_task(None)


@pytest.mark.parametrize(
    "text", ["", "a", "6_3_1", "13_[", "13_[]", "13_[3-1]", "13_[1-3:0]", "12,", "12 13", "1_2+3", "٣", "-1"]
)
def test_what_is_no_id_is_refused_by_name(text: str) -> None:
    with pytest.raises(UsageError, match="expected"):
        read_job_picks(text)


@given(st.text(alphabet="0123456789_[]-,:+%. ab", max_size=20))
def test_any_text_is_ids_or_refused(text: str) -> None:
    try:
        read_job_picks(text)
    except UsageError:
        return
