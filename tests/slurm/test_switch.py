"""carbonslurm pause and resume on a real Slurm, by whatever means jobs wait."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from carbonslurm.sandbox.jobs import fields, submit, wait_for_state
from carbonslurm.sandbox.waiting import wait_until
from carbonslurm.sandbox.watching import actions, forecast, now_s

if TYPE_CHECKING:
    from carbonslurm.sandbox.stage import Stage

FLEXIBLE = ("--comment=carbon:flex=2h,length=3s", "--gres=gpu:1", "--time=2", "--output=/dev/null")
WAITS_BY = {"begin": "BeginTime", "hold": "JobHeldUser", "gate": "Licenses"}
FAR = 600  # seconds until electricity is clean


def begin_site(stage: Stage, means: str) -> None:
    stage.changes = {**stage.changes, "withhold": {"by": means}}
    stage.write_site()
    forecast(stage, now_s(), [(0, 500.0), (FAR, 100.0)])
    stage.start()


def hand_in(stage: Stage) -> str:
    return submit(stage.sandbox, *FLEXIBLE, "--wrap=sleep 3", user=stage.user)


def wait_until_withheld(stage: Stage, job: str) -> None:
    wait_until(
        lambda: [row.state for row in actions(stage, job) if row.verb == "withhold"][-1:] == ["confirmed"],
        80,
        lambda: f"job {job} to be withheld: {actions(stage, job)}",
    )


def as_daemon(stage: Stage, *words: str) -> str:
    """A command as an admin who may write the ledger; what it says on both channels."""
    done = stage.command("carbonslurm", *words)
    return done.stdout + done.stderr


@pytest.mark.parametrize("means", WAITS_BY)
def test_pause_lets_go_of_all_and_resume_goes_on(stage: Stage, means: str) -> None:
    begin_site(stage, means)
    job = hand_in(stage)
    wait_until_withheld(stage, job)
    reason = WAITS_BY[means]
    wait_until(lambda: fields(stage.sandbox, job)["Reason"] == reason, 80, f"the job to wait for {reason}")
    assert "in its next cycle" in as_daemon(stage, "pause", "--reason", "moving racks")
    wait_for_state(stage.sandbox, job, "RUNNING", "COMPLETED", timeout=80)
    new = hand_in(stage)
    wait_for_state(stage.sandbox, new, "RUNNING", "COMPLETED", timeout=80)
    assert not any(row.verb == "withhold" for row in actions(stage, new))
    assert ": moving racks; no job is made to wait" in stage.command("carbon-squeue").stderr
    assert as_daemon(stage, "resume") == "resumed\n"
    again = hand_in(stage)
    wait_until_withheld(stage, again)
    assert "paused" not in stage.command("carbon-squeue").stderr


def test_pause_while_the_daemon_is_dead_says_how_to_let_go_at_once(stage: Stage) -> None:
    begin_site(stage, "begin")
    job = hand_in(stage)
    wait_until_withheld(stage, job)
    stage.kill()
    stale = timedelta(seconds=12)  # five cycles
    since = now_s()
    wait_until(lambda: now_s() - since > stale, 80, "the daemon to count as dead")
    assert "carbonslurm release --all" in as_daemon(stage, "pause")
    as_daemon(stage, "release", "--all")
    wait_for_state(stage.sandbox, job, "RUNNING", "COMPLETED", timeout=80)
    stage.start()
    new = hand_in(stage)
    wait_for_state(stage.sandbox, new, "RUNNING", "COMPLETED", timeout=80)
