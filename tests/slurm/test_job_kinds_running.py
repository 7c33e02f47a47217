"""Jobs that others stop, suspend or requeue, and jobs that we may not stop, side by side on a real Slurm.

All run on a clean grid, which then turns dirty for a while. An ordinary checkpointing job among them shows
that the daemon did stop what it might.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from carbonslurm import wiring
from carbonslurm.core.interval import from_epoch
from carbonslurm.errors import UnavailableError
from carbonslurm.sandbox import SandboxSpec, up
from carbonslurm.sandbox.jobs import fields, submit, wait_for_state
from carbonslurm.sandbox.stage import Stage
from carbonslurm.sandbox.waiting import wait_until
from carbonslurm.sandbox.watching import (
    actions,
    begin,
    forecast,
    known,
    now_s,
    wait_for_cycles,
    wait_until_settled,
)
from carbonslurm.slurm.stops import SlurmRunControl

if TYPE_CHECKING:
    from pathlib import Path

DIRTY, CLEAN = 500.0, 100.0
DIRTY_FOR = 50  # seconds
WORK_S = 120
PROMPT = timedelta(seconds=30)
FLEX = f"--comment=carbon:flex=2h,length={WORK_S}s"
CHECKPOINT = f"{FLEX},checkpoint=USR1@3,restart=1s"
SCRIPT = f"""#!/bin/bash
trap 'echo asked' USR1
echo "start ${{SLURM_RESTART_COUNT:-0}}"
for second in $(seq {WORK_S}); do sleep 1 & wait $!; done
"""
JOBS = {  # name -> sbatch's words
    "ordinary": (CHECKPOINT, "--nodelist=n1", "--gres=gpu:1"),
    "that may not be requeued": (CHECKPOINT, "--no-requeue", "--nodelist=n1", "--gres=gpu:1"),
    "suspended": (CHECKPOINT, "--nodelist=n1", "--gres=gpu:1"),
    "requeued by its owner": (FLEX, "--nodelist=n2", "--gres=gpu:1"),
    "requeued by an admin": (FLEX, "--nodelist=n2", "--gres=gpu:1"),
    "preempted": (FLEX, "--partition=low", "--nodelist=n4", "--gres=gpu:4"),
    "on a node that fails": (FLEX, "--nodelist=n3", "--gres=gpu:1"),
}
REQUEUED = ("requeued by its owner", "requeued by an admin", "preempted", "on a node that fails")


@dataclass
class Kinds:
    """The performance: each job by its name, and what Slurm showed of it."""

    stage: Stage
    jobs: dict[str, str] = field(default_factory=dict)
    clean_again: datetime = field(default_factory=now_s)
    dirty: dict[str, dict[str, str]] = field(default_factory=dict)
    later: dict[str, dict[str, str]] = field(default_factory=dict)
    refused_after: timedelta = timedelta()
    tasks: dict[str, str] = field(default_factory=dict)
    hands_off: set[str] = field(default_factory=set)

    def submit(self) -> None:
        script = self.stage.sandbox.work / "kinds.sh"
        script.write_text(SCRIPT)
        for name, words in JOBS.items():
            common = ["--time=3", f"--output={name.replace(' ', '-')}.out", "--open-mode=append"]
            self.jobs[name] = submit(self.stage.sandbox, *common, *words, str(script), user=self.stage.user)
        array = ["--array=1-3%1", "--time=2", "--gres=gpu:1", "--output=/dev/null", "--nodelist=n1"]
        short = "--comment=carbon:flex=2h,length=8s"
        sleep = "--wrap=sleep 8"
        self.jobs["an array"] = submit(self.stage.sandbox, *array, short, sleep, user=self.stage.user)

    def control(self, *words: str, admin: bool = False) -> None:
        self.stage.sandbox.run(["scontrol", *words], user=None if admin else self.stage.user)

    def show(self, name: str) -> dict[str, str]:
        return fields(self.stage.sandbox, self.jobs[name])

    def show_tasks(self) -> dict[str, str]:
        argv = ["squeue", "--noheader", f"--jobs={self.jobs['an array']}", "--format=%i %T"]
        return dict(line.split() for line in self.stage.sandbox.run(argv).stdout.splitlines())

    def output(self, name: str) -> list[str]:
        return (self.stage.sandbox.work / f"{name.replace(' ', '-')}.out").read_text().splitlines()

    def others_act(self) -> None:
        self.control("requeue", self.jobs["requeued by its owner"])
        self.control("requeue", self.jobs["requeued by an admin"], admin=True)
        self.control("update", "NodeName=n3", "State=DOWN", "Reason=test", admin=True)
        urgent = ["--nodelist=n4", "--gres=gpu:4", "--time=1", "--output=/dev/null", "--wrap=sleep 3"]
        submit(self.stage.sandbox, *urgent, user=self.stage.user)

    def has_restarted(self, name: str) -> bool:
        shown = self.show(name)
        return (shown["Restarts"], shown["JobState"]) == ("1", "PENDING")


def _time_a_signal(stage: Stage, job: str) -> timedelta:
    begun = wiring.now()
    with pytest.raises(UnavailableError):
        SlurmRunControl(wiring.wire(stage.config)).signal(job, "USR1", full=False)
    return wiring.now() - begun


@pytest.fixture(scope="module")
def kinds(lasting_stage: Stage) -> Kinds:
    """All jobs ran, others did what they do while the grid was dirty; all run again, or have ended."""
    stage = lasting_stage
    wait_until_settled(stage)
    start = now_s()
    forecast(stage, start, [(0, CLEAN)])
    stage.start()
    found = Kinds(stage)
    found.submit()
    for name in JOBS:
        wait_for_state(stage.sandbox, found.jobs[name], "RUNNING", timeout=80)
    wait_until(lambda: "RUNNING" in found.show_tasks().values(), 80, "a task of the array")
    found.control("suspend", found.jobs["suspended"], admin=True)
    turn = now_s() + timedelta(seconds=2)
    found.clean_again = turn + timedelta(seconds=DIRTY_FOR)
    dirty, clean = ((moment - start).total_seconds() for moment in (turn, found.clean_again))
    forecast(stage, start, [(0, CLEAN), (dirty, DIRTY), (clean, CLEAN)])
    wait_for_cycles(stage, 1)
    try:
        found.others_act()
        for name in ("ordinary", *REQUEUED):
            wait_until(
                lambda name=name: (
                    found.has_restarted(name) and begin(stage, found.jobs[name]) == found.clean_again
                ),
                45,
                lambda name=name: f"{name} to wait for the clean hour: {found.show(name)}",
            )
        found.dirty = {name: found.show(name) for name in JOBS}
        found.tasks = found.show_tasks()
        found.refused_after = _time_a_signal(stage, found.jobs["suspended"])
        found.hands_off = {name for name in JOBS if known(stage, found.jobs[name]).hands_off}
    finally:
        stage.sandbox.run(["scontrol", "update", "NodeName=n3", "State=RESUME"], check=False)
    for name in REQUEUED:
        wait_for_state(stage.sandbox, found.jobs[name], "RUNNING", "COMPLETED", timeout=60)
    found.control("resume", found.jobs["suspended"], admin=True)
    found.later = {name: found.show(name) for name in JOBS}
    return found


def deeds(kinds: Kinds, name: str) -> list[tuple[str, str]]:
    """What was done to a job since it first started, before which its planning window was cut short."""
    rows = actions(kinds.stage, kinds.jobs[name])
    return [(row.spec, row.verb) for row in rows if row.verb != "release"]


def test_an_ordinary_checkpointing_job_is_stopped(kinds: Kinds) -> None:
    assert deeds(kinds, "ordinary") == [(kinds.jobs["ordinary"], "stop")]
    assert kinds.output("ordinary")[:2] == ["start 0", "asked"]


@pytest.mark.parametrize("name", ["that may not be requeued", "suspended"])
def test_a_job_that_may_not_be_requeued_or_is_suspended_is_not_stopped(kinds: Kinds, name: str) -> None:
    assert deeds(kinds, name) == []
    assert kinds.output(name) == ["start 0"]
    assert kinds.later[name]["Restarts"] == "0"


def test_a_suspended_job_stays_suspended_until_it_is_resumed(kinds: Kinds) -> None:
    assert kinds.dirty["suspended"]["JobState"] == "SUSPENDED"


def test_a_signal_that_slurm_will_not_deliver_keeps_others_waiting_no_longer_than_an_answer_may_take(
    kinds: Kinds,
) -> None:
    """Slurm refuses to signal a suspended job, and scancel would try again for a minute and a half."""
    assert timedelta(seconds=5) < kinds.refused_after < timedelta(seconds=15)


def test_requeue_is_never_switched_on(kinds: Kinds) -> None:
    assert kinds.later["that may not be requeued"]["Requeue"] == "0"


@pytest.mark.parametrize("name", REQUEUED)
def test_a_job_that_others_requeued_waits_for_the_clean_hour_within_its_bound(
    kinds: Kinds, name: str
) -> None:
    """Slurm's own begin time after a requeue is nobody's word."""
    assert deeds(kinds, name) == [(kinds.jobs[name], "withhold")]
    assert kinds.clean_again <= from_epoch(int(kinds.later[name]["StartTime"])) <= kinds.clean_again + PROMPT
    assert kinds.later[name]["Restarts"] == "1"
    assert kinds.hands_off == set()


def test_while_a_task_runs_the_rest_of_its_array_waits_in_one_record(kinds: Kinds) -> None:
    array = kinds.jobs["an array"]
    assert deeds(kinds, "an array") == [(f"{array}_[2-3]", "withhold")]
    assert f"{array}_[2-3%1]" in kinds.tasks


def test_a_federated_job_is_left_alone(short_directory: Path) -> None:
    """Its siblings on other clusters would be revoked; a federation of one cluster is enough to see one."""
    sandbox = up(SandboxSpec(short_directory, nodes=1))
    try:
        sandbox.run(["sacctmgr", "--immediate", "add", "federation", "f", f"clusters={sandbox.cluster}"])
        active = lambda: "ACTIVE" in sandbox.run(["scontrol", "show", "federation"]).stdout  # noqa: E731
        wait_until(active, 80, "slurmctld to know of its federation")
        stage = Stage(
            sandbox, {"cycle": {"interval": "2s", "fetch": "2s", "reconcile": "3s", "stop_step": "1s"}}
        )
        stage.write_site()
        stage.start()
        job = submit(sandbox, FLEX, "--gres=gpu:1", "--begin=now+60", "--wrap=true", user=stage.user)
        before = fields(sandbox, job)
        wait_for_cycles(stage, 2)
        after = fields(sandbox, job)
        stage.kill()
        assert "federated" in stage.command("carbon-squeue", "--all").stdout
        assert actions(stage) == []
        assert (before["FedOrigin"], before["EligibleTime"]) == (sandbox.cluster, after["EligibleTime"])
    finally:
        sandbox.down()
