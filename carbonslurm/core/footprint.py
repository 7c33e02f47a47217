"""Energy and intensity of a run -> grams, and against what they are counted.

Emissions: energy is spread evenly over the run and multiplied, step by step, by the intensity of that step;
with constant power this equals energy x time-weighted mean intensity (docs/figures.md, equation 2).

A saving is baseline minus emitted; it may be negative and is shown so. There are two baselines, and a figure
says which of its grams is counted against which:

- *simple*: the same run, earlier by the delay that we alone caused, and without the work that our stops lost:
  when it first could have started, taking the rest of its wait as it was. A run that we never withheld or
  stopped has itself as baseline.
- *queue*: when a queue without us would have started it (``core.without_us``), where its machines are known.
  It moves runs that we never touched, too, since ours made room for them or took it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from math import isclose
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from datetime import timedelta

    from carbonslurm.core.energy import Energy, Quality
    from carbonslurm.core.interval import Interval
    from carbonslurm.core.nature import Kind, Nature


class Intensity(Protocol):
    """What is known of a zone's intensity around a run: a Series, or a Cut of what is painted."""

    @property
    def nature(self) -> Nature:
        """Kind and scope."""

    @property
    def source(self) -> str:
        """Who said so."""

    def mean(self, window: Interval) -> float | None:
        """Return the mean g/kWh over a window, None where any part of it is unknown."""

    def estimated_within(self, window: Interval) -> bool:
        """Tell whether any value within a window is an estimate."""


class Baseline(StrEnum):
    """What a saving is counted against; see the module."""

    SIMPLE = "simple"
    QUEUE = "queue"


@dataclass(frozen=True, slots=True)
class Beside:
    """The same run by intensities of another kind: shown beside its figure, and never added to it.

    Attributes:
        nature: kind and scope of the intensity.
        source: who gave it.
        emitted_g: grams, None where any part of the run's intensity is unknown; as the next two.
        baseline_g: of the simple baseline.
        queue_g: of the baseline of a queue without us.
        estimated: whether any value used was an estimate and may yet be revised.
    """

    nature: Nature
    source: str
    emitted_g: float | None
    baseline_g: float | None
    queue_g: float | None
    estimated: bool


@dataclass(frozen=True, slots=True)
class Figure:
    """What one run emitted, and would have.

    Attributes:
        energy_kwh: of the whole run, PUE included.
        energy_method: who measured it, or ``modelled``.
        emitted_g: grams, None where any part of the run's intensity is unknown.
        baseline: the interval that the simple baseline is counted over.
        baseline_g: its grams, None where unknown.
        lost: time of the run spent on work that our stop threw away or on loading a checkpoint.
        nature: of the intensity that was used, None where there was none.
        source: who gave the intensity.
        estimated: whether any value used was an estimate and may yet be revised.
        queue: the interval of the baseline of a queue without us, None where nobody simulated it.
        queue_g: its grams, None where unknown.
        zone: of the grid, None in figures from before it was kept.
        beside: the same by intensities of another kind, where the site has both; None where it has one.
        quality: how much of the energy was measured; None in figures from before it was kept, as the next.
        pue: the room's power over the machines' that the energy includes.
    """

    energy_kwh: float
    energy_method: str
    emitted_g: float | None
    baseline: Interval
    baseline_g: float | None
    lost: timedelta
    nature: Nature | None
    source: str | None
    estimated: bool
    queue: Interval | None = None
    queue_g: float | None = None
    zone: str | None = None
    beside: Beside | None = None
    quality: Quality | None = None
    pue: float | None = None

    @property
    def saved_g(self) -> float | None:
        """Grams saved against the simple baseline, as ``saved``."""
        return self.saved(Baseline.SIMPLE)

    @property
    def is_final(self) -> bool:
        """Whether all of it is known and rests on measured intensities: only a revision changes it."""
        needed = [self.emitted_g, self.baseline_g, *([self.queue_g] if self.queue else [])]
        settled = not self.estimated and (self.beside is None or not self.beside.estimated)
        return settled and None not in needed

    def by(self, kind: Kind) -> Figure | Beside | None:
        """Return the grams by intensities of a kind, None where there are none."""
        if self.nature is not None and self.nature.kind is kind:
            return self
        return self.beside if self.beside is not None and self.beside.nature.kind is kind else None

    def is_like(self, other: Figure) -> bool:
        """Whether another one says the same, but for rounding: pieces of a series add up in other orders."""
        if (self.beside is None) != (other.beside is None):
            return False
        numbers = zip(self._numbers(), other._numbers(), strict=True)
        same = all(one == two or _is_close(one, two) for one, two in numbers)
        return same and self._without_numbers() == other._without_numbers()

    def _numbers(self) -> list[float | None]:
        each: list[Figure | Beside] = [self, self.beside] if self.beside else [self]
        return [
            self.energy_kwh,
            self.pue,
            *(value for it in each for value in (it.emitted_g, it.baseline_g, it.queue_g)),
        ]

    def _without_numbers(self) -> Figure:
        beside = self.beside and replace(self.beside, emitted_g=None, baseline_g=None, queue_g=None)
        blank = replace(self, energy_kwh=0.0, pue=None, emitted_g=None, baseline_g=None, queue_g=None)
        return replace(blank, beside=beside)

    def against(self, baseline: Baseline) -> float | None:
        """Return the grams of a baseline, None where they are not known."""
        return self.baseline_g if baseline is Baseline.SIMPLE else self.queue_g

    def saved(self, baseline: Baseline) -> float | None:
        """Return the g saved, negative where we made it worse, None where either side is unknown."""
        without = self.against(baseline)
        return None if self.emitted_g is None or without is None else without - self.emitted_g


def _is_close(one: float | None, two: float | None) -> bool:
    return one is not None and two is not None and isclose(one, two, rel_tol=1e-9, abs_tol=1e-9)


def grams(series: Intensity | None, window: Interval, kwh: float) -> float | None:
    """Return the g that energy spread evenly over a window emits, None where its intensity is not known."""
    if kwh == 0:
        return 0.0
    mean = series.mean(window) if series is not None else None
    return None if mean is None else kwh * mean


def figure(
    *,
    ran: Interval,
    baseline: Interval,
    energy: Energy,
    series: Intensity | None,
    lost: timedelta,
    pue: float = 1.0,
    queue: Interval | None = None,
    other: Intensity | None = None,
    zone: str | None = None,
) -> Figure:
    """Work out one run's figure.

    Args:
        ran: the run.
        baseline: where its work would have run without us.
        energy: of the machines.
        series: the zone's intensity over all of these intervals.
        lost: see Attempt.
        pue: what the room adds.
        queue: where its work would have run in a queue without us, None where that is not known.
        other: the zone's intensity of another kind, to be shown beside.
        zone: of the grid.
    """
    kwh = energy.kwh * pue

    def counted(by: Intensity | None, window: Interval | None) -> float | None:
        return None if window is None else grams(by, window, kwh * _share(window, ran))

    def estimated(by: Intensity | None) -> bool:
        windows = [window for window in (ran, baseline, queue) if window is not None]
        return by is not None and any(by.estimated_within(window) for window in windows)

    return Figure(
        energy_kwh=kwh,
        energy_method=energy.method,
        emitted_g=grams(series, ran, kwh),
        baseline=baseline,
        baseline_g=counted(series, baseline),
        lost=lost,
        nature=series.nature if series else None,
        source=series.source if series else None,
        estimated=estimated(series),
        queue=queue,
        queue_g=counted(series, queue),
        zone=zone,
        quality=energy.quality,
        pue=pue,
        beside=None
        if other is None
        else Beside(
            nature=other.nature,
            source=other.source,
            emitted_g=grams(other, ran, kwh),
            baseline_g=counted(other, baseline),
            queue_g=counted(other, queue),
            estimated=estimated(other),
        ),
    )


def _share(window: Interval, ran: Interval) -> float:
    """Return how much of the run's energy its work needs without what was lost."""
    return window.length / ran.length if ran.length else 0.0


def percent_saved(emitted_g: float, baseline_g: float) -> float | None:
    """Return the saving in percent of the baseline, None where there is no baseline to save from."""
    return None if baseline_g <= 0 else 100 * (baseline_g - emitted_g) / baseline_g
