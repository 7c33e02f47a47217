"""Heterogeneous jobs on a real Slurm, with the daemon running: they wait and start as a whole."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from carbonslurm import wiring
from carbonslurm.core.interval import from_epoch
from carbonslurm.sandbox.grid import publish
from carbonslurm.sandbox.jobs import fields, wait_for_state
from carbonslurm.sandbox.waiting import wait_until

if TYPE_CHECKING:
    from datetime import datetime

    from carbonslurm.sandbox.stage import Stage

DIRTY, CLEAN = 500.0, 100.0
SCRIPT = """#!/bin/sh
#SBATCH --comment=carbon:flex=2h,length=5s,checkpoint=USR1@5 --gres=gpu:1 --output=/dev/null
#SBATCH hetjob
#SBATCH -N1 --gres=gpu:4 {second}
sleep 5
"""
# Slurm starts heterogeneous jobs from its backfill only: not at once, and not at its first look.
PROMPT = timedelta(seconds=40)


@pytest.fixture
def clean_soon(stage: Stage) -> datetime:
    """A running daemon on a grid that turns clean in 30 s; when it does."""
    start = from_epoch(int(wiring.now().timestamp()))
    publish(stage.sandbox.directory / "grid.csv", start, [(0, DIRTY), (30, CLEAN)])
    stage.start()
    return start + timedelta(seconds=30)


def submit(stage: Stage, second: str = "") -> str:
    """Submit a heterogeneous job of two components as a plain user; return its leader's id."""
    script = SCRIPT.format(second=second)
    done = stage.sandbox.run(["sbatch", "--parsable"], user=stage.user, input=script)
    return done.stdout.strip()


def both(stage: Stage, job: str, name: str) -> list[str]:
    """One field of both components."""
    return [fields(stage.sandbox, f"{job}+{offset}")[name] for offset in (0, 1)]


def wait_for_begin(stage: Stage, job: str, when: datetime) -> None:
    planned = f"{when.timestamp():.0f}"
    wait_until(lambda: both(stage, job, "EligibleTime") == [planned] * 2, 80, "one begin time for both")


def test_a_heterogeneous_job_waits_and_starts_as_a_whole(stage: Stage, clean_soon: datetime) -> None:
    job = submit(stage)
    wait_for_begin(stage, job, clean_soon)
    assert both(stage, job, "JobState") == ["PENDING"] * 2
    wait_for_state(stage.sandbox, f"{job}+0", "RUNNING", "COMPLETED", timeout=90)
    starts = both(stage, job, "StartTime")
    assert starts[0] == starts[1]
    assert clean_soon <= from_epoch(int(starts[0])) <= clean_soon + PROMPT
    assert "checkpoint" not in fields(stage.sandbox, job)["AdminComment"]


def test_its_owner_starts_it_as_a_whole(stage: Stage, clean_soon: datetime) -> None:
    job = submit(stage)
    wait_for_begin(stage, job, clean_soon)
    stage.sandbox.run(["scontrol", "update", f"JobId={job}", "StartTime=now"], user=stage.user)
    wait_for_state(stage.sandbox, f"{job}+0", "RUNNING", "COMPLETED", timeout=60)
    starts = both(stage, job, "StartTime")
    assert starts[0] == starts[1]


def test_where_a_component_has_a_begin_time_of_its_own_the_whole_is_left_alone(
    stage: Stage, clean_soon: datetime
) -> None:
    job = submit(stage, second="--begin=now+5minutes")
    before = both(stage, job, "EligibleTime")
    other = submit(stage)
    wait_for_begin(stage, other, clean_soon)
    assert both(stage, job, "EligibleTime") == before
