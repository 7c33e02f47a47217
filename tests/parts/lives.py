"""A performance on a real Slurm: jobs that write down each of their runs, and daemons that come and go.

Two zones of the grid: ``grid`` for partition main, ``other`` for debug. Each job appends to its output when a
run starts and when it comes to its own end; told USR1 it saves, and needs little more after that.
"""

from __future__ import annotations

import os
import signal
import sys
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from carbonslurm import wiring
from carbonslurm.core.interval import from_epoch
from carbonslurm.core.stop import controller_settled
from carbonslurm.errors import LedgerError
from carbonslurm.formats.slurm_text import read_time
from carbonslurm.ledger.reading import Reading
from carbonslurm.sandbox.grid import publish
from carbonslurm.sandbox.jobs import fields, submit, wait_for_state
from carbonslurm.sandbox.site import config_path
from carbonslurm.sandbox.waiting import wait_until

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator
    from datetime import datetime

    from carbonslurm.ports import ActionRow
    from carbonslurm.sandbox import Sandbox
    from carbonslurm.sandbox.stage import Stage

FAILING_DAEMON = Path(__file__).with_name("failing_daemon.py")
ZONES = ("grid", "other")
HORIZON = timedelta(minutes=15)  # of what is published
STOPPABLE = ",checkpoint=USR1@3,restart=1s"
SCRIPT = """#!/bin/bash
#SBATCH --open-mode=append
#SBATCH --gres=gpu:1
again=${SLURM_RESTART_COUNT:-0}
saved="$PWD/saved.$SLURM_JOB_ID"
rest=$SECONDS_OF_WORK
echo "start $again"
trap 'echo told >> "$saved"; rest=${SECONDS_WHEN_TOLD:-$rest}' USR1
[ -e "$saved" ] && rest=2
while [ "$rest" -gt 0 ]; do sleep 1 & wait $!; rest=$((rest - 1)); done
echo "end $again"
"""


def now_s() -> datetime:
    """This second."""
    return from_epoch(int(wiring.now().timestamp()))


@contextmanager
def short_slurmd_timeout(sandbox: Sandbox) -> Iterator[None]:
    """Let stops go on 10 s after slurmctld was restarted, not 30; restart it to have that."""
    text = sandbox.slurm_conf.read_text()
    assert "SlurmdTimeout=30" in text
    sandbox.slurm_conf.write_text(text.replace("SlurmdTimeout=30", "SlurmdTimeout=10"))
    try:
        yield
    finally:
        sandbox.slurm_conf.write_text(text)
        sandbox.restart_slurmctld()


def wait_until_saved(stage: Stage) -> None:
    """Wait until slurmctld has written its jobs down: those that it had not would be lost with it."""
    file = stage.sandbox.directory / "state" / "job_state"
    before = file.stat().st_mtime
    # It writes only what changed, and may have done so just now: this gives it something to write.
    submit(stage.sandbox, "--hold", "--output=/dev/null", "--wrap=true", user=stage.user)
    wait_until(lambda: file.stat().st_mtime != before, 80, "slurmctld to save its state")


class Lives:
    """The site, its jobs and its daemons."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        (stage.sandbox.work / "lives.sh").write_text(SCRIPT)

    # --- the site ---

    def site(self, *, stops: bool, **changes: Any) -> None:
        """Write the configuration; a daemon reads it when it starts.

        The window of two cycles is longer than some lives, which may all end in their first cycle.
        """
        folder = self.stage.sandbox.directory
        sources = [{"provider": "file", "zone": zone, "path": str(folder / f"{zone}.csv")} for zone in ZONES]
        stop = {"enabled": stops, "min_run": "2s", "restart": "1s", "settle": "6s"}
        cycle = {"interval": "12s", "fetch": "2s", "reconcile": "1h", "stop_step": "1s"}
        fixed = {"sources": sources, "zones": {"debug": "other"}, "stop": stop, "cycle": cycle}
        self.stage.changes = {**self.stage.changes, **fixed, **changes}
        self.stage.write_site()

    def grid(self, zone: str, *levels: tuple[float, float]) -> datetime:
        """Publish a forecast from now on; return now."""
        start = now_s()
        publish(self.stage.sandbox.directory / f"{zone}.csv", start, levels)
        return start

    def wait_until_heard(self, zone: str, published: datetime) -> None:
        """Wait until a living daemon has fetched what was published: the next one plans by it at once."""

        def heard() -> bool:
            with Reading.open(Path(self.stage.config.ledger)) as reading:
                issue = reading.newest_issue(zone)
            return issue is not None and issue.series.horizon == published + HORIZON

        wait_until(heard, 60, f"the forecast for {zone}")

    def submit(
        self, seconds: int, *options: str, words: str = "", when_told: int | None = None, flex: str = "2h"
    ) -> str:
        """Submit a flexible job that works so long, and so much longer once it is told to save."""
        tag = f"--comment=carbon:flex={flex},length={seconds}s{words}"
        options = [*options, tag, "--output=lives.%j.out", "lives.sh"]
        environment = {"SECONDS_OF_WORK": str(seconds)}
        environment |= {} if when_told is None else {"SECONDS_WHEN_TOLD": str(when_told)}
        return submit(self.stage.sandbox, *options, user=self.stage.user, env=environment)

    # --- the daemons ---

    def die(self, point: str) -> None:
        """Start a daemon that dies at a failpoint."""
        process = self._launch(point, "KILL")
        wait_until(lambda: process.poll() is not None, 60, f"the daemon to die at {point}")
        assert process.returncode == -signal.SIGKILL, self.stage.log.read_text()[-2000:]

    def halt(self, point: str) -> None:
        """Start a daemon that stands still at a failpoint, until ``go_on``."""
        process = self._launch(point, "STOP")
        wait_until(lambda: _stands_still(process), 60, f"the daemon to come to {point}")

    def go_on(self) -> None:
        """Let it go on, for good."""
        assert self.stage.process is not None
        self.stage.process.send_signal(signal.SIGCONT)

    def crash_at(self, point: str) -> None:
        """Kill slurmctld where the daemon stands still at a failpoint, and restart it."""
        self.halt(point)
        self.stage.sandbox.kill_slurmctld()
        self.stage.sandbox.start_slurmctld()
        self.go_on()

    def live(self) -> None:
        """Start one without failpoint, and wait until it has been through a cycle."""
        before = self.last_cycle()
        self.stage.start()
        wait_until(lambda: self.last_cycle() != before, 80, "a cycle")

    def last_cycle(self) -> tuple[datetime, str | None] | None:
        """When the newest cycle began, and its error."""
        try:
            with Reading.open(Path(self.stage.config.ledger)) as reading:
                return reading.last_cycle(self.stage.config.cluster)
        except LedgerError:
            return None

    def wait_until_settled(self) -> None:
        """Wait until slurmctld has been up for so long that jobs may be stopped."""
        queue = wiring.queue(self.stage.config)
        wait_until(
            lambda: controller_settled(queue.controller(), None, wiring.now()), 60, "slurmctld to be settled"
        )

    def _launch(self, point: str, word: str) -> subprocess.Popen[bytes]:
        argv = [sys.executable, str(FAILING_DAEMON), str(config_path(self.stage.sandbox)), point, word]
        return self.stage.launch(argv)

    # --- what became of it ---

    def wait_for(self, jobs: list[str], state: str, timeout: float = 60) -> None:
        """Wait until all of these jobs are in a state."""
        for job in jobs:
            wait_for_state(self.stage.sandbox, job, state, timeout=timeout)

    def begin(self, job: str) -> datetime:
        """When Slurm lets it start; the epoch where it shows none, as of one that waits for another only."""
        return read_time(fields(self.stage.sandbox, job)["EligibleTime"]) or from_epoch(0)

    def output(self, job: str) -> list[str]:
        """What its runs wrote."""
        return (self.stage.sandbox.work / f"lives.{job}.out").read_text().splitlines()

    def attempts(self, job: str) -> list[tuple[str, datetime]]:
        """Its runs as sacct has them: state and start; the epoch where a crash lost that."""
        argv = ["sacct", "-a", "-D", "-X", "-n", "-P", "-j", job, "-o", "State,Start"]
        shown = self.stage.sandbox.run(argv, env={"SLURM_TIME_FORMAT": "%s"}).stdout
        rows = [line.split("|") for line in shown.splitlines()]
        return [(state, from_epoch(int(start) if start.isdigit() else 0)) for state, start in rows]

    def actions(self, job: str) -> list[ActionRow]:
        """What the ledger says that we did to it."""
        with Reading.open(Path(self.stage.config.ledger)) as reading:
            rows = reading.actions(self.stage.config.cluster, from_epoch(0))
        return [row for row in rows if row.key.job_id == int(job)]


def _stands_still(process: subprocess.Popen[bytes]) -> bool:
    assert process.poll() is None, f"the daemon ended with {process.returncode}"
    stat = Path(os.fspath(f"/proc/{process.pid}/stat")).read_text()
    return stat.rpartition(")")[2].split()[0] == "T"
