"""carbonslurm replay of a real cluster's past: runs out of sacct, nodes out of sinfo."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import TYPE_CHECKING

import numpy as np
import pytest

from carbonslurm import wiring
from carbonslurm.core.forecast import Kind, Nature, Scope, Series
from carbonslurm.sandbox.jobs import submit, wait_for_state
from carbonslurm.sandbox.waiting import wait_until

if TYPE_CHECKING:
    import subprocess

    from carbonslurm.sandbox.stage import Stage

NATURE = Nature(Kind.AVERAGE, Scope.LIFECYCLE)


def test_what_ran_here_is_run_again_on_the_nodes_that_are_here(stage: Stage) -> None:
    """Jobs of two partitions that share all four nodes, of which each has four GPUs."""
    began = wiring.now().replace(microsecond=0)
    edges = began.timestamp() + 3600.0 * np.arange(-2, 49)
    with wiring.ledger(stage.config) as book:
        book.keep_actual(Series("grid", "file", NATURE, edges, np.full(50, 100.0), np.zeros(50, bool)), began)
    for partition in ("main", "debug"):
        job = submit(
            stage.sandbox,
            f"-p{partition}",
            "--gres=gpu:4",
            "--output=/dev/null",
            "--wrap=sleep 2",
            user=stage.user,
        )
        wait_for_state(stage.sandbox, job, "COMPLETED")
    window = ["-S", f"uts{int((began - timedelta(seconds=1)).timestamp())}", "-E", "now+1minute"]
    words = ["carbonslurm", "replay", *window, "--policy", "no-wait", "--json"]

    def replayed() -> subprocess.CompletedProcess[str] | None:
        done = stage.command(*words, check=False)
        known = done.returncode == 0 and json.loads(done.stdout)[0]["jobs"] == 2
        return done if known else None  # what ran for no second at all, as at the founding, is left out

    done = wait_until(replayed, 60, "sacct to know both")
    real, model = json.loads(done.stdout)
    assert (real["policy"], model["policy"], model["capacity"]) == ("history", "no-wait", 4.0)
    assert real["carbon_kg"] > 0
    assert model["carbon_kg"] == pytest.approx(real["carbon_kg"])
    assert model["max_wait_h"] <= real["max_wait_h"]
    assert "capacity: 4 nodes" in done.stderr
