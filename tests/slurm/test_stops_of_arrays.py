"""Tasks of an array, each by itself: the number of its last task alone would mean all of them."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from carbonslurm import wiring
from carbonslurm.core.interval import from_epoch
from carbonslurm.core.stop import controller_settled
from carbonslurm.ledger.reading import Reading
from carbonslurm.sandbox.grid import publish
from carbonslurm.sandbox.jobs import submit
from carbonslurm.sandbox.waiting import wait_until

if TYPE_CHECKING:
    from carbonslurm.sandbox.stage import Stage

DIRTY, CLEAN = 500.0, 100.0
SCRIPT = """#!/bin/bash
trap 'echo asked >> told.$SLURM_ARRAY_JOB_ID.$SLURM_ARRAY_TASK_ID' USR1
for second in $(seq 90); do sleep 1 & wait $!; done
"""


def states(stage: Stage, array: str) -> dict[str, list[str]]:
    """Task -> the states of its attempts, oldest first."""
    argv = ["sacct", "-a", "-D", "-X", "-n", "-P", "-j", array, "-o", "JobID,State"]
    found: dict[str, list[str]] = {}
    for line in stage.sandbox.run(argv).stdout.splitlines():
        task, state = line.split("|")
        found.setdefault(task, []).append(state)
    return found


def test_each_task_is_signalled_and_requeued_by_its_own_stop_alone(stage: Stage) -> None:
    wait_until(
        lambda: controller_settled(wiring.queue(stage.config).controller(), None, wiring.now()),
        60,
        "a slurmctld that has been up for a while",
    )
    start = from_epoch(int(wiring.now().timestamp()))
    grid = stage.sandbox.directory / "grid.csv"
    publish(grid, start, [(0, CLEAN)])
    stage.start()
    script = stage.sandbox.work / "tasks.sh"
    script.write_text(SCRIPT)
    tag = "--comment=carbon:flex=2h,length=90s,checkpoint=USR1@3,restart=1s"
    array = submit(stage.sandbox, "--array=1-2", "--gres=gpu:1", tag, str(script), user=stage.user)
    wait_until(lambda: list(states(stage, array).values()) == [["RUNNING"], ["RUNNING"]], 80, "both tasks")
    dirty = (wiring.now() - start + timedelta(seconds=4)).total_seconds()
    publish(grid, start, [(0, CLEAN), (int(dirty), DIRTY), (int(dirty) + 20, CLEAN)])

    def stopped() -> set[str]:
        with Reading.open(Path(stage.config.ledger)) as reading:
            rows = reading.actions(stage.config.cluster, from_epoch(0))
        return {row.spec for row in rows if row.verb == "stop" and row.state in {"done", "confirmed"}}

    wait_until(
        lambda: stopped() == {f"{array}_1", f"{array}_2"}, 40, lambda: f"two stops, there are {stopped()}"
    )
    told = {path.name: path.read_text() for path in stage.sandbox.work.glob(f"told.{array}.*")}
    assert told == {f"told.{array}.{task}": "asked\n" for task in (1, 2)}
    again = {f"{array}_{task}": ["REQUEUED", "RUNNING"] for task in (1, 2)}
    wait_until(lambda: states(stage, array) == again, 60, lambda: f"both again: {states(stage, array)}")
