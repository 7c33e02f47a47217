"""The policy joint against a real Slurm: what the nodes leave, and jobs that do not meet in one hour."""

from __future__ import annotations

import json
from collections import Counter
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from carbonslurm import wiring
from carbonslurm.core.capacity import pools
from carbonslurm.sandbox.grid import publish
from carbonslurm.sandbox.jobs import fields, submit, wait_for_state
from carbonslurm.sandbox.waiting import wait_until
from carbonslurm.sandbox.watching import begin, now_s

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from carbonslurm.sandbox.stage import Stage

HOUR = timedelta(hours=1)
PATIENCE_S = 90
# Two of them fill the sandbox's sixteen GPUs.
HALF = ("--nodes=2", "--gres=gpu:4", "--time=55", "--comment=carbon:flex=8h,length=55m", "--output=/dev/null")


@pytest.fixture
def joint(stage: Stage) -> Stage:
    """A site that places all jobs together."""
    stage.changes = {**stage.changes, "policy": {**stage.changes["policy"], "name": "joint"}}
    stage.write_site()
    return stage


def foretell(stage: Stage, levels: Sequence[tuple[float, float]]) -> datetime:
    """Publish a forecast for a day, (hours, g/kWh) from the last full hour on, which is returned."""
    hour = now_s().replace(minute=0, second=0)
    seconds = [(since * HOUR.total_seconds(), value) for since, value in levels]
    publish(stage.sandbox.directory / "grid.csv", hour, seconds, until=24 * HOUR)
    return hour


def starts(stage: Stage, jobs: Sequence[str]) -> Counter[datetime | None]:
    return Counter(begin(stage, job) for job in jobs)


def test_jobs_that_would_meet_in_one_hour_are_spread_and_start_when_it_turns_clean(joint: Stage) -> None:
    hour = foretell(joint, [(0, 500), (2, 100), (4, 500)])
    joint.start()
    jobs = [submit(joint.sandbox, *HALF, "--wrap=sleep 5", user=joint.user) for _ in range(4)]
    spread = {hour + 2 * HOUR: 2, hour + 3 * HOUR: 2}
    wait_until(lambda: starts(joint, jobs) == spread, PATIENCE_S, lambda: f"{spread}: {starts(joint, jobs)}")
    shown = json.loads(joint.command("carbon-squeue", "--json").stdout)
    reasons = {row["reason"] for row in shown if str(row["job_id"]) in jobs}
    assert reasons
    assert all("100 g/kWh then, 500 now" in reason and "room" in reason for reason in reasons)
    assert "placed together: debug/a100 16" in joint.command("carbonslurm", "doctor", check=False).stdout
    foretell(joint, [(0, 50), (1, 500)])
    for job in jobs:
        wait_for_state(joint.sandbox, job, "COMPLETED", timeout=PATIENCE_S)


@pytest.fixture
def one_node_drained(stage: Stage) -> Iterator[str]:
    """A node that an admin took away, for a reason that looks like another node."""
    node = stage.sandbox.nodes[-1]
    reason = f"Reason=gone\nn99 main idle 0/99/0/99 gpu:a100:99 gpu:a100:0\nNodeName={node}"
    stage.sandbox.run(["scontrol", "update", f"NodeName={node}", "State=DRAIN", reason])
    yield node
    stage.sandbox.run(["scontrol", "update", f"NodeName={node}", "State=RESUME"])


def test_what_the_nodes_leave_is_read_from_slurm(stage: Stage, one_node_drained: str) -> None:
    nodes = {node.name: node for node in wiring.queue(stage.config).capacity()}
    assert set(nodes) == set(stage.sandbox.nodes)
    assert all(node.partitions == {"main", "debug", "low"} for node in nodes.values())
    gpus = {name: node.gpus["a100"] for name, node in nodes.items()}
    assert gpus == {name: 0 if name == one_node_drained else 4 for name in nodes}
    found = pools(list(nodes.values()))
    assert dict(zip(found.names, found.units, strict=True)) == {"debug/a100": 12, "debug/cpu": 48}


def test_a_task_of_a_node_that_is_drained_still_counts(stage: Stage) -> None:
    job = submit(stage.sandbox, "--gres=gpu:2", "--output=/dev/null", "--wrap=sleep 60", user=stage.user)
    wait_for_state(stage.sandbox, job, "RUNNING", timeout=PATIENCE_S)
    node = fields(stage.sandbox, job)["NodeList"]
    stage.sandbox.run(["scontrol", "update", f"NodeName={node}", "State=DRAIN", "Reason=test"])
    try:
        (found,) = [it for it in wiring.queue(stage.config).capacity() if it.name == node]
        assert found.gpus == {"a100": 2}
    finally:
        stage.sandbox.run(["scontrol", "update", f"NodeName={node}", "State=RESUME"])
