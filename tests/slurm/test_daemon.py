"""carbonslurmd against a real Slurm: what it does to pending jobs, and above all what it does not."""

from __future__ import annotations

import os
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from forecasts import announce

from carbonslurm import wiring
from carbonslurm.core.interval import from_epoch, iso
from carbonslurm.core.ownership import SAVED_EVERY, Known
from carbonslurm.ledger.reading import Reading
from carbonslurm.sandbox.grid import publish
from carbonslurm.sandbox.jobs import fields, submit, wait_for_state
from carbonslurm.sandbox.waiting import wait_until
from carbonslurm.wiring.hook import WINDOW_CYCLES

if TYPE_CHECKING:
    from carbonslurm.ports import ActionRow
    from carbonslurm.sandbox.stage import Stage


DIRTY, CLEAN = 500.0, 100.0
FLEXIBLE = ("--comment=carbon:flex=2h,length=5s", "--gres=gpu:1", "--output=/dev/null")
SLEEP = "--wrap=sleep 5"
# Slurm starts a job within this many seconds of the time it was told, on a busy machine of two cores.
PROMPT = timedelta(seconds=30)  # on a machine that runs three Slurms and all other tests beside it


def forecast_file(stage: Stage) -> Path:
    """The file that the stage's site reads."""
    return stage.sandbox.directory / "grid.csv"


def now_s() -> datetime:
    """This second."""
    return from_epoch(int(wiring.now().timestamp()))


def actions(stage: Stage) -> list[ActionRow]:
    with Reading.open(Path(stage.config.ledger)) as reading:
        return list(reading.actions(stage.config.cluster, from_epoch(0)))


def known(stage: Stage, job: str) -> Known:
    """What the ledger remembers of a job that is in the queue."""
    queue = wiring.queue(stage.config).snapshot()
    with Reading.open(Path(stage.config.ledger)) as reading:
        found = reading.known(queue)
    return next((item for key, item in found.items() if key.job_id == int(job)), Known())


def moment(job: dict[str, str], name: str) -> datetime:
    return from_epoch(int(job[name]))


def begin(stage: Stage, job: str) -> datetime:
    return moment(fields(stage.sandbox, job), "EligibleTime")


def wait_for_begin(stage: Stage, job: str, when: datetime) -> None:
    wait_until(lambda: begin(stage, job) == when, 80, lambda: f"begin {iso(when)}, it is {begin(stage, job)}")


def cycles(stage: Stage) -> datetime | None:
    with Reading.open(Path(stage.config.ledger)) as reading:
        last = reading.last_cycle(stage.config.cluster)
    return last[0] if last else None


def wait_for_cycles(stage: Stage, count: int = 2) -> None:
    """Wait until so many cycles have begun from now on."""
    for _ in range(count):
        before = cycles(stage)
        wait_until(lambda before=before: cycles(stage) != before, 80, "another cycle")


@pytest.fixture
def clean_soon(stage: Stage) -> datetime:
    """A running daemon on a grid that is dirty for 30 s from now, then clean; when it turns clean."""
    publish(forecast_file(stage), now_s(), [(0, DIRTY)])
    stage.start()
    return announce(stage, [(0, DIRTY), (30, CLEAN)]) + timedelta(seconds=30)


@pytest.fixture
def clean_late(stage: Stage) -> datetime:
    """Likewise, but clean only after 5 minutes, when no test is left to see it."""
    start = now_s()
    publish(forecast_file(stage), start, [(0, DIRTY), (300, CLEAN)])
    stage.start()
    return start + timedelta(seconds=300)


def test_a_plain_sbatch_job_waits_for_the_clean_hour_and_starts_in_it(
    stage: Stage, clean_soon: datetime
) -> None:
    job = submit(stage.sandbox, "--comment=carbon:flex=2h", "--gres=gpu:1", SLEEP, user=stage.user)
    waiting = fields(stage.sandbox, job)
    assert (waiting["JobState"], waiting["Reason"]) == ("PENDING", "BeginTime")
    wait_for_begin(stage, job, clean_soon)
    started = moment(wait_for_state(stage.sandbox, job, "RUNNING", timeout=80), "StartTime")
    assert clean_soon <= started <= clean_soon + PROMPT


def test_with_the_daemon_killed_a_job_starts_by_itself_when_planned(
    stage: Stage, clean_soon: datetime
) -> None:
    job = submit(stage.sandbox, *FLEXIBLE, SLEEP, user=stage.user)
    wait_for_begin(stage, job, clean_soon)
    stage.kill()
    started = moment(wait_for_state(stage.sandbox, job, "RUNNING", timeout=80), "StartTime")
    assert clean_soon <= started <= clean_soon + PROMPT


@pytest.mark.usefixtures("clean_late")
def test_with_no_daemon_a_job_starts_after_the_planning_window(stage: Stage) -> None:
    stage.kill()
    job = submit(stage.sandbox, *FLEXIBLE, SLEEP, user=stage.user)
    started = moment(wait_for_state(stage.sandbox, job, "RUNNING", timeout=80), "StartTime")
    window = WINDOW_CYCLES * stage.config.cycle.interval
    assert started <= moment(fields(stage.sandbox, job), "SubmitTime") + window + PROMPT


@pytest.mark.usefixtures("clean_late")
def test_an_owner_who_starts_the_job_has_the_last_word(stage: Stage, clean_late: datetime) -> None:
    job = submit(stage.sandbox, *FLEXIBLE, "--wrap=sleep 60", user=stage.user)
    wait_for_begin(stage, job, clean_late)
    stage.sandbox.run(["scontrol", "update", f"JobId={job}", "StartTime=now"], user=stage.user)
    wait_for_state(stage.sandbox, job, "RUNNING", timeout=80)
    wait_until(lambda: known(stage, job).hands_off, 80, "the ledger to know that it is the owner's")


def test_an_owner_who_sets_another_time_keeps_it(stage: Stage, clean_late: datetime) -> None:
    job = submit(stage.sandbox, *FLEXIBLE, SLEEP, user=stage.user)
    wait_for_begin(stage, job, clean_late)
    own = now_s() + timedelta(hours=1)
    stage.sandbox.run(
        ["scontrol", "update", f"JobId={job}", f"StartTime=uts{int(own.timestamp())}"], user=stage.user
    )
    wait_until(lambda: known(stage, job).hands_off, 80, "the ledger to know that it is the owner's")
    wait_for_cycles(stage, 2)
    assert begin(stage, job) == own


def test_an_opt_out_outlives_the_daemon(stage: Stage, clean_late: datetime) -> None:
    job = submit(stage.sandbox, *FLEXIBLE, SLEEP, user=stage.user)
    wait_for_begin(stage, job, clean_late)
    own = now_s() + timedelta(hours=1)
    stage.kill()
    stage.sandbox.run(
        ["scontrol", "update", f"JobId={job}", f"StartTime=uts{int(own.timestamp())}"], user=stage.user
    )
    stage.start()
    wait_for_cycles(stage, 2)
    assert begin(stage, job) == own
    assert known(stage, job).hands_off


def test_the_begin_time_of_the_owner_is_never_moved_forward(stage: Stage) -> None:
    publish(forecast_file(stage), now_s(), [(0, CLEAN), (300, DIRTY)])
    stage.start()
    own = now_s() + timedelta(seconds=60)
    job = submit(stage.sandbox, "--begin=now+60", *FLEXIBLE, SLEEP, user=stage.user)
    wait_for_cycles(stage, 3)
    assert begin(stage, job) >= own


@pytest.mark.usefixtures("clean_late")
def test_jobs_that_are_not_flexible_are_left_alone(stage: Stage) -> None:
    plain = submit(stage.sandbox, "--gres=gpu:1", "--begin=now+600", SLEEP, user=stage.user)
    before = fields(stage.sandbox, plain)
    wait_for_cycles(stage, 2)
    assert fields(stage.sandbox, plain) | {"LastSchedEval": ""} == before | {"LastSchedEval": ""}
    assert actions(stage) == []


@pytest.mark.usefixtures("clean_late")
def test_a_job_that_its_owner_holds_stays_held(stage: Stage) -> None:
    job = submit(stage.sandbox, "--hold", *FLEXIBLE, SLEEP, user=stage.user)
    wait_for_cycles(stage, 3)
    shown = fields(stage.sandbox, job)
    assert (shown["Priority"], shown["Reason"]) == ("0", "JobHeldUser")
    assert actions(stage) == []


def test_nothing_waits_past_its_bound(stage: Stage, clean_late: datetime) -> None:
    job = submit(stage.sandbox, "--comment=carbon:flex=20s,length=5s", "--gres=gpu:1", SLEEP, user=stage.user)
    bound = moment(fields(stage.sandbox, job), "SubmitTime") + timedelta(seconds=20)
    started = moment(wait_for_state(stage.sandbox, job, "RUNNING", timeout=60), "StartTime")
    assert started <= bound + PROMPT < clean_late
    assert all(row.until <= row.bound for row in actions(stage) if row.until and row.bound)


def test_a_whole_array_waits_without_being_split(stage: Stage, clean_soon: datetime) -> None:
    job = submit(stage.sandbox, "--array=1-8%4", *FLEXIBLE, "--wrap=sleep 1", user=stage.user)
    wait_for_begin(stage, job, clean_soon)
    rows = stage.sandbox.run(["squeue", "--noheader", f"--jobs={job}", "--format=%i"]).stdout.split()
    assert rows == [f"{job}_[1-8%4]"]
    wait_until(
        lambda: not stage.sandbox.run(["squeue", "-h", f"--jobs={job}"]).stdout, 60, "all tasks to end"
    )


def test_a_dependent_job_does_not_slip_through(stage: Stage, clean_late: datetime) -> None:
    first = submit(stage.sandbox, "--output=/dev/null", "--wrap=sleep 8", user=stage.user)
    job = submit(stage.sandbox, f"--dependency=afterok:{first}", *FLEXIBLE, SLEEP, user=stage.user)
    wait_for_begin(stage, job, clean_late)
    wait_for_state(stage.sandbox, first, "COMPLETED", timeout=80)
    wait_for_cycles(stage, 2)
    shown = fields(stage.sandbox, job)
    assert (shown["JobState"], moment(shown, "EligibleTime")) == ("PENDING", clean_late)


def test_a_stale_forecast_releases_what_waits(stage: Stage) -> None:
    stage.changes = {**stage.changes, "policy": {"margin": "1s", "forecast_age": "10s"}}
    stage.write_site()
    start = now_s()
    publish(forecast_file(stage), start, [(0, DIRTY), (300, CLEAN)])
    stage.start()
    job = submit(stage.sandbox, *FLEXIBLE, SLEEP, user=stage.user)
    wait_for_begin(stage, job, start + timedelta(seconds=300))
    forecast_file(stage).write_text("start,end,g_per_kwh\nno,forecast,here\n")
    started = moment(wait_for_state(stage.sandbox, job, "RUNNING", timeout=60), "StartTime")
    assert started >= start + timedelta(seconds=10)
    assert "grid.csv:2" in stage.log.read_text()
    release = next(row for row in actions(stage) if row.verb == "release")
    assert release.reason == "no usable forecast"


def test_a_better_forecast_moves_the_plan(stage: Stage, clean_late: datetime) -> None:
    job = submit(stage.sandbox, *FLEXIBLE, SLEEP, user=stage.user)
    wait_for_begin(stage, job, clean_late)
    # The best hour ends well before the start that was planned, or that would be as good.
    start = announce(stage, [(0, DIRTY), (200, CLEAN / 2), (240, CLEAN)])
    wait_for_begin(stage, job, start + timedelta(seconds=200))


def test_a_change_that_a_crash_forgot_is_made_again(stage: Stage, clean_late: datetime) -> None:
    """Back at the value from before our change after a restart of slurmctld is not the owner's word."""
    job = submit(stage.sandbox, *FLEXIBLE, "--begin=now+120", SLEEP, user=stage.user)
    before = begin(stage, job)
    wait_for_begin(stage, job, clean_late)
    stage.kill()
    stage.sandbox.run(["scontrol", "update", f"JobId={job}", f"StartTime=uts{int(before.timestamp())}"])
    stage.sandbox.restart_slurmctld()
    stage.start()
    wait_for_begin(stage, job, clean_late)
    assert not known(stage, job).hands_off


def test_an_owner_who_sets_the_first_begin_time_again_keeps_it(stage: Stage, clean_late: datetime) -> None:
    """Just after a restart of slurmctld it could not be told from a change that a crash forgot."""
    controller = wiring.queue(stage.config).controller
    wait_until(
        lambda: wiring.now() - controller().started > 2 * SAVED_EVERY, 60, "a slurmctld up for a while"
    )
    job = submit(stage.sandbox, *FLEXIBLE, "--begin=now+120", SLEEP, user=stage.user)
    own = begin(stage, job)
    wait_for_begin(stage, job, clean_late)
    wait_for_cycles(stage, 1)
    stage.sandbox.run(
        ["scontrol", "update", f"JobId={job}", f"StartTime=uts{int(own.timestamp())}"], user=stage.user
    )
    wait_until(lambda: known(stage, job).hands_off, 80, "the ledger to know that it is the owner's")
    wait_for_cycles(stage, 2)
    assert begin(stage, job) == own


def test_hostile_names_and_comments_forge_nothing(stage: Stage, clean_late: datetime) -> None:
    victim = submit(stage.sandbox, *FLEXIBLE, SLEEP, user=stage.user)
    wait_for_begin(stage, victim, clean_late)
    forged = f"\n{victim}~x~{victim}~x~N/A~x~PENDING\x1b[31m\x1f"
    bad = os.fsdecode(b"x\xff\xfe\x1b]0;title\x07")
    attacker = submit(
        stage.sandbox,
        "--gres=gpu:1",
        f"--comment=carbon:flex=2h,length=5s {forged}",
        f"--job-name={bad}",
        "--output=/dev/null",
        SLEEP,
        user=stage.user,
    )
    wait_for_begin(stage, attacker, clean_late)
    wait_for_cycles(stage, 2)
    assert begin(stage, victim) == clean_late
    assert len([row for row in actions(stage) if row.key.job_id == int(victim)]) == 1
    for command in (["carbon-squeue", "--all"], ["carbon-squeue", "--json"], ["carbon-sacct", "-a"]):
        shown = stage.command(*command).stdout
        assert all(char.isprintable() for char in shown.replace("\n", ""))


def test_observe_mode_touches_nothing_and_says_what_it_would_do(stage: Stage) -> None:
    publish(forecast_file(stage), now_s(), [(0, DIRTY), (300, CLEAN)])
    stage.start("--observe")
    job = submit(stage.sandbox, *FLEXIBLE, SLEEP, user=stage.user)
    window = begin(stage, job)
    started = moment(wait_for_state(stage.sandbox, job, "RUNNING", timeout=80), "StartTime")
    assert started <= window + PROMPT
    assert {(row.verb, row.state) for row in actions(stage)} == {("withhold", "observed")}


def test_sigterm_ends_the_daemon_well(stage: Stage, clean_late: datetime) -> None:
    job = submit(stage.sandbox, *FLEXIBLE, SLEEP, user=stage.user)
    wait_for_begin(stage, job, clean_late)
    assert stage.stop() == 0
    assert "Traceback" not in stage.log.read_text()
    assert begin(stage, job) == clean_late


def test_a_second_start_goes_on_where_the_first_ended(stage: Stage, clean_late: datetime) -> None:
    job = submit(stage.sandbox, *FLEXIBLE, SLEEP, user=stage.user)
    wait_for_begin(stage, job, clean_late)
    stage.kill()
    stage.start()
    wait_for_cycles(stage, 2)
    assert begin(stage, job) == clean_late
    assert [row.verb for row in actions(stage)] == ["withhold"]
