"""Idle nodes: by hand, and what must hold for every set of runs."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from carbonslurm.core.forecast import Kind, Nature, Scope, Series, Step
from carbonslurm.core.idle import Nodes, cluster_share, held_nodes, idle_energy, idle_grams
from carbonslurm.core.interval import Interval
from carbonslurm.core.job import Tres

MIDNIGHT = datetime(2026, 11, 22, tzinfo=UTC)
HOUR = timedelta(hours=1)


def between(first: float, last: float) -> Interval:
    return Interval(MIDNIGHT + first * HOUR, MIDNIGHT + last * HOUR)


def grid(*values: float) -> Series:
    nature = Nature(Kind.AVERAGE, Scope.LIFECYCLE)
    return Series.from_steps(
        "GB", "toy", nature, [Step(between(n, n + 1), value) for n, value in enumerate(values)]
    )


@pytest.mark.parametrize(
    ("tres", "held"),
    [
        (Tres(cpus=16, nodes=1), 0.25),
        (Tres(cpus=1, nodes=1, gpus={"a100": 2}), 0.5),
        (Tres(cpus=128, nodes=2), 2.0),
        (Tres(cpus=256, nodes=2), 2.0),
        (Tres(cpus=32), 0.5),
        (Tres(), 0.0),
    ],
)
def test_what_a_run_holds_of_the_nodes(tres: Tres, held: float) -> None:
    assert Nodes(4, 64, 4).held(tres) == held


def test_idle_nodes_by_hand() -> None:
    """Two nodes from 0 to 4: one held from 1 to 3, half of the other from 2 to 6."""
    held = held_nodes([(between(1, 3), 1.0), (between(2, 6), 0.5)], 2, between(0, 4))
    assert held.nodes.tolist() == [0, 1, 1.5, 0.5]
    assert (held.node_hours, held.idle_node_hours, held.utilisation) == (3, 5, 3 / 8)
    kwh = idle_energy(held, watts=400)
    assert kwh == pytest.approx([0.8, 0.4, 0.2, 0.6])
    assert idle_grams(held, kwh, grid(100, 200, 300, 400)) == pytest.approx(80 + 80 + 60 + 240)


def test_unknown_intensity_makes_grams_unknown_where_any_node_idled() -> None:
    held = held_nodes([(between(0, 1), 1.0)], 1, between(0, 2))
    kwh = idle_energy(held, watts=400)
    assert idle_grams(held, kwh, None) is None
    assert idle_grams(held, kwh, grid(100)) is None
    assert (
        idle_grams(held, kwh, Series.from_steps("GB", "toy", grid(1).nature, [Step(between(1, 2), 50)])) == 20
    )


def test_where_nothing_idles_nothing_is_emitted() -> None:
    held = held_nodes([(between(0, 2), 3.0)], 1, between(0, 2))
    assert idle_grams(held, idle_energy(held, 400), None) == 0
    assert held.utilisation == 1


def test_without_runs_everything_idles() -> None:
    held = held_nodes([], 3, between(0, 2))
    assert (held.idle_node_hours, held.utilisation) == (6, 0)


@pytest.mark.parametrize(
    ("utilisation", "idle", "full", "share"),
    [
        (0.6, 150, 1000, 0.6 * 0.85 / (0.15 + 0.6 * 0.85)),
        (1.0, 0, 1000, 1.0),
        (0.5, 1000, 1000, 0.0),
        (0.5, 2000, 1000, 0.0),
        (0.0, 0, 1000, None),
        (0.5, 100, 0, None),
    ],
)
def test_what_is_left_of_a_saving_for_the_cluster(
    utilisation: float, idle: float, full: float, share: float | None
) -> None:
    assert cluster_share(utilisation, idle, full) == (None if share is None else pytest.approx(share))


def test_the_share_named_in_the_documents() -> None:
    assert cluster_share(0.6, 0.15, 1.0) == pytest.approx(0.77, abs=0.005)


runs = st.lists(
    st.tuples(st.integers(0, 20), st.integers(0, 20), st.floats(0, 4)).map(
        lambda it: (between(it[0], it[0] + it[1]), it[2])
    ),
    max_size=8,
)


@given(runs, st.integers(1, 8))
def test_held_and_idle_are_all_there_is(held_by: list[tuple[Interval, float]], count: int) -> None:
    held = held_nodes(held_by, count, between(5, 15))
    assert held.node_hours + held.idle_node_hours == pytest.approx(10 * count)
    assert 0 <= held.utilisation <= 1
    assert bool(np.all(np.diff(held.edges) > 0))


@given(runs, st.integers(1, 8))
def test_at_one_intensity_grams_are_energy(held_by: list[tuple[Interval, float]], count: int) -> None:
    held = held_nodes(held_by, count, between(0, 10))
    kwh = idle_energy(held, 500)
    assert idle_grams(held, kwh, grid(*[100.0] * 10)) == pytest.approx(50 * held.idle_node_hours)
