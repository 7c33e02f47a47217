"""All that is known of a zone over a long time, in one nature, from which many windows are cut.

A series says by whom it is; here each step has its own painter, so that a cut says exactly who is in it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

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
        ends = np.array([window.start.timestamp(), window.end.timestamp()])
        before, after = np.interp(ends, self.edges, self._known_at_edges)
        return float(after - before)

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

    @cached_property
    def _known_at_edges(self) -> Floats:
        known = ~np.isnan(self.values) * np.diff(self.edges)
        return np.concatenate(([0.0], np.cumsum(known)))


def best_of_each_kind(pictures: Sequence[Painted], window: Interval) -> list[Series]:
    """Return of each kind the series that knows most of a window, the one that knows more of it first.

    Average goes before marginal, and scopes by their names, where two know as much. A kind of which nothing
    is known is left out.
    """
    known = [(picture.known_seconds(window), picture) for picture in pictures]
    best: dict[str, Series] = {}
    for seconds, picture in sorted(known, key=lambda item: (-item[0], str(item[1].nature))):
        piece = picture.series(window) if seconds > 0 or not window.length else None
        if piece is not None and (seconds > 0 or piece.at(window.start) is not None):
            best.setdefault(picture.nature.kind, piece)
    return list(best.values())
