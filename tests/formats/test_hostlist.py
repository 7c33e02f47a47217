"""Slurm's lists of hosts, spelled out."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carbonslurm.errors import DataError
from carbonslurm.formats.hostlist import hosts


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("n1", {"n1"}),
        ("n[1-3]", {"n1", "n2", "n3"}),
        ("n[08-10,12],login1", {"n08", "n09", "n10", "n12", "login1"}),
        ("r[1-2]n[1-2]", {"r1n1", "r1n2", "r2n1", "r2n2"}),
        ("gpu-a[7]-ib,n2", {"gpu-a7-ib", "n2"}),
        ("(null)", set()),
        ("", set()),
    ],
)
def test_a_list_is_spelled_out(text: str, names: set[str]) -> None:
    assert hosts(text) == names


@pytest.mark.parametrize("text", ["n[1-", "n]", ",", "n1,,n2", "n[a-b]", "n[1--2]", "n[0-9999999]"])
def test_what_is_none_is_refused(text: str) -> None:
    with pytest.raises(DataError):
        hosts(text)


@given(st.lists(st.integers(0, 999), min_size=1, max_size=20, unique=True))
def test_numbers_keep_their_width(numbers: list[int]) -> None:
    text = "n[" + ",".join(f"{number:03d}" for number in numbers) + "]"
    assert hosts(text) == {f"n{number:03d}" for number in numbers}
