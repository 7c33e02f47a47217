"""All that is known of a zone over a long time, in one nature, from which many windows are cut.

A series says by whom it is; here each step has its own painter, so that a cut says exactly who is in it.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from carbonslurm.core.forecast import Floats, Nature, Series
from carbonslurm.core.interval import Interval


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

    @cached_property
    def _known_at_edges(self) -> Floats:
        known = ~np.isnan(self.values) * np.diff(self.edges)
        return np.concatenate(([0.0], np.cumsum(known)))
