"""How the tests of one version are dealt out to sessions."""

from hypothesis import given
from hypothesis import strategies as st

from matrix.running import shares


def test_the_largest_are_dealt_first_to_whoever_has_the_least() -> None:
    assert shares({"a": 5, "b": 4, "c": 3, "d": 3}, 2) == [["a", "d"], ["b", "c"]]


@given(st.dictionaries(st.text(min_size=1), st.integers(0, 10**6)), st.integers(1, 9))
def test_every_file_is_dealt_once(sizes: dict[str, int], count: int) -> None:
    dealt = shares(sizes, count)
    assert sorted(name for share in dealt for name in share) == sorted(sizes)
    assert len(dealt) == min(count, len(sizes))
