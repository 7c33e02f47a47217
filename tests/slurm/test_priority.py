"""What waiting costs in priority, and that it is given back: sprio, and who starts first under load."""

from __future__ import annotations

import getpass
import json
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from carbonslurm.sandbox.jobs import fields, submit, wait_for_state
from carbonslurm.sandbox.waiting import wait_until
from carbonslurm.sandbox.watching import actions, forecast, known, now_s, wait_for_begin

if TYPE_CHECKING:
    from datetime import datetime

    from carbonslurm.sandbox.stage import Stage

DIRTY, CLEAN = 500.0, 100.0
WAIT = 25  # seconds that the withheld job loses
ONE_COUNT = WAIT + 65  # until Slurm has counted ages anew, as it does once a minute
WORDS = ("--output=/dev/null", "--time=5", "--exclusive", "--nodes=4")
FLEXIBLE = "--comment=carbon:flex=2h,length=3s"
GPU = "--gres=gpu:4"


@dataclass
class Race:
    """Jobs that each want all nodes: one runs, one is withheld, and one was submitted after that."""

    stage: Stage
    clean: datetime
    running: str
    withheld: str
    younger: str

    def factor(self, job: str) -> int:
        """The SITE column of sprio."""
        shown = self.stage.sandbox.run(["sprio", "--noheader", "--format=%i %S", f"--jobs={job}"]).stdout
        return int(shown.split()[1]) if shown.split() else 0


def race(stage: Stage, compensation: str, running_s: int = 45) -> Race:
    stage.changes = {**stage.changes, "withhold": {"age_compensation": compensation}}
    stage.write_site()
    start = now_s()
    clean = start + timedelta(seconds=WAIT)
    forecast(stage, start, [(0, DIRTY), (WAIT, CLEAN)])
    stage.start()
    sandbox, user = stage.sandbox, stage.user
    running = submit(sandbox, *WORDS, GPU, f"--wrap=sleep {running_s}", user=user)
    wait_for_state(sandbox, running, "RUNNING")
    withheld = submit(sandbox, *WORDS, GPU, FLEXIBLE, "--wrap=sleep 1", user=user)
    wait_for_begin(stage, withheld, clean)
    wait_until(lambda: (now_s() - start).total_seconds() >= 10, 80, "a job to be younger")
    younger = submit(sandbox, *WORDS, GPU, "--wrap=sleep 1", user=user)
    return Race(stage, clean, running, withheld, younger)


def order(found: Race) -> list[str]:
    """The withheld and the younger job in the order in which they started."""
    jobs = {"withheld": found.withheld, "younger": found.younger}
    starts = {
        name: int(wait_for_state(found.stage.sandbox, job, "COMPLETED", timeout=120)["StartTime"])
        for name, job in jobs.items()
    }
    return sorted(starts, key=lambda name: starts[name])


def test_without_compensation_a_withheld_job_falls_behind_one_that_came_later(stage: Stage) -> None:
    found = race(stage, "none", ONE_COUNT)
    wait_until(lambda: now_s() > found.clean, 80, "the clean hour")
    assert found.factor(found.withheld) == 0
    assert order(found) == ["younger", "withheld"]


def test_with_it_the_age_that_waiting_cost_is_given_back_and_it_starts_first(stage: Stage) -> None:
    """The sandbox counts 100,000 for a day of age: 1.16 a second."""
    found = race(stage, "site_factor")
    wait_until(lambda: now_s() > found.clean, 80, "the clean hour")
    wait_until(lambda: found.factor(found.withheld) > 0, 80, "sprio to show the site factor")
    seconds = found.factor(found.withheld) / (100_000 / 86_400)
    assert WAIT - 12 <= seconds <= WAIT + 2
    assert order(found) == ["withheld", "younger"]


def test_where_few_jobs_may_age_none_is_given_any(stage: Stage) -> None:
    """With MaxJobsAccrue=1 Slurm itself lets one of an owner's waiting jobs age."""
    sandbox, user = stage.sandbox, stage.user or getpass.getuser()
    limit = ["sacctmgr", "--immediate", "modify", "user", user, "set"]
    sandbox.run([*limit, "MaxJobsAccrue=1"])
    try:
        stage.changes = {**stage.changes, "withhold": {"age_compensation": "site_factor"}}
        stage.write_site()
        forecast(stage, now_s(), [(0, DIRTY), (600, CLEAN)])
        stage.start()
        running = submit(sandbox, *WORDS, GPU, "--wrap=sleep 60", user=stage.user)
        wait_for_state(sandbox, running, "RUNNING")
        plain = [submit(sandbox, *WORDS, GPU, "--wrap=true", user=stage.user) for _ in range(3)]
        job = submit(sandbox, *WORDS, GPU, FLEXIBLE, "--wrap=true", user=stage.user)
        wait_until(lambda: [row.state for row in actions(stage, job)] == ["confirmed"], 80, "a plan")
        ageing = [fields(sandbox, other)["AccrueTime"].isdigit() for other in plain]
        assert sum(ageing) == 1
        assert known(stage, job).compensation is None
        said = stage.command("carbonslurm", "doctor", "--json", check=False).stdout
        (age,) = [item for item in json.loads(said) if item["check"] == "age"]
        assert not age["ok"]
        assert f"MaxJobsAccrue=1 of user {user}" in age["finding"]
    finally:
        sandbox.run([*limit, "MaxJobsAccrue=-1"])
