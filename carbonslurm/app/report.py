"""Reports: runs and their figures, summed. A sum says how many runs it knows nothing of."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from carbonslurm.core.footprint import Figure, percent_saved
from carbonslurm.core.interval import Interval
from carbonslurm.ports import FlexibleStart, GroupSum, LedgerReader, RunFilter, RunRow


@dataclass(frozen=True, slots=True)
class Totals:
    """A sum over runs.

    Grams of different natures (average and marginal, lifecycle and direct) are never added: where the runs
    have several, the sums of grams are None, and ``totals_by`` nature gives one for each.

    Attributes:
        runs: how many runs were started.
        unknown: how many of them have no emissions (still running, or intensity unknown); not in the sums.
        late: how many started after their bound.
        stops: how many were ended by a stop of ours.
        gpu_hours: of all started and ended runs.
        energy_kwh: of the runs with emissions.
        emitted_g: of the same, None where their natures differ.
        baseline_g: likewise.
        natures: kind and scope of the grams, in words.
    """

    runs: int
    unknown: int
    late: int
    stops: int
    gpu_hours: float
    energy_kwh: float
    emitted_g: float | None
    baseline_g: float | None
    natures: tuple[str, ...]

    @property
    def saved_g(self) -> float | None:
        """Grams saved; negative where waiting made it worse."""
        if self.emitted_g is None or self.baseline_g is None:
            return None
        return self.baseline_g - self.emitted_g

    @property
    def saved_percent(self) -> float | None:
        """In percent of the baseline, None where there is none."""
        if self.emitted_g is None or self.baseline_g is None:
            return None
        return percent_saved(self.emitted_g, self.baseline_g)


GROUPS: Mapping[str, Callable[[RunRow], str]] = {
    "user": lambda row: row.run.user,
    "account": lambda row: row.run.account,
    "partition": lambda row: row.run.partition,
    "qos": lambda row: row.run.qos,
    "nature": lambda row: nature_words(row.figure) or "unknown",
    "month": lambda row: row.run.started.astimezone().strftime("%Y-%m") if row.run.started else "",
}


def is_late(row: RunRow) -> bool:
    """Tell whether a run for which we had a bound started after it, in Slurm's whole seconds."""
    return row.run.started is not None and _late(row.run.started, row.bound)


def _late(started: datetime, bound: datetime | None) -> bool:
    return bound is not None and started > bound + timedelta(seconds=1)


def nature_words(figure: Figure | None) -> str | None:
    """Return kind and scope of a figure's grams, None where there are none, or none were needed."""
    return str(figure.nature) if figure is not None and figure.nature is not None else None


def total(rows: Iterable[RunRow]) -> Totals:
    """Sum started runs."""
    started = [row for row in rows if row.run.started is not None]
    figures = [row.figure for row in started if row.figure is not None]
    known = [item for item in figures if item.emitted_g is not None and item.baseline_g is not None]
    natures = tuple(sorted({words for item in known if (words := nature_words(item))}))
    one_nature = len(natures) <= 1
    return Totals(
        runs=len(started),
        unknown=len(started) - len(known),
        late=sum(is_late(row) for row in started),
        stops=sum(row.stopped for row in started),
        gpu_hours=sum(_gpu_hours(row) for row in started),
        energy_kwh=sum(item.energy_kwh for item in known),
        emitted_g=sum(item.emitted_g or 0.0 for item in known) if one_nature else None,
        baseline_g=sum(item.baseline_g or 0.0 for item in known) if one_nature else None,
        natures=natures,
    )


def totals_by(rows: Sequence[RunRow], group: str) -> Mapping[str, Totals]:
    """Sum started runs by one of GROUPS, in order of name; months are local, of the start."""
    key = GROUPS[group]
    groups: defaultdict[str, list[RunRow]] = defaultdict(list)
    for row in rows:
        if row.run.started is not None:
            groups[key(row)].append(row)
    return {name: total(groups[name]) for name in sorted(groups)}


def summed(book: LedgerReader, wanted: RunFilter, group: str) -> tuple[Mapping[str, Totals], Totals]:
    """Return the totals of each group, in order of name, and of all, as ``totals_by`` and ``total`` do.

    The database sums, so that it takes no longer for a million runs than people like to wait.
    """
    span = book.started(wanted) if group == "month" else None
    sums = book.sums(wanted, group, _months(span) if span else ())
    groups: defaultdict[str, list[GroupSum]] = defaultdict(list)
    for item in sums.groups:
        groups[_shown(group, item.group)].append(item)
    single: defaultdict[str, list[FlexibleStart]] = defaultdict(list)
    for start in sums.flexible:
        single[_shown(group, start.group)].append(start)
    named = {name: _totals(groups[name], single[name]) for name in sorted(groups)}
    return named, _totals(sums.groups, sums.flexible)


def _shown(group: str, name: str) -> str:
    return name or "unknown" if group == "nature" else name


def _months(span: Interval) -> list[tuple[str, datetime]]:
    """Return the local months of a span, each with the moment that it ends."""
    month = span.start.astimezone().replace(day=1, hour=0, minute=0, second=0, microsecond=0, tzinfo=None)
    months: list[tuple[str, datetime]] = []
    while month.astimezone() <= span.end:
        after = (month + timedelta(days=32)).replace(day=1)
        months.append((month.strftime("%Y-%m"), after.astimezone()))
        month = after
    return months


def _totals(sums: Sequence[GroupSum], single: Sequence[FlexibleStart]) -> Totals:
    known = [item for item in sums if item.known]
    natures = tuple(sorted({str(item.nature) for item in known if item.nature is not None}))
    one_nature = len(natures) <= 1
    return Totals(
        runs=sum(item.runs for item in sums),
        unknown=sum(item.runs for item in sums if not item.known),
        late=sum(_late(start.started, start.bound) for start in single),
        stops=sum(start.stopped for start in single),
        gpu_hours=sum(item.gpus * item.seconds for item in sums) / 3600,
        energy_kwh=sum(item.energy_kwh for item in known),
        emitted_g=sum(item.emitted_g for item in known) if one_nature else None,
        baseline_g=sum(item.baseline_g for item in known) if one_nature else None,
        natures=natures,
    )


def _gpu_hours(row: RunRow) -> float:
    run = row.run
    if run.started is None or run.ended is None:
        return 0.0
    return run.tres.gpu_count * ((run.ended - run.started) / timedelta(hours=1))
