"""From sacct to the ledger: every run once, then energy, emissions and baseline of those that ended.

Reading overlaps with what was read before, since slurmdbd hears of some ends late; a run that is read twice
changes nothing. Figures are added, never overwritten: when intensities are revised, a new figure counts.
"""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from carbonslurm.app.known import Known
from carbonslurm.core.footprint import Attempt, Figure, baselines, delay_caused, figure
from carbonslurm.core.interval import Interval
from carbonslurm.core.job import AccountedRun, RunKey
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
        """Read sacct once and work out what can be worked out, some thousand runs at once."""
        now = self.clock()
        kept, figures = self._read(now), 0
        before: frozenset[RunKey] = frozenset()
        while due := self.runs.runs_to_figure(self.cluster):
            keys = frozenset(item.run.key for item in due)
            if keys <= before:  # facts from a clock ahead of ours are due again and again
                break
            self.runs.keep_figures(self._figures(due), now)
            figures, before = figures + len(due), keys
        return IngestReport(kept, figures)

    def _figures(self, due: Sequence[RunToFigure]) -> list[tuple[RunKey, Figure]]:
        attempts = [self._attempts(item) for item in due]
        spans = [(chain[-1], baselines(chain)[-1]) for chain in attempts]
        asked = [
            (self.zone_of(item.run.partition), _hull(last.ran, baseline))
            for item, (last, baseline) in zip(due, spans, strict=True)
        ]
        known = Known(self.archive.pictures, asked)
        return [
            (
                item.run.key,
                figure(
                    ran=last.ran,
                    baseline=baseline,
                    energy=self._energy(item.run, last.ran),
                    series=known.best(zone, hull),
                    lost=last.lost,
                ),
            )
            for item, (last, baseline), (zone, hull) in zip(due, spans, asked, strict=True)
        ]

    def _read(self, now: datetime) -> int:
        until = self.runs.accounted_until(self.cluster)
        since = now - FIRST_READ if until is None else until - OVERLAP
        found = self.accounting.accounted(Interval(since, now + AHEAD), now)
        kept = self.runs.keep_runs(found.runs, now)
        self.runs.set_aside(found.aside, now)
        self.runs.mark_accounted(self.cluster, now)
        return kept

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


def _hull(first: Interval, second: Interval) -> Interval:
    return Interval(min(first.start, second.start), max(first.end, second.end))
