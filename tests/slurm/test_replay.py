"""carbonslurm replay of a real cluster's past: runs out of sacct, nodes out of sinfo."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import TYPE_CHECKING

import numpy as np

from carbonslurm import wiring
from carbonslurm.core.forecast import Kind, Nature, Scope, Series
from carbonslurm.core.interval import iso
from carbonslurm.sandbox.jobs import submit, wait_for_state
from carbonslurm.sandbox.waiting import wait_until

if TYPE_CHECKING:
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

    def replayed() -> list[dict[str, object]]:
        found = json.loads(stage.command(*words).stdout)
        return found if found[0]["jobs"] >= 2 else []

    wait_until(
        lambda: stage.command(*words, check=False).returncode == 0 and replayed(), 30, "sacct to know both"
    )
    done = stage.command(*words)
    real, model = json.loads(done.stdout)
    assert (real["policy"], model["policy"], model["capacity"]) == ("history", "no-wait", 4.0)
    assert real["carbon_kg"] == model["carbon_kg"] > 0
    assert model["max_wait_h"] <= real["max_wait_h"]
    assert "capacity: 4 nodes" in done.stderr
    assert "left out" not in done.stderr, iso(began)
