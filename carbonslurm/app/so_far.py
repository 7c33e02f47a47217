"""What runs that still run have taken and emitted so far, worked out for who looks, and kept nowhere.

A run counts up to the moment at which sacct was last read: whether it still runs, nobody knows later. It
gets a figure as if it had ended then, and nobody has measured it yet. Such figures change with every look, so
they are never added to those of runs that have ended.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Protocol

from carbonslurm.app.figuring import FigureRules, figured
from carbonslurm.core.accounted import longest
from carbonslurm.core.going import SoFar
from carbonslurm.core.job import AccountedRun, RunKey
from carbonslurm.ports import IntensityReader, RunningReader


class SoFarReader(RunningReader, IntensityReader, Protocol):
    """What the ledger is asked."""


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
