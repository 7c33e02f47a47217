"""Jobs that wait by a hold or behind the gate: carbonslurmd, and then slurmctld, killed (-9) at our calls.

One performance. Another job keeps all nodes: a slurmctld that dies runs anew what has only just started, and
here nothing does before the end. First our daemons die, each at its failpoint; then slurmctld does, while our
daemon stands still just after a call. In the end every job ran once, and none was taken for its owner's.
test_crashes.py and test_controller_crashes.py do it to jobs that wait by their begin times and to stops.
"""

from __future__ import annotations

import getpass
import re
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from failpoints import Failpoint, calls
from lives import Lives, now_s, wait_until_saved

from carbonslurm.core.deciding import NOT_ITS_DUE
from carbonslurm.core.interval import from_epoch
from carbonslurm.core.ownership import STARTED
from carbonslurm.core.priority import AgeWeight, site_factor
from carbonslurm.sandbox.jobs import fields, submit, wait_for_state
from carbonslurm.sandbox.waiting import wait_until
from carbonslurm.sandbox.watching import known

if TYPE_CHECKING:
    from datetime import datetime

    from carbonslurm.sandbox.stage import Stage

AGE = AgeWeight(100_000, timedelta(days=1))  # of the sandbox
DIRTY, CLEAN = 500.0, 100.0
FAR = 800  # seconds until electricity is clean
GATED, BY_BEGIN = "--partition=debug", "--partition=low"
PATIENCE = 60

# From the last to the first: what one life leaves behind is what the next one begins with.
IN_A_HOLD = ("settle(applied):before", "withhold:after", "withhold:before")
AT_THE_GATE = ("shut:after", "shut:before")
IN_A_LEAVE = ("set_factor:after", "set_factor:before")
IN_A_RELEASE = ("release:before", "release:after", "open:before", "open:after")


class Told(Lives):
    """The jobs, by what was done to them.

    Attributes:
        moved: the reservation's end before and after slurmctld had forgotten that it was moved on.
        opened: when a gate was open again that slurmctld had forgotten was opened, and when it would have
            opened by itself.
        kept: what sprio shows for jobs that were started by their owner, and the most that they have lost.
    """

    def __init__(self, stage: Stage) -> None:
        super().__init__(stage)
        self.held: list[str] = []
        self.gated: list[str] = []
        self.begin_later = self.owned = self.pressed = ""
        self.moved = self.opened = (from_epoch(0), from_epoch(0))
        self.kept: dict[str, tuple[int, int]] = {}

    def perform(self) -> None:
        partitions = {"debug": "gate", "low": "begin"}
        by = {"by": "hold", "partitions": partitions, "age_compensation": "site_factor"}
        self.site(stops=False, withhold=by)
        for zone in ("grid", "other"):
            self.grid(zone, (0, DIRTY), (FAR, CLEAN))
        over = self.stage.sandbox.work / "means-are-over"
        words = ("--exclusive", "--nodes=4", "--time=20", "--output=/dev/null")
        blocker = submit(
            self.stage.sandbox, *words, f"--wrap=until [ -e {over} ]; do sleep 1; done", user=self.stage.user
        )
        wait_for_state(self.stage.sandbox, blocker, "RUNNING")
        self.daemons_die()
        self.slurmctld_dies()
        over.touch()
        self.wait_for(self.all, "COMPLETED", 120)

    @property
    def all(self) -> list[str]:
        """Every job that is to run."""
        return [*self.held, *self.gated, self.begin_later, self.owned, self.pressed]

    # --- our daemons ---

    def daemons_die(self) -> None:
        for point in IN_A_HOLD:
            self.held.append(self.submit(2))
            self.die(point)
        self.owned = self.submit(2)
        self.gated = [self.submit(2, GATED) for _ in range(2)]
        for point in AT_THE_GATE:
            self.die(point)
        self.live()
        for job in (*self.held, self.owned):
            self.wait_for_reason(job, "JobHeldUser")
        for job in self.gated:
            self.wait_for_reason(job, "Licenses")
        self.stage.kill()
        self.as_owner("release", self.owned)
        for point in IN_A_LEAVE:
            self.die(point)
        self.live()
        self.note(self.owned)
        self.stage.kill()
        self.turn(CLEAN)
        for point in IN_A_RELEASE:
            self.die(point)
        self.live()
        self.wait_until_free()
        self.stage.kill()

    # --- slurmctld ---

    def slurmctld_dies(self) -> None:
        self.turn(DIRTY)
        self.held.append(self.submit(2))
        wait_until_saved(self.stage)
        self.crash_at("withhold:after")
        self.wait_for_reason(self.held[-1], "JobHeldUser")
        self.stage.kill()
        self.begin_later = self.submit(2, BY_BEGIN)
        wait_until_saved(self.stage)
        self.crash_at("withhold:after")
        # Slurm 22.05 works priorities out anew once a minute (PriorityCalcPeriod), counted from its start.
        wait_until(lambda: self.is_compensated(self.begin_later), 3 * PATIENCE, "the site factor again")
        self.stage.kill()
        self.gated.append(self.submit(2, GATED))
        wait_until_saved(self.stage)
        self.crash_at("shut:after")
        self.wait_for_reason(self.gated[-1], "Licenses")
        self.stage.kill()
        wait_until_saved(self.stage)
        before = self.gate_end()
        self.crash_at("shut:after")
        wait_until(lambda: self.gate_end() > before, PATIENCE, "the gate to be moved on again")
        self.moved = (before, self.gate_end())
        self.stage.kill()
        self.pressed = self.submit(2, GATED, flex="70s")
        wait_until_saved(self.stage)
        self.crash_at("release:after")
        wait_until(lambda: not self.licences(self.pressed), PATIENCE, "the licence to be taken off again")
        self.stage.kill()
        self.turn(CLEAN)
        self.crash_at("release:after")
        wait_until(lambda: self.is_free(self.held[-1]), PATIENCE, "the release again")
        self.stage.kill()
        self.turn(DIRTY)
        self.live()
        wait_until(lambda: self.gate_end() > now_s(), PATIENCE, "the gate to be shut")
        self.stage.kill()
        wait_until_saved(self.stage)
        by_itself = self.gate_end()
        self.turn(CLEAN)
        self.crash_at("open:after")
        wait_until(lambda: self.gate_end() <= now_s(), PATIENCE, "the gate to be open again")
        self.opened = (now_s(), by_itself)
        self.wait_until_free()

    # --- what is done ---

    def turn(self, level: float) -> None:
        for zone in ("grid", "other"):
            self.grid(zone, (0, level), (FAR, CLEAN))

    def as_owner(self, *words: str) -> None:
        self.stage.sandbox.run(["scontrol", *words], user=self.stage.user or getpass.getuser())

    # --- what is seen ---

    def wait_for_reason(self, job: str, reason: str) -> None:
        wait_until(
            lambda: fields(self.stage.sandbox, job)["Reason"] == reason,
            PATIENCE,
            lambda: f"job {job} to wait for {reason}: {fields(self.stage.sandbox, job)['Reason']}",
        )

    def wait_until_free(self) -> None:
        """Wait until only room keeps every job from starting; Slurm does not renew each Reason then."""
        for job in filter(None, self.all):
            wait_until(lambda job=job: self.is_free(job), PATIENCE, f"job {job} to be let go")
        wait_until(lambda: self.gate_end() <= now_s(), PATIENCE, "the gate to be open")

    def is_free(self, job: str) -> bool:
        return fields(self.stage.sandbox, job)["Priority"] != "0" and self.begin(job) <= now_s()

    def gate_end(self) -> datetime:
        """When the gate opens by itself; the epoch where it is open."""
        words = ["scontrol", "show", "reservation", "--oneliner"]
        shown = self.stage.sandbox.run(words, env={"SLURM_TIME_FORMAT": "%s"}).stdout
        found = re.search(r"carbonslurm_gate.* EndTime=([0-9]+)", shown)
        return from_epoch(int(found[1]) if found else 0)

    def licences(self, job: str) -> str:
        shown = fields(self.stage.sandbox, job)["Licenses"]
        return "" if shown == "(null)" else shown

    def is_compensated(self, job: str) -> bool:
        """Whether its priority, which it has although it waits, holds the site factor of its plan."""
        given = known(self.stage, job).compensation
        shown = int(fields(self.stage.sandbox, job)["Priority"])
        return given is not None and given.factor > AGE.weight // 200 and shown >= given.factor

    def story(self, job: str) -> str:
        """All that was meant for a job and said of it, for whoever looks at a failure."""
        said = [line for line in self.stage.log.read_text().splitlines() if f"job {job} " in line]
        return "\n".join([f"job {job} of {self}", *map(str, self.actions(job)), *said])

    def note(self, job: str) -> None:
        """Write down what a job that is free has been left, once that is less than it was given."""

        def shown() -> list[str]:
            words = ["sprio", "--noheader", "--format=%S", f"--jobs={job}"]
            return re.findall(r"^ *([0-9]+) *$", self.stage.sandbox.run(words).stdout, re.MULTILINE)

        most = site_factor(AGE, timedelta(seconds=FAR / 2))
        wait_until(lambda: shown() and int(shown()[0]) < most, PATIENCE, lambda: f"less of it: {shown()}")
        submitted = from_epoch(int(fields(self.stage.sandbox, job)["SubmitTime"]))
        until = now_s() + timedelta(seconds=1)  # this second has not passed
        self.kept[job] = (int(shown()[0]), site_factor(AGE, until - submitted))


@pytest.fixture(scope="module")
def told(lasting_stage: Stage) -> Told:
    found = Told(lasting_stage)
    found.perform()
    return found


def test_every_failpoint_of_these_lives_is_one() -> None:
    points = (*IN_A_HOLD, *AT_THE_GATE, *IN_A_LEAVE, *IN_A_RELEASE)
    assert {Failpoint.read(point).name for point in points} <= calls()


def test_no_crash_strands_a_held_or_gated_job_or_runs_it_twice(told: Told) -> None:
    for job in told.all:
        ((state, _),) = told.attempts(job)
        assert (state, told.output(job)) == ("COMPLETED", ["start 0", "end 0"]), job


def test_no_crash_makes_a_held_or_gated_job_foreign(told: Told) -> None:
    for job in told.all:
        words = [row.reason for row in told.actions(job) if row.verb == "leave"]
        theirs = [word for word in words if word != NOT_ITS_DUE]
        assert theirs == ([STARTED] if job == told.owned else []), told.story(job)


def test_what_a_dead_daemon_did_not_take_back_the_next_one_does(told: Told) -> None:
    kept, lost = told.kept[told.owned]
    assert kept <= lost


def test_a_gate_that_slurmctld_forgot_was_moved_on_is_moved_on_again(told: Told) -> None:
    before, after = told.moved
    assert before < after


def test_a_gate_that_slurmctld_forgot_was_opened_is_opened_long_before_it_opens_by_itself(told: Told) -> None:
    opened, by_itself = told.opened
    assert opened < by_itself
