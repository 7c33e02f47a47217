"""How Slurm writes times, limits, TRES and dependencies: what it is known to write, and any text at all."""

from contextlib import suppress
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carbonslurm.core.job import Tres
from carbonslurm.errors import DataError
from carbonslurm.formats.slurm_text import (
    read_dependency,
    read_time,
    read_time_limit,
    read_tres,
    write_id_ranges,
)


@pytest.mark.parametrize("text", ["", "N/A", "NONE", "None", "Unknown", "(null)", "0"])
def test_slurms_words_for_no_time_are_none(text: str) -> None:
    assert read_time(text) is None


def test_a_time_is_an_epoch() -> None:
    assert read_time("1795348800") == datetime(2026, 11, 22, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    "text", ["2026-11-22T12:00:00", "-5", "1.5", "\u0661\u0662", "12 ", "now", "9" * 15, "9" * 400]
)
def test_what_is_not_an_epoch_is_refused(text: str) -> None:
    with pytest.raises(DataError, match="expected a time as an epoch"):
        read_time(text)


@pytest.mark.parametrize(
    ("text", "limit"),
    [
        ("UNLIMITED", None),
        ("Partition_Limit", None),
        ("INVALID", None),
        ("", None),
        ("0:30", timedelta(seconds=30)),
        ("10:00", timedelta(minutes=10)),
        ("1:00:00", timedelta(hours=1)),
        ("1-00:00:00", timedelta(days=1)),
        ("2-03:04:05", timedelta(days=2, hours=3, minutes=4, seconds=5)),
        ("364-00:00:00", timedelta(days=364)),
    ],
)
def test_limits(text: str, limit: timedelta | None) -> None:
    assert read_time_limit(text) == limit


@pytest.mark.parametrize("text", ["2900000-00:00:00", "9999999999-00:00:00", "9" * 400 + "-00:00:00"])
def test_a_limit_of_ages_is_no_limit(text: str) -> None:
    """Slurm takes minutes up to 2^32, thousands of years; no date reaches that far."""
    assert read_time_limit(text) is None


@pytest.mark.parametrize("text", ["60", "1:2:3:4", "-1:00", "1 day", "10:00 ", "\u0661:00"])
def test_what_is_not_a_limit_is_refused(text: str) -> None:
    with pytest.raises(DataError, match="expected a time limit"):
        read_time_limit(text)


@pytest.mark.parametrize(
    ("text", "tres"),
    [
        ("", Tres()),
        ("N/A", Tres()),
        ("cpu=4,mem=8G,node=1,billing=4", Tres(cpus=4, nodes=1)),
        ("cpu=4,node=1,gres/gpu=2", Tres(cpus=4, nodes=1, gpus={"": 2})),
        ("cpu=4,node=1,gres/gpu:a100=2,gres/gpu=2", Tres(cpus=4, nodes=1, gpus={"a100": 2})),
        ("cpu=4,gres/gpu=3,gres/gpu:a100=2,node=1", Tres(cpus=4, nodes=1, gpus={"a100": 2, "": 1})),
        ("gres/gpu:a100=1,gres/gpu:h100=2,gres/gpu=3", Tres(gpus={"a100": 1, "h100": 2})),
        ("cpu=4,gres/gpumem=40G,gres/gpuutil=90,node=1", Tres(cpus=4, nodes=1)),
    ],
)
def test_tres(text: str, tres: Tres) -> None:
    assert read_tres(text) == tres


@pytest.mark.parametrize("text", ["cpu=many", "node=", "cpu=nan", "cpu=inf", "cpu=-4", "cpu=1.5K"])
def test_tres_without_a_count_are_refused(text: str) -> None:
    with pytest.raises(DataError, match="expected a count"):
        read_tres(text)


@pytest.mark.parametrize(
    ("text", "needs", "singleton"),
    [
        ("", (), False),
        ("(null)", (), False),
        ("afterok:12(unfulfilled)", (12,), False),
        ("afterok:12", (12,), False),
        ("afterok:12(unfulfilled),afterany:13(fulfilled)", (12,), False),
        ("afterok:12(unfulfilled),afterok:12(unfulfilled)", (12,), False),
        ("afterok:12_*(unfulfilled)", (12,), False),
        ("afterok:12_3(unfulfilled)?afterok:14(unfulfilled)", (12, 14), False),
        ("after:12+5(unfulfilled)", (12,), False),
        ("aftercorr:12_*(unfulfilled)", (12,), False),
        ("afternotok:12(failed)", (12,), False),
        ("singleton(unfulfilled)", (), True),
        ("afterok:12(unfulfilled),singleton(unfulfilled)", (12,), True),
        ("singleton(fulfilled)", (), False),
    ],
)
def test_dependencies(text: str, needs: tuple[int, ...], singleton: bool) -> None:
    assert read_dependency(text) == (needs, singleton)


@pytest.mark.parametrize(
    ("numbers", "text"),
    [([3], "[3]"), ([1, 3, 4, 5, 6], "[1,3-6]"), ([2, 1], "[1-2]"), ([0, 2, 4], "[0,2,4]")],
)
def test_array_ranges_are_written_as_slurm_does(numbers: list[int], text: str) -> None:
    assert write_id_ranges(numbers) == text


@given(st.sets(st.integers(0, 300), min_size=1))
def test_array_ranges_name_each_task_once(numbers: set[int]) -> None:
    named: list[int] = []
    for part in write_id_ranges(list(numbers)).strip("[]").split(","):
        first, _, last = part.partition("-")
        named += range(int(first), int(last or first) + 1)
    assert named == sorted(numbers)


slurmish = st.text() | st.lists(
    st.sampled_from(
        ["cpu=", "node=", "gres/gpu", ":a100", "=", ",", "4", "-", ":", "00", "K", "afterok", "_*"]
    ),
    max_size=12,
).map("".join)


@given(slurmish)
def test_any_text_gives_a_value_or_a_data_error(text: str) -> None:
    for read in (read_time, read_time_limit, read_tres, read_dependency):
        with suppress(DataError):
            read(text)
