"""Limits on how many jobs age at once, as sacctmgr of 22.05 to 26.05 prints them."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carbonslurm.errors import DataError
from carbonslurm.formats.ageing import (
    QOS_LIMITS,
    associations_argv,
    read_association_limit,
    read_qos_limit,
)

QOS = "normal|||\nnight|||\n"
ASSOCIATIONS = "root|||\nroot|root||\nresearch|||\nresearch|games||\n"


def test_one_cluster_is_asked_for() -> None:
    assert "cluster=toy" in associations_argv("toy")


def test_where_there_is_no_limit_there_is_none() -> None:
    assert read_qos_limit(QOS) is None
    assert read_qos_limit("") is None
    assert read_association_limit(ASSOCIATIONS) is None


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ("normal|7||", "GrpJobsAccrue=7 of QOS normal"),
        ("normal||2|", "MaxJobsAccruePU=2 of QOS normal"),
        ("normal|||0", "MaxJobsAccruePA=0 of QOS normal"),
    ],
)
def test_a_limit_of_a_qos_is_named(row: str, words: str) -> None:
    assert read_qos_limit(f"{QOS}{row}\n") == words


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ("research|games||1", "MaxJobsAccrue=1 of user games"),
        ("research||9|", "GrpJobsAccrue=9 of account research"),
    ],
)
def test_a_limit_of_an_association_is_named(row: str, words: str) -> None:
    assert read_association_limit(f"{ASSOCIATIONS}{row}\n") == words


@pytest.mark.parametrize("text", ["sacctmgr: no", "normal|||x", "|2"])
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(DataError):
        read_qos_limit(text)


@given(st.text())
def test_no_text_is_taken_for_something_else(text: str) -> None:
    with suppress(DataError):
        found = read_qos_limit(text)
        assert found is None or found.partition("=")[0] in QOS_LIMITS
