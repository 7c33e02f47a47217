"""Age that waiting costs, given back by the site factor, and who keeps what of it: sprio, on a real Slurm.

One performance for all kinds of jobs. Electricity is clean only later, so each withheld job is given much;
a job of somebody else keeps all nodes, so that what is started waits in the queue, where sprio shows it. The
sandbox counts 100,000 for a day of age: 1.16 a second.
"""

from __future__ import annotations

import getpass
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from carbonslurm.core.interval import from_epoch
from carbonslurm.core.priority import AgeWeight, site_factor
from carbonslurm.sandbox.jobs import fields, submit, wait_for_state
from carbonslurm.sandbox.waiting import wait_until
from carbonslurm.sandbox.watching import actions, forecast, known, now_s, wait_for_cycles

if TYPE_CHECKING:
    from datetime import datetime

    from carbonslurm.sandbox.stage import Stage

AGE = AgeWeight(100_000, timedelta(days=1))
DIRTY, CLEAN = 500.0, 100.0
FAR = 800  # seconds until electricity is clean
ALL_NODES = ("--gres=gpu:4", "--exclusive", "--nodes=4", "--time=5", "--output=/dev/null")
FLEXIBLE = "--comment=carbon:flex=2h,length=3s"
HELD = "--partition=debug"
SLACK = 8  # of age: what comes between a look at the clock and Slurm's
OWNED = ("held", "held array", "begin", "array", "heterogeneous")


@dataclass
class Told:
    """The jobs by what they are, and what is known of each.

    Attributes:
        given: while it waited.
        kept: when it waited no longer for us.
        lost: what its age would have been then, had it been let alone.
    """

    stage: Stage
    jobs: dict[str, str] = field(default_factory=dict)
    given: dict[str, int] = field(default_factory=dict)
    kept: dict[str, list[int]] = field(default_factory=dict)
    lost: dict[str, int] = field(default_factory=dict)
    again: list[int] = field(default_factory=list)

    def perform(self) -> None:
        by = {"by": "begin", "partitions": {"debug": "hold"}, "age_compensation": "site_factor"}
        self.stage.changes = {**self.stage.changes, "withhold": by}
        self.stage.write_site()
        forecast(self.stage, now_s(), [(0, DIRTY), (FAR, CLEAN)])
        self.stage.start()
        blocker = self.block()
        sleep = "--wrap=sleep 60"
        self.jobs = {
            "held": self.submit(HELD, sleep),
            "held array": self.submit(HELD, "--array=0-1", sleep),
            "begin": self.submit(sleep),
            "array": self.submit("--array=0-1", sleep),
            "heterogeneous": self.submit(":", "--nodes=1", "--time=5", sleep),
            "released": self.submit(sleep),
            "released hold": self.submit(HELD, sleep),
            "rescued": self.submit(HELD, "--array=0-1", sleep),
        }
        for name, job in self.jobs.items():
            wait_until(lambda job=job: self.is_withheld(job), 80, f"{name} to be withheld")
            compensation = known(self.stage, job).compensation
            self.given[name] = compensation.factor if compensation else 0
        for name in OWNED:
            self.start_it(self.jobs[name], held="held" in name)
        for name in OWNED:
            job = self.jobs[name]
            wait_until(lambda job=job: self.verbs(job)[-1] == "leave", 80, f"{name} to be left alone")
            self.note(name)
        for name in ("released", "released hold"):
            self.command("release", self.jobs[name])
            self.note(name)
        self.stage.kill()
        self.command("rescue", "--now")
        self.note("rescued")
        self.run_again("array", blocker)

    def run_again(self, name: str, blocker: str) -> None:
        """Let one of the jobs run, and be requeued by its owner behind another that keeps all nodes."""
        job = f"{self.jobs[name]}_0"
        self.stage.start()
        others = [other for other in self.jobs if other != name]
        self.cancel(blocker, *(self.jobs[other] for other in others), f"{self.jobs[name]}_1")
        wait_for_state(self.stage.sandbox, job, "RUNNING")
        wait_for_cycles(self.stage, 1)
        self.as_owner("requeue", job)
        self.block()
        wait_until(lambda: self.factors(job) == [0], 80, lambda: f"no site factor: {self.factors(job)}")
        self.again = self.factors(job)

    # --- its people ---

    def submit(self, *words: str) -> str:
        return submit(self.stage.sandbox, *ALL_NODES, FLEXIBLE, *words, user=self.stage.user)

    def block(self) -> str:
        other = self.stage.user and self.stage.sandbox.users[-1]
        blocker = submit(self.stage.sandbox, *ALL_NODES, "--wrap=sleep 250", user=other)
        wait_for_state(self.stage.sandbox, blocker, "RUNNING")
        return blocker

    def as_owner(self, *words: str) -> None:
        self.stage.sandbox.run(["scontrol", *words], user=self.stage.user or getpass.getuser())

    def cancel(self, *jobs: str) -> None:
        self.stage.sandbox.run(["scancel", *jobs])

    def start_it(self, job: str, *, held: bool) -> None:
        words = ["release", job] if held else ["update", f"JobId={job}", "StartTime=now"]
        self.as_owner(*words)

    def command(self, *words: str) -> None:
        self.stage.command("carbonslurm", *words)

    # --- what is seen ---

    def is_withheld(self, job: str) -> bool:
        rows = [row for row in actions(self.stage, job) if row.verb == "withhold"]
        return bool(rows) and rows[-1].state == "confirmed"

    def verbs(self, job: str) -> list[str]:
        return [row.verb for row in actions(self.stage, job)]

    def submitted(self, job: str) -> datetime:
        return from_epoch(int(fields(self.stage.sandbox, job)["SubmitTime"]))

    def note(self, name: str) -> None:
        """Write down what a job has now, once sprio shows it, and what it can have lost by now."""
        job = self.jobs[name]
        wait_until(lambda: bool(self.factors(job)), 80, f"sprio to show {name}")
        wait_until(
            lambda: max(self.factors(job)) < self.given[name], 20, lambda: f"{name}: {self.factors(job)}"
        )
        self.kept[name] = self.factors(job)
        self.lost[name] = site_factor(AGE, now_s() - self.submitted(job))

    def factors(self, job: str) -> list[int]:
        """The SITE column of sprio, of each record of a job."""
        words = ["sprio", "--noheader", "--format=%i %S", f"--jobs={job.partition('_')[0]}"]
        shown = self.stage.sandbox.run(words).stdout
        rows = [line.split() for line in shown.splitlines()]
        return [int(row[1]) for row in rows if len(row) == 2]  # else it says that there is none


@pytest.fixture(scope="module")
def told(lasting_stage: Stage) -> Told:
    found = Told(lasting_stage)
    found.perform()
    return found


@pytest.mark.parametrize("name", [*OWNED, "released", "released hold", "rescued"])
def test_whoever_lets_a_job_go_it_keeps_only_what_it_has_lost(told: Told, name: str) -> None:
    assert told.given[name] >= site_factor(AGE, timedelta(seconds=FAR - 60))
    assert told.kept[name], name
    for kept in told.kept[name]:
        assert 0 < kept <= told.lost[name] + SLACK


def test_a_later_run_has_none_of_what_was_given_to_the_first(told: Told) -> None:
    assert told.again == [0]
