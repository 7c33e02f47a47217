"""Pools: who competes with whom."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from carbonslurm.core.capacity import Node, Pools, kind_of, pools, units_of
from carbonslurm.core.interval import from_epoch
from carbonslurm.core.job import JobKey, QueuedJob, Tres
from carbonslurm.sim.job import SimulatedJob, Submission

NOON = from_epoch(1_795_348_800)


def node(name: str, *partitions: str, cpus: int = 16, **gpus: int) -> Node:
    return Node(name, frozenset(partitions), cpus, gpus)


def job(partition: str, cpus: int = 4, **gpus: int) -> QueuedJob:
    queued = SimulatedJob(JobKey("toy", 1), Submission(NOON - NOON), NOON, NOON).queued()
    counts = {kind.replace("any", ""): count for kind, count in gpus.items()}
    return replace(queued, partition=partition, tres=Tres(cpus, 1, counts))


def units(found: Pools, partition: str, cpus: int = 4, **gpus: int) -> int | None:
    index = found.of(job(partition, cpus, **gpus))
    return None if index is None else found.units[index]


def test_each_type_of_gpu_is_a_pool_of_its_own_and_so_are_cpus() -> None:
    found = pools([node("n1", "gpu", a100=4), node("n2", "gpu", a100=4), node("n3", "gpu", v100=2)])
    assert units(found, "gpu", a100=1) == 8
    assert units(found, "gpu", v100=1) == 2
    assert units(found, "gpu") == 48
    assert found.names == ("gpu/a100", "gpu/cpu", "gpu/v100")


def test_partitions_that_share_a_node_share_its_room() -> None:
    found = pools([node("n1", "big", a100=4), node("n2", "big", "debug", a100=4), node("c1", "other")])
    assert found.of(job("debug", a100=1)) == found.of(job("big", a100=1))
    assert units(found, "debug", a100=1) == 8
    assert found.of(job("other")) != found.of(job("big"))


def test_who_asks_for_any_gpu_competes_for_all_of_them() -> None:
    nodes = [node("n1", "gpu", a100=4), node("n2", "gpu", v100=2), node("n3", "lab", v100=2)]
    whoever = job("gpu", any=1)
    found = pools(nodes, [whoever])
    assert found.of(whoever) == found.of(job("gpu", a100=1)) == found.of(job("gpu", v100=1))
    assert units(found, "gpu", any=1) == 6
    assert units(found, "lab", v100=1) == 2


def test_where_slurm_counts_gpus_without_a_type_they_are_one_pool() -> None:
    found = pools([Node("n1", frozenset({"gpu"}), 8, {"": 4})], [job("gpu", any=2)])
    assert units(found, "gpu", any=2) == 4


def test_a_job_in_a_partition_that_nobody_knows_has_no_pool() -> None:
    found = pools([node("n1", "gpu", a100=4)])
    assert found.of(job("elsewhere", a100=1)) is None
    assert found.of(job("gpu", h100=1)) is None
    assert pools([]).of(job("gpu")) is None


def test_a_job_with_gpus_takes_cpus_too() -> None:
    found = pools([node("n1", "gpu", a100=4)])
    assert found.cpus_of(job("gpu", a100=1)) == found.of(job("gpu"))


def test_what_a_job_waits_for() -> None:
    assert kind_of(Tres(4, 1, {"A100": 1, "v100": 2})) == "v100"
    assert kind_of(Tres(4, 1, {"A100": 3, "v100": 2})) == "a100"
    assert kind_of(Tres(4, 1, {"": 2})) == "gpu"
    assert (kind_of(Tres(4, 1)), units_of(Tres(4, 1))) == ("cpu", 4)
    assert units_of(Tres(4, 1, {"a100": 2})) == 2


NODES = st.lists(
    st.builds(
        Node,
        st.text("abc", min_size=1, max_size=2),
        st.frozensets(st.sampled_from("pqrs"), max_size=3),
        st.integers(0, 64),
        st.dictionaries(st.sampled_from(["", "a100", "v100"]), st.integers(0, 8), max_size=2),
    ),
    max_size=8,
)


@given(NODES, st.randoms(use_true_random=False))
def test_every_unit_is_in_one_pool_and_the_order_of_nodes_is_nothing(
    nodes: list[Node], random: object
) -> None:
    whoever = [job("p", any=1)]
    found = pools(nodes, whoever)
    reached = [it for it in nodes if it.partitions]
    assert sum(found.units) == sum(it.cpus + sum(it.gpus.values()) for it in reached)
    shuffled = list(nodes)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    again = pools(shuffled, whoever)
    assert (again.names, again.units) == (found.names, found.units)
