"""What observe mode would have done, beside what happened: runs that ended, moved to when they were planned.

A run's plan is the last one that was written before it started: until then the daemon changed its mind as the
forecast changed, as it would have. Moved there it would have lasted as long, with its figure's energy, on the
intensity that was measured. It would not have started before it really did, since then there was no room for
it; whether there would have been room later nobody knows, and ``carbonslurm replay`` models it. Stops are
counted with what was expected of them: what a job that was not stopped would have lost cannot be seen.
"""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from carbonslurm.core.action import Verb
from carbonslurm.core.footprint import grams, percent_saved
from carbonslurm.core.forecast import Nature, Series
from carbonslurm.core.interval import Interval
from carbonslurm.core.job import RunKey
from carbonslurm.errors import DataError
from carbonslurm.ports import ActionRow, LedgerReader, OutcomeState, PastIntensities, RunFilter, RunRow

BEFORE = timedelta(days=31)  # a job that starts in the window may have been planned so long before
SECOND = timedelta(seconds=1)


@dataclass(frozen=True, slots=True)
class ObservedRun:
    """One flexible run that ended.

    Attributes:
        row: as the ledger has it.
        planned: when it would have started; its real start where nothing would have kept it.
        bound: the latest start that was promised, None where none was worked out.
        planned_g: what it would have emitted then; None where unknown.
        stops: how often a plan was to stop it.
        stops_saving_g: what the last such plan expected to save.
    """

    row: RunRow
    planned: datetime
    bound: datetime | None
    planned_g: float | None
    stops: int
    stops_saving_g: float

    @property
    def emitted_g(self) -> float | None:
        """What it emitted."""
        return self.row.figure.emitted_g if self.row.figure else None

    @property
    def delayed(self) -> bool:
        """Whether it would have waited longer than it did."""
        return self.row.run.started is not None and self.planned > self.row.run.started + SECOND

    @property
    def late(self) -> bool:
        """Whether it would have started after what was promised."""
        return self.bound is not None and self.planned > self.bound + SECOND

    def wait(self, start: datetime) -> timedelta:
        """Return how long it waits until a start, from when it could first have started."""
        run = self.row.run
        return max(start - (self.row.first_eligible or run.eligible or run.key.submitted), timedelta())


@dataclass(frozen=True, slots=True)
class Observed:
    """What was observed in a window.

    Attributes:
        runs: flexible ones that ended, by their start.
        acted: how many flexible runs are not among them, since something was really done to them.
    """

    runs: Sequence[ObservedRun]
    acted: int

    @property
    def known(self) -> Sequence[ObservedRun]:
        """Those of which both sides' grams are known."""
        return [run for run in self.runs if run.emitted_g is not None and run.planned_g is not None]

    @property
    def emitted_g(self) -> float:
        """Of those."""
        return sum(run.emitted_g or 0.0 for run in self.known)

    @property
    def planned_g(self) -> float:
        """Likewise."""
        return sum(run.planned_g or 0.0 for run in self.known)

    @property
    def saved_percent(self) -> float | None:
        """Of what was emitted; None where that is nothing."""
        return percent_saved(self.planned_g, self.emitted_g)


def observed(
    book: LedgerReader,
    archive: PastIntensities,
    cluster: str,
    zone_of: Callable[[str], str],
    window: Interval,
) -> Observed:
    """Return what observe mode would have done with the runs that lay in a window.

    Args:
        book: the ledger's runs and actions.
        archive: its intensities.
        cluster: Slurm's name.
        zone_of: the zone of a partition.
        window: in which the runs started.

    Raises:
        DataError: there are flexible runs of several natures, or nothing was observed.
        LedgerError: the ledger cannot be read.
    """
    plans = [
        action
        for action in book.actions(cluster, window.start - BEFORE)
        if action.state == OutcomeState.OBSERVED.value
    ]
    rows = [row for row in book.runs(RunFilter(window, clusters=(cluster,))) if _counts(row, window)]
    if not plans:
        raise DataError(
            "nothing was observed since then: carbonslurmd --observe, or observe: in its configuration"
        )
    told = _by_job(plans)
    untouched = [row for row in rows if not (row.withheld or row.stopped)]
    _check_natures(untouched)
    runs = [_observed_run(row, told, archive, zone_of) for row in untouched]
    return Observed(runs, len(rows) - len(untouched))


def _counts(row: RunRow, window: Interval) -> bool:
    started, ended = row.run.started, row.run.ended
    return row.flexible and started is not None and ended is not None and window.start <= started < window.end


def _check_natures(rows: Sequence[RunRow]) -> None:
    natures = {str(row.figure.nature) for row in rows if row.figure and row.figure.nature}
    if len(natures) > 1:
        raise DataError(f"runs of several natures ({'; '.join(sorted(natures))}): choose a window with one")


def _by_job(plans: Sequence[ActionRow]) -> Mapping[tuple[int, datetime | None], Sequence[ActionRow]]:
    """Return the plans of each run, oldest first; those of an array under its own id."""
    found: defaultdict[tuple[int, datetime | None], list[ActionRow]] = defaultdict(list)
    for plan in plans:
        found[plan.key.job_id, plan.submitted].append(plan)
    return found


def _observed_run(
    row: RunRow,
    told: Mapping[tuple[int, datetime | None], Sequence[ActionRow]],
    archive: PastIntensities,
    zone_of: Callable[[str], str],
) -> ObservedRun:
    plans = _plans_of(row.run.key, row.run.array_job_id, told)
    started, ended = row.run.started, row.run.ended
    if started is None or ended is None:
        raise AssertionError("only runs that ended are looked at")
    waiting = [plan for plan in plans if plan.verb != Verb.STOP and plan.at <= started]
    last = waiting[-1] if waiting else None
    until = last.until if last and last.verb == Verb.WITHHOLD and last.until else started
    planned = max(until, started)
    stops = [plan for plan in plans if plan.verb == Verb.STOP]
    return ObservedRun(
        row=row,
        planned=planned,
        bound=next((plan.bound for plan in reversed(waiting) if plan.bound is not None), None),
        planned_g=_grams_at(row, Interval(planned, planned + (ended - started)), archive, zone_of),
        stops=len(stops),
        stops_saving_g=(stops[-1].saving_g or 0.0) if stops else 0.0,
    )


def _plans_of(
    key: RunKey, array: int | None, told: Mapping[tuple[int, datetime | None], Sequence[ActionRow]]
) -> list[ActionRow]:
    plans = [*told.get((key.job_id, key.submitted), ()), *told.get((array or -1, key.submitted), ())]
    return sorted(plans, key=lambda plan: plan.number)


def _grams_at(
    row: RunRow, then: Interval, archive: PastIntensities, zone_of: Callable[[str], str]
) -> float | None:
    figure = row.figure
    if figure is None or figure.nature is None or then.start == row.run.started:
        return figure.emitted_g if figure else None
    series = _measured(archive, zone_of(row.run.partition), figure.nature, then)
    return grams(series, then, figure.energy_kwh)


def _measured(archive: PastIntensities, zone: str, nature: Nature, window: Interval) -> Series | None:
    return archive.actual(zone, nature, window)
