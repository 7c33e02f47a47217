"""What runs that still run have taken and emitted so far, worked out for who looks, and kept nowhere.

A run counts up to the moment at which sacct was last read: whether it still runs, nobody knows later. It
gets a figure as if it had ended then, and nobody has measured it yet. Such figures change with every look, so
they are never added to those of runs that have ended.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Protocol

from carbonslurm.app.figuring import FigureRules, figured
from carbonslurm.core.accounted import longest
from carbonslurm.core.footprint import Figure
from carbonslurm.core.job import AccountedRun, RunKey
from carbonslurm.ports import IntensityReader, RunningReader


class SoFarReader(RunningReader, IntensityReader, Protocol):
    """What the ledger is asked."""


@dataclass(frozen=True, slots=True)
class SoFar:
    """What a run has done until a moment.

    Attributes:
        figure: as if it had ended then.
    """

    until: datetime
    figure: Figure


@dataclass(frozen=True, slots=True)
class Looking:
    """What figures so far are made from.

    Attributes:
        cluster: whose power and zones the rules are; runs of others have no figure.
    """

    cluster: str
    reader: SoFarReader
    rules: FigureRules

    def at(self, runs: Iterable[AccountedRun]) -> Mapping[RunKey, SoFar]:
        """Return the figures so far of those among some runs that have started and still run.

        Raises:
            LedgerError: the ledger cannot be read.
        """
        until = self.reader.accounted_until(self.cluster)
        mine = [] if until is None else [run for run in runs if self._runs_at(run, until)]
        if until is None or not mine:
            return {}
        due = self.reader.with_jobs(self.cluster, mine)
        cut = [replace(item, run=replace(item.run, ended=until)) for item in due]
        return {item.run.key: SoFar(until, figure) for item, figure in figured(cut, self.rules, self.reader)}

    def _runs_at(self, run: AccountedRun, until: datetime) -> bool:
        if run.key.cluster != self.cluster or run.started is None or run.ended is not None:
            return False
        return run.started < until <= run.started + longest(run.time_limit)


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
