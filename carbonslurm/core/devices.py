"""What GPUs and processors are sold to draw at most, in W: the model's numbers until a site gives its own.

GPUs: the board power (TDP, TBP, TGP) of the vendors' data sheets: NVIDIA's product briefs and data sheets of
each board, AMD's Instinct data sheets, Intel's ARK and Gaudi white papers. Where one name is sold in several
forms the bare name is the SXM or OAM module, since that is what clusters with Slurm mostly hold; the PCIe
board has an entry of its own. Processors: thermal design power and cores by AMD's product pages and Intel's
ARK. A GPU that Slurm counts by halves (a GCD of an MI250X is one ``gres/gpu`` in most sites) needs the site's
own number.

A slice of a GPU (MIG: ``a100_3g.20gb``) is taken to draw its sevenths of the whole: NVIDIA's slices are
sevenths of the compute, and no data sheet says how they share the power.
"""

import re
from collections.abc import Mapping
from functools import lru_cache
from types import MappingProxyType

GPU_WATTS: Mapping[str, float] = MappingProxyType(
    {
        "a2": 60,
        "a10": 150,
        "a16": 250,
        "a30": 165,
        "a40": 300,
        "a100": 400,  # SXM4, 40 and 80 GB
        "a100-pcie": 250,  # 40 GB
        "a100-pcie-80gb": 300,
        "a100-80gb-pcie": 300,
        "a4000": 140,
        "a5000": 230,
        "a6000": 300,
        "b200": 1000,
        "gh200": 1000,  # module, Grace and its memory included
        "h100": 700,  # SXM5
        "h100-nvl": 400,
        "h100-pcie": 350,
        "h200": 700,
        "h200-nvl": 600,
        "k40": 235,
        "k80": 300,  # board with two GPUs
        "l4": 72,
        "l40": 300,
        "l40s": 350,
        "m40": 250,
        "p4": 75,
        "p40": 250,
        "p100": 300,  # SXM2
        "p100-pcie": 250,
        "rtx-2080-ti": 250,
        "rtx-3090": 350,
        "rtx-4090": 450,
        "rtx-6000-ada": 300,
        "rtx-a4000": 140,
        "rtx-a5000": 230,
        "rtx-a6000": 300,
        "t4": 70,
        "titan-rtx": 280,
        "titan-v": 250,
        "v100": 300,  # SXM2
        "v100-pcie": 250,
        "v100s": 250,
        "mi50": 300,
        "mi60": 300,
        "mi100": 300,
        "mi210": 300,
        "mi250": 560,
        "mi250x": 560,
        "mi300a": 550,
        "mi300x": 750,
        "mi325x": 1000,
        "max-1100": 300,
        "max-1550": 600,
        "gaudi2": 600,
        "gaudi3": 900,
    }
)

# Thermal design power in W, and cores.
PROCESSORS: Mapping[str, tuple[float, int]] = MappingProxyType(
    {
        "epyc-7402": (180, 24),
        "epyc-7413": (180, 24),
        "epyc-7452": (155, 32),
        "epyc-7502": (180, 32),
        "epyc-7513": (200, 32),
        "epyc-7543": (225, 32),
        "epyc-7662": (225, 64),
        "epyc-7713": (225, 64),
        "epyc-7742": (225, 64),
        "epyc-7763": (280, 64),
        "epyc-7h12": (280, 64),
        "epyc-9354": (280, 32),
        "epyc-9454": (290, 48),
        "epyc-9554": (360, 64),
        "epyc-9654": (360, 96),
        "epyc-9754": (360, 128),
        "xeon-e5-2670": (115, 8),
        "xeon-e5-2680-v3": (120, 12),
        "xeon-e5-2680-v4": (120, 14),
        "xeon-e5-2690-v4": (135, 14),
        "xeon-e5-2695-v4": (120, 18),
        "xeon-6130": (125, 16),
        "xeon-6148": (150, 20),
        "xeon-6230": (125, 20),
        "xeon-6248": (150, 20),
        "xeon-6252": (150, 24),
        "xeon-6338": (205, 32),
        "xeon-6430": (270, 32),
        "xeon-8160": (150, 24),
        "xeon-8168": (205, 24),
        "xeon-8260": (165, 24),
        "xeon-8268": (205, 24),
        "xeon-8280": (205, 28),
        "xeon-8358": (250, 32),
        "xeon-8380": (270, 40),
        "xeon-8468": (350, 48),
        "xeon-8480": (350, 56),
    }
)

SLICES = 7  # of a GPU, by NVIDIA's MIG
_SLICE = re.compile(r"(?:^|-)([1-7])g\.[0-9]+gb.*$")
_MAKERS = ("nvidia-", "tesla-", "geforce-", "quadro-", "amd-", "radeon-", "instinct-", "intel-")


@lru_cache(maxsize=256)
def gpu_watts(kind: str) -> float | None:
    """Return the W of one GPU at full load by Slurm's type of it, None where the table has none like it.

    Types are the site's own words; what NVML or a habit makes of them is found by the beginning of the name:
    ``nvidia_a100-sxm4-80gb`` is an ``a100``.
    """
    name = _plain(kind)
    slice_of = _SLICE.search(name)
    if slice_of:
        whole = gpu_watts(name[: slice_of.start()])
        return None if whole is None else whole * int(slice_of[1]) / SLICES
    words = name.split("-")
    for count in range(len(words), 0, -1):
        watts = GPU_WATTS.get("-".join(words[:count]))
        if watts is not None:
            return watts
    return None


def cpu_watts(processor: str, threads_per_core: int = 1) -> float | None:
    """Return the W of one of Slurm's CPUs at full load, None where the table does not have the processor.

    Args:
        processor: as in PROCESSORS, in any case, with spaces or underscores for dashes.
        threads_per_core: 2 where Slurm counts hardware threads as CPUs.
    """
    found = PROCESSORS.get(_plain(processor))
    return None if found is None else found[0] / found[1] / threads_per_core


def _plain(name: str) -> str:
    plain = re.sub(r"[ _]+", "-", name.lower().strip())
    while maker := next((it for it in _MAKERS if plain.startswith(it)), None):
        plain = plain.removeprefix(maker)
    return plain
