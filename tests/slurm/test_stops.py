"""Stops on a real Slurm, all kinds of jobs side by side: each must end as its owner meant it to."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from carbonslurm import wiring
from carbonslurm.core.interval import from_epoch
from carbonslurm.core.stop import controller_settled
from carbonslurm.ledger.reading import Reading
from carbonslurm.ports import RunFilter
from carbonslurm.sandbox.grid import publish
from carbonslurm.sandbox.jobs import fields, submit, wait_for_state
from carbonslurm.sandbox.texts import REQUEUE_EXIT_CODE
from carbonslurm.sandbox.waiting import wait_until

if TYPE_CHECKING:
    from carbonslurm.core.footprint import Figure
    from carbonslurm.ports import ActionRow
    from carbonslurm.sandbox import Sandbox
    from carbonslurm.sandbox.stage import Stage


DIRTY, CLEAN = 500.0, 100.0
WORK_S = 30
GRACE_S = 5

# Each counts to WORK_S, one a second, keeps the count in a file when asked to, and says how it began.
HEAD = f"""#!/bin/bash
#SBATCH --open-mode=append
state="$PWD/count.$SLURM_JOB_ID"
count=$(cat "$state" 2>/dev/null || echo 0)
echo "start ${{SLURM_RESTART_COUNT:-0}} at $count"
work() {{
    while [ "$count" -lt {WORK_S} ]; do sleep 1 & wait $!; count=$((count + 1)); done
    echo "end at $count"
}}
keep() {{ echo "$count" > "$state"; }}
"""
SAY = 'scontrol update JobId="$SLURM_JOB_ID" Comment="carbon:saved:${SLURM_RESTART_COUNT:-0}"'
SCRIPTS = {
    "saves and goes on": HEAD + "trap keep USR1\nwork\n",
    "says that it saved": HEAD + f"trap 'keep; {SAY}' USR1\nwork\n",
    "requeues itself": HEAD + "trap 'keep; scontrol requeue \"$SLURM_JOB_ID\"' USR1\nwork\n",
    "asks by its exit code": HEAD + f"trap 'keep; exit {REQUEUE_EXIT_CODE}' USR1\nwork\n",
    "ignores the signal": HEAD + "trap '' USR1\nwork\n",
    "saves and ends with 0": HEAD + "trap 'keep; exit 0' USR1\nwork\n",
}
GO_ON = ("saves and goes on", "says that it saved", "requeues itself", "asks by its exit code")


def forecast_file(stage: Stage) -> Path:
    """The file that the stage's site reads."""
    return stage.sandbox.directory / "grid.csv"


def now_s() -> datetime:
    """This second."""
    return from_epoch(int(wiring.now().timestamp()))


def _settled(stage: Stage) -> bool:
    return controller_settled(wiring.queue(stage.config).controller(), None, wiring.now())


class Told:
    """The jobs of this module, all stopped by one turn of the grid, and what became of them."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        self.sandbox: Sandbox = stage.sandbox
        self.jobs: dict[str, str] = {}
        self.clean_again = from_epoch(0)

    def submit(self) -> None:
        for number, (name, script) in enumerate(SCRIPTS.items()):
            path = self.sandbox.work / f"stop{number}.sh"
            path.write_text(script)
            comment = f"--comment=carbon:flex=2h,length={WORK_S}s,checkpoint=USR1@{GRACE_S},restart=1s"
            words = ["--gres=gpu:1", f"--output=stop{number}.out", comment, str(path)]
            self.jobs[name] = submit(self.sandbox, *words, user=self.stage.user)

    def output(self, name: str) -> list[str]:
        number = list(SCRIPTS).index(name)
        return (self.sandbox.work / f"stop{number}.out").read_text().splitlines()

    def stops(self) -> dict[str, ActionRow]:
        with Reading.open(Path(self.stage.config.ledger)) as reading:
            rows = reading.actions(self.stage.config.cluster, from_epoch(0))
        names = {number: name for name, number in self.jobs.items()}
        return {names[str(row.key.job_id)]: row for row in rows if row.verb == "stop"}

    def attempts(self, name: str) -> list[list[str]]:
        argv = ["sacct", "-a", "-D", "-X", "-n", "-P", "-j", self.jobs[name], "-o", "State,Start,End"]
        shown = self.sandbox.run(argv, env={"SLURM_TIME_FORMAT": "%s"}).stdout
        return [line.split("|") for line in shown.splitlines()]

    def figures(self, name: str) -> list[Figure]:
        with Reading.open(Path(self.stage.config.ledger)) as reading:
            rows = reading.runs(RunFilter(ids=(int(self.jobs[name]),)))
        return [row.figure for row in rows if row.figure is not None]

    def ended(self, name: str) -> bool:
        return fields(self.sandbox, self.jobs[name])["JobState"] == "COMPLETED"


@pytest.fixture(scope="module")
def told(lasting_stage: Stage) -> Told:
    """Every job ran on a clean grid, which turned dirty for 25 s; all have ended."""
    stage = lasting_stage
    wait_until(
        lambda: _settled(stage), 60, "slurmctld to have been up for a while: before that nothing is stopped"
    )
    start = now_s()
    publish(forecast_file(stage), start, [(0, CLEAN)])
    stage.start()
    found = Told(stage)
    found.submit()
    for job in found.jobs.values():
        wait_for_state(stage.sandbox, job, "RUNNING", timeout=40)
    turn = now_s() + timedelta(seconds=4)
    found.clean_again = turn + timedelta(seconds=25)
    dirty, clean = ((moment - start).total_seconds() for moment in (turn, found.clean_again))
    publish(forecast_file(stage), start, [(0, CLEAN), (dirty, DIRTY), (clean, CLEAN)])
    wait_until(
        lambda: set(found.stops()) == set(SCRIPTS), 40, lambda: f"stops of all, there are {found.stops()}"
    )
    wait_until(lambda: all(found.ended(name) for name in SCRIPTS), 120, "all jobs to end")
    return found


@pytest.mark.parametrize("name", GO_ON)
def test_a_job_that_saves_goes_on_where_it_was_in_the_clean_hour(told: Told, name: str) -> None:
    attempts, output = told.attempts(name), told.output(name)
    assert [attempt[0] for attempt in attempts] == ["REQUEUED", "COMPLETED"]
    again = from_epoch(int(attempts[1][1]))
    assert told.clean_again <= again <= told.clean_again + timedelta(seconds=12)
    assert output[0] == "start 0 at 0"
    assert output[-2].startswith("start 1 at ")
    assert int(output[-2].split()[-1]) > 0
    assert output[-1] == f"end at {WORK_S}"
    assert told.stops()[name].state in {"done", "confirmed"}


def test_a_job_that_ignores_the_signal_runs_again_from_the_start(told: Told) -> None:
    assert [attempt[0] for attempt in told.attempts("ignores the signal")] == ["REQUEUED", "COMPLETED"]
    assert told.output("ignores the signal")[-2:] == ["start 1 at 0", f"end at {WORK_S}"]


def test_a_job_that_saves_and_ends_with_0_is_finished(told: Told) -> None:
    assert [attempt[0] for attempt in told.attempts("saves and ends with 0")] == ["COMPLETED"]
    assert told.stops()["saves and ends with 0"].state == "ended"


def test_lost_work_is_charged_and_nothing_is_counted_twice(told: Told) -> None:
    wait_until(lambda: len(told.figures("says that it saved")) == 2, 30, "the figures of both runs")
    first, second = told.figures("says that it saved")
    assert first.lost <= timedelta(seconds=GRACE_S)
    assert second.lost == timedelta(seconds=1)
    assert first.baseline.end == second.baseline.start


def test_a_run_that_showed_no_checkpoint_counts_as_lost(told: Told) -> None:
    """It may have saved: nobody knows, and no saving may be claimed for it."""
    wait_until(lambda: len(told.figures("ignores the signal")) == 2, 30, "the figures of both runs")
    first, _ = told.figures("ignores the signal")
    assert first.baseline.length == timedelta()
    assert first.lost > timedelta(seconds=GRACE_S)
