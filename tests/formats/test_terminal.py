"""Text on its way to a terminal."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carbonslurm.formats.terminal import cleaned, columns, fitted, grams_text, room_of


@given(st.text())
def test_nothing_that_moves_a_cursor_or_forges_a_line_passes(text: str) -> None:
    assert cleaned(text).isprintable() or text == ""
    assert len(cleaned(text)) == len(text)


@given(st.lists(st.lists(st.text(max_size=10), min_size=3, max_size=3), max_size=5))
def test_a_table_has_a_line_a_row_whatever_is_in_it(rows: list[list[str]]) -> None:
    assert len(columns(["A", "B", "C"], rows).split("\n")) == len(rows) + 1


def test_columns_are_as_wide_as_they_need() -> None:
    assert columns(["A", "N"], [["long", "1"], ["b", "20"]], frozenset({1})) == "A     N\nlong  1\nb    20"


def test_letters_that_take_two_places_do_not_push_the_next_column() -> None:
    table = columns(["Name", "N"], [["学習", "1"], ["abc", "20"], ["e\u0301te", "3"]], frozenset({1}))
    assert table == "Name  N\n学習  1\nabc  20\ne\u0301te   3"


@given(st.text(), st.integers(1, 20), st.booleans())
def test_a_width_is_kept_whatever_the_text(text: str, width: int, left: bool) -> None:
    assert room_of(fitted(text, -width if left else width)) == width


@pytest.mark.parametrize(
    ("grams", "text"),
    [(None, "unknown"), (0.0, "0 g"), (3.456, "3.46 g"), (1234.0, "1.23 kg"), (-2.5e6, "-2.5 t")],
)
def test_grams_have_a_unit_that_fits(grams: float | None, text: str) -> None:
    assert grams_text(grams) == text
