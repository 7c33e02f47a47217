"""The commands against a real Slurm and a running daemon, as users and admins call them."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from forecasts import announce

from carbonslurm import wiring
from carbonslurm.core.interval import from_epoch, iso
from carbonslurm.sandbox.grid import publish
from carbonslurm.sandbox.jobs import fields, submit, wait_for_state
from carbonslurm.sandbox.waiting import wait_until

if TYPE_CHECKING:
    from pathlib import Path

    from carbonslurm.sandbox.stage import Stage

DIRTY, CLEAN = 500.0, 100.0
FLEXIBLE = ("--comment=carbon:flex=2h,length=60s", "--gres=gpu:2", "--output=/dev/null")


@pytest.fixture
def clean_at(stage: Stage) -> datetime:
    """A running daemon on a grid that turns clean in five minutes."""
    start = from_epoch(int(wiring.now().timestamp()))
    publish(stage.sandbox.directory / "grid.csv", start, [(0, DIRTY), (300, CLEAN)])
    stage.start()
    return start + timedelta(seconds=300)


def wait_for_plan(stage: Stage, job: str, when: datetime) -> None:
    def planned() -> bool:
        return fields(stage.sandbox, job)["EligibleTime"] == str(int(when.timestamp()))

    wait_until(planned, 80, f"job {job} to be planned for {iso(when)}")


def test_squeue_says_why_a_job_waits_and_what_that_saves(stage: Stage, clean_at: datetime) -> None:
    job = submit(stage.sandbox, *FLEXIBLE, "--wrap=sleep 1", user=stage.user)
    wait_for_plan(stage, job, clean_at)
    shown = json.loads(stage.command("carbon-squeue", "--json").stdout)
    mine = next(item for item in shown if item["job_id"] == int(job))
    assert mine["planned"] == mine["start"] == iso(clean_at)
    assert (mine["g_per_kwh_now"], mine["g_per_kwh_planned"]) == (DIRTY, CLEAN)
    # 2 GPUs at 70 % of 400 W, 1 CPU at 50 % of 5 W, half a node's 200 W, PUE 1.3; a minute, 400 g/kWh less.
    watts = 1.3 * (2 * 400 * 0.7 + 1 * 5 * 0.5 + 200 * 0.5)
    assert mine["saving_g"] == pytest.approx(watts / 60_000 * 400)
    table = stage.command("carbon-squeue", "--jobs", job).stdout.splitlines()
    assert table[0].split()[0] == "JOBID"
    assert "100/500" in table[1]


def test_sacct_accounts_for_a_run_and_its_saving(stage: Stage) -> None:
    publish(stage.sandbox.directory / "grid.csv", wiring.now(), [(0, DIRTY)])
    stage.start()
    announce(stage, [(0, DIRTY), (20, CLEAN)])
    job = submit(stage.sandbox, *FLEXIBLE, "--wrap=sleep 4", user=stage.user)
    wait_for_state(stage.sandbox, job, "COMPLETED", timeout=60)

    def report() -> dict[str, object]:
        found = json.loads(stage.command("carbon-sacct", "-j", job, "--json").stdout)
        runs = [run for run in found["runs"] if run["emitted_g"] is not None and run["end"]]
        return found if runs else {}

    found = wait_until(report, 80, "the figure of the run")
    (run,) = found["runs"]  # type: ignore[misc]
    length = (datetime.fromisoformat(run["end"]) - datetime.fromisoformat(run["start"])).total_seconds()
    watts = 1.3 * (2 * 400 * 0.7 + run["cpus"] * 5 * 0.5 + 200 * 0.5)
    assert run["energy_kwh"] == pytest.approx(watts * length / 3.6e6)
    assert run["emitted_g"] == pytest.approx(run["energy_kwh"] * CLEAN)
    assert run["baseline_g"] == pytest.approx(run["energy_kwh"] * DIRTY, rel=0.01)
    assert run["saved_percent"] == pytest.approx(80, abs=1)
    assert found["totals"]["emitted_g"] == pytest.approx(run["emitted_g"])  # type: ignore[index]
    assert (run["user"], run["withheld"], run["late"]) == (stage.sandbox.users[0], True, False)


@pytest.mark.usefixtures("clean_at")
def test_reading_sacct_again_changes_nothing(stage: Stage) -> None:
    job = submit(stage.sandbox, "--gres=gpu:1", "--output=/dev/null", "--wrap=true", user=stage.user)
    wait_for_state(stage.sandbox, job, "COMPLETED", timeout=80)

    def runs() -> list[dict[str, object]]:
        found = json.loads(stage.command("carbon-sacct", "-j", job, "--json").stdout)["runs"]
        return found if found and found[0]["emitted_g"] is not None else []

    first = wait_until(runs, 80, "the run and its figure")
    stage.stop()
    stage.command("carbonslurmd", "once")
    assert runs() == first


def test_release_lets_go_for_good(stage: Stage, clean_at: datetime) -> None:
    jobs = [submit(stage.sandbox, *FLEXIBLE, "--wrap=sleep 1", user=stage.user) for _ in range(2)]
    for job in jobs:
        wait_for_plan(stage, job, clean_at)
    assert stage.command("carbonslurm", "release", jobs[0]).stdout == f"job {jobs[0]}: released\n"
    wait_for_state(stage.sandbox, jobs[0], "RUNNING", "COMPLETED", timeout=80)
    assert fields(stage.sandbox, jobs[1])["JobState"] == "PENDING"
    stage.command("carbonslurm", "release", "--all")
    wait_for_state(stage.sandbox, jobs[1], "RUNNING", "COMPLETED", timeout=80)
    again = stage.command("carbonslurm", "release", jobs[1], check=False)
    assert (again.returncode, again.stdout) == (1, "")
    assert f"job {jobs[1]} is not withheld by us" in again.stderr


def test_release_gives_back_the_begin_time_of_the_owner(stage: Stage, clean_at: datetime) -> None:
    job = submit(stage.sandbox, *FLEXIBLE, "--begin=now+120", "--wrap=sleep 1", user=stage.user)
    own = int(fields(stage.sandbox, job)["EligibleTime"])
    wait_for_plan(stage, job, clean_at)
    stage.command("carbonslurm", "release", "--all")
    shown = fields(stage.sandbox, job)
    assert (shown["JobState"], int(shown["EligibleTime"])) == ("PENDING", own)


def test_release_reads_digits_only(stage: Stage) -> None:
    """Python would read 6_3 as 63: somebody else's job."""
    refused = stage.command("carbonslurm", "release", "6_3", check=False)
    assert (refused.returncode, refused.stdout) == (64, "")


def test_another_clusters_books_stay_closed(stage: Stage, clean_at: datetime) -> None:
    job = submit(stage.sandbox, *FLEXIBLE, "--wrap=sleep 1", user=stage.user)
    wait_for_plan(stage, job, clean_at)
    stage.stop()
    stage.changes = {**stage.changes, "cluster": "other"}
    stage.write_site()
    refused = stage.command("carbonslurmd", "once", check=False)
    assert refused.returncode == 69
    assert f'slurmctld serves "{stage.sandbox.cluster}", the configuration says "other"' in refused.stderr
    assert json.loads(stage.command("carbon-sacct", "-a", "--json").stdout)["runs"] == []


def test_a_requeued_attempt_is_read_while_its_job_waits_for_hours(stage: Stage) -> None:
    """The requeue moves the Eligible of the attempt that has ended, too."""
    publish(stage.sandbox.directory / "grid.csv", from_epoch(int(wiring.now().timestamp())), [(0, CLEAN)])
    stage.start()
    job = submit(stage.sandbox, "--gres=gpu:1", "--output=/dev/null", "--wrap=sleep 60", user=stage.user)
    wait_for_state(stage.sandbox, job, "RUNNING", timeout=80)
    stage.sandbox.run(["scontrol", "requeue", job])
    stage.sandbox.run(["scontrol", "update", f"JobId={job}", "StartTime=now+10hours"])

    def requeued() -> bool:
        runs = json.loads(stage.command("carbon-sacct", "-j", job, "--json").stdout)["runs"]
        return [run["state"] for run in runs if run["end"]] == ["REQUEUED"]

    wait_until(requeued, 80, "the first attempt in the ledger")


def test_a_released_job_is_not_withheld_again(stage: Stage, clean_at: datetime) -> None:
    job = submit(stage.sandbox, *FLEXIBLE, "--wrap=sleep 30", user=stage.user)
    wait_for_plan(stage, job, clean_at)
    stage.command("carbonslurm", "release", job)
    wait_for_state(stage.sandbox, job, "RUNNING", timeout=80)
    stage.sandbox.run(["scontrol", "requeue", job], user=stage.user)
    again = wait_for_state(stage.sandbox, job, "RUNNING", timeout=60)
    assert again["Restarts"] == "1"
    assert clean_at > wiring.now()


@pytest.mark.usefixtures("clean_at")
def test_doctor_finds_everything_in_order(stage: Stage) -> None:
    found = stage.command("carbonslurm", "doctor")
    assert found.returncode == 0
    assert all(line.startswith("ok") for line in found.stdout.splitlines())


def test_doctor_names_what_fails_and_looks_at_the_rest(stage: Stage) -> None:
    found = stage.command("carbonslurm", "doctor", "--json", check=False)
    assert found.returncode == 1
    looks = {item["check"]: item["ok"] for item in json.loads(found.stdout)}
    assert looks["slurmctld"]
    assert not looks["ledger"]
    assert not looks["zone grid"]


def test_check_writes_the_hook_that_the_yaml_means(stage: Stage, tmp_path: Path) -> None:
    target = tmp_path / "carbonslurm_site.lua"
    told = stage.command("carbonslurm", "check", "--write-hook", str(target))
    assert told.stdout.splitlines()[0] == f"{target}: written"
    assert "window_s = 4," in target.read_text()


def test_plan_shows_what_would_happen_and_submits_nothing(stage: Stage, clean_at: datetime) -> None:
    before = stage.sandbox.run(["squeue", "-h"]).stdout
    words = ["--plan", "--json", "--flex", "1h", "--gres=gpu:a100:1", "--time=5", "train.sh"]
    found = json.loads(stage.command("carbon-sbatch", *words).stdout)
    assert found["planned_start"] == iso(clean_at)
    assert (found["g_per_kwh_now"], found["g_per_kwh_planned"]) == (pytest.approx(DIRTY, rel=0.2), CLEAN)
    assert found["g_planned"] < found["g_now"]
    assert stage.sandbox.run(["squeue", "-h"]).stdout == before


@pytest.mark.usefixtures("clean_at")
def test_sbatch_keeps_its_stdout_and_exit_code(stage: Stage) -> None:
    plain = stage.sandbox.run(["sbatch", "--no-such"], check=False)
    ours = stage.command("carbon-sbatch", "--flex", "2h", "--no-such", check=False)
    assert (ours.returncode, ours.stdout) == (plain.returncode, plain.stdout)
    words = ["--flex", "2h", "--gres=gpu:1", "--parsable", "--output=/dev/null", "--wrap=sleep 1"]
    sent = stage.command("carbon-sbatch", *words)
    assert sent.stdout.strip().isdigit()
    assert "carbon: flexible, starts by " in sent.stderr
    stage.sandbox.run(["scancel", sent.stdout.strip()])
