"""From sacct to the ledger: every run once, then energy, emissions and baselines of those that ended.

Reading overlaps with what was read before, since slurmdbd hears of some ends late; a run that is read twice
changes nothing. Figures are added, never overwritten: when intensities are revised, a new figure counts.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from carbonslurm.app.attempts import attempts_of
from carbonslurm.app.queueing import WithoutUs
from carbonslurm.core.footprint import Figure, baselines, figure, laid_out
from carbonslurm.core.forecast import Series
from carbonslurm.core.interval import Interval
from carbonslurm.core.job import AccountedRun
from carbonslurm.core.power import PowerModel
from carbonslurm.core.units import kwh_from_watts
from carbonslurm.ports import Accounting, IntensityArchive, RunBook, RunToFigure

logger = logging.getLogger(__name__)

OVERLAP = timedelta(hours=6)
FIRST_READ = timedelta(days=7)
# sacct leaves out an attempt whose Eligible lies behind the window, and a requeue with a begin time ahead
# moves the Eligible of the attempt that has just ended, too: so the window reaches as far as a job may wait.
AHEAD = timedelta(days=31)


@dataclass(frozen=True, slots=True)
class IngestReport:
    """What one reconciliation did."""

    runs: int
    figures: int


@dataclass(frozen=True, slots=True)
class Ingest:
    """The parts of the reconciliation, and its story in ``run``."""

    cluster: str
    accounting: Accounting
    runs: RunBook
    archive: IntensityArchive
    zone_of: Callable[[str], str]
    power: PowerModel
    restart: timedelta
    without_us: WithoutUs
    clock: Callable[[], datetime]

    def run(self) -> IngestReport:
        """Read sacct once and work out what can be worked out."""
        now = self.clock()
        kept = self._read(now)
        self.without_us.run()
        figures = [(item.run.key, self._figure(item)) for item in self.runs.runs_to_figure(self.cluster, now)]
        self.runs.keep_figures(figures, now)
        return IngestReport(kept, len(figures))

    def _read(self, now: datetime) -> int:
        until = self.runs.accounted_until(self.cluster)
        since = now - FIRST_READ if until is None else until - OVERLAP
        kept = self.runs.keep_runs(self.accounting.runs(Interval(since, now + AHEAD)), now)
        self.runs.mark_accounted(self.cluster, now)
        return kept

    def _figure(self, item: RunToFigure) -> Figure:
        tried = attempts_of(item, self.restart)
        attempts = [each.attempt for each in tried]
        ran, lost = attempts[-1].ran, attempts[-1].lost
        baseline = baselines(attempts)[-1]
        queue = laid_out(attempts, [item.queue_starts.get(each.run.key) for each in tried])[-1]
        windows = [window for window in (ran, baseline, queue) if window is not None]
        whole = Interval(min(it.start for it in windows), max(it.end for it in windows))
        return figure(
            ran=ran,
            baseline=baseline,
            energy=self._energy(item.run, ran),
            series=self._intensity(item.run, whole),
            lost=lost,
            queue=queue,
        )

    def _energy(self, run: AccountedRun, ran: Interval) -> tuple[float, str]:
        """Modelled: Slurm's own counter is per node, right for exclusive jobs only; it is kept, not used."""
        return kwh_from_watts(self.power.watts(run.tres), ran.length), "modelled"

    def _intensity(self, run: AccountedRun, window: Interval) -> Series | None:
        zone = self.zone_of(run.partition)
        natures = self.archive.natures(zone, window)
        return self.archive.intensity(zone, natures[0], window) if natures else None
