"""Steps painted over each other, the last on top: how stored rows become one series.

Rows may overlap, repeat each other and be of different length. The result is cut at every edge, and what
nobody painted is unknown.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from carbonslurm.core.forecast import Nature, Series
from carbonslurm.core.interval import Interval


@dataclass(frozen=True, slots=True)
class Layer:
    """One step to be painted; Unix seconds and g/kWh."""

    start: float
    end: float
    g_per_kwh: float
    estimated: bool
    source: str


def painted(zone: str, nature: Nature, layers: Sequence[Layer]) -> Series | None:
    """Paint layers over each other, the last on top; None where there are none."""
    if not layers:
        return None
    starts = np.array([layer.start for layer in layers])
    ends = np.array([layer.end for layer in layers])
    edges = np.unique(np.concatenate((starts, ends)))
    values = np.full(len(edges) - 1, np.nan)
    estimated = np.zeros(len(edges) - 1, dtype=bool)
    painter = np.full(len(edges) - 1, -1)
    spans = zip(np.searchsorted(edges, starts), np.searchsorted(edges, ends), strict=True)
    for number, (left, right) in enumerate(spans):
        values[left:right] = layers[number].g_per_kwh
        estimated[left:right] = layers[number].estimated
        painter[left:right] = number
    sources = {layers[number].source for number in painter if number >= 0}
    return Series(zone, ", ".join(sorted(sources)), nature, edges, values, estimated)


def covered(series: Series | None, window: Interval) -> float:
    """Return for how many seconds of a window a series has a value."""
    if series is None:
        return 0.0
    left = np.maximum(series.edges[:-1], window.start.timestamp())
    right = np.minimum(series.edges[1:], window.end.timestamp())
    return float(np.sum(np.maximum(right - left, 0.0)[~np.isnan(series.values)]))
