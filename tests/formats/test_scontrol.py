"""scontrol and scancel: commands and readings."""

from contextlib import suppress
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carbonslurm.core.budget import RateLimit
from carbonslurm.core.priority import AgeWeight
from carbonslurm.core.stop import ControllerFacts
from carbonslurm.errors import DataError
from carbonslurm.formats.scontrol import (
    begin_argv,
    licences_argv,
    read_age_weight,
    read_controller,
    read_refusals,
    requeue_argv,
    signal_argv,
)

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
EPOCH = int(NOW.timestamp())


# --- commands ---


def test_a_begin_time_is_an_epoch_for_many_jobs_at_once() -> None:
    argv = begin_argv(["7", "13_[2-3]"], NOW)
    assert argv == ["scontrol", "update", "JobId=7,13_[2-3]", f"StartTime=uts{EPOCH}"]


def test_a_fraction_of_a_second_is_rounded_up() -> None:
    assert begin_argv(["7"], NOW + timedelta(milliseconds=1))[-1] == f"StartTime=uts{EPOCH + 1}"


def test_a_release_begins_now() -> None:
    assert begin_argv(["7"], None)[-1] == "StartTime=now"


@pytest.mark.parametrize(("full", "who"), [(False, "--batch"), (True, "--full")])
def test_a_signal_goes_to_the_batch_shell_and_its_children_only_where_said(full: bool, who: str) -> None:
    assert signal_argv("7", "USR1", full=full) == ["scancel", "--signal=USR1", who, "7"]


def test_a_requeue_spares_jobs_that_have_ended() -> None:
    assert requeue_argv("7") == ["scontrol", "requeue", "Incomplete", "7"]


def test_a_licence_is_taken_off_with_the_site_factor_in_one_call() -> None:
    assert licences_argv(["7"], "app:1")[2:] == ["JobId=7", "Licenses=app:1"]
    assert licences_argv(["7"], "", 12)[2:] == ["JobId=7", "Licenses=", "SiteFactor=12"]


# --- what age counts ---

AGEING = """\
AccountingStorageEnforce = associations,limits,qos
PriorityFlags           =
PriorityMaxAge          = 7-00:00:00
PriorityType            = priority/multifactor
PriorityWeightAge       = 1000
"""


def test_age_is_lost_where_limits_are_enforced() -> None:
    assert read_age_weight(AGEING) == AgeWeight(1000, timedelta(days=7))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("associations,limits,qos", "associations"),
        ("PriorityFlags           =", "PriorityFlags           = CALCULATE_RUNNING,ACCRUE_ALWAYS"),
        ("priority/multifactor", "priority/basic"),
        ("WeightAge       = 1000", "WeightAge       = 0"),
        ("WeightAge       = 1000", "WeightAge       = "),
        ("7-00:00:00", "UNLIMITED"),
        (AGEING, ""),
    ],
)
def test_elsewhere_it_is_not_or_counts_nothing(old: str, new: str) -> None:
    assert old in AGEING
    assert read_age_weight(AGEING.replace(old, new)) is None


@pytest.mark.parametrize("word", ["limits", "all", "safe"])
def test_each_word_that_means_limits_counts(word: str) -> None:
    assert read_age_weight(AGEING.replace("associations,limits,qos", word)) is not None


# --- slurmctld of itself ---

CONFIG = f"""\
Configuration data as of {EPOCH}
AccountingStorageBackupHost = (null)
BatchStartTimeout       = 10 sec
BOOT_TIME               = {EPOCH - 3600}
SlurmdTimeout           = 300 sec
SlurmctldTimeout        = 120 sec
SlurmUser               = slurm(64030)
SlurmctldParameters     = (null)
"""
OPERATOR = 1


def test_slurmctld_says_when_it_started_and_how_patient_it_is() -> None:
    assert read_controller(CONFIG, OPERATOR) == ControllerFacts(
        NOW - timedelta(hours=1), timedelta(minutes=5)
    )


@pytest.mark.parametrize("missing", ["BOOT_TIME", "SlurmdTimeout"])
def test_a_configuration_without_them_is_refused(missing: str) -> None:
    with pytest.raises(DataError, match="BOOT_TIME"):
        read_controller(CONFIG.replace(missing, "Other"), OPERATOR)


@given(st.text() | st.integers(0, 10**30).map(lambda number: CONFIG.replace(str(EPOCH - 3600), str(number))))
def test_any_text_gives_facts_or_a_data_error(text: str) -> None:
    with suppress(DataError):
        read_controller(text, OPERATOR)


@pytest.mark.parametrize(
    ("line", "seconds"),
    [
        ("AuthInfo                = (null)", 121),
        ("AuthInfo                = socket=/run/munge.socket,cred_expire=10", 11),
        (
            "AuthInfo                = cred_expire=10\nSchedulerParameters     = bf_continue,requeue_delay=0",
            1,
        ),
        (
            "SchedulerParameters = requeue_delay=30,bf_continue\nAuthInfo = cred_expire=10",
            31,
        ),
    ],
)
def test_slurmctld_says_how_long_after_a_requeue_a_job_waits(line: str, seconds: int) -> None:
    facts = read_controller(f"{CONFIG}{line}\n", OPERATOR)
    assert facts.requeue_delay == timedelta(seconds=seconds)


def limited(words: str) -> str:
    return CONFIG.replace("SlurmctldParameters     = (null)", f"SlurmctldParameters     = {words}")


@pytest.mark.parametrize(
    ("words", "limit"),
    [
        ("(null)", None),
        ("enable_configless,rl_bucket_size=5", None),
        ("rl_enable", RateLimit(30, 2, timedelta(seconds=1))),
        ("cloud_dns,rl_enable,rl_bucket_size=50", RateLimit(50, 2, timedelta(seconds=1))),
        ("rl_enable,rl_refill_rate=10,rl_refill_period=3", RateLimit(30, 10, timedelta(seconds=3))),
        ("rl_enable,rl_bucket_size=many,rl_refill_period=0", RateLimit(30, 2, timedelta(seconds=1))),
    ],
)
def test_slurmctld_says_how_it_limits_our_calls(words: str, limit: RateLimit | None) -> None:
    assert read_controller(limited(words), OPERATOR).rate_limit == limit


@pytest.mark.parametrize("uid", [0, 64030])
def test_root_and_slurmuser_are_not_limited(uid: int) -> None:
    assert read_controller(limited("rl_enable"), uid).rate_limit is None


# --- refusals ---


def test_success_refuses_nothing() -> None:
    assert read_refusals(["7", "8"], 0, "") == {"7": None, "8": None}


def test_a_refusal_is_read_against_its_own_job() -> None:
    words = "Job is no longer pending execution for job 8\n"
    assert read_refusals(["7", "8", "80"], 1, words) == {"7": None, "8": words.strip(), "80": None}


def test_a_refusal_that_names_no_job_counts_against_all() -> None:
    answers = read_refusals(["7", "8"], 1, "slurm_update error: Access/permission denied\n")
    assert set(answers.values()) == {"slurm_update error: Access/permission denied"}


def test_a_failure_without_a_word_counts_against_all() -> None:
    assert read_refusals(["7"], 1, "") == {"7": "scontrol ended with 1"}


def test_a_refusal_of_array_tasks_is_read_against_their_array() -> None:
    words = "13_4: Job is no longer pending execution\n"
    assert read_refusals(["13_[2-4]", "7"], 1, words) == {"13_[2-4]": words.strip(), "7": None}


@given(st.lists(st.integers(1, 99).map(str), min_size=1, unique=True), st.integers(0, 2), st.text())
def test_every_job_has_an_answer(specs: list[str], returncode: int, stderr: str) -> None:
    answers = read_refusals(specs, returncode, stderr)
    assert list(answers) == specs
    assert returncode == 0 or any(answer is not None for answer in answers.values())
