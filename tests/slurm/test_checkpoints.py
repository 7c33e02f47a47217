"""The whole stop sequence on a real Slurm, with jobs that really save: each must end as its owner meant it.

All run side by side on a clean grid that turns dirty for a while. What each does when it is asked to save:
"""

from __future__ import annotations

import shutil
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from carbonslurm import wiring
from carbonslurm.cli import carbon_saved
from carbonslurm.core.interval import from_epoch
from carbonslurm.core.stop import controller_settled
from carbonslurm.ledger.deeds import read_deeds
from carbonslurm.ledger.reading import Reading
from carbonslurm.ledger.tables import ACTION
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
OVER = {"done", "ended", "abandoned", "confirmed"}
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
# The wrapper stands for the installed command, which a Slurm in a root folder of its own cannot see.
WRAPPER = """#!/bin/sh
exec python3 -c 'import sys; sys.path.insert(0, "@HERE@"); import carbon_saved; carbon_saved.main()'
"""
PYTHON = f"""#!/usr/bin/env python3
#SBATCH --open-mode=append
import os, pathlib, signal, subprocess, time
state = pathlib.Path(f"count.{{os.environ['SLURM_JOB_ID']}}")
count = int(state.read_text()) if state.exists() else 0
print("start", os.environ.get("SLURM_RESTART_COUNT", 0), "at", count, flush=True)
asked = []
signal.signal(signal.SIGUSR1, lambda *_: asked.append(1))
while count < {WORK_S}:
    time.sleep(1)
    count += 1
    if asked:
        state.write_text(str(count))
        subprocess.run(["./carbon-saved"], check=True)
        asked.clear()
print("end at", count, flush=True)
"""
SCRIPTS = {
    "saves and goes on": HEAD + "trap keep USR1\nwork\n",
    "says that it saved": HEAD + f"trap 'keep; {SAY}' USR1\nwork\n",
    "requeues itself": HEAD + "trap 'keep; scontrol requeue \"$SLURM_JOB_ID\"' USR1\nwork\n",
    "asks by its exit code": HEAD + f"trap 'keep; exit {REQUEUE_EXIT_CODE}' USR1\nwork\n",
    "ignores the signal": HEAD + "trap '' USR1\nwork\n",
    "saves and ends with 0": HEAD + "trap 'keep; exit 0' USR1\nwork\n",
    "ends by itself within its grace": HEAD + f"trap 'count={WORK_S}; sleep 1' USR1\nwork\n",
    "is cancelled meanwhile": HEAD + "trap '' USR1\nwork\n",
    "is a loop in Python that calls carbon-saved": PYTHON,
}
GO_ON = (
    "saves and goes on",
    "says that it saved",
    "requeues itself",
    "asks by its exit code",
    "is a loop in Python that calls carbon-saved",
)
ONCE = {
    "saves and ends with 0": "COMPLETED",
    "ends by itself within its grace": "COMPLETED",
    "is cancelled meanwhile": "CANCELLED",
}
ASKED = ("intended", "signalling", "signalled")
PHASES = {
    **dict.fromkeys([*GO_ON, "ignores the signal"], (*ASKED, "delayed", "done")),
    **dict.fromkeys(ONCE, (*ASKED, "ended")),
}


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
        self.held: set[str] = set()

    def submit(self) -> None:
        shutil.copy(carbon_saved.__file__, self.sandbox.work / "carbon_saved.py")
        wrapper = self.sandbox.work / "carbon-saved"
        wrapper.write_text(WRAPPER.replace("@HERE@", str(self.sandbox.work)))
        wrapper.chmod(0o755)
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

    def phases(self, name: str) -> tuple[str, ...]:
        """The phases that a stop went through, each once."""
        number = self.stops()[name].number
        book = Reading.open(Path(self.stage.config.ledger))
        with book as reading, reading._database.reading() as connection:  # noqa: SLF001
            (deed,) = read_deeds(connection, ACTION.c.id == number)
        return tuple(str(phase) for phase, _ in deed.phases)

    def look(self) -> dict[str, str]:
        """Slurm's states by job; what is held at this moment is remembered."""
        argv = ["squeue", "--noheader", "--states=all", "--Format=JobID:12,PriorityLong:12,State:20"]
        rows = [line.split() for line in self.sandbox.run(argv).stdout.splitlines()]
        self.held |= {job for job, priority, state in rows if priority == "0" and state == "PENDING"}
        return {job: state for job, _, state in rows}

    def cancel_once_signalled(self, name: str) -> bool:
        """Cancel a job between the signal and its requeue; tell whether that was done."""
        self.look()
        stop = self.stops().get(name)
        if stop is None or self.phases(name)[-1] not in {"signalling", "signalled"}:
            return False
        self.sandbox.run(["scancel", self.jobs[name]], user=self.stage.user)
        return True

    def attempts(self, name: str) -> list[list[str]]:
        argv = ["sacct", "-a", "-D", "-X", "-n", "-P", "-j", self.jobs[name], "-o", "State,Start,End"]
        shown = self.sandbox.run(argv, env={"SLURM_TIME_FORMAT": "%s"}).stdout
        return [line.split("|") for line in shown.splitlines()]

    def figures(self, name: str) -> list[Figure]:
        with Reading.open(Path(self.stage.config.ledger)) as reading:
            rows = reading.runs(RunFilter(ids=(int(self.jobs[name]),)))
        return [row.figure for row in rows if row.figure is not None]

    def all_ended(self) -> bool:
        states = self.look()
        return all(states.get(job) in {"COMPLETED", "CANCELLED"} for job in self.jobs.values())


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
        wait_for_state(stage.sandbox, job, "RUNNING", timeout=80)
    turn = now_s() + timedelta(seconds=4)
    found.clean_again = turn + timedelta(seconds=45)
    dirty, clean = ((moment - start).total_seconds() for moment in (turn, found.clean_again))
    publish(forecast_file(stage), start, [(0, CLEAN), (dirty, DIRTY), (clean, CLEAN)])
    wait_until(
        lambda: found.cancel_once_signalled("is cancelled meanwhile"), 40, "the signal to the one to cancel"
    )
    wait_until(
        lambda: set(found.stops()) == set(SCRIPTS), 40, lambda: f"stops of all, there are {found.stops()}"
    )
    wait_until(found.all_ended, 120, lambda: f"all jobs to end: {found.look()}")
    wait_until(lambda: all(found.stops()[name].state in OVER for name in SCRIPTS), 80, "all stops to end")
    return found


@pytest.mark.parametrize("name", GO_ON)
def test_a_job_that_saves_goes_on_where_it_was_in_the_clean_hour(told: Told, name: str) -> None:
    attempts, output = told.attempts(name), told.output(name)
    assert [attempt[0] for attempt in attempts] == ["REQUEUED", "COMPLETED"]
    again = from_epoch(int(attempts[1][1]))
    assert told.clean_again <= again <= told.clean_again + timedelta(seconds=30)
    assert output[0] == "start 0 at 0"
    assert output[-2].startswith("start 1 at ")
    assert int(output[-2].split()[-1]) > 0
    assert output[-1] == f"end at {WORK_S}"
    assert told.stops()[name].state in {"done", "confirmed"}


def test_a_job_that_ignores_the_signal_runs_again_from_the_start(told: Told) -> None:
    assert [attempt[0] for attempt in told.attempts("ignores the signal")] == ["REQUEUED", "COMPLETED"]
    assert told.output("ignores the signal")[-2:] == ["start 1 at 0", f"end at {WORK_S}"]


@pytest.mark.parametrize("name", ONCE)
def test_a_job_that_has_ended_never_runs_again(told: Told, name: str) -> None:
    """For Slurm a job that ends with 0 is finished, and one that was cancelled is not wanted."""
    assert [attempt[0].partition(" ")[0] for attempt in told.attempts(name)] == [ONCE[name]]
    assert [line for line in told.output(name) if line.startswith("start")] == ["start 0 at 0"]


@pytest.mark.parametrize("name", SCRIPTS)
def test_each_stop_goes_through_its_phases_once(told: Told, name: str) -> None:
    assert told.phases(name) == PHASES[name]


def test_no_step_of_a_stop_leaves_a_job_held(told: Told) -> None:
    assert told.held == set()


def test_carbon_saved_leaves_a_line_in_the_jobs_output_and_the_tag_in_its_comment(told: Told) -> None:
    name = "is a loop in Python that calls carbon-saved"
    job = told.jobs[name]
    assert any(line.startswith(f"carbon-saved: job {job} has saved") for line in told.output(name))
    comment = fields(told.sandbox, job)["Comment"]
    assert comment.startswith("carbon:flex=2h")
    assert comment.split()[-1] == "carbon:saved:0"


def test_lost_work_is_charged_and_nothing_is_counted_twice(told: Told) -> None:
    wait_until(lambda: len(told.figures("says that it saved")) == 2, 80, "the figures of both runs")
    first, second = told.figures("says that it saved")
    assert first.lost <= timedelta(seconds=GRACE_S)
    assert second.lost == timedelta(seconds=1)
    assert first.baseline.end == second.baseline.start


def test_a_run_that_showed_no_checkpoint_counts_as_lost(told: Told) -> None:
    """It may have saved: nobody knows, and no saving may be claimed for it."""
    wait_until(lambda: len(told.figures("ignores the signal")) == 2, 80, "the figures of both runs")
    first, _ = told.figures("ignores the signal")
    assert first.baseline.length == timedelta()
    assert first.lost > timedelta(seconds=GRACE_S)
