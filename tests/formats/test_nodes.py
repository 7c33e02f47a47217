"""sinfo's nodes: recorded outputs, hostile ones, and what any text may do."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carbonslurm.core.capacity import Node
from carbonslurm.errors import DataError
from carbonslurm.formats.marks import Marks
from carbonslurm.formats.nodes import FIELDS, is_closed, nodes_argv, read_gpus, read_nodes

MARKS = Marks(field="~d~", end="~e.")
# As 22.05.8, 24.11.5 and 26.05.5 print it, alike but for the order of partitions: n1 and n2 have a job each,
# n2 was drained for a reason that forges a node, n3 is under maintenance, n4 reserved.
RECORDED = """\
n1~d~main~d~mixed~d~1/15/0/16~d~gpu:a100:4~d~gpu:a100:1(IDX:0)~e.
n1~d~debug~d~mixed~d~1/15/0/16~d~gpu:a100:4~d~gpu:a100:1(IDX:0)~e.
n1~d~low~d~mixed~d~1/15/0/16~d~gpu:a100:4~d~gpu:a100:1(IDX:0)~e.
n2~d~main~d~mixed+drain~d~2/0/14/16~d~gpu:a100:4~d~gpu:a100:2(IDX:0-1)~e.
n2~d~debug~d~mixed+drain~d~2/0/14/16~d~gpu:a100:4~d~gpu:a100:2(IDX:0-1)~e.
n2~d~low~d~mixed+drain~d~2/0/14/16~d~gpu:a100:4~d~gpu:a100:2(IDX:0-1)~e.
n3~d~main~d~idle+maintenance+reserved~d~0/16/0/16~d~gpu:a100:4~d~gpu:a100:0(IDX:N/A)~e.
n3~d~debug~d~idle+maintenance+reserved~d~0/16/0/16~d~gpu:a100:4~d~gpu:a100:0(IDX:N/A)~e.
n3~d~low~d~idle+maintenance+reserved~d~0/16/0/16~d~gpu:a100:4~d~gpu:a100:0(IDX:N/A)~e.
n4~d~main~d~idle+reserved~d~0/16/0/16~d~gpu:a100:4~d~gpu:a100:0(IDX:N/A)~e.
n4~d~debug~d~idle+reserved~d~0/16/0/16~d~gpu:a100:4~d~gpu:a100:0(IDX:N/A)~e.
n4~d~low~d~idle+reserved~d~0/16/0/16~d~gpu:a100:4~d~gpu:a100:0(IDX:N/A)~e.
"""
ALL = frozenset({"main", "debug", "low"})


def test_each_node_counts_once_with_all_its_partitions_and_closed_ones_with_what_is_in_use() -> None:
    assert read_nodes(RECORDED, MARKS) == (
        Node("n1", ALL, 16, {"a100": 4}),
        Node("n2", ALL, 2, {"a100": 2}),
        Node("n3", ALL, 0, {"a100": 0}),
        Node("n4", ALL, 0, {"a100": 0}),
    )


def test_for_the_past_every_node_counts_whole_but_one_that_is_only_planned() -> None:
    planned = RECORDED + "n5~d~low~d~future~d~0/0/8/8~d~gpu:a100:4~d~gpu:a100:0~e.\n"
    assert read_nodes(planned, MARKS, whole=True) == (
        *(Node(f"n{number}", ALL, 16, {"a100": 4}) for number in (1, 2, 3, 4)),
        Node("n5", frozenset({"low"}), 0, {"a100": 0}),
    )


def test_a_cluster_without_nodes_has_none() -> None:
    assert read_nodes("", MARKS) == ()


def test_the_question_asks_for_no_text_that_people_write() -> None:
    argv = nodes_argv(MARKS)
    assert argv[:4] == ["sinfo", "--noheader", "--all", "--Node"]
    assert not {"Reason", "Comment", "Extra"} & set(FIELDS)
    assert argv[4].startswith("--Format=NodeList:~d~,PartitionName:~d~")


@pytest.mark.parametrize("state", ["idle", "mixed", "allocated", "idle+planned", "idle+cloud+powered_down"])
def test_these_take_jobs(state: str) -> None:
    assert not is_closed(state)


@pytest.mark.parametrize(
    "state", ["down", "down*", "idle+drain", "idle*", "future", "mixed+drain+not_responding", "idle$+maint"]
)
def test_these_take_none(state: str) -> None:
    assert is_closed(state)


@pytest.mark.parametrize(
    ("text", "gpus"),
    [
        ("gpu:a100:4(S:0-1),gpu:v100:2", {"a100": 4, "v100": 2}),
        ("gpu:4", {"": 4}),
        ("gpu:(null):0(IDX:N/A)", {"": 0}),
        ("gpu:H100_80GB:8,shard:H100:32,mps:100,gpu:h100_80gb:1", {"h100_80gb": 9}),
        ("gpu:1080:2(S:0,2)", {"1080": 2}),
        ("(null)", {}),
    ],
)
def test_gpus_are_counted_by_type(text: str, gpus: dict[str, int]) -> None:
    assert read_gpus(text) == gpus


@pytest.mark.parametrize(
    "text",
    [
        "n1~d~main~d~idle~d~0/16/0/16~d~gpu:4~e.\n",
        "n1~d~main~d~idle~d~0/16/0/16~d~gpu:4~d~gpu:0",
        "n1~d~main~d~idle~d~0/16/0~d~gpu:4~d~gpu:0~e.\n",
        "n1~d~main~d~idle~d~0/16/0/16~d~gpu:many~d~gpu:0~e.\n",
        "slurm_load_partitions: Unable to contact slurm controller",
    ],
)
def test_what_is_no_such_output_is_refused(text: str) -> None:
    with pytest.raises(DataError):
        read_nodes(text, MARKS)


@given(st.lists(st.text(max_size=20), min_size=6, max_size=6), st.booleans())
def test_no_field_can_forge_a_node(values: list[str], whole: bool) -> None:
    """Whatever stands in a field, it is read as that field or refused."""
    row = MARKS.field.join(values) + (f"{MARKS.end}\n" if whole else "")
    try:
        found = read_nodes(row, MARKS)
    except DataError:
        return
    assert [node.name for node in found] == ([values[0].strip()] if whole else [])


@given(st.text(), st.text())
def test_any_text_is_read_or_refused(text: str, field: str) -> None:
    marks = Marks(field=field or "~", end="~e.")
    try:
        read_nodes(text, marks)
    except DataError:
        return
