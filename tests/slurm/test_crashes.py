"""carbonslurmd killed (-9) between any two steps of a cycle and of a stop, on a real Slurm, and restarted.

One performance, many short lives: each daemon dies at its failpoint, the next one finds what it left. In the
end every job must have come to what one life without a crash gives: started when it was planned to, run to
its end once, never past its bound. tests/app/test_crashes.py does it at every call, on the simulated cluster.
"""

from __future__ import annotations

import signal
import sys
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from failpoints import Failpoint, calls

from carbonslurm import wiring
from carbonslurm.core.interval import from_epoch
from carbonslurm.core.stop import controller_settled
from carbonslurm.errors import LedgerError
from carbonslurm.ledger.reading import Reading
from carbonslurm.sandbox.grid import publish
from carbonslurm.sandbox.jobs import fields, submit, wait_for_state
from carbonslurm.sandbox.site import config_path
from carbonslurm.sandbox.waiting import wait_until

if TYPE_CHECKING:
    from carbonslurm.ports import ActionRow
    from carbonslurm.sandbox.stage import Stage

FAILING_DAEMON = Path(__file__).parents[1] / "parts" / "failing_daemon.py"
DIRTY, CLEAN, CLEANEST = 500.0, 100.0, 50.0
PROMPT = timedelta(seconds=12)

# Between any two steps that change something, in Slurm or in the ledger, from the last to the first: so what
# one life leaves behind is what the next one begins with.
IN_A_CYCLE = (
    "end_cycle:before",
    "settle(applied):before",  # Slurm was told, and nobody wrote that it said yes
    "withhold:before",  # written, and Slurm was never told
    "intend(withhold):after",
    "intend(withhold):before",
    "note:before",
    "begin_cycle:after",
)
IN_A_RELEASE = ("release:before", "release:after")
IN_A_STOP = (
    "intend(stop):before",
    "intend(stop):after",
    "advance_stop(signalling):before",
    "signal:before",
    "signal:after",
    "advance_stop(signalled):after",
    "requeue:before",
    "requeue:after",
    "advance_stop(delayed):before",
    "advance_stop(delayed):after",
    "advance_stop(done):after",
)

SCRIPT = """#!/bin/bash
#SBATCH --open-mode=append
#SBATCH --gres=gpu:1
again=${SLURM_RESTART_COUNT:-0}
echo "start $again"
trap 'echo saved > "$PWD/saved.$SLURM_JOB_ID"' USR1
rest=$SECONDS_OF_WORK
[ -e "$PWD/saved.$SLURM_JOB_ID" ] && rest=2
while [ "$rest" -gt 0 ]; do sleep 1 & wait $!; rest=$((rest - 1)); done
echo "end $again"
"""


def now_s() -> datetime:
    return from_epoch(int(wiring.now().timestamp()))


class Lives:
    """The performance: the jobs by what was done to them, and the daemons that died."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        self.died: list[str] = []
        self.withheld: list[str] = []
        self.released: list[str] = []
        self.stopped: list[str] = []
        self.clean = from_epoch(0)
        (stage.sandbox.work / "crash.sh").write_text(SCRIPT)

    # --- the site ---

    def site(self, *, stops: bool) -> None:
        """Two zones: main's jobs lie in ``grid``, debug's in ``other``."""
        folder = self.stage.sandbox.directory
        sources = [{"provider": "file", "zone": zone, "path": str(folder / f"{zone}.csv")} for zone in ZONES]
        stop = {"enabled": stops, "min_run": "2s", "restart": "1s", "settle": "6s"}
        # The window of two cycles must be longer than some lives, which all die in their first cycle.
        cycle = {"interval": "12s", "fetch": "2s", "reconcile": "1h", "stop_step": "1s"}
        changes = {"sources": sources, "zones": {"debug": "other"}, "stop": stop, "cycle": cycle}
        self.stage.changes = {**self.stage.changes, **changes}
        self.stage.write_site()

    def grid(self, zone: str, *levels: tuple[float, float]) -> datetime:
        start = now_s()
        publish(self.stage.sandbox.directory / f"{zone}.csv", start, levels)
        return start

    def submit(self, partition: str, seconds: int, words: str) -> str:
        tag = f"--comment=carbon:flex=2h,length={seconds}s{words}"
        options = [f"--partition={partition}", tag, "--output=crash.%j.out", "crash.sh"]
        environment = {"SECONDS_OF_WORK": str(seconds)}
        return submit(self.stage.sandbox, *options, user=self.stage.user, env=environment)

    # --- the daemons ---

    def die(self, point: str) -> None:
        """Start a daemon that dies at a failpoint."""
        argv = [sys.executable, str(FAILING_DAEMON), str(config_path(self.stage.sandbox)), point, "KILL"]
        process = self.stage.launch(argv)
        wait_until(lambda: process.poll() is not None, 40, f"the daemon to die at {point}")
        assert process.returncode == -signal.SIGKILL, self.stage.log.read_text()[-2000:]
        self.died.append(point)

    def live(self) -> None:
        """Start one that does not, and wait until it has been through a cycle."""
        before = self.last_cycle()
        self.stage.start()
        wait_until(lambda: self.last_cycle() != before, 30, "a cycle")

    def last_cycle(self) -> object:
        try:
            with Reading.open(Path(self.stage.config.ledger)) as reading:
                return reading.last_cycle(self.stage.config.cluster)
        except LedgerError:
            return None

    # --- what became of it ---

    def output(self, job: str) -> list[str]:
        return (self.stage.sandbox.work / f"crash.{job}.out").read_text().splitlines()

    def attempts(self, job: str) -> list[list[str]]:
        argv = ["sacct", "-a", "-D", "-X", "-n", "-P", "-j", job, "-o", "State,Start,End"]
        shown = self.stage.sandbox.run(argv, env={"SLURM_TIME_FORMAT": "%s"}).stdout
        return [line.split("|") for line in shown.splitlines()]

    def actions(self, job: str) -> list[ActionRow]:
        with Reading.open(Path(self.stage.config.ledger)) as reading:
            rows = reading.actions(self.stage.config.cluster, from_epoch(0))
        return [row for row in rows if row.key.job_id == int(job)]


ZONES = ("grid", "other")


@pytest.fixture(scope="module")
def lives(lasting_stage: Stage) -> Lives:
    stage = lasting_stage
    told = Lives(stage)
    # Jobs that run, and jobs that wait for a clean hour of another zone.
    told.site(stops=False)
    told.grid("grid", (0, CLEAN))
    told.grid("other", (0, DIRTY), (300, CLEAN))
    told.stopped = [told.submit("main", 300, ",checkpoint=USR1@3,restart=1s") for _ in range(6)]
    told.released = [told.submit("debug", 2, "") for _ in range(2)]
    told.live()
    for job in told.stopped:
        wait_for_state(stage.sandbox, job, "RUNNING", timeout=30)
    stage.kill()
    # Each life is born with a new job to withhold.
    told.grid("grid", (0, DIRTY), (300, CLEAN))
    for point in IN_A_CYCLE:
        told.withheld.append(told.submit("main", 2, ""))
        told.die(point)
    told.live()  # for the job of the last life, whose window would lapse: it would start
    controller = wiring.queue(stage.config).controller
    wait_until(
        lambda: controller_settled(controller(), None, wiring.now()), 60, "slurmctld to be up for a while"
    )
    stage.kill()
    told.grid("other", (0, CLEAN), (600, DIRTY))
    for point in IN_A_RELEASE:
        told.die(point)
    told.site(stops=True)
    for point in IN_A_STOP:
        told.die(point)
    told.clean = told.grid("grid", (0, DIRTY), (8, CLEANEST)) + timedelta(seconds=8)
    told.live()
    everything = [*told.stopped, *told.released, *told.withheld]
    wait_until(
        lambda: all(fields(stage.sandbox, job)["JobState"] == "COMPLETED" for job in everything),
        60,
        lambda: f"all jobs to end: {[(job, fields(stage.sandbox, job)['JobState']) for job in everything]}",
    )
    return told


def test_every_failpoint_of_these_lives_is_one() -> None:
    assert {Failpoint.read(point).name for point in (*IN_A_CYCLE, *IN_A_RELEASE, *IN_A_STOP)} <= calls()


def test_every_daemon_died_where_it_should(lives: Lives) -> None:
    assert lives.died == [*IN_A_CYCLE, *IN_A_RELEASE, *IN_A_STOP]


def test_jobs_withheld_by_daemons_that_died_run_once_in_the_clean_hour(lives: Lives) -> None:
    for job in lives.withheld:
        ((state, start, _),) = lives.attempts(job)
        assert (state, lives.output(job)) == ("COMPLETED", ["start 0", "end 0"])
        assert lives.clean <= from_epoch(int(start)) <= lives.clean + PROMPT


def test_jobs_released_by_daemons_that_died_run_once(lives: Lives) -> None:
    for job in lives.released:
        ((state, start, _),) = lives.attempts(job)
        assert (state, lives.output(job)) == ("COMPLETED", ["start 0", "end 0"])
        assert from_epoch(int(start)) < lives.clean


def test_jobs_stopped_by_daemons_that_died_go_on_once_in_the_clean_hour(lives: Lives) -> None:
    for job in lives.stopped:
        attempts = lives.attempts(job)
        assert [attempt[0] for attempt in attempts] == ["REQUEUED", "COMPLETED"]
        assert lives.output(job)[-2:] == ["start 1", "end 1"]
        assert lives.output(job).count("end 0") == 0
        assert lives.clean <= from_epoch(int(attempts[1][1])) <= lives.clean + PROMPT


def test_no_crash_makes_a_job_foreign_or_late(lives: Lives) -> None:
    for job in (*lives.withheld, *lives.released, *lives.stopped):
        rows = lives.actions(job)
        assert [row.reason for row in rows if row.verb == "leave"] == []
        assert all(row.until <= row.bound for row in rows if row.until and row.bound)
