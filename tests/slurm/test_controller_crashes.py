"""slurmctld killed (-9) just after each of our calls, on a real Slurm, and restarted.

It may have forgotten what it had said yes to. The daemon stands still between its call and the crash, so that
nothing of ours comes in between, and goes on when slurmctld is back.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from lives import STOPPABLE, Lives, short_slurmd_timeout, wait_until_saved

from carbonslurm.core.interval import from_epoch
from carbonslurm.sandbox.jobs import submit
from carbonslurm.sandbox.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from carbonslurm.sandbox.stage import Stage

DIRTY, CLEAN, CLEANEST = 500.0, 100.0, 50.0
LATER = 300


class Told(Lives):
    """The jobs, by what was done to them just before slurmctld died."""

    def __init__(self, stage: Stage) -> None:
        super().__init__(stage)
        self.withheld = self.released = self.ends = ""
        self.stopped: list[str] = []
        self.planned = self.clean = from_epoch(0)

    def perform(self) -> None:
        """A begin time and a release forgotten together; then a signal, a requeue and a delay, each alone."""
        self.site(stops=False)
        self.grid("grid", (0, CLEAN))
        self.grid("other", (0, DIRTY), (LATER, CLEAN))
        self.ends = self.submit(LATER, words=STOPPABLE, when_told=2)
        self.stopped = [self.submit(LATER, words=STOPPABLE) for _ in range(3)]
        # slurmctld runs a job anew that started in its last seconds: this one cannot start yet.
        over = self.stage.sandbox.work / "crashes-are-over"
        until_then = f"--wrap=until [ -e {over} ]; do sleep 1; done"
        blocker = submit(self.stage.sandbox, "--output=/dev/null", until_then, user=self.stage.user)
        self.released = self.submit(2, "--partition=debug", f"--dependency=afterok:{blocker}")
        self.withheld = self.submit(2, "--begin=now+60")
        self.live()
        self.wait_for([self.ends, *self.stopped], "RUNNING")
        self.stage.kill()
        wait_until_saved(self.stage)
        self.planned = self.grid("grid", (0, DIRTY), (LATER, CLEAN)) + timedelta(seconds=LATER)
        self.grid("other", (0, CLEAN), (2 * LATER, DIRTY))
        self.crash_at("withhold:after")  # releases go before it
        wait_until(lambda: self.begin(self.withheld) == self.planned, 80, "the begin time again")
        wait_until(
            lambda: self.begin(self.released) < self.planned - self.second(60), 40, "the release again"
        )
        self.stage.kill()
        self.site(stops=True)
        self.wait_until_settled()
        self.crash_at("signal:after")  # of ``ends``, which is gone when slurmctld is back
        wait_until(lambda: self.stops() == {"signalled"}, 80, lambda: f"all to be told: {self.stops()}")
        self.stage.kill()
        self.crash_at("requeue:after")
        self.stage.kill()
        self.crash_at("advance_stop(delayed):before")
        wait_until(lambda: self.stops() <= {"done", "confirmed"}, 60, lambda: f"all to wait: {self.stops()}")
        self.stage.kill()
        over.touch()
        self.clean = self.grid("grid", (0, DIRTY), (8, CLEANEST)) + self.second(8)
        self.live()
        self.wait_for([self.ends, *self.stopped, self.withheld, self.released], "COMPLETED", 90)

    def stops(self) -> set[str]:
        """The states of the newest stops of the jobs that are to go on."""
        rows = [[row.state for row in self.actions(job) if row.verb == "stop"][-1:] for job in self.stopped]
        return {state for states in rows for state in states or ["none"]}

    @staticmethod
    def second(count: int) -> timedelta:
        """So many seconds."""
        return timedelta(seconds=count)


@pytest.fixture(scope="module")
def told(lasting_stage: Stage) -> Iterator[Told]:
    with short_slurmd_timeout(lasting_stage.sandbox):
        found = Told(lasting_stage)
        found.perform()
        yield found


def test_a_begin_time_that_slurmctld_forgot_in_a_crash_is_set_again(told: Told) -> None:
    assert [row.reason for row in told.actions(told.withheld) if row.verb == "leave"] == []
    ((state, start),) = told.attempts(told.withheld)
    assert (state, told.output(told.withheld)) == ("COMPLETED", ["start 0", "end 0"])
    assert start >= told.clean


def test_a_release_that_slurmctld_forgot_in_a_crash_is_made_again(told: Told) -> None:
    assert [row.reason for row in told.actions(told.released) if row.verb == "leave"] == []
    ((state, start),) = told.attempts(told.released)
    assert (state, told.output(told.released)) == ("COMPLETED", ["start 0", "end 0"])
    assert start < told.clean + told.second(10)  # as soon as the other one had ended


def test_a_job_that_ends_while_slurmctld_is_away_never_runs_again(told: Told) -> None:
    ((state, _),) = told.attempts(told.ends)
    assert (state, told.output(told.ends)) == ("COMPLETED", ["start 0", "end 0"])


def test_stops_go_on_over_a_crash_and_the_jobs_run_to_their_end_once(told: Told) -> None:
    for job in told.stopped:
        assert [line for line in told.output(job) if line.startswith("end")] == ["end 1"]
        assert [state for state, _ in told.attempts(job)].count("COMPLETED") == 1
        assert [row.reason for row in told.actions(job) if row.verb == "leave"] == []
