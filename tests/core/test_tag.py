"""The tag: the table that Python and Lua share, and what must hold for every text."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from carbonslurm.core.tag import (
    SIGNALS,
    Checkpoint,
    Declaration,
    FlexibleBy,
    Tag,
    find_tag,
    format_declaration,
    format_duration,
    format_tag,
    parse_declaration,
    parse_duration,
    parse_tag,
)
from carbonslurm.errors import DataError, UsageError

CASES = json.loads((Path(__file__).parents[1] / "tag_cases.json").read_text(encoding="utf-8"))

durations = st.integers(1, 30 * 86_400).map(lambda seconds: timedelta(seconds=seconds))
graces = st.integers(1, 3_600).map(lambda seconds: timedelta(seconds=seconds))
instants = st.integers(1, 9_999_999_999).map(lambda epoch: datetime.fromtimestamp(epoch, UTC))
checkpoints = st.builds(
    Checkpoint,
    signal=st.sampled_from(SIGNALS),
    grace=graces,
    full=st.booleans(),
    restart=st.none() | durations,
)
declarations = st.just(Declaration(now=True)) | st.builds(
    Declaration,
    flex=st.none() | durations,
    finish=st.none() | instants,
    checkpoint=st.none() | checkpoints,
    length=st.none() | durations,
)
tags = st.builds(
    Tag,
    flex=durations,
    by=st.sampled_from(FlexibleBy),
    latest=st.none() | instants,
    begin=st.none() | instants,
    window=st.none() | instants,
    finish=st.none() | instants,
    checkpoint=st.none() | checkpoints,
    length=st.none() | durations,
)
# Texts that get past the first check more often than st.text() does.
tag_like = st.lists(
    st.sampled_from(
        [",", "=", "@", "flex", "finish", "checkpoint", "full", "now", "v=1", "by=owner", "1h", "9", "é"]
    )
    | st.text(max_size=3)
).map("".join)


def meaning(declaration: Declaration) -> dict[str, Any]:
    """Give a declaration in the words of the table: whole seconds, and only what is there."""
    checkpoint = declaration.checkpoint
    flat = {
        "now": declaration.now,
        "flex": declaration.flex and declaration.flex.total_seconds(),
        "finish": declaration.finish and declaration.finish.timestamp(),
        "signal": checkpoint and checkpoint.signal,
        "grace": checkpoint and checkpoint.grace.total_seconds(),
        "full": checkpoint and checkpoint.full,
        "restart": checkpoint and checkpoint.restart and checkpoint.restart.total_seconds(),
        "length": declaration.length and declaration.length.total_seconds(),
    }
    return {name: value for name, value in flat.items() if value}


@pytest.mark.parametrize("case", CASES["accepted"], ids=lambda case: ascii(case["tag"]))
def test_accepted(case: dict[str, Any]) -> None:
    declaration = parse_declaration(case["tag"])
    assert meaning(declaration) == case["means"]
    assert format_declaration(declaration) == case["canonical"]


@pytest.mark.parametrize("case", CASES["refused"], ids=lambda case: ascii(case["tag"]))
def test_refused(case: dict[str, str]) -> None:
    with pytest.raises(UsageError) as refusal:
        parse_declaration(case["tag"])
    assert str(refusal.value) == case["says"]


@pytest.mark.parametrize("case", CASES["found"], ids=lambda case: ascii(case["comment"]))
def test_found(case: dict[str, str | None]) -> None:
    assert find_tag(case["comment"] or "") == case["tag"]


@given(declarations)
def test_a_declaration_survives_writing_and_reading(declaration: Declaration) -> None:
    assume(declaration != Declaration())
    assert parse_declaration(format_declaration(declaration)) == declaration


@given(tags, st.text(" x\t"), st.text(" x\n"))
def test_a_tag_survives_writing_and_reading_among_other_text(tag: Tag, before: str, after: str) -> None:
    assert parse_tag(f"{before} {format_tag(tag)} {after}") == tag


@given(durations)
def test_a_duration_survives_writing_and_reading(duration: timedelta) -> None:
    assert parse_duration(format_duration(duration)) == duration


@given(st.text() | tag_like)
def test_any_text_is_a_declaration_or_a_usage_error_of_one_plain_line(text: str) -> None:
    for word in (text, f"carbon:{text}"):
        try:
            declaration = parse_declaration(word)
        except UsageError as error:
            assert str(error).isascii()  # noqa: PT017 (either outcome is right, only not a third one)
            assert str(error).isprintable()  # noqa: PT017
        else:
            assert parse_declaration(format_declaration(declaration)) == declaration


@given(st.text() | tag_like)
def test_any_admin_comment_is_a_tag_or_none_or_a_data_error(text: str) -> None:
    for comment in (text, f"carbon:v=1{text}", f"carbon:v=1,flex=1,{text}"):
        try:
            tag = parse_tag(comment)
        except DataError:
            continue
        assert tag is None or parse_tag(format_tag(tag)) == tag


def test_a_tag_as_the_hook_writes_it() -> None:
    text = (
        "carbon:v=1,flex=43200,latest=1795377600,begin=1795334400,window=1795334520,finish=1795400000,"
        "checkpoint=USR1@120,full,restart=300,length=3600,by=owner"
    )
    tag = Tag(
        flex=timedelta(hours=12),
        by=FlexibleBy.OWNER,
        latest=datetime(2026, 11, 22, 20, 0, tzinfo=UTC),
        begin=datetime(2026, 11, 22, 8, 0, tzinfo=UTC),
        window=datetime(2026, 11, 22, 8, 2, tzinfo=UTC),
        finish=datetime.fromtimestamp(1795400000, UTC),
        checkpoint=Checkpoint("USR1", timedelta(minutes=2), full=True, restart=timedelta(minutes=5)),
        length=timedelta(hours=1),
    )
    assert parse_tag(text) == tag
    assert format_tag(tag) == text


@pytest.mark.parametrize(
    "text", ["", "JS1:H4sIAA", "carbon:flex=12h", "carbon:v=12,flex=1,by=owner", "xcarbon:v=1"]
)
def test_text_of_others_is_no_tag(text: str) -> None:
    assert parse_tag(text) is None


@pytest.mark.parametrize(
    "text",
    [
        "carbon:v=1",
        "carbon:v=1,",
        "carbon:v=1,flex=43200",
        "carbon:v=1,flex=12h,by=owner",
        "carbon:v=1,flex=0,by=owner",
        "carbon:v=1,flex=1,by=root",
        "carbon:v=1,flex=1,full,by=owner",
        "carbon:v=1,flex=1,restart=5,by=owner",
        "carbon:v=1,flex=1,latest=soon,by=owner",
        "carbon:v=1,flex=1,by=owner,by=owner",
        "carbon:v=1,flex=1,mood=good,by=owner",
    ],
)
def test_a_tag_of_ours_that_cannot_be_read_is_a_data_error(text: str) -> None:
    with pytest.raises(DataError, match="AdminComment"):
        parse_tag(text)


def test_a_naive_time_is_refused_where_it_enters() -> None:
    naive = datetime(2026, 11, 22, 8, 0)  # noqa: DTZ001 (the mistake under test)
    with pytest.raises(ValueError, match="naive"):
        format_tag(Tag(flex=timedelta(hours=1), by=FlexibleBy.SITE, latest=naive))
