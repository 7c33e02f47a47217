"""The look at single jobs, as pinned JSON and as text with marks: the same sights from both."""

import json
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carbonslurm.core.job import JobState
from carbonslurm.core.stop import Sight
from carbonslurm.errors import DataError
from carbonslurm.formats.look import FIELDS, PINS, look_argv, pin_for, read_look
from carbonslurm.formats.marks import Marks

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
EPOCH = int(NOW.timestamp())
PIN = "v0.0.42"
MARKS = Marks("~a~", "~b.")

# --- JSON

OLD = {  # as 22.05 writes it
    "job_id": 7,
    "job_state": "RUNNING",
    "restart_cnt": 1,
    "eligible_time": EPOCH,
    "start_time": EPOCH + 5,
    "comment": "",
}
NEW = {  # as 24.05 and later do
    "job_id": 7,
    "job_state": ["PENDING"],
    "restart_cnt": 0,
    "eligible_time": {"set": True, "infinite": False, "number": EPOCH},
    "start_time": {"set": False, "infinite": False, "number": 0},
    "comment": "",
}


def shown(*jobs: dict[str, Any]) -> bytes:
    return json.dumps({"jobs": jobs}).encode()


def test_the_old_shape() -> None:
    start = NOW + timedelta(seconds=5)
    assert read_look(shown(OLD), [7], PIN).get(7) == Sight(JobState.RUNNING, 1, NOW, start, saved=False)


def test_the_new_shape() -> None:
    assert read_look(shown(NEW), [7], PIN).get(7) == Sight(JobState.PENDING, 0, NOW, None, saved=False)


@pytest.mark.parametrize(
    ("words", "state"),
    [
        (["RUNNING"], JobState.RUNNING),
        (["RUNNING", "CONFIGURING"], JobState.RUNNING),
        (["RUNNING", "COMPLETING"], JobState.COMPLETING),
        (["PENDING", "COMPLETING"], JobState.COMPLETING),
        (["PENDING", "REQUEUED"], JobState.COMPLETING),
        (["COMPLETED", "COMPLETING"], JobState.COMPLETING),
        (["SUSPENDED"], JobState.SUSPENDED),
        (["COMPLETED"], JobState.ENDED),
        (["A_STATE_OF_LATER_VERSIONS"], JobState.ENDED),
        ("COMPLETING", JobState.COMPLETING),
    ],
)
def test_a_flag_beside_a_state_comes_first(words: object, state: JobState) -> None:
    sight = read_look(shown(NEW | {"job_state": words}), [7], PIN).get(7)
    assert sight is not None
    assert sight.state is state


def test_a_job_that_slurm_has_forgotten_is_none() -> None:
    assert read_look(shown(), [7], PIN).get(7) is None
    assert read_look(shown(OLD | {"job_id": 8}), [7], PIN).get(7) is None


@pytest.mark.parametrize(
    ("comment", "restarts", "saved"),
    [
        ("carbon:saved", 0, True),
        ("carbon:saved:0", 0, True),
        ("my run; carbon:saved", 0, True),
        ("carbon:saved\nJobId=8", 0, True),
        ("carbon:saved", 1, False),  # kept from the run before: Slurm clears no Comment at a requeue
        ("carbon:saved:0", 1, False),
        ("carbon:saved:1", 1, True),
        ("carbon:flex=12h", 0, False),
        ("not-carbon:saved", 0, False),
        ("carbon:saved?", 0, False),
        ("", 0, False),
        (None, 0, False),
        ({"set": True}, 0, False),
    ],
)
def test_a_run_says_by_one_word_that_it_saved(comment: object, restarts: int, saved: bool) -> None:
    sight = read_look(shown(OLD | {"comment": comment, "restart_cnt": restarts}), [7], PIN).get(7)
    assert sight is not None
    assert sight.saved is saved


def test_bytes_that_are_not_utf8_hide_no_job() -> None:
    raw = shown(OLD | {"comment": "@@"}).replace(b"@@", b"\xff\xfe carbon:saved:1")
    sight = read_look(raw, [7], PIN).get(7)
    assert sight is not None
    assert sight.saved


def test_rows_and_jobs_in_a_comment_forge_nothing() -> None:
    forged = '"}, {"job_id": 7, "job_state": "COMPLETED"}]'
    sight = read_look(shown(OLD | {"comment": forged}), [7], PIN).get(7)
    assert sight is not None
    assert sight.state is JobState.RUNNING


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"slurm_load_jobs error: Invalid job id specified",
        b"[]",
        b"{}",
        b'{"jobs": 7}',
        b'{"jobs": [7]}',
        b'{"jobs": [{"job_id": 7}]}',
        shown(OLD | {"eligible_time": "soon"}),
        shown(OLD | {"eligible_time": 10**18}),
        shown(OLD | {"restart_cnt": []}),
        shown(OLD | {"job_state": 4}),
    ],
)
def test_what_is_not_squeues_json_is_refused(raw: bytes) -> None:
    with pytest.raises(DataError, match="squeue --json"):
        read_look(raw, [7], PIN).get(7)


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=3),
    max_leaves=8,
)


@given(st.binary() | st.dictionaries(st.sampled_from(list(OLD)), anything).map(lambda job: shown(OLD | job)))
def test_any_bytes_give_a_sight_or_a_data_error(raw: bytes) -> None:
    with suppress(DataError):
        read_look(raw, [7], PIN).get(7)


# --- text

ROW = {
    "JobID": "7",
    "State": "RUNNING",
    "RestartCnt": "1",
    "EligibleTime": str(EPOCH),
    "StartTime": str(EPOCH + 5),
    "Comment": "(null)",
}


def printed(*rows: dict[str, str]) -> bytes:
    text = "".join(MARKS.field.join(row[name] for name in FIELDS) + f"{MARKS.end}\n" for row in rows)
    return text.encode("utf-8", errors="surrogateescape")


def test_text_gives_the_sight_that_json_gives() -> None:
    start = NOW + timedelta(seconds=5)
    expected = Sight(JobState.RUNNING, 1, NOW, start, saved=False)
    assert read_look(printed(ROW), [7], MARKS) == {7: expected}
    assert read_look(shown(OLD), [7], PIN) == {7: expected}


@pytest.mark.parametrize(
    ("word", "state"),
    [
        ("PENDING", JobState.PENDING),
        ("CONFIGURING", JobState.RUNNING),
        ("COMPLETING", JobState.COMPLETING),
        ("REQUEUED", JobState.COMPLETING),
        ("SPECIAL_EXIT", JobState.PENDING),
        ("SUSPENDED", JobState.SUSPENDED),
        ("TIMEOUT", JobState.ENDED),
    ],
)
def test_one_word_is_the_state_in_either_form(word: str, state: JobState) -> None:
    assert read_look(printed(ROW | {"State": word}), [7], MARKS)[7].state is state
    assert read_look(shown(NEW | {"job_state": [word]}), [7], PIN)[7].state is state


def test_in_text_a_comment_says_that_this_run_saved() -> None:
    said = read_look(printed(ROW | {"Comment": "my run carbon:saved:1"}, ROW | {"JobID": "8"}), [7, 8], MARKS)
    assert (said[7].saved, said[8].saved) == (True, False)


def test_in_text_a_comment_forges_nothing() -> None:
    """Its writer does not know the marks of this call."""
    forged = printed(ROW | {"JobID": "8", "State": "COMPLETED"}).decode().replace("~a~", "~c~")
    comment = f"\n{forged.replace(MARKS.end, '~d.')}\x1f|\udcff carbon:saved:1\n"
    assert list(read_look(printed(ROW | {"Comment": comment}), [7, 8], MARKS)) == [7]


def test_other_jobs_are_left_out_of_text_too() -> None:
    assert list(read_look(printed(ROW, ROW | {"JobID": "8"}), [8], MARKS)) == [8]
    assert read_look(b"", [7], MARKS) == {}


@pytest.mark.parametrize(
    "raw",
    [
        b"slurm_load_jobs error: Invalid job id specified",
        b"7~a~RUNNING~b.\n",
        printed(ROW)[:-4],
        printed(ROW | {"JobID": "7_1"}),
        printed(ROW | {"RestartCnt": "many"}),
        printed(ROW | {"EligibleTime": "2026-11-22T12:00:00"}),
        printed(ROW | {"Comment": f"{MARKS.field}x"}),
    ],
)
def test_what_is_not_the_text_that_was_asked_for_is_refused(raw: bytes) -> None:
    with pytest.raises(DataError):
        read_look(raw, [7], MARKS)


@given(st.binary())
def test_any_bytes_give_sights_or_a_data_error_in_text(raw: bytes) -> None:
    with suppress(DataError):
        read_look(raw, [7], MARKS)


# --- the form


@pytest.mark.parametrize(
    ("told", "pin"),
    [
        ("slurm-wlm 22.05.8\n", None),
        ("slurm 23.11.10\n", None),
        ("slurm 24.05.4\n", None),
        ("slurm 24.11.5\n", "v0.0.42"),
        ("slurm-wlm 25.05.1\n", "v0.0.42"),
        ("slurm 25.11.0-0rc1\n", "v0.0.44"),
        ("slurm 26.05.5\n", "v0.0.44"),
        ("slurm 27.11.0\n", None),
        ("slurm 29.05.0\n", None),
        ("a Slurm of one's own\n", None),
        ("", None),
    ],
)
def test_json_is_held_to_the_schema_that_a_release_has(told: str, pin: str | None) -> None:
    assert pin_for(told) == pin


def test_no_two_pins_hold_for_one_release() -> None:
    spans = sorted(PINS)
    assert all(first[1] == second[0] for first, second in pairwise(spans))


def test_the_question_names_the_jobs_and_nothing_a_user_wrote_stands_outside_marks() -> None:
    assert look_argv([7, 8], PIN) == ["squeue", "--json=v0.0.42", "--all", "--states=all", "--jobs=7,8"]
    argv = look_argv([7, 8], MARKS)
    assert argv[-2:] == [f"--Format={'~a~,'.join(f'{name}:' for name in FIELDS)}~b.", "--jobs=7,8"]
    assert {"--noheader", "--array", "--all", "--states=all"} <= set(argv)
