"""What a queue asks for, as columns: the same as each job says by itself."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np

from carbonslurm.core.capacity import Node, pools
from carbonslurm.core.columns import NOWHERE, columns
from carbonslurm.core.job import JobKey, JobState, QueuedJob, Tres
from carbonslurm.core.lately import arrivals
from carbonslurm.core.length import Past, PastRun
from carbonslurm.core.tag import FlexibleBy, Tag
from carbonslurm.sim.job import SimulatedJob, Submission

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
KNOWN = pools([Node("n1", frozenset({"gpu"}), 64, {"a100": 8}), Node("c1", frozenset({"cpu"}), 32)])


def job(number: int, *, came: float = 1, **changes: object) -> QueuedJob:
    """A job that came so many hours ago, for four GPUs where nothing else is said."""
    tag = Tag(flex=6 * HOUR, by=FlexibleBy.OWNER)
    row = SimulatedJob(
        JobKey("toy", number), Submission(HOUR, time_limit=2 * HOUR, tag=tag), NOW, NOW
    ).queued()
    wants = {"partition": "gpu", "tres": Tres(8, 1, {"a100": 4}), "submitted": NOW - came * HOUR}
    return replace(row, **wants | changes)


def test_each_job_stands_there_once_in_the_order_of_the_queue() -> None:
    queue = [
        job(1, state=JobState.RUNNING),
        job(2, tasks=3),
        job(3, state=JobState.COMPLETING),
        job(4, partition="cpu", tres=Tres(cpus=8)),
        job(5, partition="elsewhere"),
    ]
    found = columns(queue, KNOWN, HOUR, None)
    assert [it.key.job_id for it in found.jobs] == [1, 2, 4, 5]
    assert found.waiting.tolist() == [1, 2, 3]
    assert [KNOWN.names[pool] for pool in found.pool[:3]] == ["gpu/a100", "gpu/a100", "cpu/cpu"]
    assert found.pool[3] == NOWHERE
    assert (found.units.tolist(), found.tasks.tolist()) == ([4, 4, 8, 4], [1, 3, 1, 1])
    assert found.rests.tolist() == [[7200.0] * 5] * 4
    assert columns([], KNOWN, HOUR, None).waiting.tolist() == []


def test_what_came_within_a_day_speaks_for_what_will_come() -> None:
    """Of the queue and of what has ended; not what came before, nor what came to pools without a forecast."""
    ended = PastRun(
        "ada", "", "gpu", NOW - 3 * HOUR, 600.0, ended=True, time_limit=HOUR, tres=Tres(8, 1, {"a100": 2})
    )
    lasts, old = replace(ended, ended=False), replace(ended, submitted=NOW - 25 * HOUR)
    past = Past([ended, lasts, old, replace(ended, partition="elsewhere")])
    queue = [job(1, came=2, tasks=2, tag=None), job(2, came=30), job(3, partition="cpu", tres=Tres(cpus=8))]
    counts = np.array([*(name == "gpu/a100" for name in KNOWN.names), False])
    found = arrivals(NOW, columns(queue, KNOWN, HOUR, None), past, KNOWN, counts)
    assert found is not None
    assert found.span == 86_400.0
    assert found.units.tolist() == [2.0, 8.0]
    assert found.rests[:, 0].tolist() == [600.0, 7200.0]
    assert found.slack.tolist() == [0.0, 0.0]


def test_less_than_six_hours_say_nothing_of_what_will_come() -> None:
    counts = np.array([True] * len(KNOWN.names) + [False])
    jobs = columns([job(1, came=5)], KNOWN, HOUR, None)
    assert arrivals(NOW, jobs, Past([]), KNOWN, counts) is None
    jobs = columns([job(1, came=7)], KNOWN, HOUR, None)
    assert arrivals(NOW, jobs, Past([]), KNOWN, counts) is not None
