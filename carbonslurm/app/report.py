"""Reports: runs and their figures, summed. A sum says how many runs it knows nothing of."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

from carbonslurm.core.footprint import percent_saved
from carbonslurm.ports import RunRow


@dataclass(frozen=True, slots=True)
class Totals:
    """A sum over runs.

    Attributes:
        runs: how many runs were started.
        unknown: how many of them have no emissions (still running, or intensity unknown); not in the sums.
        gpu_hours: of all started and ended runs.
        late: how many started after their bound.
        stops: how many runs were ended by a stop of ours.
    """

    runs: int
    unknown: int
    late: int
    stops: int
    gpu_hours: float
    energy_kwh: float
    emitted_g: float
    baseline_g: float

    @property
    def saved_g(self) -> float:
        """Grams saved; negative where waiting made it worse."""
        return self.baseline_g - self.emitted_g

    @property
    def saved_percent(self) -> float | None:
        """In percent of the baseline, None where there is none."""
        return percent_saved(self.emitted_g, self.baseline_g)


GROUPS: Mapping[str, Callable[[RunRow], str]] = {
    "user": lambda row: row.run.user,
    "account": lambda row: row.run.account,
    "partition": lambda row: row.run.partition,
    "qos": lambda row: row.run.qos,
    "month": lambda row: row.run.started.astimezone().strftime("%Y-%m") if row.run.started else "",
}


def is_late(row: RunRow) -> bool:
    """Tell whether a run that we withheld started after its bound, in Slurm's whole seconds."""
    started, bound = row.run.started, row.bound
    return (
        row.withheld and started is not None and bound is not None and started > bound + timedelta(seconds=1)
    )


def total(rows: Iterable[RunRow]) -> Totals:
    """Sum started runs."""
    started = [row for row in rows if row.run.started is not None]
    figures = [row.figure for row in started if row.figure is not None]
    known = [item for item in figures if item.emitted_g is not None and item.baseline_g is not None]
    return Totals(
        runs=len(started),
        unknown=len(started) - len(known),
        late=sum(is_late(row) for row in started),
        stops=sum(row.stopped for row in started),
        gpu_hours=sum(_gpu_hours(row) for row in started),
        energy_kwh=sum(item.energy_kwh for item in known),
        emitted_g=sum(item.emitted_g or 0.0 for item in known),
        baseline_g=sum(item.baseline_g or 0.0 for item in known),
    )


def totals_by(rows: Sequence[RunRow], group: str) -> Mapping[str, Totals]:
    """Sum started runs by user, account, partition, qos or month (local, of the start), in order of name."""
    key = GROUPS[group]
    groups: defaultdict[str, list[RunRow]] = defaultdict(list)
    for row in rows:
        if row.run.started is not None:
            groups[key(row)].append(row)
    return {name: total(groups[name]) for name in sorted(groups)}


def _gpu_hours(row: RunRow) -> float:
    run = row.run
    if run.started is None or run.ended is None:
        return 0.0
    return run.tres.gpu_count * ((run.ended - run.started) / timedelta(hours=1))
