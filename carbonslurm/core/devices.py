"""What GPUs and processors are sold to draw at most, in W: the model's numbers until a site gives its own.

GPUs: the board power (TDP, TBP, TGP) of one GPU as Slurm counts them, each with where it was read in November
2026: the maker's own document, by its number, or where that was not to be had a copy or a table that quotes
it. Where one name is sold in several forms the bare name is the SXM or OAM module, since that is what
clusters with Slurm mostly hold; the PCIe board has an entry of its own. A board that shows itself as several
GPUs (K80, A16, MI250X) is shared out among them. Left out is what nobody was found to say, and modules whose
power is the processor's, too (GH200, MI300A): sites that have these give their own numbers.

Processors: thermal design power and cores, compared in November 2026 with AMD's table of processor
specifications and with Intel's ARK, as CodeCarbon (mlco2/codecarbon, b05965e) keeps copies of both.

A slice of a GPU (MIG: ``a100_3g.20gb``) is taken to draw its sevenths of the whole: NVIDIA's slices are
sevenths of the compute, and no data sheet says how they share the power.
"""

import re
from collections.abc import Mapping
from functools import lru_cache
from types import MappingProxyType

A100 = "NVIDIA A100 data sheet 1758950, by Glenn Lockwood"
H100 = "NVIDIA H100 data sheet, by gpu.blog"
L40 = "NVIDIA L40 and L40S data sheets, by a reseller"
RTX = "NVIDIA RTX A6000 data sheet, by ServeTheHome"
WORKSTATION = "NVIDIA's RTX boards: Hugging Face, ohdoking/gpu_spec"
HF = "Hugging Face, hardware"
GREEN = "Green Algorithms, TDP_gpu.csv"
IMPACT = "ML CO2 Impact, gpus.csv"
HMC = "HMC Tech, graphics cards"
MI200 = "AnandTech 17326, of AMD's MI210"
INTEL = "Intel, to Tom's Hardware and VideoCardz, April 2023"

# W of one GPU, and where that was read.
_GPUS: Mapping[str, tuple[float, str]] = {
    "a2": (60, HMC),
    "a16": (250 / 4, "NVIDIA PB-10518 and HMC Tech: 250 W, four GPUs"),
    "a30": (165, HF),
    "a40": (300, "NVIDIA A40 data sheet, by resellers"),
    "a100": (400, A100),  # SXM4, 40 and 80 GB
    "a100-pcie": (250, "NVIDIA PB-10137, by Green Algorithms"),  # 40 GB
    "a100-pcie-80gb": (300, "NVIDIA PB-10577, by Green Algorithms"),
    "a100-80gb-pcie": (300, "NVIDIA PB-10577, by Green Algorithms"),
    "a4000": (140, WORKSTATION),
    "a5000": (230, WORKSTATION),
    "a6000": (300, RTX),
    "b200": (1000, "NVIDIA's pages of Blackwell, by Awesome Agents"),
    "h100": (700, H100),  # SXM5
    "h100-nvl": (400, H100),
    "h100-pcie": (350, "NVIDIA PB-11133"),
    "h200": (700, "NVIDIA's announcement, by Geektopia, November 2023"),
    "h200-nvl": (600, "One Stop Systems"),
    "k80": (300 / 2, GREEN),  # a board of two
    "l4": (72, "NVIDIA L4 data sheet, by Grokipedia"),
    "l40": (300, L40),
    "l40s": (350, L40),
    "m40": (250, IMPACT),
    "p4": (75, GREEN),
    "p40": (250, "NVIDIA PB-08338"),
    "p100-pcie": (250, GREEN),
    "rtx-2080-ti": (250, GREEN),
    "rtx-3090": (350, IMPACT),
    "rtx-4090": (450, WORKSTATION),
    "rtx-6000-ada": (300, WORKSTATION),
    "rtx-a4000": (140, WORKSTATION),
    "rtx-a5000": (230, WORKSTATION),
    "rtx-a6000": (300, RTX),
    "t4": (70, "NVIDIA T4 data sheet 951643, by ML CO2 Impact"),
    "titan-rtx": (280, IMPACT),
    "titan-v": (250, GREEN),
    "v100": (300, GREEN),  # SXM2
    "v100-pcie": (250, HMC),
    "v100s": (250, GREEN),
    "mi50": (300, MI200),
    "mi60": (300, HF),
    "mi100": (300, MI200),
    "mi210": (300, MI200),
    "mi250": (560 / 2, MI200),  # a module of two
    "mi250x": (560 / 2, "AMD's announcement of MI200: 500 W, 560 W at its peak"),  # a module of two
    "mi300x": (750, "AMD, MLPerf Inference 4.1"),
    "mi325x": (1000, "Yobitel and Awesome Agents"),
    "max-1100": (300, INTEL),
    "max-1550": (600, INTEL),
    "gaudi3": (900, "Intel's announcement, by wongcw.com, May 2024"),
}
GPU_WATTS: Mapping[str, float] = MappingProxyType({name: watts for name, (watts, _) in _GPUS.items()})
GPU_SOURCES: Mapping[str, str] = MappingProxyType({name: source for name, (_, source) in _GPUS.items()})

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


@lru_cache(maxsize=256)  # a site has few types, and runs that name them by the million
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
