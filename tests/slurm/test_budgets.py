"""Budgets of emissions on a real Slurm: what is used and left, and what follows when nothing is.

A user's budget warns, an account's makes jobs flexible, a partition's has them wait for green hours. First
all three have plenty, and a job of each owner runs. Then the site lowers each to half of what those runs
used, and the daemon starts anew. The grid is dirty, in an hour below the site's threshold, in two hours at
its cleanest; at last it is clean at once, and every job there was must have run.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from carbonslurm import wiring
from carbonslurm.core.interval import from_epoch, iso
from carbonslurm.sandbox.grid import publish
from carbonslurm.sandbox.jobs import fields, submit, wait_for_state
from carbonslurm.sandbox.site import config_path
from carbonslurm.sandbox.stage import COMMANDS
from carbonslurm.sandbox.waiting import wait_until
from carbonslurm.sandbox.watching import begin, now_s

if TYPE_CHECKING:
    import subprocess

    from carbonslurm.sandbox.stage import Stage

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root's sandbox has several users and accounts")
pytestmark = as_root

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
DIRTY, BELOW_THRESHOLD, THRESHOLD, CLEANEST = 500.0, 240.0, 250.0, 100.0
PLENTY_KG = 1000.0
PATIENCE_S = 90
COMMON = ("--gres=gpu:1", "--time=1", "--output=/dev/null")
OWNERS = ("user games", "account teaching", "partition low")
JOBS = {  # name -> (who, sbatch's words); games is in the account research, news in teaching
    "warned": ("games", ()),
    "of the account": ("news", ()),
    "of the partition": ("games", ("--partition=low",)),
}
OVER = JOBS | {
    "declared, of the partition": ("games", ("--partition=low", "--comment=carbon:flex=3h")),
    "declared for less, of the partition": ("games", ("--partition=low", "--comment=carbon:flex=90m")),
    "at once, of the account": ("news", ("--comment=carbon:now",)),
}
STARTS = {"warned", "at once, of the account"}


@dataclass
class Budgets:
    """The performance: jobs by name, first with plenty left, then with nothing."""

    stage: Stage
    before: dict[str, str] = field(default_factory=dict)
    plenty: dict[str, Any] = field(default_factory=dict)
    emitted: dict[str, float] = field(default_factory=dict)
    start: datetime = field(default_factory=now_s)
    jobs: dict[str, str] = field(default_factory=dict)
    spent: dict[str, Any] = field(default_factory=dict)
    table: str = ""
    begins: dict[str, datetime | None] = field(default_factory=dict)
    reasons: dict[str, str] = field(default_factory=dict)
    plans: dict[str, Any] = field(default_factory=dict)
    plan_text: str = ""

    def configure(self, kilograms: dict[str, float]) -> None:
        """Write the site with these budgets, and start the daemon with it."""
        kinds = (("warn", {}), ("flexible", {"flex": "4h"}), ("green", {"flex": "4h"}))
        budgets = [
            {kind: name, "kg_per_month": kilograms[owner], "at_end": at_end, **more}
            for owner, (at_end, more) in zip(OWNERS, kinds, strict=True)
            for kind, name in [owner.split()]
        ]
        policy = {"margin": "1s", "name": "threshold", "threshold": THRESHOLD}
        # The hook gives the daemon two cycles to see a job: enough on a machine that runs three Slurms.
        cycle = {**self.stage.changes["cycle"], "interval": "5s"}
        self.stage.changes = {**self.stage.changes, "policy": policy, "budgets": budgets, "cycle": cycle}
        self.stage.stop()
        self.stage.write_site()
        self.stage.start()

    def publish(self, levels: list[tuple[float, float]]) -> None:
        """Publish levels, (hours, g/kWh) from the start on."""
        seconds = [(since * HOUR.total_seconds(), value) for since, value in levels]
        publish(self.stage.sandbox.directory / "grid.csv", self.start, seconds, until=DAY)

    def submit(self, name: str) -> str:
        who, words = OVER[name]
        return submit(self.stage.sandbox, *COMMON, *words, "--wrap=sleep 1", user=who)

    def standings(self) -> dict[str, Any]:
        found = json.loads(self.stage.command("carbon-sacct", "--budget", "--json").stdout)["budgets"]
        return {f"{it['kind']} {it['name']}": it for it in found}

    def have_figures(self, jobs: list[str]) -> bool:
        found = json.loads(self.stage.command("carbon-sacct", "-j", ",".join(jobs), "--json").stdout)["runs"]
        return len(found) == len(jobs) and all(run["emitted_g"] is not None for run in found)

    def plan(self, who: str, *words: str) -> subprocess.CompletedProcess[str]:
        """Call carbon-sbatch --plan; whom it speaks to is what the environment says."""
        environment = {"CARBONSLURM_CONFIG": str(config_path(self.stage.sandbox)), "LOGNAME": who}
        argv = [str(COMMANDS / "carbon-sbatch"), "--plan", *words, *COMMON, "job.sh"]
        return self.stage.sandbox.run(argv, env=environment)


def _with_plenty(shown: Budgets) -> None:
    shown.publish([(0, DIRTY)])
    shown.configure(dict.fromkeys(OWNERS, PLENTY_KG))
    shown.before = {name: shown.submit(name) for name in JOBS}
    for job in shown.before.values():
        wait_for_state(shown.stage.sandbox, job, "COMPLETED", timeout=PATIENCE_S)
    wait_until(lambda: shown.have_figures(list(shown.before.values())), PATIENCE_S, "the figures")
    shown.plenty = shown.standings()
    for owner, option in zip(OWNERS, ("-u", "-A", "-r"), strict=True):
        found = shown.stage.command("carbon-sacct", option, owner.split()[1], "--json").stdout
        grams = [run["emitted_g"] for run in json.loads(found)["runs"]]
        shown.emitted[owner] = sum(it for it in grams if it is not None)


def _with_nothing(shown: Budgets) -> None:
    half = {owner: shown.plenty[owner]["used_g"] / 2 / 1000 for owner in OWNERS}
    shown.start = from_epoch(int(wiring.now().timestamp()))
    shown.publish([(0, DIRTY), (1, BELOW_THRESHOLD), (2, CLEANEST)])
    shown.configure(half)
    shown.jobs = {name: shown.submit(name) for name in OVER}
    waiting = {name: job for name, job in shown.jobs.items() if name not in STARTS}
    for name in STARTS:
        wait_for_state(shown.stage.sandbox, shown.jobs[name], "COMPLETED", timeout=PATIENCE_S)

    def planned() -> bool:
        shown.begins = {name: begin(shown.stage, job) for name, job in waiting.items()}
        return all(it is not None and it >= shown.start + HOUR for it in shown.begins.values())

    wait_until(planned, PATIENCE_S, lambda: f"plans: {shown.begins}")
    rows = json.loads(shown.stage.command("carbon-squeue", "--json").stdout)
    names = {job: name for name, job in shown.jobs.items()}
    shown.reasons = {names[str(row["job_id"])]: row["reason"] for row in rows if str(row["job_id"]) in names}
    shown.spent = shown.standings()
    shown.table = shown.stage.command("carbon-sacct", "--budget").stdout
    _ask_for_plans(shown)


def _ask_for_plans(shown: Budgets) -> None:
    of_account, of_partition = ("--account=teaching",), ("--partition=low", "--account=research")
    for name, words in {"of the account": of_account, "of the partition": of_partition}.items():
        shown.plans[name] = json.loads(shown.plan("news", "--json", *words).stdout)
    shown.plan_text = shown.plan("games", *of_partition).stdout


@pytest.fixture(scope="module")
def shown(lasting_stage: Stage) -> Budgets:
    found = Budgets(lasting_stage)
    _with_plenty(found)
    _with_nothing(found)
    found.publish([(0, CLEANEST / 2)])  # the greenest hour is now: whatever waited may go
    for job in found.jobs.values():
        wait_for_state(found.stage.sandbox, job, "COMPLETED", timeout=PATIENCE_S)
    return found


def test_what_is_used_and_left_is_what_the_runs_emitted(shown: Budgets) -> None:
    assert set(shown.plenty) == set(OWNERS)
    for owner, standing in shown.plenty.items():
        assert standing["used_g"] > 0
        assert standing["used_g"] == pytest.approx(shown.emitted[owner])
        assert standing["left_g"] == pytest.approx(PLENTY_KG * 1000 - standing["used_g"])
        assert standing["used_up"] is False
    assert {it["at_end"] for it in shown.plenty.values()} == {"warn", "flexible", "green"}


def test_while_something_is_left_the_hook_tags_and_nobody_waits(shown: Budgets) -> None:
    """Each started when the daemon let it go: within the window, or a little later on a busy machine."""
    tags = {
        name: fields(shown.stage.sandbox, job).get("AdminComment", "") for name, job in shown.before.items()
    }
    assert "carbon" not in tags["warned"]
    assert all("by=budget" in tags[name] for name in JOBS if name != "warned")
    for job in shown.before.values():
        found = fields(shown.stage.sandbox, job)
        assert int(found["StartTime"]) - int(found["SubmitTime"]) < PATIENCE_S


def test_at_its_end_all_three_say_so(shown: Budgets) -> None:
    for standing in shown.spent.values():
        assert standing["used_up"] is True
        assert standing["left_g"] < 0 < standing["limit_g"]
        assert standing["used_percent"] >= 200 - 1e-6
    lines = {owner: line for line in shown.table.splitlines() for owner in OWNERS if owner in line}
    assert "used up: nothing changes" in lines["user games"]
    assert "used up: jobs are flexible by default" in lines["account teaching"]
    assert "used up: jobs wait for the greenest hours within their bound" in lines["partition low"]


def test_one_that_only_warns_changes_nothing(shown: Budgets) -> None:
    found = fields(shown.stage.sandbox, shown.jobs["warned"])
    assert "carbon" not in found.get("AdminComment", "")
    assert int(found["StartTime"]) < shown.start.timestamp() + HOUR.total_seconds()


def test_flexible_by_default_waits_by_the_site_s_policy(shown: Budgets) -> None:
    """It waits for the threshold and no longer, with flex of the budget, and its reason names that."""
    assert shown.begins["of the account"] == shown.start + HOUR
    assert "by=budget" in fields(shown.stage.sandbox, shown.jobs["of the account"])["AdminComment"]
    assert "the budget of account teaching is used up" in shown.reasons["of the account"]


@pytest.mark.parametrize("name", ["of the partition", "declared, of the partition"])
def test_green_hours_only_waits_for_the_cleanest(shown: Budgets, name: str) -> None:
    assert shown.begins[name] == shown.start + 2 * HOUR
    assert "the budget of partition low is used up" in shown.reasons[name]


def test_none_waits_past_what_its_owner_declared(shown: Budgets) -> None:
    """In the 90 minutes that its owner gave, the second level is the greenest."""
    assert shown.begins["declared for less, of the partition"] == shown.start + HOUR


def test_now_is_now_whatever_was_used(shown: Budgets) -> None:
    found = fields(shown.stage.sandbox, shown.jobs["at once, of the account"])
    assert int(found["StartTime"]) < shown.start.timestamp() + HOUR.total_seconds()


def test_no_job_was_rejected_and_each_has_run(shown: Budgets) -> None:
    for job in (*shown.before.values(), *shown.jobs.values()):
        assert fields(shown.stage.sandbox, job)["JobState"] == "COMPLETED"


def test_the_plan_before_submitting_shows_and_heeds_the_budgets(shown: Budgets) -> None:
    account, partition = shown.plans["of the account"], shown.plans["of the partition"]
    assert [it["name"] for it in account["budgets"]] == ["teaching"]
    assert [it["name"] for it in partition["budgets"]] == ["low"]
    assert all(it["used_up"] for plan in (account, partition) for it in plan["budgets"])
    assert account["planned_start"] == iso(shown.start + HOUR)
    assert partition["planned_start"] == iso(shown.start + 2 * HOUR)
    assert "the budget of partition low is used up" in partition["reason"]
    lines = [line for line in shown.plan_text.splitlines() if line.startswith("budget")]
    assert ["user games" in lines[0], "partition low" in lines[1]] == [True, True]
    assert "used up: nothing changes" in lines[0]
