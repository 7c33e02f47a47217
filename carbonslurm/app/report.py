"""Reports: runs and their figures, summed. A sum says how many runs it knows nothing of.

Single runs are summed here, many of them by the ledger; both ways end in ``total``.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from carbonslurm.core.bound import is_late as started_late
from carbonslurm.core.footprint import percent_saved
from carbonslurm.ports import Dimension, RunFilter, RunRow, RunSum, SumReader


@dataclass(frozen=True, slots=True)
class Totals:
    """A sum over runs.

    Grams of different natures (average and marginal, lifecycle and direct) are never added: where the runs
    have several, the sums of grams are None, and a group by nature has one for each.

    Attributes:
        runs: how many runs were started.
        unknown: how many of them have no emissions (still running, or intensity unknown); not in the sums.
        late: how many started after their bound.
        stops: how many were ended by a stop of ours.
        withheld: how many we made wait.
        waited: how long those waited together, the queue's share included.
        gpu_hours: of all started and ended runs.
        energy_kwh: of the runs with emissions.
        emitted_g: of the same, None where their natures differ.
        baseline_g: likewise.
        natures: kind and scope of the grams, in words.
        queued: how many of the known runs have the baseline of a queue without us, too.
        queued_g: what these emitted, None where their natures differ.
        queue_g: that baseline of these, likewise.
    """

    runs: int
    unknown: int
    late: int
    stops: int
    withheld: int
    waited: timedelta
    gpu_hours: float
    energy_kwh: float
    emitted_g: float | None
    baseline_g: float | None
    natures: tuple[str, ...]
    queued: int
    queued_g: float | None
    queue_g: float | None

    @property
    def known(self) -> int:
        """How many runs have emissions."""
        return self.runs - self.unknown

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

    @property
    def queue_saved_g(self) -> float | None:
        """Grams saved against the queue without us, over the runs with that baseline; None where none has."""
        if self.queued_g is None or self.queue_g is None or not self.queued:
            return None
        return self.queue_g - self.queued_g

    @property
    def queue_saved_percent(self) -> float | None:
        """In percent of that baseline, None where there is none."""
        if self.queued_g is None or self.queue_g is None or not self.queued:
            return None
        return percent_saved(self.queued_g, self.queue_g)

    @property
    def g_per_kwh(self) -> float | None:
        """Mean intensity of the energy, None where there was none."""
        return None if self.emitted_g is None or not self.energy_kwh else self.emitted_g / self.energy_kwh

    @property
    def mean_wait(self) -> timedelta | None:
        """Of the runs that we made wait, None where there is none."""
        return self.waited / self.withheld if self.withheld else None


# By what totals can be grouped, and what the ledger sums up for it.
GROUPS: Mapping[str, Sequence[Dimension]] = {
    "user": (Dimension.USER,),
    "account": (Dimension.ACCOUNT,),
    "partition": (Dimension.PARTITION,),
    "qos": (Dimension.QOS,),
    "name": (Dimension.NAME,),
    "cluster": (Dimension.CLUSTER,),
    "state": (Dimension.STATE,),
    "month": (Dimension.MONTH,),
    "zone": (Dimension.ZONE, Dimension.PARTITION),
    "nature": (),
    "method": (Dimension.METHOD,),
    "quality": (Dimension.QUALITY,),
    "source": (Dimension.SOURCE,),
    "estimated": (Dimension.ESTIMATED,),
}


@dataclass(frozen=True, slots=True)
class Books:
    """Where sums come from.

    Attributes:
        reader: the ledger.
        zone_of: the grid zone of a partition, for runs without a figure.
    """

    reader: SumReader
    zone_of: Callable[[str], str]

    def total(self, wanted: RunFilter) -> Totals:
        """Sum all of some runs.

        Raises:
            LedgerError: the ledger cannot be read.
        """
        return total(self.reader.sums(wanted, ()))

    def grouped(self, wanted: RunFilter, names: Sequence[str]) -> Mapping[tuple[str, ...], Totals]:
        """Sum started runs by some of GROUPS, in order of their values; months are local, of the start.

        Raises:
            LedgerError: the ledger cannot be read.
        """
        return {key: total(parts) for key, parts in self.sums(wanted, names).items()}

    def with_whole(
        self, wanted: RunFilter, names: Sequence[str]
    ) -> tuple[Mapping[tuple[str, ...], Totals], Totals]:
        """Return totals of groups, and of all of them, for which the ledger is asked once.

        Raises:
            LedgerError: the ledger cannot be read.
        """
        sums = self.sums(wanted, names)
        whole = total(part for parts in sums.values() for part in parts)
        return {key: total(parts) for key, parts in sums.items()}, whole

    def sums(self, wanted: RunFilter, names: Sequence[str]) -> Mapping[tuple[str, ...], Sequence[RunSum]]:
        """Return what each group's total is made of, a sum for each nature.

        Raises:
            LedgerError: the ledger cannot be read.
        """
        dimensions = [dimension for name in names for dimension in GROUPS[name]]
        months: list[datetime] = []
        if Dimension.MONTH in dimensions and (span := self.reader.span(wanted)):
            months = month_starts(span.start, span.end)
        groups: defaultdict[tuple[str, ...], list[RunSum]] = defaultdict(list)
        for item in self.reader.sums(wanted, dimensions, months):
            groups[self._key(item, names, months)].append(item)
        return {key: groups[key] for key in sorted(groups)}

    def _key(self, item: RunSum, names: Sequence[str], months: Sequence[datetime]) -> tuple[str, ...]:
        values = iter(item.by)
        return tuple(
            self._word(name, [next(values) for _ in GROUPS[name]], months)
            if GROUPS[name]
            else str(item.nature or "unknown")
            for name in names
        )

    def _word(self, name: str, values: Sequence[Any], months: Sequence[datetime]) -> str:
        value = values[0]
        if name == "month":
            return month_text(months[value])
        if name == "zone":
            return str(value or self.zone_of(str(values[1])))
        if name == "estimated" and value is not None:
            return "estimated" if value else "measured"
        return "unknown" if value is None else str(value)


def month_text(start: datetime) -> str:
    """Write a month by its first instant: ``2026-11``."""
    return start.astimezone().strftime("%Y-%m")


def month_starts(first: datetime, last: datetime) -> list[datetime]:
    """Return the first instants, by the machine's clocks, of the months from one moment to another."""
    month, end = first.astimezone().replace(tzinfo=None), last.astimezone().replace(tzinfo=None)
    month = month.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    found = []
    while month <= end:
        found.append(month.astimezone())
        month = (month + timedelta(days=32)).replace(day=1)
    return found


def is_late(row: RunRow) -> bool:
    """Tell whether a run for which we had a bound started after it, in Slurm's whole seconds."""
    return started_late(row.run.started, row.bound)


def waited(row: RunRow) -> timedelta | None:
    """Return how long a run that we withheld waited, from when it could first have started without us."""
    if row.run.started is None or row.first_eligible is None or not row.withheld:
        return None
    return max(row.run.started - row.first_eligible, timedelta())


def total(sums: Iterable[RunSum]) -> Totals:
    """Add up sums."""
    parts = list(sums)
    natures = tuple(sorted({str(part.nature) for part in parts if part.nature is not None}))
    one_nature = len(natures) <= 1
    runs = sum(part.runs for part in parts)
    return Totals(
        runs=runs,
        unknown=runs - sum(part.known for part in parts),
        late=sum(part.late for part in parts),
        stops=sum(part.stops for part in parts),
        withheld=sum(part.withheld for part in parts),
        waited=sum((part.waited for part in parts), timedelta()),
        gpu_hours=sum(part.gpu_hours for part in parts),
        energy_kwh=sum(part.energy_kwh for part in parts),
        emitted_g=sum(part.emitted_g for part in parts) if one_nature else None,
        baseline_g=sum(part.baseline_g for part in parts) if one_nature else None,
        natures=natures,
        queued=sum(part.queued for part in parts),
        queued_g=sum(part.queued_g for part in parts) if one_nature else None,
        queue_g=sum(part.queue_g for part in parts) if one_nature else None,
    )


def sums_of(rows: Iterable[RunRow]) -> list[RunSum]:
    """Return a sum for each started run."""
    return [_sum_of(row) for row in rows if row.run.started is not None]


def _sum_of(row: RunRow) -> RunSum:
    figure = row.figure
    known = figure is not None and figure.emitted_g is not None and figure.baseline_g is not None
    queue_g = figure.queue_g if figure and known else None
    return RunSum(
        by=(),
        nature=figure.nature if figure and known else None,
        runs=1,
        known=int(known),
        late=int(is_late(row)),
        stops=int(row.stopped),
        withheld=int(row.withheld),
        waited=waited(row) or timedelta(),
        gpu_hours=_gpu_hours(row),
        energy_kwh=figure.energy_kwh if figure and known else 0.0,
        emitted_g=(figure.emitted_g or 0.0) if figure and known else 0.0,
        baseline_g=(figure.baseline_g or 0.0) if figure and known else 0.0,
        queued=int(queue_g is not None),
        queued_g=(figure.emitted_g or 0.0) if figure and queue_g is not None else 0.0,
        queue_g=queue_g or 0.0,
    )


def _gpu_hours(row: RunRow) -> float:
    run = row.run
    if run.started is None or run.ended is None:
        return 0.0
    return run.tres.gpu_count * ((run.ended - run.started) / timedelta(hours=1))
