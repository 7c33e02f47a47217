"""Holds and the gate on a real Slurm, with the daemon alive, killed, and the rescue in its place."""

from __future__ import annotations

import getpass
import json
import sys
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from carbonslurm.core.interval import iso
from carbonslurm.core.means import Means
from carbonslurm.sandbox.jobs import fields, submit, wait_for_state
from carbonslurm.sandbox.site import config_path, reload_hook
from carbonslurm.sandbox.waiting import wait_until
from carbonslurm.sandbox.watching import actions, begin, forecast, known, now_s, wait_for_cycles

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from carbonslurm.sandbox.stage import Stage

DIRTY, CLEAN = 500.0, 100.0
FLEXIBLE = ("--comment=mine carbon:flex=2h,length=3s", "--gres=gpu:1", "--time=2", "--output=/dev/null")
SLEEP = "--wrap=sleep 3"
SOON, FAR = 30, 600  # seconds until electricity is clean
COMMAND = Path(sys.executable).parent / "carbonslurm"


def begin_site(stage: Stage, clean_after: int = FAR, **withhold: Any) -> datetime:
    """Start the daemon with this section; return when electricity will be clean."""
    stage.changes = {**stage.changes, "withhold": withhold, "slurm": {**slurm(stage), "timeout": "5s"}}
    stage.write_site()
    start = now_s()
    forecast(stage, start, [(0, DIRTY), (clean_after, CLEAN)])
    stage.start()
    return start + timedelta(seconds=clean_after)


def slurm(stage: Stage) -> dict[str, Any]:
    sandbox = stage.sandbox
    return {"conf": str(sandbox.slurm_conf), "path": str(sandbox.bin), "account": sandbox.operator}


def hand_in(stage: Stage, *words: str) -> str:
    return submit(stage.sandbox, *FLEXIBLE, *words, SLEEP, user=stage.user)


def as_owner(stage: Stage, *words: str) -> None:
    stage.sandbox.run(["scontrol", *words], user=stage.user or getpass.getuser())


def wait_for_reason(stage: Stage, job: str, reason: str) -> None:
    wait_until(
        lambda: fields(stage.sandbox, job)["Reason"] == reason,
        80,
        lambda: f"job {job} to wait for {reason}: {fields(stage.sandbox, job)['Reason']}",
    )


def verbs(stage: Stage, job: str) -> list[str]:
    return [row.verb for row in actions(stage, job)]


def rescue(stage: Stage, *options: str) -> str:
    words = [str(COMMAND), "rescue", "--config", str(config_path(stage.sandbox)), *options]
    return stage.sandbox.run(words).stdout


def doctor(stage: Stage) -> dict[str, tuple[bool, str]]:
    """What doctor found, as the daemon's account: name -> (whether that is well, its words)."""
    words = [str(COMMAND), "doctor", "--config", str(config_path(stage.sandbox)), "--json"]
    found = json.loads(stage.sandbox.run(words, user=stage.daemon_account, check=False).stdout)
    return {look["check"]: (look["ok"], look["finding"]) for look in found}


# --- hold ---


def test_a_job_is_held_as_its_owner_could_hold_it_and_released_in_the_clean_hour(stage: Stage) -> None:
    clean = begin_site(stage, SOON, by="hold")
    job = hand_in(stage, "--nice=50")
    wait_for_reason(stage, job, "JobHeldUser")
    held = fields(stage.sandbox, job)
    assert "carbon:held=" in held["Comment"]
    words = [str(COMMAND.with_name("carbon-squeue")), "--config", str(config_path(stage.sandbox)), "--json"]
    wait_until(lambda: actions(stage, job)[-1].state == "confirmed", 80, "the hold to be confirmed")
    (shown,) = json.loads(stage.sandbox.run(words).stdout)
    assert (shown["start"], shown["means"]) == (iso(clean), "hold")
    assert "g/kWh" in shown["reason"]
    shown = wait_for_state(stage.sandbox, job, "RUNNING", "COMPLETED")
    assert abs(int(shown["StartTime"]) - clean.timestamp()) <= 12
    assert shown["Nice"] == "50"
    assert shown["Comment"] == "mine carbon:flex=2h,length=3s"
    assert verbs(stage, job) == ["withhold", "release"]


def test_an_owner_releases_a_held_job_and_it_is_his(stage: Stage) -> None:
    begin_site(stage, by="hold")
    job = hand_in(stage)
    wait_for_reason(stage, job, "JobHeldUser")
    as_owner(stage, "release", job)
    wait_for_state(stage.sandbox, job, "RUNNING", "COMPLETED")
    wait_until(lambda: verbs(stage, job) == ["withhold", "leave"], 80, "the owner's word to be recorded")


def test_what_a_dead_daemon_holds_the_rescue_releases_and_nothing_else(stage: Stage) -> None:
    begin_site(stage, by="hold")
    job = hand_in(stage)
    array = hand_in(stage, "--array=0-1")
    his = submit(stage.sandbox, *FLEXIBLE, "--hold", SLEEP, user=stage.user)
    for number in (job, array):
        wait_for_reason(stage, number, "JobHeldUser")
    wait_for_cycles(stage, 1)
    assert "the daemon is alive: 0 due" in rescue(stage)
    assert fields(stage.sandbox, job)["Reason"] == "JobHeldUser"
    stage.kill()
    said = rescue(stage)
    assert "the daemon is silent: 2 due" in said
    assert f"job {array}_[0-1]: released" in said
    for number in (job, array):
        wait_for_state(stage.sandbox, number, "RUNNING", "COMPLETED")
    assert fields(stage.sandbox, his)["Reason"] == "JobHeldUser"
    assert "no job is held by carbonslurm" in rescue(stage)


def test_a_job_that_somebody_holds_is_left_to_him(stage: Stage) -> None:
    begin_site(stage, SOON, by="hold")
    job = hand_in(stage, "--hold")
    wait_for_cycles(stage, 3)
    assert fields(stage.sandbox, job)["Reason"] == "JobHeldUser"
    assert verbs(stage, job) == []


def test_an_admin_takes_held_jobs_out_of_our_hands(stage: Stage) -> None:
    begin_site(stage, by="hold")
    job = hand_in(stage)
    wait_for_reason(stage, job, "JobHeldUser")
    said = stage.sandbox.run([str(COMMAND), "release", "--config", str(config_path(stage.sandbox)), job])
    assert f"job {job}: released" in said.stdout
    wait_for_state(stage.sandbox, job, "RUNNING", "COMPLETED")


@contextmanager
def without_marks(stage: Stage) -> Iterator[None]:
    """Take the hook's modify part away: a site's own job_submit.lua that does not call it does the same."""
    part = stage.sandbox.hook_directory / "carbonslurm_modify.lua"
    away = part.with_name("away.lua")
    part.rename(away)
    try:
        reload_hook(stage.sandbox)
        yield
    finally:
        away.rename(part)
        reload_hook(stage.sandbox)


def test_where_the_hook_marks_no_hold_nobody_stays_held(stage: Stage) -> None:
    """No rescue could tell such a hold from its owner's: it is taken back, and jobs wait by begin times."""
    with without_marks(stage):
        clean = begin_site(stage, by="hold")
        job = hand_in(stage)
        wait_until(
            lambda: "refused" in {row.state for row in actions(stage, job)}, 40, "the hold to be undone"
        )
        assert fields(stage.sandbox, job)["Priority"] != "0"
        other = hand_in(stage)
        wait_until(lambda: begin(stage, other) == clean, 80, "a begin time in place of the hold")
        well, said = doctor(stage)["hook"]
        assert not well
        assert "carbonslurm_modify.lua" in said


def test_doctor_looks_at_holds(stage: Stage) -> None:
    begin_site(stage, by="hold")
    job = hand_in(stage)
    wait_for_reason(stage, job, "JobHeldUser")
    wait_for_cycles(stage, 1)
    well, said = doctor(stage)["hold"]
    assert (well, said.partition(";")[0]) == (True, "1 jobs held, all marked")


@contextmanager
def with_bf_licenses(stage: Stage) -> Iterator[None]:
    """Set bf_licenses in slurm.conf for a while."""
    conf = stage.sandbox.slurm_conf
    before = conf.read_text()
    try:
        conf.write_text(before.replace("SchedulerParameters=", "SchedulerParameters=bf_licenses,"))
        reconfigure(stage, bf_licenses=True)
        yield
    finally:
        conf.write_text(before)
        reconfigure(stage, bf_licenses=False)


def reconfigure(stage: Stage, *, bf_licenses: bool) -> None:
    """Have slurmctld read slurm.conf; newer ones are away for a moment while they do."""
    stage.sandbox.run(["scontrol", "reconfigure"])

    def is_set() -> bool:
        shown = stage.sandbox.run(["scontrol", "show", "config"], check=False)
        return shown.returncode == 0 and ("bf_licenses" in shown.stdout) is bf_licenses

    wait_until(is_set, 60, "slurmctld to have read slurm.conf")


def test_doctor_and_the_daemon_refuse_a_gate_that_would_do_harm(stage: Stage) -> None:
    """With bf_licenses a gated job keeps nodes planned and idle: begin times take the gate's place."""
    with with_bf_licenses(stage):
        clean = begin_site(stage, by="gate")
        well, said = doctor(stage)["gate"]
        assert not well
        assert "bf_licenses" in said
        hand_in(stage)  # by which the daemon finds out; its window may lapse before the next cycle
        wait_until(lambda: "the gate cannot be shut" in stage.log.read_text(), 80, "the daemon to find out")
        job = hand_in(stage)
        wait_until(lambda: begin(stage, job) == clean, 80, "a begin time in place of the gate")


def test_a_job_does_not_wait_through_the_maintenance_of_its_whole_partition(stage: Stage) -> None:
    """Its last start is before the maintenance, less its limit and the margin; cleaner hours follow."""
    admin = ["scontrol", "create", "reservation", "ReservationName=upkeep", "Users=root"]
    stage.sandbox.run([*admin, "StartTime=now+300", "Duration=60", "Nodes=n[1-4]", "Flags=MAINT"])
    try:
        begin_site(stage, by="begin")
        job = hand_in(stage)
        wait_until(lambda: actions(stage, job), 80, "the job to be planned")
        words = ["scontrol", "show", "reservation", "upkeep"]
        shown = stage.sandbox.run(words, env={"SLURM_TIME_FORMAT": "%s"}).stdout
        starts = int(shown.partition("StartTime=")[2].split()[0])
        bound = actions(stage, job)[0].bound
        assert bound is not None
        assert bound.timestamp() == starts - 120 - 1
    finally:
        stage.sandbox.run(["scontrol", "delete", "ReservationName=upkeep"])


# --- gate ---


def test_jobs_wait_behind_the_gate_until_it_opens_for_all(stage: Stage) -> None:
    clean = begin_site(stage, SOON, by="gate")
    jobs = [hand_in(stage), hand_in(stage, "--licenses=app:1"), hand_in(stage, "--array=0-1")]
    for job in jobs:
        wait_for_reason(stage, job, "Licenses")
    assert set(fields(stage.sandbox, jobs[1])["Licenses"].split(",")) == {"app:1", "carbon:1"}
    ordinary = submit(stage.sandbox, "--gres=gpu:1", "--output=/dev/null", SLEEP, user=stage.user)
    wait_for_state(stage.sandbox, ordinary, "RUNNING", "COMPLETED")
    for job in jobs:
        shown = wait_for_state(stage.sandbox, job, "RUNNING", "COMPLETED")
        assert abs(int(shown["StartTime"]) - clean.timestamp()) <= 12
    assert "carbonslurm_gate" not in stage.sandbox.run(["scontrol", "show", "reservation"]).stdout
    assert verbs(stage, jobs[0]) == ["withhold", "release"]


def test_the_gate_opens_by_itself_when_the_daemon_dies(stage: Stage) -> None:
    begin_site(stage, by="gate")
    job = hand_in(stage)
    wait_for_reason(stage, job, "Licenses")
    stage.kill()
    wait_for_state(stage.sandbox, job, "RUNNING", "COMPLETED", timeout=150)


def test_an_owner_takes_the_licence_off_and_his_job_starts(stage: Stage) -> None:
    begin_site(stage, by="gate")
    job, other = hand_in(stage), hand_in(stage)
    for number in (job, other):
        wait_for_reason(stage, number, "Licenses")
    as_owner(stage, "update", f"JobId={job}", "Licenses=")
    wait_for_state(stage.sandbox, job, "RUNNING", "COMPLETED")
    wait_until(lambda: verbs(stage, job) == ["withhold", "leave"], 80, "the owner's word to be recorded")
    assert fields(stage.sandbox, other)["Reason"] == "Licenses"


def test_a_few_may_run_although_the_gate_is_shut(stage: Stage) -> None:
    begin_site(stage, by="gate", gate={"keep_open": 1})
    jobs = [hand_in(stage, "--time=1"), hand_in(stage, "--time=1")]
    wait_until(
        lambda: sorted(fields(stage.sandbox, job)["JobState"] for job in jobs) == ["PENDING", "RUNNING"],
        80,
        "one of two to run",
    )


# --- changing the means ---


@pytest.mark.parametrize(("old", "new"), [(Means.HOLD, Means.BEGIN), (Means.GATE, Means.BEGIN)])
def test_a_change_of_means_takes_over_what_the_old_one_did(stage: Stage, old: Means, new: Means) -> None:
    clean = begin_site(stage, by=old.value)
    job = hand_in(stage)
    wait_for_reason(stage, job, {Means.HOLD: "JobHeldUser", Means.GATE: "Licenses"}[old])
    stage.stop()
    stage.changes = {**stage.changes, "withhold": {"by": new.value}}
    stage.write_site()
    stage.start()
    wait_until(lambda: verbs(stage, job)[-1] == "release", 80, "the old means to be undone")
    wait_for_cycles(stage, 2)
    shown = fields(stage.sandbox, job)
    assert shown["JobState"] == "PENDING"
    assert shown["Priority"] != "0"
    assert begin(stage, job) == clean
    assert not known(stage, job).hands_off
