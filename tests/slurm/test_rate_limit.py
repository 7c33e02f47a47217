"""A slurmctld that limits rates (rl_enable, Slurm 23.02 and later): nobody waits, nothing is left undone."""

from __future__ import annotations

import re
import sqlite3
import subprocess
from collections import Counter
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from carbonslurm import wiring
from carbonslurm.core.interval import from_epoch
from carbonslurm.ledger.reading import Reading
from carbonslurm.sandbox import SandboxSpec, packages, up
from carbonslurm.sandbox.grid import publish
from carbonslurm.sandbox.stage import Stage
from carbonslurm.sandbox.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

JOBS = 60  # twice what the bucket holds
SETTINGS = {"SlurmctldParameters": "rl_enable"}
SUBMIT = f"""
for i in $(seq {JOBS}); do
    sbatch --quiet --uid="$0" --comment=carbon:flex=12h --gres=gpu:1 --time=60 --output=/dev/null --wrap=true
done
"""


def knows_rate_limits() -> bool:
    slurmctld = str(packages.find("slurmctld", None))
    told = subprocess.run([slurmctld, "-V"], capture_output=True, text=True, check=True).stdout
    found = re.search(r"(\d+)\.(\d+)", told)
    assert found is not None, told
    return (int(found.group(1)), int(found.group(2))) >= (23, 2)


@pytest.fixture
def stage(short_directory: Path) -> Iterator[Stage]:
    """Sixty flexible jobs that wait, and a daemon that cycles each ten seconds, not yet started."""
    if not knows_rate_limits():
        pytest.skip("this Slurm has no rl_enable (it came with 23.02)")
    sandbox = up(SandboxSpec(short_directory, nodes=1, settings=SETTINGS))
    try:
        source = {"provider": "file", "zone": "sandbox", "path": str(sandbox.directory / "grid.csv")}
        found = Stage(
            sandbox, {"sources": [source], "cycle": {"interval": "10s", "reconcile": "10m", "fetch": "1h"}}
        )
        found.write_site()
        publish(sandbox.directory / "grid.csv", wiring.now(), [(0, 500), (6 * 3600, 50)], timedelta(hours=9))
        sandbox.run(["scontrol", "update", "NodeName=n1", "State=drain", "Reason=test"])
        sandbox.run(["/bin/sh", "-c", SUBMIT, found.user or sandbox.owner])
        yield found
        found.kill()
    finally:
        sandbox.down()


def states(stage: Stage) -> Counter[str]:
    with Reading.open(Path(stage.config.ledger)) as reading:
        return Counter(row.state for row in reading.actions(stage.config.cluster, from_epoch(0)))


def cycles(stage: Stage) -> list[tuple[int, str | None]]:
    """Each cycle's actions and error."""
    with closing(sqlite3.connect(stage.config.ledger)) as ledger:
        return list(ledger.execute("SELECT actions, error FROM cycle WHERE ended_at IS NOT NULL"))


def limited(stage: Stage) -> list[str]:
    """slurmctld's complaints of the daemon's account."""
    log = (stage.sandbox.log / "slurmctld.log").read_text()
    return [line for line in log.splitlines() if "RPC rate limit exceeded" in line]


def test_all_jobs_are_told_within_a_few_cycles_and_no_call_is_sent_away(stage: Stage) -> None:
    stage.start()
    wait_until(lambda: states(stage).total() == JOBS, 60, lambda: f"{JOBS} actions: {states(stage)}")
    wait_until(lambda: states(stage)["confirmed"] == JOBS, 80, lambda: f"all confirmed: {states(stage)}")
    found = cycles(stage)
    assert {error for _, error in found} == {None}
    assert len([actions for actions, _ in found if actions]) <= 5
    assert limited(stage) == []


def test_a_daemon_that_finds_its_bucket_empty_waits_and_no_call_runs_into_its_timeout(stage: Stage) -> None:
    empty_the_bucket(stage)
    stage.start()
    wait_until(lambda: states(stage)["confirmed"] == JOBS, 90, lambda: f"all confirmed: {states(stage)}")
    assert {error for _, error in cycles(stage)} == {None}


def empty_the_bucket(stage: Stage) -> None:
    """Tell Slurm of a job that is not there, as the daemon's account, until it sends us away."""
    nobody = ",".join(["4000000"] * 40)
    words = ["scontrol", "update", f"JobId={nobody}", "StartTime=now"]
    stage.sandbox.run(words, user=stage.daemon_account, check=False)
    assert limited(stage)
