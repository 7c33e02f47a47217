"""Energy, emissions and baselines of runs that ended, worked out many at once.

Runs come in any number and of any age. Those of one zone are taken in order of time, a week at a time: what
is known of the zone's intensity is read once for all of them, and never for years at once.
"""

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta

from carbonslurm.app.attempts import attempts_of
from carbonslurm.core.baseline import baselines, laid_out
from carbonslurm.core.energy import Covers, Energy, best_energy, slurm_measurement
from carbonslurm.core.footprint import Figure, figure
from carbonslurm.core.interval import Interval
from carbonslurm.core.painted import Painted, best_of_each_kind
from carbonslurm.core.power import PowerModel
from carbonslurm.core.pue import Pue
from carbonslurm.ports import IntensityReader, RunToFigure

AT_ONCE = timedelta(days=7)


@dataclass(frozen=True, slots=True)
class FigureRules:
    """The site's choices.

    Attributes:
        zone_of: partition -> zone of the grid.
        power_of: partition -> the model of its nodes.
        restart: what loading a checkpoint takes, where the owner did not say.
        pue: what the room adds.
        slurm: what Slurm's own energy of a run covers, None where it is not to be used.
    """

    zone_of: Callable[[str], str]
    power_of: Callable[[str], PowerModel]
    restart: timedelta
    pue: Pue
    slurm: Covers | None = None

    def energy(self, item: RunToFigure, length: timedelta) -> Energy:
        """Return the best that is known of the energy of a run's machines, while it was not suspended."""
        model = self.power_of(item.run.partition)
        slurm = slurm_measurement(item.run, self.slurm, model)
        measured = [*([slurm] if slurm else []), *item.measured]
        return best_energy(item.run, length, measured, model)


@dataclass(frozen=True, slots=True)
class _Prepared:
    """A run with all that its figure needs but the intensity."""

    item: RunToFigure
    zone: str
    ran: Interval
    baseline: Interval
    queue: Interval | None
    lost: timedelta
    window: Interval  # all of the time that its figure is about


def figured(
    items: Sequence[RunToFigure], rules: FigureRules, archive: IntensityReader
) -> Iterator[tuple[RunToFigure, Figure]]:
    """Yield each run with its figure.

    Raises:
        LedgerError: the archive cannot be read.
    """
    zones: defaultdict[str, list[_Prepared]] = defaultdict(list)
    for item in items:
        ready = _prepared(item, rules)
        zones[ready.zone].append(ready)
    for zone, runs in zones.items():
        for group in _by_weeks(sorted(runs, key=lambda ready: ready.window.start)):
            last = max(ready.window.end for ready in group)
            known = archive.pictures(zone, Interval(group[0].window.start, last))
            for ready in group:
                yield ready.item, _figure(ready, rules, known)


def _prepared(item: RunToFigure, rules: FigureRules) -> _Prepared:
    tried = attempts_of(item, rules.restart)
    attempts = [each.attempt for each in tried]
    starts = [item.queue_starts.get(each.run.key) for each in tried]
    ran, baseline, queue = attempts[-1].ran, baselines(attempts)[-1], laid_out(attempts, starts)[-1]
    windows = [ran, baseline, *([queue] if queue else [])]
    return _Prepared(
        item=item,
        zone=rules.zone_of(item.run.partition),
        ran=ran,
        baseline=baseline,
        queue=queue,
        lost=attempts[-1].lost,
        window=Interval(min(it.start for it in windows), max(it.end for it in windows)),
    )


def _by_weeks(runs: Sequence[_Prepared]) -> Iterator[Sequence[_Prepared]]:
    """Cut runs, in order of their windows, where the next one begins a week after the first of a group."""
    group: list[_Prepared] = []
    for ready in runs:
        if group and ready.window.start - group[0].window.start > AT_ONCE:
            yield group
            group = []
        group.append(ready)
    if group:
        yield group


def _figure(ready: _Prepared, rules: FigureRules, known: Sequence[Painted]) -> Figure:
    best = best_of_each_kind(known, ready.window)
    return figure(
        ran=ready.ran,
        baseline=ready.baseline,
        energy=rules.energy(ready.item, ready.ran.length - ready.item.run.suspended),
        pue=rules.pue.mean(ready.ran),
        series=best[0] if best else None,
        lost=ready.lost,
        queue=ready.queue,
        other=best[1] if len(best) > 1 else None,
        zone=ready.zone,
    )
