"""Reading sdiag, as three versions of Slurm printed it."""

from contextlib import suppress
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carbonslurm.errors import DataError
from carbonslurm.formats.sdiag import Share, read_sdiag

RECORDED = sorted(Path(__file__).with_name("sdiag").glob("*.txt"))
OPERATOR = 1


@pytest.mark.parametrize("file", RECORDED, ids=lambda file: file.stem)
def test_each_user_s_calls_and_their_time_are_read(file: Path) -> None:
    text = file.read_text()
    told = read_sdiag(text)
    assert {uid: share.name for uid, share in told.users.items()} == {0: "root", 1: "daemon", 5: "games"}
    assert told.users[OPERATOR].calls == 3
    assert 0 < told.users[OPERATOR].seconds < 0.001
    assert told.calls == sum(share.calls for share in told.users.values())
    assert timedelta() <= told.at - told.since < timedelta(hours=1)


def test_three_versions_are_recorded() -> None:
    assert [file.stem[:5] for file in RECORDED] == ["22.05", "24.11", "26.05"]


def test_calls_by_kind_are_not_taken_for_a_user_s() -> None:
    text = RECORDED[0].read_text()
    assert "REQUEST_STATS_INFO" in text
    assert not any(share.name.startswith("REQUEST") for share in read_sdiag(text).users.values())


def test_a_slurmctld_that_nobody_called_is_read() -> None:
    head, _, tail = RECORDED[0].read_text().partition("\troot ")
    nobody = head + tail[tail.index("\nPending RPC") :]
    assert read_sdiag(nobody).users == {}
    assert read_sdiag(nobody).seconds == 0


def test_a_share_is_in_seconds() -> None:
    text = RECORDED[0].read_text().replace("total_time:941", "total_time:2500000")
    assert read_sdiag(text).users[OPERATOR] == Share("daemon", 3, 2.5)


@pytest.mark.parametrize("text", ["", "sdiag: error: slurm_get_statistics", "Data since now (0)"])
def test_other_text_is_refused(text: str) -> None:
    with pytest.raises(DataError, match="sdiag"):
        read_sdiag(text)


@given(st.text())
def test_any_text_is_read_or_refused(text: str) -> None:
    with suppress(DataError):
        read_sdiag(text)
