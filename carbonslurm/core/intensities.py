"""All that is known of a zone's intensity of one nature over a long window, with who said what.

Reading it once for many runs and cutting each run's piece out of it is what makes figures cheap: a month's
runs need one reading, not one each. A piece names those sources only that it rests on.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from carbonslurm.core.forecast import Nature, Series
from carbonslurm.core.interval import Interval


@dataclass(frozen=True, eq=False)
class KnownIntensity:
    """One nature's intensity.

    Attributes:
        series: measured values, and forecast ones, flagged as estimated, where nothing was measured.
        said_by: shape (n,), for each step the place in ``names`` of who said it, -1 where nobody did.
        names: of sources.
    """

    series: Series
    said_by: npt.NDArray[np.int64]
    names: tuple[str, ...]

    @property
    def nature(self) -> Nature:
        """Kind and scope."""
        return self.series.nature

    def within(self, window: Interval) -> Series | None:
        """Return the steps that a window touches, and whose they are; None where none of them is known.

        The first and the last one may reach beyond the window.
        """
        edges = self.series.edges
        first = max(int(np.searchsorted(edges, window.start.timestamp(), side="right")) - 1, 0)
        last = int(np.searchsorted(edges, window.end.timestamp(), side="left"))
        last = min(max(last, first + 1), len(self.said_by))
        sayers = np.unique(self.said_by[first:last])
        if first >= last or sayers[-1] < 0:
            return None
        return replace(
            self.series,
            source=", ".join(sorted(self.names[number] for number in sayers if number >= 0)),
            edges=edges[first : last + 1],
            values=self.series.values[first:last],
            estimated=self.series.estimated[first:last],
        )


def seconds_known(series: Series | None, window: Interval) -> float:
    """Return for how many seconds of a window a series has a value."""
    if series is None:
        return 0.0
    left = np.maximum(series.edges[:-1], window.start.timestamp())
    right = np.minimum(series.edges[1:], window.end.timestamp())
    return float(np.sum(np.maximum(right - left, 0.0)[~np.isnan(series.values)]))


def best_of_each_kind(known: Sequence[KnownIntensity], window: Interval) -> list[Series]:
    """Return of each kind the series that knows most of a window, the one that knows more of it first.

    Average goes before marginal, and scopes by their names, where two know as much. A kind of which nothing
    is known is left out.
    """
    pieces = [piece for each in known if (piece := each.within(window)) is not None]
    ordered = sorted(pieces, key=lambda piece: (-seconds_known(piece, window), str(piece.nature)))
    best: dict[str, Series] = {}
    for piece in ordered:
        if seconds_known(piece, window) > 0 or window.start == window.end:
            best.setdefault(piece.nature.kind, piece)
    return list(best.values())
