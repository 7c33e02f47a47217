"""Which energy of a run is believed: by hand, and what must hold for every measurement."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carbonslurm.core.energy import (
    ABOVE,
    BELOW,
    Covers,
    Energy,
    Measurement,
    Quality,
    best_energy,
    slurm_measurement,
)
from carbonslurm.core.job import AccountedRun, RunKey, Tres
from carbonslurm.core.power import PowerModel

MIDNIGHT = datetime(2026, 11, 22, tzinfo=UTC)
HOUR = timedelta(hours=1)
# A whole node: 4 x 400 W of GPUs at 0.5, 64 x 5 W of CPUs at 0.5, 200 W for itself: 800 + 160 + 200 W.
MODEL = PowerModel(gpu_watts={"a100": 400}, gpu_utilisation=0.5, node_cpus=64, node_gpus=4)
WHOLE = Tres(cpus=64, nodes=1, gpus={"a100": 4})
MODELLED = 1.16
MOST = 1.6 + 0.32 + 0.2


def run(tres: Tres = WHOLE, joules: float | None = None) -> AccountedRun:
    return AccountedRun(
        key=RunKey("green", 7, MIDNIGHT),
        array_job_id=None,
        user="ada",
        account="physics",
        partition="gpu",
        qos="normal",
        eligible=MIDNIGHT,
        started=MIDNIGHT,
        ended=MIDNIGHT + HOUR,
        state="COMPLETED",
        exit_code="0:0",
        time_limit=None,
        tres=tres,
        energy_joules=joules,
        tag=None,
    )


def best(*measured: Measurement, tres: Tres = WHOLE) -> Energy:
    return best_energy(run(tres), HOUR, measured, MODEL)


def metered(kwh: float, covers: Covers = Covers.NODES, source: str = "meter") -> Measurement:
    return Measurement(source, covers, kwh)


def test_without_a_meter_energy_is_modelled() -> None:
    assert best() == Energy(pytest.approx(MODELLED), "modelled", Quality.MODELLED)


def test_a_meter_of_the_nodes_has_all_of_it() -> None:
    assert best(metered(1.5)) == Energy(1.5, "meter", Quality.MEASURED)


def test_what_a_meter_of_gpus_does_not_see_is_modelled() -> None:
    assert best(metered(1.3, Covers.GPUS, "dcgm")) == Energy(
        pytest.approx(1.3 + 0.16 + 0.2), "dcgm + modelled", Quality.PARTLY
    )


def test_two_meters_share_the_work() -> None:
    parts = metered(1.3, Covers.GPUS, "dcgm"), metered(0.25, Covers.CPUS, "slurm")
    assert best(*parts) == Energy(pytest.approx(1.3 + 0.25 + 0.2), "dcgm + slurm + modelled", Quality.PARTLY)


def test_the_whole_goes_before_its_parts_and_the_first_before_the_second() -> None:
    assert best(metered(1.3, Covers.GPUS), metered(1.5), metered(1.6, source="other")).kwh == 1.5


@pytest.mark.parametrize("kwh", [0.0, -1.0, MODELLED * BELOW / 2, MOST * ABOVE + 0.01, 1e6])
def test_what_cannot_be_is_not_believed(kwh: float) -> None:
    """A counter that wrapped, stood still, or speaks of another unit or of more than this run."""
    assert best(metered(kwh)).quality is Quality.MODELLED
    assert best(metered(kwh), metered(1.5, source="other")).method == "other"


def test_a_part_is_held_against_what_that_part_can_draw() -> None:
    assert best(metered(1.5, Covers.CPUS)).quality is Quality.MODELLED
    assert best(metered(0.3, Covers.CPUS)).quality is Quality.PARTLY


JOULES = 1.2 * 3.6e6


def test_slurm_s_own_energy_counts_for_whole_nodes() -> None:
    assert slurm_measurement(run(joules=JOULES), Covers.NODES, MODEL) == Measurement(
        "slurm", Covers.NODES, pytest.approx(1.2)
    )


@pytest.mark.parametrize(
    ("tres", "joules", "covers"),
    [
        (Tres(cpus=32, nodes=1, gpus={"a100": 4}), JOULES, Covers.NODES),  # somebody else had the other CPUs
        (Tres(cpus=64, nodes=2), JOULES, Covers.NODES),
        (Tres(cpus=64, nodes=0), JOULES, Covers.NODES),
        (WHOLE, None, Covers.NODES),
        (WHOLE, JOULES, None),  # the site has not said what its plugin sees
    ],
)
def test_where_it_is_not_the_run_s_own_slurm_s_energy_does_not_count(
    tres: Tres, joules: float | None, covers: Covers | None
) -> None:
    assert slurm_measurement(run(tres, joules), covers, MODEL) is None


meters = st.lists(
    st.builds(Measurement, st.sampled_from(["a", "b"]), st.sampled_from(Covers), st.floats(-10, 100)),
    max_size=5,
)
held = st.builds(
    Tres,
    cpus=st.integers(1, 256),
    nodes=st.integers(1, 4),
    gpus=st.dictionaries(st.sampled_from(["a100", "h100"]), st.integers(0, 8)),
)


@given(meters, held)
def test_energy_is_never_more_than_the_devices_can_take(measured: list[Measurement], tres: Tres) -> None:
    found = best(*measured, tres=tres)
    most = MODEL.most(tres).total / 1000
    assert 0 < found.kwh <= ABOVE * most * (1 + 1e-9)


@given(meters, held)
def test_the_method_says_what_the_quality_says(measured: list[Measurement], tres: Tres) -> None:
    found = best(*measured, tres=tres)
    assert ("modelled" in found.method) is (found.quality is not Quality.MEASURED)
    assert (found.method == "modelled") is (found.quality is Quality.MODELLED)
