"""Runs that still run: what they have done until a moment, and its sums, which are added to nothing else."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from carbonslurm.core.footprint import Figure
from carbonslurm.core.job import RunKey


@dataclass(frozen=True, slots=True)
class SoFar:
    """What a run has done until a moment.

    Attributes:
        figure: as if it had ended then.
    """

    until: datetime
    figure: Figure


@dataclass(frozen=True, slots=True)
class RunningSum:
    """Grams so far of some runs of one nature.

    Attributes:
        nature: kind and scope in words, empty where the intensity is not known.
        runs: how many.
        energy_kwh: of these, PUE included.
        emitted_g: None where the intensity is not known.
    """

    nature: str
    runs: int
    energy_kwh: float
    emitted_g: float | None


def running_sums(found: Mapping[RunKey, SoFar]) -> Sequence[RunningSum]:
    """Add up what runs have done so far, a sum for each nature; those without grams are one of their own."""
    groups: defaultdict[str, list[Figure]] = defaultdict(list)
    for item in found.values():
        figure = item.figure
        groups[str(figure.nature) if figure.nature and figure.emitted_g is not None else ""].append(figure)
    return [
        RunningSum(
            nature=nature,
            runs=len(figures),
            energy_kwh=sum(it.energy_kwh for it in figures),
            emitted_g=sum(it.emitted_g or 0.0 for it in figures) if nature else None,
        )
        for nature, figures in sorted(groups.items())
    ]
