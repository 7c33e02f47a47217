"""carbonslurmd killed (-9) between any two steps of a cycle and of a stop, on a real Slurm, and restarted.

One performance, many short lives: each daemon dies at its failpoint, the next one finds what it left. In the
end every job must have come to what one life without a crash gives: started when it was planned to, run to
its end once, never past its bound. tests/app/test_crashes.py does it at every call, on the simulated cluster.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from failpoints import Failpoint, calls
from lives import STOPPABLE, Lives, short_slurmd_timeout

from carbonslurm.core.interval import from_epoch

if TYPE_CHECKING:
    from collections.abc import Iterator

    from carbonslurm.sandbox.stage import Stage

DIRTY, CLEAN, CLEANEST = 500.0, 100.0, 50.0
# A job that could as well start later is let go by the first cycle in the clean hour. These lives have one
# each 12 s, and the one that falls into that hour may be the second to see its forecast; a machine that runs
# three Slurms and all other tests beside it takes twice as long.
PROMPT = timedelta(seconds=60)
LATER = 600  # seconds: longer than all of these lives, and within what is published

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


class Told(Lives):
    """The jobs, by what was done to them."""

    def __init__(self, stage: Stage) -> None:
        super().__init__(stage)
        self.withheld: list[str] = []
        self.released: list[str] = []
        self.stopped: list[str] = []
        self.clean = from_epoch(0)

    def perform(self) -> None:
        """Jobs run, and wait for a clean hour elsewhere; then come the short lives."""
        # The last three end before they withhold: a window of two cycles outlasts them, however slow.
        slow = {"interval": "40s", "fetch": "2s", "reconcile": "1h", "stop_step": "1s"}
        self.site(stops=False, cycle=slow)
        self.grid("grid", (0, CLEAN))
        self.grid("other", (0, DIRTY), (LATER, CLEAN))
        self.stopped = [self.submit(300, words=STOPPABLE) for _ in range(6)]
        self.released = [self.submit(2, "--partition=debug") for _ in range(2)]
        self.live()
        self.wait_for(self.stopped, "RUNNING")
        self.wait_until_heard("grid", self.grid("grid", (0, DIRTY), (LATER, CLEAN)))
        self.stage.kill()
        for point in IN_A_CYCLE:
            self.withheld.append(self.submit(2))
            self.die(point)
        self.live()  # for the job of the last life: once its window lapses it starts
        self.wait_until_settled()
        self.stage.kill()
        self.site(stops=False)  # a life may need its second cycle to see a new forecast
        self.grid("other", (0, CLEAN), (LATER, DIRTY))
        for point in IN_A_RELEASE:
            self.die(point)
        self.site(stops=True)
        for point in IN_A_STOP:
            self.die(point)
        self.clean = self.grid("grid", (0, DIRTY), (8, CLEANEST)) + timedelta(seconds=8)
        self.live()
        self.wait_for([*self.stopped, *self.released, *self.withheld], "COMPLETED")


@pytest.fixture(scope="module")
def told(lasting_stage: Stage) -> Iterator[Told]:
    with short_slurmd_timeout(lasting_stage.sandbox):
        lasting_stage.sandbox.restart_slurmctld()
        found = Told(lasting_stage)
        found.perform()
        yield found


def test_every_failpoint_of_these_lives_is_one() -> None:
    assert {Failpoint.read(point).name for point in (*IN_A_CYCLE, *IN_A_RELEASE, *IN_A_STOP)} <= calls()


def test_jobs_withheld_by_daemons_that_died_run_once_in_the_clean_hour(told: Told) -> None:
    for job in told.withheld:
        ((state, start),) = told.attempts(job)
        assert (state, told.output(job)) == ("COMPLETED", ["start 0", "end 0"])
        assert told.clean <= start <= told.clean + PROMPT


def test_jobs_released_by_daemons_that_died_run_once(told: Told) -> None:
    for job in told.released:
        ((state, start),) = told.attempts(job)
        assert (state, told.output(job)) == ("COMPLETED", ["start 0", "end 0"])
        assert start < told.clean


def test_jobs_stopped_by_daemons_that_died_go_on_once_in_the_clean_hour(told: Told) -> None:
    for job in told.stopped:
        attempts = told.attempts(job)
        assert [state for state, _ in attempts] == ["REQUEUED", "COMPLETED"]
        assert [line for line in told.output(job) if line.startswith(("start", "end"))] == [
            "start 0",
            "start 1",
            "end 1",
        ]
        assert told.clean <= attempts[1][1] <= told.clean + PROMPT


def test_no_crash_makes_a_job_foreign_or_late(told: Told) -> None:
    for job in (*told.withheld, *told.released, *told.stopped):
        rows = told.actions(job)
        assert [row.reason for row in rows if row.verb == "leave"] == []
        assert all(row.until <= row.bound for row in rows if row.until and row.bound)
