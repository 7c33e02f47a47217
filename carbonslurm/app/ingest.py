"""From sacct to the ledger: every run once, then energy, emissions and baselines of those that ended.

Reading overlaps with what was read before, since slurmdbd hears of some ends late; a run that is read twice
changes nothing. Up to when sacct was read is the newest moment that it showed, and not what our clock said:
that may be days ahead of Slurm's for a while, and all that ended meanwhile would lie before the next window.

Figures are added, never overwritten: when intensities are revised, a new figure counts.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from carbonslurm.app.figuring import FigureRules, figured
from carbonslurm.app.measuring import Measuring
from carbonslurm.app.queueing import WithoutUs
from carbonslurm.app.vanished import Vanished
from carbonslurm.core.accounted import Accounted
from carbonslurm.core.interval import Interval
from carbonslurm.ports import Accounting, IntensityReader, RunBook

if TYPE_CHECKING:
    from carbonslurm.core.job import RunKey

OVERLAP = timedelta(hours=6)
FIRST_READ = timedelta(days=7)
# sacct leaves out an attempt whose Eligible lies behind the window, and a requeue with a begin time ahead
# moves the Eligible of the attempt that has just ended, too: so the window reaches as far as a job may wait.
AHEAD = timedelta(days=31)
MANY = 1_000  # runs or figures at once: an import, or a month that was revised


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
    archive: IntensityReader
    rules: FigureRules
    without_us: WithoutUs
    measuring: Measuring
    clock: Callable[[], datetime]
    vanished: Vanished = field(default_factory=Vanished)

    def run(self) -> IngestReport:
        """Read sacct once and work out what can be worked out, some thousand runs at once."""
        now = self.clock()
        kept, figures = self._read(now), 0
        self.without_us.run()
        self.measuring.run()
        before: frozenset[RunKey] = frozenset()
        while due := self.runs.runs_to_figure(self.cluster):
            keys = frozenset(item.run.key for item in due)
            if keys <= before:  # facts from a clock ahead of ours are due again and again
                break
            made = figured(due, self.rules, self.archive)
            self.runs.keep_figures([(item.run.key, figure) for item, figure in made], now)
            figures, before = figures + len(due), keys
        if figures >= MANY:
            self.runs.many_were_written()
        return IngestReport(kept, figures)

    def _read(self, now: datetime) -> int:
        until = self.runs.accounted_until(self.cluster)
        since = now - FIRST_READ if until is None else min(until, now) - OVERLAP
        found = self.accounting.accounted(Interval(since, now + AHEAD), now)
        kept = self._keep(found, now)
        for keys in self.vanished.among(self.runs.without_end(self.cluster), found):
            window = Interval(min(key.submitted for key in keys), now + AHEAD)
            jobs = sorted({key.job_id for key in keys})
            kept += self._keep(self.accounting.accounted(window, now, jobs), now)
        self.runs.mark_accounted(self.cluster, _newest(found, now) or since + OVERLAP)
        return kept

    def _keep(self, found: Accounted, now: datetime) -> int:
        kept = self.runs.keep_runs(found.runs, now)
        self.runs.keep_steps(found.known_steps)
        self.runs.set_aside(found.aside, now)
        return kept


def _newest(found: Accounted, now: datetime) -> datetime | None:
    """Return the last moment at which anything happened that sacct shows, None where it shows nothing."""
    moments = (moment for run in found.runs for moment in (run.key.submitted, run.started, run.ended))
    return max((moment for moment in moments if moment is not None and moment <= now), default=None)
