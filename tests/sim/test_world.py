"""What the engine stands on: forecasts and lengths that know no future, room, traces, parameters."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from traces import DAY, HOUR, START, J, hourly, simulated, starts_h, trace_of

from carbonslurm.core.forecast import Band, Issue, Series
from carbonslurm.core.interval import from_epoch
from carbonslurm.errors import DataError, UsageError
from carbonslurm.formats.traces import TracedJob, TracedJobs
from carbonslurm.sim.cluster_file import read_cluster
from carbonslurm.sim.foresight import Foresight, Issued, Measured, Own, Perfect, Persistence
from carbonslurm.sim.lengths import lengths
from carbonslurm.sim.parameters import Parameters, read_parameters
from carbonslurm.sim.pools import Need, NodeGroup, NodePool, PartitionSize
from carbonslurm.sim.registry import POLICIES
from carbonslurm.sim.setting import on_cluster, on_units, within
from carbonslurm.sim.trace import MaxWait, Reading, lay_out, peak

DAYS = hourly([float(value) for value in range(24 * 5)])


def issue(at_h: float, values: list[float]) -> Issue:
    moment = from_epoch(START + at_h * HOUR)
    return Issue(hourly(values, START + at_h * HOUR), moment, moment)


# --- forecasts


def test_persistence_is_yesterday() -> None:
    series, band = seen(Persistence(DAYS), 24.5)
    assert (series.edges[0], band) == (START + DAY, None)
    assert series.values[:24].tolist() == DAYS.values[:24].tolist()
    assert series.values[24:48].tolist() == DAYS.values[:24].tolist()


def seen(foresight: Foresight, hour: float) -> tuple[Series, object]:
    found = foresight.at(START + hour * HOUR)
    assert found is not None
    return found


def test_persistence_needs_a_day() -> None:
    assert Persistence(DAYS).at(START + DAY - 1) is None


def test_a_forecast_is_seen_from_its_issue_on_and_as_long_as_it_reaches() -> None:
    issued = Issued([issue(6, [10, 20]), issue(0, [1, 2, 3])])
    assert issued.at(START - 1) is None
    assert seen(issued, 2)[0].values.tolist() == [1, 2, 3]
    assert issued.at(START + 3 * HOUR) is None  # it ends there
    assert seen(issued, 6)[0].values.tolist() == [10, 20]


def test_what_is_measured_replaces_the_step_that_is_running_and_no_other() -> None:
    measured = Measured(Issued([issue(0, [500, 600, 700])]), DAYS)
    assert seen(measured, 1.5)[0].values.tolist() == [500, 1, 700]
    assert seen(measured, 2)[0].values.tolist() == [500, 600, 2]


@given(st.integers(24, 119), st.floats(0, 0.99), st.integers(0, 1000))
def test_no_forecast_but_the_perfect_one_knows_what_comes(hour: int, part: float, other: int) -> None:
    """Whatever the future is changed to, what is seen now stays, but for the running step if measured."""
    changed = hourly([*DAYS.values[:hour].tolist(), *[float(other)] * (120 - hour)])
    now = START + (hour + part) * HOUR
    for maker in (Persistence, Own):
        one, two = maker(DAYS).at(now), maker(changed).at(now)
        assert (one is None) == (two is None)
        if one is not None and two is not None:
            assert one[0].values.tolist() == two[0].values.tolist()
    first, second = (Measured(Persistence(each), each).at(now) for each in (DAYS, changed))
    assert first is not None
    assert second is not None
    assert first[0].values[1:].tolist() == second[0].values[1:].tolist()


def test_our_own_forecast_needs_two_days_and_has_a_band() -> None:
    own = Own(DAYS)
    assert own.at(START + 2 * DAY - 1) is None
    series, band = seen(own, 50.5)
    assert (series.edges[0], len(series.values)) == (START + 50 * HOUR, 96)
    assert isinstance(band, Band)
    assert (band.low <= series.values).all()
    assert own.moments[0] == START + 2 * DAY


def test_persistence_refuses_uneven_steps() -> None:
    edges = START + np.array([0, 1, 3, 4]) * HOUR
    uneven = Series("GB", "toy", DAYS.nature, edges, np.ones(3), np.zeros(3, dtype=np.bool_))
    with pytest.raises(DataError, match="even steps"):
        Persistence(uneven)


# --- lengths


def test_learned_lengths_are_of_runs_that_have_ended() -> None:
    """ann's second job is predicted by her first, bob's by the mean of all, before any run by four hours."""
    trace = trace_of([J(0, 1, user="ann"), J(0, 0.5, user="eve"), J(2, 1, user="ann"), J(2, 1, user="bob")])
    learned = lengths("learned", trace)
    assert learned.of(2) == 4 * HOUR
    learned.ended(0)
    learned.ended(1)
    assert (learned.of(2), learned.of(3)) == (HOUR, 0.75 * HOUR)
    learned.ended(2)
    assert learned.many([2, 3]).tolist() == [HOUR, pytest.approx(2.5 / 3 * HOUR)]


def test_a_prediction_never_exceeds_the_limit() -> None:
    trace = trace_of([J(0, 1, limit=2), J(0, 1)])
    assert lengths("learned", trace).of(0) == 2 * HOUR
    assert lengths("limit", trace).many([0, 1]).tolist() == [2 * HOUR, 4 * HOUR]


def test_class_means_are_of_the_class() -> None:
    trace = trace_of([J(0, 1), J(0, 2), J(0, 3), J(0, 5)])
    assert lengths("class-mean", trace).many([0, 1, 2, 3]).tolist() == [5400, 5400, 4 * HOUR, 4 * HOUR]


@pytest.mark.parametrize(
    ("name", "words"), [("limit", "no job of the trace has"), ("magic", "expected true")]
)
def test_lengths_that_there_are_not(name: str, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        lengths(name, trace_of([J(0, 1)]))


def test_the_future_of_lengths_is_not_used() -> None:
    """Under --length learned, the true length of a job that has not ended changes nobody's start."""
    others = [J(0, 1, user="a"), J(3, 2, user="a"), J(4, 1, user="b")]
    one, two = (
        simulated("lowest-window", [*others, J(5, last)], DAYS, wait_h=6, length="learned", every="0")
        for last in (2.5, 9)
    )
    assert starts_h(one) == starts_h(two)


# --- traces


def test_offsets_need_an_anchor_and_weeks_shift() -> None:
    traced = TracedJobs((TracedJob("1", 60.0, 10.0, cpus=1.0),), dated=False, left_out={})
    wait = MaxWait(timedelta(hours=6), timedelta(hours=24))
    with pytest.raises(DataError, match="--anchor"):
        lay_out(traced, Reading("cpus", wait))
    anchor = datetime(2022, 1, 1, tzinfo=UTC)
    moved = lay_out(traced, Reading("cpus", wait, anchor, timedelta(weeks=2)))
    assert from_epoch(float(moved.arrival[0])) == anchor + timedelta(weeks=2, seconds=60)


def test_jobs_without_the_unit_are_left_out_and_counted() -> None:
    traced = TracedJobs(
        (TracedJob("1", 0.0, 10.0, cpus=1.0), TracedJob("2", 0.0, 10.0, cpus=1.0, gpus=2.0)), True, {"x": 1}
    )
    wait = MaxWait(timedelta(hours=6), timedelta(hours=24))
    trace = lay_out(traced, Reading("gpus", wait))
    assert ([job.job_id for job in trace.jobs], dict(trace.left_out)) == (["2"], {"x": 1, "without gpus": 1})
    with pytest.raises(DataError, match="no job of the trace has nodes"):
        lay_out(traced, Reading("nodes", wait))


def test_classes_are_split_at_two_hours_and_wait_accordingly() -> None:
    traced = TracedJobs(
        tuple(TracedJob(str(hours), 0.0, hours * HOUR, cpus=1.0) for hours in (2.0, 2.1)),
        dated=True,
        left_out={},
    )
    trace = lay_out(traced, Reading("cpus", MaxWait(timedelta(hours=6), timedelta(hours=24))))
    assert (trace.wait / HOUR).tolist() == [6, 24]


def test_jobs_beyond_the_intensities_or_too_large_are_left_out() -> None:
    trace = within(trace_of([J(0, 1), J(100, 1, 9), J(-1, 1), J(1, 5, 9)], wait_h=24), DAYS)
    assert ([job.job_id for job in trace.jobs], dict(trace.left_out)) == (
        ["0", "3"],
        {"outside of the intensities": 2},
    )
    assert len(on_units(trace, 4)) == 1
    with pytest.raises(DataError, match="no job of the trace fits"):
        on_units(trace, 0.5)
    with pytest.raises(DataError, match="no job lies within"):
        within(trace_of([J(-50, 1)]), DAYS)


def test_the_peak_of_no_wait() -> None:
    assert peak(trace_of([J(0, 2), J(1, 1, 3), J(2, 1, 5)])) == 5


# --- nodes


def alike(size: PartitionSize) -> NodePool:
    return NodePool([NodeGroup(size, frozenset({"main"}))], 16)


def test_a_job_takes_the_first_nodes_that_have_room() -> None:
    pool = alike(PartitionSize(2, 8, 2))
    need = pool.need(TracedJob("1", 0, 1, cpus=6, gpus=1), 6)
    assert need == Need(6, 1, 6, 1)
    places = []
    for _ in range(2):
        place = pool.place(need)
        assert place is not None
        pool.take(place)
        places.append(place[0][0])
    assert places == [0, 1]
    assert pool.place(need) is None  # four CPUs are free, but on two nodes
    pool.give(((0, 6, 1),))
    assert pool.place(need) == ((0, 6, 1),)


@pytest.mark.parametrize(
    ("job", "need"),
    [
        (TracedJob("1", 0, 1, cpus=16), Need(1, 2, 8, 0)),
        (TracedJob("1", 0, 1, cpus=17), None),
        (TracedJob("1", 0, 1, cpus=2, nodes=2), Need(1, 2, 1, 0)),
        (TracedJob("1", 0, 1, cpus=2, gpus=3), Need(1, 2, 1, 2)),
        (TracedJob("1", 0, 1, cpus=2, gpus=1, gpu_type="h100"), None),
        (TracedJob("1", 0, 1, cpus=2, gpus=1, gpu_type="a100"), Need(1, 1, 2, 1)),
    ],
)
def test_needs_by_hand(job: TracedJob, need: Need | None) -> None:
    assert alike(PartitionSize(2, 8, 2, "a100")).need(job, 1) == need


def test_partitions_that_share_nodes_take_room_from_each_other() -> None:
    """Two small nodes of batch and a large one of batch and gpu; a job of gpu runs on that one alone."""
    small, large = PartitionSize(2, 4), PartitionSize(1, 16, 4, "a100")
    both = frozenset({"batch", "gpu"})
    pool = NodePool([NodeGroup(small, frozenset({"batch"})), NodeGroup(large, both)], 24)
    batch = pool.need(TracedJob("1", 0, 1, cpus=4, partition="batch"), 4)
    gpu = pool.need(TracedJob("2", 0, 1, cpus=4, gpus=4, partition="gpu"), 4)
    wide = pool.need(TracedJob("3", 0, 1, cpus=10, partition="batch"), 10)
    assert batch is not None
    assert gpu is not None
    assert wide is not None  # on the large one
    assert (wide.nodes, pool.place(gpu), pool.place(batch)) == (1, ((2, 4, 4),), ((0, 4, 0),))
    pool.take(((2, 10, 0),))
    assert pool.place(wide) is None
    assert pool.place(gpu) == ((2, 4, 4),)
    pool.take(((2, 4, 4),))
    assert pool.place(gpu) is None
    assert pool.need(TracedJob("4", 0, 1, cpus=17, partition="gpu"), 17) is None


CLUSTER = """\
partitions:
  batch: {nodes: 2, cpus: 8}
  gpu: {nodes: 1, cpus: 8, gpus: 4, gpu_type: a100}
default: batch
"""


def test_jobs_go_to_their_partitions_or_to_the_default() -> None:
    jobs = [
        TracedJob("1", START, HOUR, cpus=4, gpus=4, partition="gpu"),
        TracedJob("2", START, HOUR, cpus=4, partition="debug"),
        TracedJob("3", START, HOUR, cpus=4, gpus=5, partition="gpu"),
    ]
    wait = MaxWait(timedelta(), timedelta())
    trace = lay_out(TracedJobs(tuple(jobs), dated=True, left_out={}), Reading("cpus", wait))
    shape = read_cluster(CLUSTER, "c.yaml")
    kept, pools = on_cluster(trace, shape)
    assert ([job.job_id for job in kept.jobs], pools) == (["1", "2"], [1, 0])
    strict = read_cluster(CLUSTER.replace("default: batch\n", ""), "c.yaml")
    assert [job.job_id for job in on_cluster(trace, strict)[0].jobs] == ["1"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("partitions: {a: {nodes: 1, cpus: [}}", "c:1: not YAML"),
        ("partitions: {}", "c:1: partitions: none"),
        ("nodes: 3", "c:1: nodes: unknown key$"),
        ("default: a", "c:1: partitions: missing$"),
        ("- 1", "c:1: expected keys and values$"),
        ("partitions: {a: {nodes: many, cpus: 1}}", r"c:1: partitions\.a\.nodes: expected a whole number$"),
        ("partitions: {a: {nodes: 1}}", r"c:1: partitions\.a\.cpus: missing$"),
        ("partitions: {a: {nodes: 1, cpus: 1, ram: 5}}", r"c:1: partitions\.a\.ram: unknown key$"),
        ("partitions: {a: {nodes: 1, cpus: .nan}}", "c:1: partitions.a: expected at least one node"),
        ("partitions: {a: {nodes: 1000000000, cpus: 1}}", r"c:1: partitions\.a\.nodes: expected 1 to"),
        ("partitions: {a: {nodes: 0, cpus: 1}}", "c:1: partitions.a"),
        ("partitions: {a: {nodes: 1, cpus: 1}}\ndefault: b", "c:1: default: no partition b"),
    ],
)
def test_a_wrong_cluster_is_refused(text: str, words: str) -> None:
    with pytest.raises(DataError, match="^" + words):
        read_cluster(text, "c")


# --- parameters


def test_a_parameter_of_one_policy_goes_before_that_of_all() -> None:
    values = read_parameters(["every=30m", "lowest-window.every=15m"], list(POLICIES))
    assert Parameters("lowest-window", values).seconds("every", 0) == 900
    assert Parameters("carbon-time", values).seconds("every", 0) == 1800
    assert Parameters("carbon-time", values).number("beta", 7) == 7


@pytest.mark.parametrize(
    ("word", "words"),
    [("every", "NAME=VALUE"), ("colour=red", "no colour"), ("magic.every=1h", "no magic.every")],
)
def test_unknown_parameters_are_refused(word: str, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        read_parameters([word], list(POLICIES))


@pytest.mark.parametrize(
    "word",
    [
        "threshold=nan",
        "threshold=-1",
        "share=2",
        "beta=inf",
        "joint.iterations=1.5",
        "iterations=0",
        "max_stops=-2",
        "guaranteed=nan",
        "slot=0",
        "lost_work=abc",
        "cycle=-5m",
        "queue=lifo",
        "windows=noon",
    ],
)
def test_a_value_that_cannot_be_is_refused_before_anything_runs(word: str) -> None:
    name, _, value = word.partition("=")
    with pytest.raises(UsageError, match=rf"--param {name}: expected .*{value}|expected some time"):
        read_parameters([word], list(POLICIES))


@pytest.mark.parametrize("text", ["22:00", "25:00+8h", "someday@10:00+5h", "10:00+5", "mon-x@10:00+5h"])
def test_windows_that_cannot_be_read(text: str) -> None:
    with pytest.raises(UsageError, match="windows"):
        Parameters("static-windows", {"windows": text}).windows("windows", "")


def test_windows_by_hand() -> None:
    night, noon = Parameters("x", {}).windows("windows", "22:30+8h,sat-mon@10:00+5h")
    assert (night.start, night.length, len(night.days)) == (timedelta(hours=22.5), timedelta(hours=8), 7)
    assert noon.days == {5, 6, 0}


def test_a_perfect_forecast_is_the_truth() -> None:
    assert seen(Perfect(DAYS), -5)[0] is DAYS
