"""Two daemons on one cluster, and a ledger that is taken away from under one, on a real Slurm."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from carbonslurm import wiring
from carbonslurm.core.interval import from_epoch
from carbonslurm.ledger.reading import Reading
from carbonslurm.sandbox.grid import publish
from carbonslurm.sandbox.jobs import fields, submit, wait_for_state
from carbonslurm.sandbox.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from carbonslurm.sandbox.stage import Stage

FLEXIBLE = ("--comment=carbon:flex=2h,length=5s", "--gres=gpu:1", "--output=/dev/null", "--wrap=sleep 5")


def last_cycle(stage: Stage) -> datetime:
    with Reading.open(Path(stage.config.ledger)) as reading:
        last = reading.last_cycle(stage.config.cluster)
    assert last is not None
    return last[0]


def begins(stage: Stage, job: str) -> datetime:
    return from_epoch(int(fields(stage.sandbox, job)["EligibleTime"]))


@pytest.fixture
def clean_late(stage: Stage) -> datetime:
    """A running daemon on a grid that turns clean when no test is left to see it."""
    start = from_epoch(int(wiring.now().timestamp()))
    publish(stage.sandbox.directory / "grid.csv", start, [(0, 500), (300, 100)])
    stage.start()
    return from_epoch(int(start.timestamp()) + 300)


@pytest.fixture
def second(stage: Stage, clean_late: datetime) -> Iterator[Stage]:
    """A second daemon on the same site, waiting."""
    found = replace(stage, process=None)
    found.start()
    wait_until(lambda: "we wait" in found.log.read_text(), 20, "the second daemon to say that it waits")
    yield found
    found.kill()


def test_a_second_daemon_takes_over_within_two_cycles_of_the_firsts_death(
    stage: Stage, second: Stage, clean_late: datetime
) -> None:
    job = submit(stage.sandbox, *FLEXIBLE, user=stage.user)
    wait_until(lambda: begins(stage, job) == clean_late, 20, "the first daemon's plan")
    stage.kill()
    before, killed_at = last_cycle(stage), wiring.now()
    wait_until(lambda: last_cycle(stage) > before, 20, "a cycle of the second daemon")
    assert last_cycle(stage) - killed_at <= 2 * stage.config.cycle.interval
    later = submit(stage.sandbox, *FLEXIBLE, user=stage.user)
    wait_until(lambda: begins(stage, later) == clean_late, 20, "the second daemon's plan")
    assert begins(stage, job) == clean_late
    log = second.log.read_text()
    assert log.count("we wait") == 1
    assert "Traceback" not in log


def test_a_waiting_daemon_ends_when_it_is_told_to(stage: Stage, second: Stage) -> None:
    assert second.stop() == 0
    assert stage.process is not None
    assert stage.process.poll() is None


@pytest.mark.usefixtures("clean_late")
def test_once_beside_a_running_daemon_is_refused(stage: Stage) -> None:
    done = stage.command("carbonslurmd", "once", check=False)
    assert done.returncode == 69
    assert "acts on cluster" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_daemon_whose_ledger_was_deleted_says_so_and_withholds_nothing_more(
    stage: Stage, clean_late: datetime
) -> None:
    Path(stage.config.ledger).unlink()
    wait_until(lambda: "deleted while this daemon had it open" in stage.log.read_text(), 20, "its words")
    job = submit(stage.sandbox, *FLEXIBLE, user=stage.user)
    started = int(wait_for_state(stage.sandbox, job, "RUNNING", timeout=40)["StartTime"])
    assert from_epoch(started) < clean_late
    assert stage.stop() == 0
    stage.start()
    later = submit(stage.sandbox, *FLEXIBLE, user=stage.user)
    wait_until(lambda: begins(stage, later) == clean_late, 20, "a plan by a new ledger")
