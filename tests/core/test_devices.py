"""GPUs and processors by their names, as sites and NVML spell them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carbonslurm.core.devices import GPU_SOURCES, GPU_WATTS, PROCESSORS, cpu_watts, gpu_watts
from carbonslurm.core.job import Tres
from carbonslurm.core.power import PowerModel


@pytest.mark.parametrize(
    ("kind", "watts"),
    [
        ("a100", 400),
        ("A100", 400),
        ("nvidia_a100-sxm4-80gb", 400),
        ("nvidia_a100-pcie-40gb", 250),
        ("nvidia_a100_80gb_pcie", 300),
        ("a100_80", 400),
        ("NVIDIA H100 80GB HBM3", 700),
        ("nvidia_h100_pcie", 350),
        ("h100", 700),
        ("v100", 300),
        ("tesla_v100-sxm2-16gb", 300),
        ("Tesla V100-PCIE-32GB", 250),
        ("l40s", 350),
        ("l40", 300),
        ("mi250x", 280),
        ("Tesla K80", 150),
        ("nvidia_gh200_480gb", None),
        ("mi300a", None),
        ("amd_instinct_mi300x", 750),
        ("nvidia_geforce_rtx_3090", 350),
        ("quadro_rtx_a6000", 300),
        ("a100_1g.5gb", 400 / 7),
        ("nvidia_a100-sxm4-40gb_3g.20gb", 3 * 400 / 7),
        ("1g.5gb", None),
        ("", None),
        ("gpu", None),
        ("a1000", None),
        ("xa100", None),
    ],
)
def test_a_type_is_found_by_the_beginning_of_its_name(kind: str, watts: float | None) -> None:
    assert gpu_watts(kind) == (None if watts is None else pytest.approx(watts))


def test_the_site_s_own_number_goes_first_and_the_unknown_last() -> None:
    model = PowerModel(
        gpu_watts={"a100": 350}, other_gpu_watts=123, gpu_utilisation=1, node_watts=0, node_gpus=0
    )
    assert [model.parts(Tres(gpus={kind: 1})).gpus for kind in ("A100", "h100", "xpu9")] == [350, 700, 123]


@pytest.mark.parametrize(
    ("processor", "threads", "watts"),
    [
        ("epyc-7763", 1, 280 / 64),
        ("EPYC 7763", 2, 280 / 128),
        ("AMD EPYC 9654", 1, 3.75),
        ("xeon_8480", 1, 6.25),
        ("a processor", 1, None),
    ],
)
def test_processors_share_their_power_among_slurm_s_cpus(
    processor: str, threads: int, watts: float | None
) -> None:
    assert cpu_watts(processor, threads) == watts


@given(st.text(max_size=40))
def test_any_name_is_taken(kind: str) -> None:
    assert gpu_watts(kind) is None or 0 < gpu_watts(kind) <= max(GPU_WATTS.values())  # type: ignore[operator]
    assert cpu_watts(kind) is None or kind


def test_every_entry_is_found_by_its_own_name_and_can_be() -> None:
    assert {name: gpu_watts(name) for name in GPU_WATTS} == dict(GPU_WATTS)
    assert all(40 <= watts <= 1500 for watts in GPU_WATTS.values())
    assert all(2 <= watts / cores <= 15 for watts, cores in PROCESSORS.values())
    assert set(GPU_SOURCES) == set(GPU_WATTS)
    assert all(GPU_SOURCES.values())
