"""The snapshot's reading: rows as squeue prints them, hostile content, and any text at all."""

from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carbonslurm.core.job import JobKey, JobState, Queue, QueuedJob, Tres
from carbonslurm.core.tag import FlexibleBy, Tag
from carbonslurm.errors import DataError
from carbonslurm.formats.marks import Marks
from carbonslurm.formats.squeue import FIELDS, read_snapshot, snapshot_argv

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
EPOCH = int(NOW.timestamp())
MARKS = Marks(field="~0badcafe~", end="~600dbeef.")

# What squeue 22.05 prints for a pending GPU job that the hook tagged (-O pads nothing with explicit marks).
PENDING = {
    "JobID": "7",
    "ArrayJobID": "7",
    "ArrayTaskID": "N/A",
    "State": "PENDING",
    "UserName": "ada",
    "Account": "science",
    "Partition": "gpu",
    "QOS": "normal",
    "SubmitTime": str(EPOCH - 60),
    "EligibleTime": str(EPOCH + 60),
    "StartTime": str(EPOCH + 60),
    "TimeLimit": "2:00:00",
    "Deadline": "N/A",
    "Dependency": "(null)",
    "PriorityLong": "4294901757",
    "Reason": "BeginTime",
    "RestartCnt": "0",
    "Requeue": "1",
    "BatchFlag": "1",
    "Reservation": "(null)",
    "HetJobID": "N/A",
    "Origin": "NA",
    "tres-alloc": "cpu=4,mem=8G,node=1,billing=4,gres/gpu=1",
    "Licenses": "(null)",
    "admin_comment": "carbon:v=1,flex=43200,by=owner",
}
COMPONENT = "a component of a heterogeneous job: its leader stands for it"
RUNNING = PENDING | {"JobID": "8", "State": "RUNNING", "StartTime": str(EPOCH - 30), "Reason": "None"}


def printed(*rows: dict[str, str], marks: Marks = MARKS) -> str:
    return "".join(marks.field.join(row[name] for name in FIELDS) + f"{marks.end}\n" for row in rows)


def read(text: str) -> Queue:
    return read_snapshot(text, MARKS, "toy", NOW)


def one(**changes: str) -> QueuedJob:
    queue = read(printed(PENDING | changes))
    assert queue.unread == ()
    assert len(queue.jobs) == 1
    return queue.jobs[0]


def test_a_pending_job() -> None:
    assert one() == QueuedJob(
        key=JobKey("toy", 7),
        spec="7",
        state=JobState.PENDING,
        user="ada",
        account="science",
        partition="gpu",
        partitions=("gpu",),
        qos="normal",
        submitted=NOW - timedelta(minutes=1),
        eligible=NOW + timedelta(minutes=1),
        started=None,
        time_limit=timedelta(hours=2),
        deadline=None,
        needs=(),
        held=False,
        reason="BeginTime",
        restarts=0,
        requeueable=True,
        tag=Tag(flex=timedelta(hours=12), by=FlexibleBy.OWNER),
        tres=Tres(cpus=4, nodes=1, gpus={"": 1}),
    )


def test_a_running_job_has_a_start() -> None:
    job = read(printed(RUNNING)).jobs[0]
    assert (job.state, job.started) == (JobState.RUNNING, NOW - timedelta(seconds=30))


def test_an_expected_start_of_a_pending_job_is_no_start() -> None:
    assert one(StartTime=str(EPOCH + 999)).started is None


def test_an_empty_queue_is_empty() -> None:
    assert read("") == Queue(NOW, ())


def test_times_limits_and_needs_that_slurm_has_not_are_none() -> None:
    job = one(EligibleTime="N/A", TimeLimit="UNLIMITED", Deadline="NONE", admin_comment="(null)")
    assert (job.eligible, job.time_limit, job.deadline, job.tag) == (None, None, None, None)


def test_unmet_dependencies_are_listed() -> None:
    job = one(Dependency="afterok:5(unfulfilled),afterany:6(unfulfilled)")
    assert (job.needs, job.waits_for_others) == ((5, 6), True)
    assert one(Dependency="singleton(unfulfilled)").waits_for_others


def test_held_is_priority_zero_whatever_the_reason_says() -> None:
    assert one(PriorityLong="0", Reason="job_requeued_in_held_state").held
    assert not one(PriorityLong="1", Reason="JobHeldUser").held


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"BatchFlag": "0"}, "not a batch job"),
        ({"Reservation": "maintenance"}, "in a reservation"),
        ({"HetJobID": "7"}, None),
        ({"HetJobID": "6"}, COMPONENT),
        ({"HetJobID": "0"}, None),
        ({"Origin": "mountain"}, "federated"),
    ],
)
def test_what_we_may_not_touch_says_why(changes: dict[str, str], words: str | None) -> None:
    assert one(**changes).obstacle == words


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({}, None),
        ({"EligibleTime": str(EPOCH)}, None),
        ({"EligibleTime": "N/A"}, None),
        ({"EligibleTime": str(EPOCH + 61)}, "components of its heterogeneous job differ"),
        ({"PriorityLong": "0"}, "components of its heterogeneous job differ"),
        ({"State": "COMPLETING"}, "components of its heterogeneous job differ"),
        ({"Reservation": "maintenance"}, "in a reservation"),
    ],
)
def test_the_leader_carries_what_stands_in_the_way_of_its_components(
    changes: dict[str, str], words: str | None
) -> None:
    leader = PENDING | {"HetJobID": "7"}
    component = PENDING | {"JobID": "8", "HetJobID": "7", "admin_comment": "(null)"}
    for rows in ((leader, component | changes), (component | changes, leader)):
        found = {job.key.job_id: job.obstacle for job in read(printed(*rows)).jobs}
        assert found == {7: words, 8: (changes.get("Reservation") and "in a reservation") or COMPONENT}


@pytest.mark.parametrize(
    ("word", "state"),
    [
        ("CONFIGURING", JobState.RUNNING),
        ("COMPLETING", JobState.COMPLETING),
        ("SUSPENDED", JobState.SUSPENDED),
        ("REQUEUE_HOLD", JobState.PENDING),
        ("COMPLETED", JobState.ENDED),
        ("NODE_FAIL", JobState.ENDED),
        ("A_STATE_OF_LATER_VERSIONS", JobState.ENDED),
    ],
)
def test_slurms_states_fold_into_ours(word: str, state: JobState) -> None:
    assert one(State=word).state is state


def test_of_many_partitions_the_first_counts() -> None:
    assert one(Partition="gpu,long").partition == "gpu"


# --- arrays ---


def task(number: int, job_id: int = 13, **changes: str) -> dict[str, str]:
    return PENDING | {"JobID": str(job_id), "ArrayJobID": "13", "ArrayTaskID": str(number)} | changes


def test_the_pending_tasks_of_an_array_are_one_job() -> None:
    job = read(printed(task(3), task(5), task(4), task(9))).jobs[0]
    assert (job.key, job.spec, job.obstacle) == (JobKey("toy", 13), "13_[3-5,9]", None)


def test_running_tasks_stand_by_themselves() -> None:
    text = printed(task(1, job_id=14, State="RUNNING"), task(2), task(3))
    assert [(job.key.job_id, job.spec) for job in read(text).jobs] == [(14, "13_1"), (13, "13_[2-3]")]


@pytest.mark.parametrize(
    "changes",
    [{"EligibleTime": str(EPOCH)}, {"PriorityLong": "0"}, {"RestartCnt": "1"}, {"Dependency": "afterok:5"}],
)
def test_an_array_whose_tasks_differ_within_one_record_is_left_alone(changes: dict[str, str]) -> None:
    job = read(printed(task(2), task(3), task(4, **changes))).jobs[0]
    assert job.obstacle == "tasks of its array differ"


def test_a_waiting_task_with_a_record_of_its_own_is_a_job_of_its_own() -> None:
    """Its owner lifted it, or it was requeued: an update of the others must not reach it, nor split more."""
    text = printed(
        task(1, EligibleTime=str(EPOCH + 9)), task(2, job_id=15), task(3, EligibleTime=str(EPOCH + 9))
    )
    found = {(job.key.job_id, job.spec, job.obstacle) for job in read(text).jobs}
    assert found == {(13, "13_[1,3]", None), (15, "13_2", None)}


def test_a_task_that_may_not_be_touched_keeps_its_whole_array_untouched() -> None:
    job = read(printed(task(2), task(3, Reservation="maintenance"))).jobs[0]
    assert job.obstacle is not None


# --- hostile or broken output ---


def test_only_the_end_mark_ends_a_row() -> None:
    """AdminComment with newlines, and a whole row that its writer made without knowing the marks."""
    guessed = Marks(field="~deadbeef~", end="~deadbeef.")
    forged = "\n" + printed(RUNNING | {"JobID": "99"}, marks=guessed)
    queue = read(printed(PENDING | {"admin_comment": f"{PENDING['admin_comment']} {forged}"}, RUNNING))
    assert [job.key.job_id for job in queue.jobs] == [7, 8]
    assert queue.unread == ()


@pytest.mark.parametrize("separator", ["|", "\x1f", "\t", "~", ".", " "])
def test_separators_in_a_field_separate_nothing(separator: str) -> None:
    queue = read(printed(PENDING | {"admin_comment": separator.join(["a", "b", "c"])}))
    assert [job.tag for job in queue.jobs] == [None]


def test_escape_codes_and_replaced_bytes_do_no_harm() -> None:
    queue = read(printed(PENDING | {"admin_comment": "\x1b[2J\ufffd\x00"}, RUNNING))
    assert [job.key.job_id for job in queue.jobs] == [7, 8]


def test_a_missing_end_mark_is_refused() -> None:
    with pytest.raises(DataError, match="ends without its end mark"):
        read(printed(PENDING, RUNNING)[:-30])


def test_an_error_in_place_of_a_queue_is_refused() -> None:
    with pytest.raises(DataError, match="ends without its end mark"):
        read("slurm_load_jobs error: Unable to contact slurm controller (connect failure)\n")


@pytest.mark.parametrize("number", [len(FIELDS) - 1, len(FIELDS) + 1])
def test_a_row_with_another_number_of_fields_is_refused(number: int) -> None:
    row = MARKS.field.join(["7"] * number) + f"{MARKS.end}\n"
    with pytest.raises(DataError, match=f"{number} fields instead of {len(FIELDS)}"):
        read(printed(PENDING) + row)


@pytest.mark.parametrize(
    "changes",
    [
        {"SubmitTime": "N/A"},
        {"EligibleTime": "tomorrow"},
        {"TimeLimit": "a while"},
        {"RestartCnt": "some"},
        {"JobID": "7_1"},
        {"ArrayTaskID": "1-5%2"},
        {"admin_comment": "carbon:v=1,flex=much,by=owner"},
        {"tres-alloc": "cpu=many"},
    ],
)
def test_a_job_that_cannot_be_read_is_named_and_left_alone(changes: dict[str, str]) -> None:
    queue = read(printed(PENDING | changes, RUNNING))
    assert [job.key.job_id for job in queue.jobs] == [8]
    assert len(queue.unread) == 1
    assert queue.unread[0].startswith("job 7")


def test_an_array_with_a_task_that_cannot_be_read_is_left_alone() -> None:
    """Updating the tasks that can be read would split it for good."""
    first = PENDING | {"JobID": "13", "ArrayJobID": "13", "ArrayTaskID": "1"}
    queue = read(printed(first, first | {"ArrayTaskID": "2", "TimeLimit": "long"}, PENDING))
    assert [(job.key.job_id, job.obstacle) for job in queue.jobs] == [
        (7, None),
        (13, "a task of its array cannot be read"),
    ]


def test_no_text_of_users_is_asked_for() -> None:
    asked = snapshot_argv(MARKS)[-1].lower()
    assert not [name for name in ("name:", "comment:", "command", "workdir") if f",{name}" in asked]
    assert "--array" in snapshot_argv(MARKS)


def test_every_call_ends_its_rows_with_its_own_mark() -> None:
    asked = snapshot_argv(MARKS)[-1]
    assert asked.count(MARKS.field) == len(FIELDS) - 1
    assert asked.endswith(MARKS.end)


# --- properties ---

values = st.text(max_size=20) | st.sampled_from(
    ["0", "7", "N/A", "(null)", "1-0:0:0", "afterok:5", "carbon:v=1", "cpu=4", "9" * 30, "-1"]
)
rows = st.fixed_dictionaries({name: values | st.just(PENDING[name]) for name in FIELDS})


@given(st.lists(rows, max_size=4))
def test_any_fields_give_each_row_as_a_job_or_as_unread(given: list[dict[str, str]]) -> None:
    queue = read(printed(*given))
    folded = {job.key for job in queue.jobs}
    assert len(queue.jobs) + len(queue.unread) <= len(given)
    assert bool(folded) or len(queue.unread) == len(given)


@given(
    st.text() | st.builds(lambda text, at: text[:at], st.just(printed(PENDING, RUNNING)), st.integers(0, 900))
)
def test_any_text_gives_a_queue_or_a_data_error(text: str) -> None:
    with suppress(DataError):
        read(text)


@given(st.integers(0, 900))
def test_an_output_that_breaks_off_is_never_taken_for_whole(at: int) -> None:
    whole = printed(PENDING, RUNNING)
    with suppress(DataError):
        queue = read(whole[:at])
        assert whole[:at] in {"", printed(PENDING), whole}
        assert len(queue.jobs) in {0, 1, 2}


@given(st.sets(st.integers(0, 40), min_size=1))
def test_an_array_is_named_by_exactly_its_pending_tasks(numbers: set[int]) -> None:
    jobs = read(printed(*(task(number) for number in numbers))).jobs
    assert jobs == (replace(jobs[0], key=JobKey("toy", 13)),)
    assert jobs[0].spec.startswith("13_[")
