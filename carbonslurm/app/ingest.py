"""From sacct to the ledger: every run once, then energy, emissions and baseline of those that ended.

Reading overlaps with what was read before, since slurmdbd hears of some ends late; a run that is read twice
changes nothing. Figures are added, never overwritten: when intensities are revised, a new figure counts.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from carbonslurm.core.footprint import Attempt, Figure, baselines, delay_caused, figure
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
RESIZING = "RESIZING"  # a job's row up to a change of its size; the next one goes on where it ends


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
    clock: Callable[[], datetime]

    def run(self) -> IngestReport:
        """Read sacct once and work out what can be worked out."""
        now = self.clock()
        kept = self._read(now)
        figures = [(item.run.key, self._figure(item)) for item in self.runs.runs_to_figure(self.cluster, now)]
        self.runs.keep_figures(figures, now)
        return IngestReport(kept, len(figures))

    def _read(self, now: datetime) -> int:
        until = self.runs.accounted_until(self.cluster)
        since = now - FIRST_READ if until is None else until - OVERLAP
        found = self.accounting.accounted(Interval(since, now + AHEAD), now)
        kept = self.runs.keep_runs(found.runs, now)
        self.runs.set_aside(found.aside, now)
        self.runs.mark_accounted(self.cluster, now)
        return kept

    def _figure(self, item: RunToFigure) -> Figure:
        attempts = self._attempts(item)
        ran, lost = attempts[-1].ran, attempts[-1].lost
        baseline = baselines(attempts)[-1]
        both = Interval(min(ran.start, baseline.start), max(ran.end, baseline.end))
        series = self._intensity(item.run, both)
        return figure(
            ran=ran, baseline=baseline, energy=self._energy(item.run, ran), series=series, lost=lost
        )

    def _attempts(self, item: RunToFigure) -> list[Attempt]:
        """The attempts of a job up to this one, in order; those that never started left no work."""
        attempts: list[Attempt] = []
        stopped_before = resized_before = False
        for run in (*item.earlier, item.run):
            if run.started is None or run.ended is None:
                continue
            ran = Interval(run.started, run.ended)
            changes = item.changes.get(run.key, ())
            attempts.append(
                Attempt(
                    ran=ran,
                    could_start=ran.start - delay_caused(changes, item.first_eligible, ran.start),
                    lost=self._lost(item, run, ran, resumes=stopped_before),
                    continues=stopped_before or resized_before,
                )
            )
            stopped_before = run.key in item.lost_from
            resized_before = run.state == RESIZING
        return attempts

    def _lost(self, item: RunToFigure, run: AccountedRun, ran: Interval, *, resumes: bool) -> timedelta:
        lost = item.restart_cost.get(run.key, self.restart) if resumes else timedelta()
        lost_from = item.lost_from.get(run.key)
        if lost_from is not None:
            lost += max(ran.end - lost_from, timedelta())
        return min(lost, ran.length)

    def _energy(self, run: AccountedRun, ran: Interval) -> tuple[float, str]:
        """Modelled: Slurm's own counter is per node, right for exclusive jobs only; it is kept, not used."""
        return kwh_from_watts(self.power.watts(run.tres), ran.length), "modelled"

    def _intensity(self, run: AccountedRun, window: Interval) -> Series | None:
        zone = self.zone_of(run.partition)
        natures = self.archive.natures(zone, window)
        return self.archive.intensity(zone, natures[0], window) if natures else None
