"""All that is known of a zone over a long time, in one nature, from which many windows are cut.

A series says by whom it is; here each step has its own painter, so that a cut says exactly who is in it.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from math import isnan, nan
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from carbonslurm.core.forecast import Floats, Nature, Series
from carbonslurm.core.interval import Interval, from_epoch


@dataclass(frozen=True, eq=False)
class Painted:
    """Steps side by side.

    Attributes:
        zone: the site's name of the grid area.
        nature: kind and scope.
        edges: shape (n + 1,), Unix seconds, strictly rising.
        values: shape (n,), g/kWh; NaN where unknown.
        estimated: shape (n,), whether each value is an estimate.
        painter: shape (n,), the number of each step's source in ``names``, below zero where unknown.
        names: of the sources.
    """

    zone: str
    nature: Nature
    edges: Floats
    values: Floats
    estimated: npt.NDArray[np.bool_]
    painter: npt.NDArray[np.int_]
    names: tuple[str, ...]

    def series(self, window: Interval | None = None) -> Series | None:
        """Return the steps that touch a window, or all; None where there are none. They may reach beyond."""
        left, right = 0, len(self.values)
        if window is not None:
            start, end = window.start.timestamp(), window.end.timestamp()
            left = max(int(self.edges.searchsorted(start, side="right")) - 1, 0)
            right = min(max(int(self.edges.searchsorted(end, side="left")), left + 1), right)
            if end < self.edges[0] or start >= self.edges[-1]:
                return None
        painters = {self.names[number] for number in set(self.painter[left:right].tolist()) if number >= 0}
        return Series(
            self.zone,
            ", ".join(sorted(painters)),
            self.nature,
            self.edges[left : right + 1],
            self.values[left:right],
            self.estimated[left:right],
        )

    def known_seconds(self, window: Interval) -> float:
        """Return for how many seconds of a window there is a value."""
        before, after = (self._known_until(moment.timestamp()) for moment in (window.start, window.end))
        return after - before

    def _known_until(self, moment: float) -> float:
        plain = self._plain
        step = min(max(bisect_right(plain.edges, moment) - 1, 0), len(plain.values) - 1)
        within = min(max(moment, plain.edges[step]), plain.edges[step + 1]) - plain.edges[step]
        return plain.known[step] + (0.0 if isnan(plain.values[step]) else within)

    def gap(self, window: Interval) -> Interval | None:
        """Return the part of a window outside of which all is known; None where all of it is.

        One of no length is taken for the second that begins there, in which Slurm counts.
        """
        start, end = window.start.timestamp(), window.end.timestamp()
        end = end if end > start else start + 1
        edges = np.concatenate(([min(start, self.edges[0])], self.edges, [max(end, self.edges[-1])]))
        missing = np.concatenate(([True], np.isnan(self.values), [True]))
        places = np.flatnonzero(missing & (edges[1:] > start) & (edges[:-1] < end) & (edges[1:] > edges[:-1]))
        if len(places) == 0:
            return None
        first, last = max(start, edges[places[0]]), min(end, edges[places[-1] + 1])
        return Interval(from_epoch(float(first)), from_epoch(float(last)))

    def sources(self, window: Interval) -> str:
        """Return who painted the steps that touch a window, in words."""
        left, right = self._touched(window)
        painters = {self.names[number] for number in set(self._plain.painter[left:right]) if number >= 0}
        return ", ".join(sorted(painters))

    def mean(self, window: Interval) -> float | None:
        """Return the mean g/kWh over a window, None where any part of it is unknown, as Series does."""
        plain = self._plain
        start, end = window.start.timestamp(), window.end.timestamp()
        if start < plain.edges[0] or end > plain.edges[-1] or start >= plain.edges[-1]:
            return None
        first = bisect_right(plain.edges, start) - 1
        last = max(bisect_left(plain.edges, end) - 1, first)
        if first == last:
            mean = plain.values[first]
        else:
            # What is between the first and the last step is looked up, those two are worked out: a short
            # window late in a long picture would be lost in the rounding of the sums from its beginning.
            between = plain.integral[last] - plain.integral[first + 1]
            ends = (plain.edges[first + 1] - start) * plain.values[first]
            ends += (end - plain.edges[last]) * plain.values[last]
            unknown = plain.unknown[last] > plain.unknown[first + 1]
            mean = nan if unknown else (between + ends) / (end - start)
        return None if isnan(mean) else mean

    def estimated_within(self, window: Interval) -> bool:
        """Tell whether any value within a window is an estimate."""
        plain = self._plain
        first = bisect_right(plain.edges, window.start.timestamp()) - 1
        behind = bisect_left(plain.edges, window.end.timestamp())
        first, behind = max(first, 0), min(behind, len(plain.values))
        return first < behind and plain.guesses[behind] > plain.guesses[first]

    def _touched(self, window: Interval) -> tuple[int, int]:
        """Return the first step that touches a window, and the first behind it."""
        edges = self._plain.edges
        left = max(bisect_right(edges, window.start.timestamp()) - 1, 0)
        right = max(bisect_left(edges, window.end.timestamp()), left + 1)
        return left, min(right, len(self.values))

    @cached_property
    def _plain(self) -> "_Plain":
        """The same as lists: to look up two numbers numpy takes longer than to add up thousands."""
        lengths, unknown = np.diff(self.edges), np.isnan(self.values)
        guesses = (self.estimated & ~unknown).astype(float)
        each = (np.nan_to_num(self.values) * lengths, ~unknown * lengths, unknown.astype(float), guesses)
        sums = [np.concatenate(([0.0], np.cumsum(steps))).tolist() for steps in each]
        return _Plain(self.edges.tolist(), self.values.tolist(), self.painter.tolist(), *sums)


class _Plain(NamedTuple):
    """A picture as lists; the last four are sums from the first edge to each, one longer than values."""

    edges: list[float]
    values: list[float]
    painter: list[int]
    integral: list[float]  # g/kWh x s, unknown steps counting nothing
    known: list[float]  # s
    unknown: list[float]  # how many steps
    guesses: list[float]  # how many known steps are estimates


@dataclass(frozen=True, slots=True)
class Cut:
    """What a picture says of one window: what a run needs, and nothing is copied for it.

    Attributes:
        picture: of which it is.
        window: of time.
    """

    picture: Painted
    window: Interval

    @property
    def nature(self) -> Nature:
        """Kind and scope."""
        return self.picture.nature

    @property
    def source(self) -> str:
        """Who said anything of the window."""
        return self.picture.sources(self.window)

    def mean(self, window: Interval) -> float | None:
        """Return the mean g/kWh over a part of it, None where any of that is unknown."""
        return self.picture.mean(window)

    def estimated_within(self, window: Interval) -> bool:
        """Tell whether any value within a part of it is an estimate."""
        return self.picture.estimated_within(window)


def best_of_each_kind(pictures: Sequence[Painted], window: Interval) -> list[Cut]:
    """Return of each kind the picture that knows most of a window, the one that knows more of it first.

    Average goes before marginal, and scopes by their names, where two know as much. A kind of which nothing
    is known is left out.
    """
    known = [(picture.known_seconds(window), picture) for picture in pictures]
    best: dict[str, Cut] = {}
    for seconds, picture in sorted(known, key=lambda item: (-item[0], str(item[1].nature))):
        if seconds > 0 or (not window.length and picture.mean(window) is not None):
            best.setdefault(picture.nature.kind, Cut(picture, window))
    return list(best.values())
