"""A site's past as a trace: clipped to a window, flexible by rules, on the nodes that Slurm describes."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from traces import HOUR, START, J, hourly, setting_of

from carbonslurm.core.interval import Interval, from_epoch
from carbonslurm.core.power import PowerModel
from carbonslurm.core.tag import FlexibleBy, Tag
from carbonslurm.errors import DataError, UsageError
from carbonslurm.formats.cluster_nodes import ClusterNode
from carbonslurm.formats.traced import TracedJob, TracedJobs
from carbonslurm.sim.comparison import late, run
from carbonslurm.sim.flexible import declared_wait, read_flexible
from carbonslurm.sim.history import OUTSIDE, modelled_watts, shares, within_window
from carbonslurm.sim.nodes import shape_of
from carbonslurm.sim.registry import POLICIES
from carbonslurm.sim.setting import on_cluster
from carbonslurm.sim.trace import MaxWait, Reading, Trace, lay_out

WINDOW = Interval(from_epoch(START), from_epoch(START + 10 * HOUR))
TAG = Tag(timedelta(hours=6), FlexibleBy.OWNER)


def job(
    submitted: float, started: float, length: float, eligible: float | None = None, tag: Tag | None = None
) -> TracedJob:
    """A job in hours after START."""
    could = None if eligible is None else START + eligible * HOUR
    begun = START + started * HOUR
    return TracedJob(
        "1", START + submitted * HOUR, length * HOUR, cpus=1, started=begun, eligible=could, tag=tag
    )


@pytest.mark.parametrize(
    ("given", "submitted", "length"),
    [
        (job(1, 2, 3), 1, 3),
        (job(1, 2, 3, eligible=1.5), 1.5, 3),  # from when it could have started
        (job(1, 2, 3, eligible=2, tag=TAG), 1, 3),  # which our own waiting may have moved
        (job(1, 2, 3, eligible=2.5), 2, 3),  # Slurm lets nothing start before: a clock that was wrong
        (job(-3, -1, 3), 0, 2),  # the rest of what was under way
        (job(-3, 2, 3), 0, 3),  # waited since before
        (job(9, 9, 30), 9, 30),  # ends behind the window: whole
        (job(-9, -5, 5), None, None),
        (job(10, 10, 1), None, None),
    ],
)
def test_what_lies_in_the_window(given: TracedJob, submitted: float | None, length: float | None) -> None:
    found = within_window(TracedJobs((given,), dated=True, left_out={}), WINDOW)
    if submitted is None or length is None:
        assert (found.jobs, found.left_out) == ((), {OUTSIDE: 1})
        return
    (kept,) = found.jobs
    assert ((kept.submitted - START) / HOUR, kept.length / HOUR) == (submitted, length)


@given(
    submitted=st.floats(-20, 20),
    waited=st.floats(0, 20),
    length=st.floats(0.1, 40),
    eligible=st.floats(-20, 40),
)
def test_no_more_is_run_again_than_ran_within_or_after_the_window(
    submitted: float, waited: float, length: float, eligible: float
) -> None:
    ran = job(submitted, submitted + waited, length, eligible)
    for kept in within_window(TracedJobs((ran,), dated=True, left_out={}), WINDOW).jobs:
        assert kept.started is not None
        assert WINDOW.start.timestamp() <= kept.submitted < WINDOW.end.timestamp()
        assert kept.length <= ran.length
        start = max(kept.started, kept.submitted)
        assert start + kept.length == pytest.approx(kept.started + ran.length)


RULES = [
    (["all"], "abcd"),
    (["tagged"], "b"),
    (["partition=gpu,long"], "bc"),
    (["user=ann"], "ad"),
    (["limit=4h.."], "bcd"),
    (["limit=..4h"], "ab"),
    (["limit=2h..8h"], "b"),
    (["partition=gpu", "limit=8h.."], "c"),
]


@pytest.mark.parametrize(("words", "names"), RULES)
def test_who_may_wait(words: list[str], names: str) -> None:
    jobs = [
        TracedJob("a", 0, 1, limit=HOUR, user="ann", partition="batch"),
        TracedJob("b", 0, 1, limit=4 * HOUR, partition="gpu", tag=TAG),
        TracedJob("c", 0, 1, limit=24 * HOUR, partition="gpu"),
        TracedJob("d", 0, 1, user="ann"),  # without a limit: as long as it likes
    ]
    rule, by_tag = read_flexible(words)
    assert "".join(job.job_id for job in jobs if rule(job)) == names
    assert by_tag is ("tagged" in words)


@pytest.mark.parametrize(
    "word", ["", "none", "partition=", "group=a", "limit=4h", "limit=long..", "tagged=1"]
)
def test_other_words_are_refused(word: str) -> None:
    with pytest.raises(UsageError, match="--flexible"):
        read_flexible([word])


def test_a_deadline_leaves_less_time_to_wait() -> None:
    """Submitted at START, done by hour 7, a limit of 4 h: three hours, although it said six."""
    due = Tag(timedelta(hours=6), FlexibleBy.OWNER, finish=datetime.fromtimestamp(START + 7 * HOUR, UTC))
    assert declared_wait(TracedJob("1", START, 1, limit=4 * HOUR, tag=due), START) == timedelta(hours=3)
    assert declared_wait(TracedJob("1", START, 1, limit=9 * HOUR, tag=due), START) == timedelta()
    assert declared_wait(TracedJob("1", START, 1, tag=due), START) == timedelta(hours=6)


# --- the cluster


def node(name: str, partitions: str, cpus: int = 8, gpus: int = 0) -> ClusterNode:
    return ClusterNode(name, cpus, gpus, "a100" if gpus else "", frozenset(partitions.split(",")))


NODES = [
    node("c1", "batch,all"),
    node("c2", "batch,all"),
    node("g1", "gpu,all", gpus=4),
    node("x1", "apart", 16),
]


def trace(*jobs: TracedJob) -> Trace:
    wait = MaxWait(timedelta(), timedelta())
    return lay_out(TracedJobs(jobs, dated=True, left_out={}), Reading("cpus", wait))


def test_partitions_that_share_nodes_are_one_pool() -> None:
    shape = shape_of(NODES, {"apart": "NORTH"})
    assert len(shape.pools) == 2
    assert shape.partitions["batch"] == shape.partitions["gpu"] == shape.partitions["all"]
    assert shape.partitions["apart"] != shape.partitions["all"]
    assert sorted(group.size.nodes for group in shape.pools[shape.partitions["all"]]) == [1, 2]
    jobs = [TracedJob(name, 0, 1, cpus=8, gpus=4, partition=name) for name in ("batch", "gpu", "all")]
    assert [each.job_id for each in on_cluster(trace(*jobs), shape)[0].jobs] == ["gpu", "all"]


def test_a_job_s_share_is_the_larger_one_in_nodes() -> None:
    """Of 24 CPUs and 4 GPUs on three nodes: half of the GPUs is half of all of it."""
    shape = shape_of(NODES, {})
    jobs = trace(
        TracedJob("1", 0, 1, cpus=4, gpus=2, partition="gpu"), TracedJob("2", 1, 1, cpus=8, partition="apart")
    )
    fitting, pool_of = on_cluster(jobs, shape)
    np.testing.assert_allclose(shares(fitting, shape.pools, pool_of), [1.5, 0.5])


def test_nodes_stand_in_one_zone() -> None:
    with pytest.raises(
        DataError, match="zones: partitions all, batch, gpu share nodes: they stand in one zone"
    ):
        shape_of(NODES, {"gpu": "NORTH"})
    with pytest.raises(DataError, match="no node is in any partition"):
        shape_of([], {})


def test_power_is_the_ledger_s_model() -> None:
    model = PowerModel({"a100": 400.0}, node_watts=0.0, cpu_watts=10.0, pue=1.0)
    jobs = trace(TracedJob("1", 0, 1, cpus=4, gpus=2, gpu_type="a100"))
    assert modelled_watts(jobs, model).tolist() == [2 * 400 * 0.7 + 4 * 10 * 0.5]


# --- under every policy


@pytest.mark.parametrize("name", POLICIES)
def test_jobs_that_may_not_wait_start_at_once_where_there_is_room_and_are_never_stopped(name: str) -> None:
    """Of forty jobs every other one may wait; the intensity turns dirty and clean again."""
    rng = np.random.default_rng(5)
    work = [
        J(float(at), float(length))
        for at, length in zip(rng.uniform(0, 40, 40), rng.uniform(1, 9, 40), strict=True)
    ]
    truth = hourly((250 + 200 * np.sin(np.arange(400) / 5)).tolist())
    made = setting_of(work, truth, units=1000)
    may = np.arange(40) % 2 == 0
    bound = replace(made, trace=replace(made.trace, flexible=may, wait=np.where(may, made.trace.wait, 0.0)))
    done = run(bound, name, lambda: 0.0, lambda _: None)
    np.testing.assert_array_equal(done.outcome.first_start[~may], made.trace.arrival[~may])
    np.testing.assert_allclose(done.outcome.end[~may], (made.trace.arrival + made.trace.length)[~may])
    assert not done.outcome.stops[~may].any()
    assert not late(bound.trace, done.outcome)[~may].any()
