"""What a cluster's runs emitted and saved, group of machines by group, with the nodes that idled meanwhile.

Runs count in the window in which they started, as whole runs; node-hours are those of the window itself. A
sum that lacks a run says so: savings against the queue are summed over the runs that have that baseline. A
long window is read in pieces, so that its length costs time and no memory.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Protocol

from carbonslurm.core.footprint import Baseline, Figure, percent_saved
from carbonslurm.core.idle import Held, Nodes, cluster_share, held_nodes, idle_energy, idle_grams
from carbonslurm.core.interval import Interval
from carbonslurm.core.painted import best_of_each_kind
from carbonslurm.ports import IntensityReader, LedgerReader, RunFilter, RunRow


@dataclass(frozen=True, slots=True)
class Group:
    """Machines with one queue.

    Attributes:
        partitions: whose nodes they are.
        nodes: how many, and of what.
        zone: of the grid.
        full_watts: of a node that is held as a whole, without what the room adds.
        idle_watts: of one on which nothing runs, None where the site has not said.
        pue: the room's power over the machines' in a window.
    """

    partitions: tuple[str, ...]
    nodes: Nodes
    zone: str
    full_watts: float
    idle_watts: float | None
    pue: Callable[[Interval], float]


@dataclass(frozen=True, slots=True)
class Counted:
    """Sums against one baseline, over the runs of which both sides are known; grams of one nature.

    Attributes:
        baseline: which.
        runs: how many these are.
        emitted_g: of them.
        baseline_g: of them.
    """

    baseline: Baseline
    runs: int
    emitted_g: float
    baseline_g: float

    @property
    def saved_g(self) -> float:
        """Grams saved; negative where it was a loss."""
        return self.baseline_g - self.emitted_g

    @property
    def saved_percent(self) -> float | None:
        """In percent of the baseline, None where there is none."""
        return percent_saved(self.emitted_g, self.baseline_g)


@dataclass(frozen=True, slots=True)
class GroupTotals:
    """What became of one group of machines in a window. None is unknown.

    Attributes:
        group: which.
        nature: kind and scope of all grams here, in words; None where there are none, or of several kinds.
        runs: that started in the window.
        counted: against each baseline; empty where the grams are of several natures.
        utilisation: share of the node-hours that runs held.
        idle_node_hours: node-hours that they did not.
        idle_kwh: of these.
        idle_g: likewise.
        share: what share of the jobs' relative saving is the cluster's.
    """

    group: Group
    nature: str | None
    runs: int
    counted: tuple[Counted, ...]
    utilisation: float
    idle_node_hours: float
    idle_kwh: float | None
    idle_g: float | None
    share: float | None

    def cluster_percent(self, counted: Counted) -> float | None:
        """Return the saving of the machines, idle power included, in percent."""
        percent = counted.saved_percent
        return None if percent is None or self.share is None else percent * self.share


class ClusterReader(LedgerReader, IntensityReader, Protocol):
    """What is asked of the ledger."""


PIECE = timedelta(days=30)  # whose runs are held in memory at once


@dataclass(slots=True)
class _Sums:
    """What is known of one group, piece of the window by piece."""

    group: Group
    held: list[Held] = field(default_factory=list)
    runs: int = 0
    natures: set[str] = field(default_factory=set)
    counted: dict[Baseline, Counted] = field(default_factory=dict)


def cluster_totals(
    book: ClusterReader, cluster: str, groups: Sequence[Group], window: Interval
) -> list[GroupTotals]:
    """Return the totals of each group.

    Raises:
        LedgerError: the ledger could not be read.
    """
    sums = [_Sums(group) for group in groups]
    for piece in _pieces(window):
        rows = book.runs(RunFilter(window=piece, clusters=(cluster,)))
        for each in sums:
            _add(each, _of(rows, each.group), piece)
    return [_totals(book, each, window) for each in sums]


def _pieces(window: Interval) -> Iterator[Interval]:
    start = window.start
    while start < window.end:
        end = min(start + PIECE, window.end)
        yield Interval(start, end)
        start = end


def _of(rows: Sequence[RunRow], group: Group) -> list[RunRow]:
    return [row for row in rows if row.run.partition in group.partitions and row.run.started is not None]


def _add(sums: _Sums, rows: Sequence[RunRow], piece: Interval) -> None:
    nodes = sums.group.nodes
    ran = [(span, nodes.held(row.run.tres)) for row in rows if (span := _ran(row, piece))]
    sums.held.append(held_nodes(ran, nodes.count, piece))
    started = [row for row in rows if row.run.started and piece.start <= row.run.started < piece.end]
    figures = [row.figure for row in started if row.figure is not None and row.figure.emitted_g is not None]
    sums.runs += len(started)
    sums.natures |= {str(figure.nature) for figure in figures if figure.nature is not None}
    for baseline in Baseline:
        new, old = _counted(figures, baseline), sums.counted.get(baseline, Counted(baseline, 0, 0.0, 0.0))
        sums.counted[baseline] = Counted(
            baseline, old.runs + new.runs, old.emitted_g + new.emitted_g, old.baseline_g + new.baseline_g
        )


def _totals(book: IntensityReader, sums: _Sums, window: Interval) -> GroupTotals:
    nature = next(iter(sums.natures)) if len(sums.natures) == 1 else None
    kwh, grams = _idle(book, sums, window, nature)
    held, idle = sum(it.node_hours for it in sums.held), sum(it.idle_node_hours for it in sums.held)
    used, group = held / (held + idle), sums.group
    return GroupTotals(
        group=group,
        nature=nature,
        runs=sums.runs,
        counted=tuple(sums.counted.values()) if nature else (),
        utilisation=used,
        idle_node_hours=idle,
        idle_kwh=kwh,
        idle_g=grams,
        share=None if group.idle_watts is None else cluster_share(used, group.idle_watts, group.full_watts),
    )


def _ran(row: RunRow, window: Interval) -> Interval | None:
    """Return when it ran within the window; a run that goes on does so until the end of it."""
    if row.run.started is None:
        return None
    start = max(row.run.started, window.start)
    end = min(row.run.ended or window.end, window.end)
    return Interval(start, end) if end > start else None


def _counted(figures: Sequence[Figure], baseline: Baseline) -> Counted:
    known = [
        (figure.emitted_g or 0.0, without)
        for figure in figures
        if (without := figure.against(baseline)) is not None
    ]
    return Counted(baseline, len(known), sum(one for one, _ in known), sum(other for _, other in known))


def _idle(
    book: IntensityReader, sums: _Sums, window: Interval, nature: str | None
) -> tuple[float | None, float | None]:
    """Return kWh and g of the idle nodes."""
    group = sums.group
    if group.idle_watts is None:
        return None, None
    kwh, grams = 0.0, 0.0
    for held, piece in zip(sums.held, _pieces(window), strict=True):
        taken = idle_energy(held, group.idle_watts * group.pue(piece))
        known = [it for it in book.pictures(group.zone, piece) if nature in {None, str(it.nature)}]
        best = best_of_each_kind(known, piece)
        if best and nature is None:
            nature = str(best[0].nature)  # grams of another one must not be added in the next piece
        series = best[0].picture.series(piece) if best else None
        kwh += float(taken.sum())
        grams += math.nan if (part := idle_grams(held, taken, series)) is None else part
    return kwh, None if math.isnan(grams) else grams
