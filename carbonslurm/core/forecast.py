"""Carbon intensity over time, with what kind of number it is.

A ``Series`` is piecewise constant: step ``i`` holds from ``edges[i]`` to ``edges[i + 1]``. Its ``Nature``
(kind and scope) travels with it, and two natures are never joined. A step may be unknown (NaN): then every
mean that touches it is None, never a number. An ``Issue`` is one forecast as it was published at one moment,
with a ``Band`` around it where its maker says how sure it is.
"""

from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from math import isnan

import numpy as np
import numpy.typing as npt

from carbonslurm.core.interval import Interval, aware, from_epoch
from carbonslurm.core.nature import Kind, Nature, Scope
from carbonslurm.errors import DataError

__all__ = ["Band", "Floats", "Issue", "Kind", "Nature", "Scope", "Series", "Step"]

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Step:
    """One intensity in g/kWh over one interval; ``estimated`` where the source did not measure it."""

    interval: Interval
    g_per_kwh: float
    estimated: bool = False


@dataclass(frozen=True, eq=False)
class Series:
    """Intensity of one zone, piecewise constant, from one source and of one nature.

    Attributes:
        zone: the site's name of the grid area.
        source: who said so.
        nature: kind and scope.
        edges: shape (n + 1,), Unix seconds, strictly rising.
        values: shape (n,), g/kWh; NaN where unknown.
        estimated: shape (n,), whether each value is an estimate.

    Raises:
        DataError: shapes do not fit, or the edges do not rise.
    """

    zone: str
    source: str
    nature: Nature
    edges: Floats
    values: Floats
    estimated: npt.NDArray[np.bool_]

    def __post_init__(self) -> None:
        if self.edges.ndim != 1 or len(self.values) == 0 or len(self.edges) != len(self.values) + 1:
            raise DataError(f"{self.source}: {self.zone}: a series needs one more edge than values")
        if len(self.estimated) != len(self.values):
            raise DataError(f"{self.source}: {self.zone}: a series needs one flag for each value")
        if not bool(np.all(np.diff(self.edges) > 0)):
            raise DataError(f"{self.source}: {self.zone}: times do not rise")

    @classmethod
    def from_steps(cls, zone: str, source: str, nature: Nature, steps: Iterable[Step]) -> "Series":
        """Join steps in any order; what lies between two of them is unknown.

        Raises:
            DataError: there is no step, or two of them overlap.
        """
        ordered = sorted(steps, key=lambda step: step.interval.start)
        edges: list[float] = []
        values: list[float] = []
        flags: list[bool] = []
        for step in ordered:
            start, end = step.interval.start.timestamp(), step.interval.end.timestamp()
            if edges and start < edges[-1]:
                raise DataError(f"{source}: {zone}: two values for {step.interval.start.isoformat()}")
            if edges and start > edges[-1]:
                values.append(np.nan)
                flags.append(False)
                edges.append(start)
            if not edges:
                edges.append(start)
            edges.append(end)
            values.append(step.g_per_kwh)
            flags.append(step.estimated)
        return cls(
            zone, source, nature, np.array(edges), np.array(values, dtype=float), np.array(flags, dtype=bool)
        )

    @cached_property
    def start(self) -> datetime:
        """The first instant that it covers."""
        return from_epoch(float(self.edges[0]))

    @cached_property
    def horizon(self) -> datetime:
        """The instant where it ends: nothing is known from here on."""
        return from_epoch(float(self.edges[-1]))

    @property
    def has_gaps(self) -> bool:
        """Whether any step is unknown."""
        return bool(np.isnan(self.values).any())

    @cached_property
    def _integral_at_edges(self) -> Floats:
        """Shape (n + 1,): integral from the first edge to each edge, in g/kWh x s.

        Unknown steps count as zero here; ``_gaps_at_edges`` says how many seconds of them there are.
        """
        known = np.nan_to_num(self.values, nan=0.0)
        return np.concatenate(([0.0], np.cumsum(known * np.diff(self.edges))))

    @cached_property
    def _gaps_at_edges(self) -> Floats:
        """Shape (n + 1,): unknown seconds from the first edge to each edge."""
        return np.concatenate(([0.0], np.cumsum(np.isnan(self.values) * np.diff(self.edges))))

    @cached_property
    def _has_unknown(self) -> bool:
        return bool(self._gaps_at_edges[-1] > 0)

    def at(self, moment: datetime) -> float | None:
        """Return the g/kWh at a moment, None where it is unknown."""
        index = bisect_right(self._plain_edges, aware(moment).timestamp()) - 1
        if not 0 <= index < len(self.values):
            return None
        value = float(self.values[index])
        return None if isnan(value) else value

    def means(self, starts: Floats, seconds: float | Floats) -> Floats:
        """Return the mean g/kWh over [start, start + seconds) for each start; NaN where any part is unknown.

        Args:
            starts: shape (k,), Unix seconds.
            seconds: length of the window, above zero; one for all, or shape (k,).
        """
        ends = starts + seconds
        sums = np.interp(ends, self.edges, self._integral_at_edges) - np.interp(
            starts, self.edges, self._integral_at_edges
        )
        unknown = (starts < self.edges[0]) | (ends > self.edges[-1])
        if self._gaps_at_edges[-1] > 0:
            gaps = np.interp(ends, self.edges, self._gaps_at_edges) - np.interp(
                starts, self.edges, self._gaps_at_edges
            )
            unknown |= gaps > 0
        return np.asarray(np.where(unknown, np.nan, sums / seconds), dtype=float)

    def mean(self, window: Interval) -> float | None:
        """Return the mean g/kWh over a window, None where any part of it is unknown."""
        seconds = window.length.total_seconds()
        if seconds == 0:
            return self.at(window.start)
        return self.mean_of(window.start.timestamp(), seconds)

    def mean_of(self, start: float, seconds: float) -> float | None:
        """Return the mean g/kWh over [start, start + seconds), as ``mean``.

        Args:
            start: Unix seconds.
            seconds: above zero.
        """
        edges, end = self._plain_edges, start + seconds
        if start < edges[0] or end > edges[-1]:
            return None
        if self._has_unknown:
            value = float(self.means(np.array([start]), seconds)[0])
            return None if isnan(value) else value
        return (self._integral(end) - self._integral(start)) / seconds

    @cached_property
    def _plain_edges(self) -> list[float]:
        """The edges as a list: a single question is answered faster by it than by an array."""
        return [float(edge) for edge in self.edges]

    @cached_property
    def _plain_integral(self) -> list[float]:
        return [float(total) for total in self._integral_at_edges]

    def _integral(self, moment: float) -> float:
        """The integral up to a Unix time within the edges, as numpy's interp has it."""
        edges, sums = self._plain_edges, self._plain_integral
        left = bisect_right(edges, moment, hi=len(edges) - 1) - 1
        slope = (sums[left + 1] - sums[left]) / (edges[left + 1] - edges[left])
        return sums[left + 1] if moment == edges[left + 1] else slope * (moment - edges[left]) + sums[left]

    def estimated_within(self, window: Interval) -> bool:
        """Tell whether any value within a window is an estimate."""
        start, end = window.start.timestamp(), window.end.timestamp()
        within = (self.edges[:-1] < end) & (start < self.edges[1:])
        return bool(np.any(within & self.estimated & ~np.isnan(self.values)))

    def steps(self) -> list[Step]:
        """Return the known steps, in order."""
        return [
            Step(Interval(from_epoch(float(left)), from_epoch(float(right))), float(value), bool(flag))
            for left, right, value, flag in zip(
                self.edges[:-1], self.edges[1:], self.values, self.estimated, strict=True
            )
            if not np.isnan(value)
        ]


@dataclass(frozen=True, eq=False)
class Band:
    """Between which values the true ones are expected, step by step.

    Attributes:
        low: shape (n,), g/kWh, aligned with the values of a series; NaN where those are.
        high: shape (n,), g/kWh, never below ``low``; NaN where ``low`` is.
        share: how much of the truth is expected within, above 0 and below 1.

    Raises:
        DataError: shapes or gaps do not fit, or a low lies above its high.
    """

    low: Floats
    high: Floats
    share: float = 0.8

    def __post_init__(self) -> None:
        if self.low.ndim != 1 or self.low.shape != self.high.shape:
            raise DataError("a band needs as many lows as highs")
        if not np.array_equal(np.isnan(self.low), np.isnan(self.high)):
            raise DataError("a band has a low without a high, or a high without a low")
        if bool(np.any(self.low > self.high)):
            raise DataError("a band has a low above its high")
        if not 0 < self.share < 1:
            raise DataError(f"no band holds a share of {self.share:g}: above 0 and below 1")


@dataclass(frozen=True, slots=True)
class Issue:
    """One forecast as it was published.

    Attributes:
        series: what it says.
        generated_at: when the source made it, None where the source does not say.
        fetched_at: when we read it.
        band: how sure it is, aligned with the series; None where the source does not say.
        measured_until: up to when it knew measured values; None where the source does not say.

    Raises:
        DataError: the band does not fit the series.
    """

    series: Series
    generated_at: datetime | None
    fetched_at: datetime
    band: Band | None = None
    measured_until: datetime | None = None

    def __post_init__(self) -> None:
        if self.band is None:
            return
        if not np.array_equal(np.isnan(self.band.low), np.isnan(self.series.values)):
            raise DataError(f"{self.series.source}: {self.series.zone}: the band does not fit the series")

    @property
    def published(self) -> datetime:
        """The time its age counts from."""
        return self.generated_at or self.fetched_at
