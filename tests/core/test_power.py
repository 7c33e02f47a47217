"""Power from what a run held, worked by hand."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carbonslurm.core.job import Tres
from carbonslurm.core.power import PowerModel

MODEL = PowerModel(
    gpu_watts={"a100": 400},
    other_gpu_watts=250,
    cpu_watts=5,
    gpu_utilisation=0.5,
    cpu_utilisation=0.5,
    node_watts=200,
    node_cpus=64,
    node_gpus=4,
    pue=1.0,
)


@pytest.mark.parametrize(
    ("tres", "watts"),
    [
        (Tres(), 0),
        (Tres(cpus=64, nodes=1), 64 * 2.5 + 200),
        (Tres(cpus=16, nodes=1), 16 * 2.5 + 50),  # a quarter of the node
        (Tres(cpus=4, nodes=1, gpus={"a100": 1}), 200 + 10 + 50),
        (Tres(cpus=4, nodes=1, gpus={"a100": 4}), 800 + 10 + 200),  # all GPUs: the whole node
        (Tres(cpus=4, nodes=1, gpus={"A100": 1}), 200 + 10 + 50),  # Slurm's types differ in case only
        (Tres(cpus=4, nodes=1, gpus={"xpu9": 1}), 125 + 10 + 50),
        (Tres(cpus=4, nodes=1, gpus={"": 1}), 125 + 10 + 50),
        (Tres(cpus=4, nodes=1, gpus={"a100": 1, "xpu9": 1}), 200 + 125 + 10 + 100),
        (Tres(cpus=128, nodes=2, gpus={"a100": 8}), 1600 + 320 + 400),
        (Tres(cpus=256, nodes=1), 640 + 200),  # hyper-threads: a node is a node
    ],
)
def test_watts_by_hand(tres: Tres, watts: float) -> None:
    assert MODEL.watts(tres) == pytest.approx(watts)


def test_the_rooms_overhead_multiplies() -> None:
    tres = Tres(cpus=4, nodes=1, gpus={"a100": 1})
    assert replace(MODEL, pue=1.3).watts(tres) == pytest.approx(1.3 * MODEL.watts(tres))


def test_a_node_without_gpus_is_shared_by_cpus() -> None:
    assert replace(MODEL, node_gpus=0).watts(Tres(cpus=32, nodes=1)) == pytest.approx(80 + 100)


counts = st.integers(0, 512)
held = st.builds(
    Tres,
    cpus=counts,
    nodes=st.integers(0, 8),
    gpus=st.dictionaries(st.sampled_from(["a100", "h100", ""]), counts),
)


@given(held, st.integers(1, 64))
def test_holding_more_never_needs_less(tres: Tres, more: int) -> None:
    assert MODEL.watts(tres) >= 0
    assert MODEL.watts(replace(tres, cpus=tres.cpus + more)) >= MODEL.watts(tres)
    gpus = {**tres.gpus, "a100": tres.gpus.get("a100", 0) + more}
    assert MODEL.watts(replace(tres, gpus=gpus)) >= MODEL.watts(tres)
