"""sacct's reading: attempts as it prints them, foreign AdminComments, and any text at all."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carbonslurm.core.accounted import Accounted
from carbonslurm.core.interval import Interval
from carbonslurm.core.job import AccountedRun, AccountedStep, RunKey, Tres
from carbonslurm.core.tag import FlexibleBy, Tag
from carbonslurm.errors import DataError
from carbonslurm.formats.sacct import FIELDS, Reading, read_accounted, read_runs, runs_argv
from carbonslurm.formats.sacct_rows import ABSURD_JOULES, LONGEST_NAME, read_name

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
EPOCH = int(NOW.timestamp())
MARK = "~0badcafe~"
TAG = "carbon:v=1,flex=43200,by=owner"

DONE = {
    "Cluster": "toy",
    "JobIDRaw": "7",
    "JobID": "7",
    "Submit": str(EPOCH - 7200),
    "Eligible": str(EPOCH - 3600),
    "Start": str(EPOCH - 3600),
    "End": str(EPOCH),
    "State": "COMPLETED",
    "ExitCode": "0:0",
    "User": "ada",
    "UID": "1000",
    "Account": "science",
    "Partition": "gpu",
    "QOS": "normal",
    "Timelimit": "02:00:00",
    "AllocTRES": "billing=4,cpu=4,gres/gpu:a100=1,gres/gpu=1,mem=8G,node=1",
    "ReqTRES": "billing=4,cpu=4,gres/gpu=1,mem=8G,node=1",
    "ConsumedEnergyRaw": "",
    "NodeList": "n[1-2]",
    "ElapsedRaw": "3600",
    "AdminComment": TAG,
    "JobName": "train",
}


def printed(*rows: dict[str, str]) -> str:
    return "".join(MARK.join(row[name] for name in FIELDS) + "\n" for row in rows)


def one(**changes: str) -> AccountedRun:
    runs, unread = read_runs(printed(DONE | changes), MARK, "toy")
    assert unread == []
    assert len(runs) == 1
    return runs[0]


def test_a_run_that_completed() -> None:
    assert one() == AccountedRun(
        key=RunKey("toy", 7, NOW - timedelta(hours=2)),
        array_job_id=None,
        user="ada",
        account="science",
        partition="gpu",
        qos="normal",
        eligible=NOW - timedelta(hours=1),
        started=NOW - timedelta(hours=1),
        ended=NOW,
        state="COMPLETED",
        exit_code="0:0",
        time_limit=timedelta(hours=2),
        tres=Tres(cpus=4, nodes=1, gpus={"a100": 1}),
        energy_joules=None,
        tag=Tag(flex=timedelta(hours=12), by=FlexibleBy.OWNER),
        node_list="n[1-2]",
        name="train",
    )


@pytest.mark.parametrize(("text", "nodes"), [("n1", "n1"), ("None assigned", ""), ("", ""), ("(null)", "")])
def test_the_nodes_of_a_run_are_kept_as_slurm_writes_them(text: str, nodes: str) -> None:
    assert one(NodeList=text).node_list == nodes


@pytest.mark.parametrize(
    ("elapsed", "minutes"),
    [("3600", 0), ("1800", 30), ("0", 0), ("", 0), ("3700", 0), ("00:45:00", 15), ("9" * 30, 0)],
)
def test_what_elapsed_lacks_is_how_long_it_was_suspended(elapsed: str, minutes: int) -> None:
    assert one(ElapsedRaw=elapsed).suspended == timedelta(minutes=minutes)
    assert one(ElapsedRaw=elapsed, State="RUNNING", End="Unknown").suspended == timedelta()


def test_one_cancelled_while_it_waited_has_no_start() -> None:
    """Slurm shows the moment of the cancellation as its start, too."""
    words = {"State": "CANCELLED by 5", "Start": DONE["End"], "AllocTRES": "", "ElapsedRaw": "0"}
    run = one(**words, NodeList="None assigned")
    assert (run.started, run.ended) == (None, NOW)
    assert one(**words | {"AllocTRES": DONE["AllocTRES"]}).started == NOW


def test_what_was_resized_begins_where_the_size_before_ended() -> None:
    """Slurm writes the start of the whole job into each of its rows: its beginning would count twice."""
    submit = NOW - timedelta(minutes=20)
    run = one(Submit=str(int(submit.timestamp())))
    assert (run.key.submitted, run.started, run.ended) == (submit, submit, NOW)
    assert run.suspended == timedelta()


def test_nothing_printed_is_no_run() -> None:
    assert read_runs("", MARK, "toy") == ([], [])


def test_each_attempt_of_a_requeued_job_is_a_run() -> None:
    first = DONE | {"State": "REQUEUED"}
    second = DONE | {"Submit": str(EPOCH + 5), "Start": str(EPOCH + 130), "End": str(EPOCH + 200)}
    runs, _ = read_runs(printed(first, second), MARK, "toy")
    assert [run.key.submitted for run in runs] == [NOW - timedelta(hours=2), NOW + timedelta(seconds=5)]


def test_a_run_that_goes_on_has_no_end() -> None:
    run = one(State="RUNNING", End="Unknown")
    assert (run.state, run.ended) == ("RUNNING", None)


def test_a_job_that_waits_has_neither_start_nor_end() -> None:
    run = one(State="PENDING", Start="Unknown", End="Unknown", AllocTRES="")
    assert (run.started, run.ended) == (None, None)
    assert run.tres.gpu_count == 1  # what it asks for


def test_who_cancelled_it_is_no_part_of_the_state() -> None:
    assert one(State="CANCELLED by 1000").state == "CANCELLED"


def test_a_job_that_was_cancelled_before_it_started_never_ran() -> None:
    """sacct shows Start=None, or the same moment as End."""
    run = one(State="CANCELLED by 1000", Start="None", End=str(EPOCH), AllocTRES="")
    assert (run.started, run.ended) == (None, NOW)


def test_a_task_names_its_array() -> None:
    run = one(JobIDRaw="15", JobID="13_2")
    assert (run.key.job_id, run.array_job_id, run.array_task) == (15, 13, 2)
    assert run.shown_id == "13_2"


def test_tasks_that_wait_together_are_no_task() -> None:
    run = one(JobIDRaw="13", JobID="13_[3-6%2]", State="PENDING", Start="Unknown", End="Unknown")
    assert (run.array_job_id, run.array_task, run.shown_id) == (13, None, "13")


@pytest.mark.parametrize(
    ("text", "joules"),
    [
        ("3600000", 3_600_000.0),
        ("0", None),  # NVIDIA's counter in Slurm is an empty function
        ("", None),
        ("18446744073709551614", None),  # -2, unset
        (str(int(ABSURD_JOULES)), None),
        ("nan", None),
        ("18.45E", None),  # the same sentinel where ConsumedEnergy is asked for
        ("1.25M", 1_250_000.0),
        ("-2", None),
    ],
)
def test_energy_that_cannot_be_true_is_none(text: str, joules: float | None) -> None:
    assert one(ConsumedEnergyRaw=text).energy_joules == joules


# --- foreign AdminComments ---


@pytest.mark.parametrize("text", ["JS1:H4sIAAAAAAAA=", "", "carbon:v=1,flex=much", "carbon:v=2,flex=1"])
def test_an_admin_comment_that_is_no_tag_of_ours_is_none(text: str) -> None:
    assert one(AdminComment=text).tag is None


def test_an_admin_comment_with_newlines_stays_in_its_row() -> None:
    text = f"first line\n{TAG}\n99|99|1|1"
    runs, unread = read_runs(printed(DONE | {"AdminComment": text}, DONE | {"JobIDRaw": "8"}), MARK, "toy")
    assert [run.key.job_id for run in runs] == [7, 8]
    assert unread == []
    assert runs[0].tag is not None


def test_a_row_that_is_short_takes_no_whole_row_along() -> None:
    short = MARK.join(["toy", "7", "7"])
    runs, unread = read_runs(f"{short}\n{printed(DONE | {'JobIDRaw': '8'})}", MARK, "toy")
    assert [run.key.job_id for run in runs] == [8]
    assert unread == ["sacct: run of job 7: 3 fields instead of 22"]


def test_a_forged_row_is_none() -> None:
    """Its writer does not know the delimiter of this call."""
    forged = printed(DONE | {"JobIDRaw": "99", "User": "eve"}).replace(MARK, "~deadbeef~")
    runs, _ = read_runs(printed(DONE | {"AdminComment": f"x\n{forged}"}), MARK, "toy")
    assert [run.key.job_id for run in runs] == [7]


@pytest.mark.parametrize(
    "name",
    ["", "a|b", "\n", "x\n\ny\n", f"x\n{'|'.join(DONE.values())}", "\x1b[2J", "\u202egpj", "=1+1", "ü" * 255],
)
def test_any_name_of_a_job_stays_in_its_row(name: str) -> None:
    runs, unread = read_runs(printed(DONE | {"JobName": name}, DONE | {"JobIDRaw": "8"}), MARK, "toy")
    assert unread == []
    assert [run.key.job_id for run in runs] == [7, 8]
    assert runs[0].name == "\n".join(line for line in name.split("\n") if line) or name.startswith("\n")


@given(st.text(st.characters(), max_size=300))
def test_a_name_is_one_that_databases_take(text: str) -> None:
    name = read_name(text)
    assert len(name) == min(len(text), LONGEST_NAME)
    assert "\0" not in name
    assert name.encode().decode() == name


def test_a_name_is_unknown_where_a_dump_has_none() -> None:
    (run,), _ = read_runs("JobIDRaw|Submit\n7|1\n", "|", "toy", columns=None)
    assert run.name is None


@pytest.mark.parametrize(
    "changes",
    [
        {"Submit": "Unknown"},
        {"Submit": "2026-11-22T12:00:00"},
        {"JobIDRaw": "7-8"},
        {"Start": str(EPOCH + 60)},
        {"Timelimit": "a while"},
        {"AllocTRES": "cpu=many"},
        {"ConsumedEnergyRaw": "much"},
        {"User": f"ada{MARK}eve"},
    ],
)
def test_a_row_that_cannot_be_read_is_named_and_the_others_stand(changes: dict[str, str]) -> None:
    runs, unread = read_runs(printed(DONE | changes, DONE | {"JobIDRaw": "8"}), MARK, "toy")
    assert [run.key.job_id for run in runs] == [8]
    assert len(unread) == 1
    assert unread[0].startswith("sacct: run of job 7")


# --- the question ---


def test_the_question_is_in_epochs_and_asks_for_all_attempts_of_all_users() -> None:
    argv = runs_argv(Interval(NOW, NOW + timedelta(hours=1)), MARK)
    assert {"--duplicates", "--allusers", "--allocations", "--parsable2", "--noheader"} <= set(argv)
    assert f"--starttime=uts{EPOCH}" in argv
    assert f"--endtime=uts{EPOCH + 3600}" in argv


# --- rows that cannot be true ---


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"End": "Unknown"}, "COMPLETED, and has no end"),
        ({"State": "NODE_FAIL", "End": "0"}, "NODE_FAIL, and has no end"),
        ({"Start": str(EPOCH + 60)}, "it ends before it starts"),
        ({"Start": str(EPOCH - 40 * 86_400)}, "lasted 40 days with a limit of 2:00:00: a runaway job"),
        (
            {"State": "RUNNING", "End": "Unknown", "Start": str(EPOCH - 900 * 86_400), "ElapsedRaw": ""},
            "has run for 900 days with a limit of 2:00:00: a runaway job",
        ),
        (
            {
                "State": "RUNNING",
                "End": "Unknown",
                "Start": str(EPOCH - 900 * 86_400),
                "ElapsedRaw": str(900 * 86_400),
                "Timelimit": "UNLIMITED",
            },
            "has run for 900 days without a limit: a runaway job",
        ),
    ],
)
def test_a_row_that_cannot_be_true_is_set_aside_as_it_was_printed(
    changes: dict[str, str], reason: str
) -> None:
    row = DONE | {"Submit": str(EPOCH - 950 * 86_400)} | changes
    accounted = read_accounted(printed(row, DONE | {"JobIDRaw": "8"}), MARK, "toy", now=NOW)
    (aside,) = accounted.aside
    assert (aside.cluster, aside.job, aside.submitted) == ("toy", "7", NOW - timedelta(days=950))
    assert aside.reason.startswith(reason)
    assert aside.row == "|".join(row[name] for name in FIELDS)
    assert (len(accounted.runs), accounted.rows) == (1, 2)


def test_an_old_dump_says_for_how_long_a_run_had_run() -> None:
    """It ran when it was printed, years ago: that is no runaway job."""
    text = f"7|{EPOCH}|{EPOCH}|Unknown|RUNNING|01:35:15\n8|{EPOCH}|{EPOCH}|Unknown|RUNNING|400-00:00:00\n"
    columns = ("JobID", "Submit", "Start", "End", "State", "Elapsed")
    found = read_accounted(text, "|", "toy", columns, now=NOW + timedelta(days=2000))
    assert [run.key.job_id for run in found.runs] == [7]
    assert [item.job for item in found.aside] == ["8"]


def test_a_run_somewhat_beyond_its_limit_was_suspended_or_killed_late() -> None:
    assert one(Start=str(EPOCH - 20 * 86_400), Submit=str(EPOCH - 21 * 86_400)).state == "COMPLETED"


def test_a_job_without_a_name_of_its_user_is_his_number() -> None:
    assert one(User="", UID="65533").user == "65533"


def test_of_two_rows_with_one_key_the_later_start_counts_in_any_order() -> None:
    first, second = DONE, DONE | {"Start": str(EPOCH - 60)}
    for rows in ((first, second), (second, first)):
        accounted = read_accounted(printed(*rows), MARK, "toy", now=NOW)
        assert [run.started for run in accounted.runs] == [NOW - timedelta(minutes=1)]
        assert [item.reason for item in accounted.aside] == [
            "another row has this job id and submit time, and counts"
        ]


# --- steps ---


def with_steps(own: str, *steps: tuple[str, int, int, str]) -> Accounted:
    """A job of an hour and its steps: name, from minute, to minute, energy."""
    start = EPOCH - 3600
    rows = [DONE | {"ConsumedEnergyRaw": own}]
    rows += [
        DONE
        | {
            "JobIDRaw": f"7.{name}",
            "JobID": f"7.{name}",
            "Start": str(start + 60 * begins),
            "End": str(start + 60 * ends),
            "ConsumedEnergyRaw": energy,
        }
        for name, begins, ends, energy in steps
    ]
    return read_accounted(printed(*rows), MARK, "toy", now=NOW)


@pytest.mark.parametrize(
    ("steps", "joules", "beside_own"),
    [
        ((), None, 77.0),
        ((("batch", 0, 60, "500"),), 500.0, 77.0),
        ((("batch", 0, 60, "0"), ("0", 0, 20, "0")), None, 77.0),
        ((("batch", 0, 60, "500"), ("0", 0, 20, "300"), ("1", 20, 60, "400")), 700.0, 700.0),
        ((("batch", 0, 60, "900"), ("0", 0, 20, "300"), ("1", 20, 60, "400")), 900.0, 900.0),
        ((("batch", 0, 60, "500"), ("extern", 0, 60, "800"), ("0", 0, 20, "300")), 800.0, 77.0),
        ((("batch", 0, 60, "500"), ("0", 0, 30, "300"), ("1", 20, 60, "400")), None, None),
        ((("batch", 0, 60, "500"), ("0", 0, 20, "18446744073709551614")), None, None),
    ],
)
def test_the_energy_of_steps_counts_where_the_job_has_none_or_adds_them_all_up(
    steps: tuple[tuple[str, int, int, str], ...], joules: float | None, beside_own: float | None
) -> None:
    """Without an extern step slurmctld counts the batch step and the steps within it: 77 is such a sum."""
    accounted = with_steps("", *steps)
    assert [run.energy_joules for run in accounted.runs] == [joules]
    assert (accounted.steps, accounted.rows) == (len(steps), 1 + len(steps))
    assert with_steps("77", *steps).runs[0].energy_joules == beside_own


def test_steps_of_a_job_that_is_set_aside_are_nobody_elses() -> None:
    broken = DONE | {"JobIDRaw": "8", "JobID": "8", "End": "Unknown"}
    step = DONE | {"JobIDRaw": "8.batch", "JobID": "8.batch", "ConsumedEnergyRaw": "500"}
    accounted = read_accounted(printed(DONE, broken, step), MARK, "toy", now=NOW)
    assert [run.energy_joules for run in accounted.runs] == [None]
    assert (accounted.steps, len(accounted.aside)) == (1, 1)
    assert accounted.known_steps == ()


EMPTY_OF_STEPS = (
    "Submit",
    "Eligible",
    "User",
    "UID",
    "Partition",
    "QOS",
    "Timelimit",
    "ReqTRES",
    "AdminComment",
)


def of_step(name: str, **changes: str) -> dict[str, str]:
    """A step's row as sacct prints it: much of a job's is empty in it."""
    row = DONE | dict.fromkeys(EMPTY_OF_STEPS, "") | {"JobIDRaw": f"7.{name}", "JobID": f"7.{name}"}
    return row | {"JobName": name, "AllocTRES": "cpu=2,gres/gpu=1,node=1"} | changes


def test_steps_are_kept_with_their_run() -> None:
    rows = (
        of_step("batch", ConsumedEnergyRaw="500"),
        of_step("0", JobName="a.out", Start=str(EPOCH - 600), State="CANCELLED by 5", ExitCode="0:15"),
        of_step("1+1", State="RUNNING", End="Unknown", ElapsedRaw="60"),
    )
    run = RunKey("toy", 7, NOW - timedelta(hours=2))
    start, ten = NOW - timedelta(hours=1), timedelta(minutes=10)
    held = Tres(2, 1, {"": 1})
    assert read_accounted(printed(DONE, *rows), MARK, "toy", now=NOW).known_steps == (
        AccountedStep(run, "batch", "batch", "COMPLETED", "0:0", start, NOW, held, 500.0),
        AccountedStep(run, "0", "a.out", "CANCELLED", "0:15", NOW - ten, NOW, held, None),
        AccountedStep(run, "1+1", "1+1", "RUNNING", "0:0", start, None, held, None),
    )


def test_steps_of_each_attempt_are_its_own() -> None:
    again = DONE | {"Submit": str(EPOCH), "Start": str(EPOCH), "End": str(EPOCH + 60)}
    step = of_step("0", Start=str(EPOCH), End=str(EPOCH + 60))
    accounted = read_accounted(printed(DONE, of_step("0"), again, step), MARK, "toy", now=NOW)
    assert [(it.run.submitted, it.started) for it in accounted.known_steps] == [
        (NOW - timedelta(hours=2), NOW - timedelta(hours=1)),
        (NOW, NOW),
    ]


@pytest.mark.parametrize(
    "changes",
    [{"End": "Unknown"}, {"End": str(EPOCH - 7200)}, {"Start": "soon"}, {"AllocTRES": "cpu=many"}],
)
def test_a_step_that_cannot_be_true_is_counted_and_takes_nothing_along(changes: dict[str, str]) -> None:
    accounted = read_accounted(printed(DONE, of_step("0", **changes), of_step("1")), MARK, "toy", now=NOW)
    assert [it.name for it in accounted.known_steps] == ["1"]
    assert (accounted.steps, len(accounted.runs), accounted.aside) == (2, 1, ())


def test_a_piece_keeps_steps_with_their_job() -> None:
    rows = [["7", "1"], ["7.batch", "1"], ["7.0", "1"], ["8", "1"], ["9", "1"]]
    reading = Reading(("JobID", "Submit"), "toy", None, None)
    assert [[row[0] for row in piece] for piece in reading.pieces(rows, 1)] == [
        ["7", "7.batch", "7.0"],
        ["8"],
        ["9"],
    ]


# --- properties ---

values = st.text(max_size=20) | st.sampled_from(
    ["0", "7", "Unknown", "None", "1-0:0:0", "nan", "9" * 30, "-1"]
)
any_fields = {name: values | st.just(DONE[name]) for name in FIELDS if name != "Cluster"}
rows = st.fixed_dictionaries(any_fields | {"Cluster": st.just("toy")})


@given(st.lists(rows, max_size=4))
def test_any_fields_give_each_row_as_a_run_or_as_unread(given: list[dict[str, str]]) -> None:
    runs, unread = read_runs(printed(*given), MARK, "toy")
    for run in runs:
        assert run.started is None or run.ended is None or run.started <= run.ended
    assert len(runs) + len(unread) == len(given)


@given(st.text())
def test_any_text_gives_runs_and_what_could_not_be_read(text: str) -> None:
    runs, unread = read_runs(text, MARK, "toy")
    assert runs == []
    assert len(unread) <= text.count(MARK)


def test_runs_of_another_cluster_are_refused_whole() -> None:
    """Kept under this one's name they would be counted twice."""
    with pytest.raises(DataError, match='of cluster "other", not of "toy"'):
        read_runs(printed(DONE | {"Cluster": "other"}), MARK, "toy")


# --- what a site kept ---


def test_a_header_names_the_columns() -> None:
    text = "JobIDRaw|User|Submit|State\n7|ada|2026-01-02T03:04:05|COMPLETED\n"
    runs, unread = read_runs(text, "|", "toy", columns=None, zone=UTC)
    assert unread == []
    assert runs[0].key == RunKey("toy", 7, datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC))
    assert (runs[0].user, runs[0].account, runs[0].started, runs[0].energy_joules) == ("ada", "", None, None)


def test_nothing_kept_is_no_run() -> None:
    assert read_runs("", "|", "toy", columns=None) == ([], [])


def test_local_times_are_read_in_the_zone_that_is_named() -> None:
    zone = timezone(timedelta(hours=13, minutes=45))
    text = "JobID|Submit|Start|End|State\n7|2026-01-02T03:04:05|Unknown|None|CANCELLED by 7\n"
    runs, _ = read_runs(text, "|", "toy", columns=None, zone=zone)
    assert runs[0].key.submitted == datetime(2026, 1, 1, 13, 19, 5, tzinfo=UTC)
    assert (runs[0].started, runs[0].ended) == (None, None)


@pytest.mark.parametrize(
    ("job", "reason"),
    [
        ("7.batch", "a step"),
        ("7_1.0", "a step"),
        ("7_1", "a task of an array without its JobIDRaw"),
        ("7+1", "a component of a heterogeneous job without its JobIDRaw"),
        ("7|8", "3 fields instead of 2"),
    ],
)
def test_a_kept_row_that_is_no_run_is_set_aside_with_the_reason(job: str, reason: str) -> None:
    runs, unread = read_runs(f"JobID|Submit\n{job}|{EPOCH}\n9|{EPOCH}\n", "|", "toy", columns=None)
    assert [run.key.job_id for run in runs] == [9]
    assert len(unread) == 1
    assert reason in unread[0]


def test_a_kept_time_that_names_its_zone_is_taken_at_its_word() -> None:
    text = "JobID|Submit\n7|2026-01-02T03:04:05+01:00\n8|2026-01-02T03:04:05Z\n"
    runs, unread = read_runs(text, "|", "toy", columns=None, zone=UTC)
    assert unread == []
    assert [run.key.submitted.hour for run in runs] == [2, 3]


@pytest.mark.parametrize("time", ["yesterday", str(EPOCH)])
def test_a_kept_time_that_is_no_local_one_is_not_guessed(time: str) -> None:
    runs, unread = read_runs(f"JobID|Submit\n7|{time}\n", "|", "toy", columns=None, zone=UTC)
    assert runs == []
    assert len(unread) == 1


@pytest.mark.parametrize("columns", [["JobID"], ["Submit"], ["User"]])
def test_columns_that_tell_no_run_from_another_are_refused(columns: list[str]) -> None:
    with pytest.raises(DataError, match="without JobID or JobIDRaw, and Submit"):
        read_runs("7|8\n", "|", "toy", columns)
