"""Steps painted over each other, the last on top: how stored rows become one series.

Rows may overlap, repeat each other and be of different length. The result is cut at every edge, and what
nobody painted is unknown.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from carbonslurm.core.forecast import Nature, Series
from carbonslurm.core.intensities import KnownIntensity


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
    known = painted_by(zone, nature, layers)
    return None if known is None else known.series


def painted_by(zone: str, nature: Nature, layers: Sequence[Layer]) -> KnownIntensity | None:
    """Paint likewise, and say of each step whose it is."""
    if not layers:
        return None
    starts = np.array([layer.start for layer in layers])
    ends = np.array([layer.end for layer in layers])
    edges = np.unique(np.concatenate((starts, ends)))
    names = tuple(sorted({layer.source for layer in layers}))
    places = {name: place for place, name in enumerate(names)}
    values = np.full(len(edges) - 1, np.nan)
    estimated = np.zeros(len(edges) - 1, dtype=bool)
    said_by = np.full(len(edges) - 1, -1, dtype=np.int64)
    spans = zip(np.searchsorted(edges, starts), np.searchsorted(edges, ends), strict=True)
    for layer, (left, right) in zip(layers, spans, strict=True):
        values[left:right] = layer.g_per_kwh
        estimated[left:right] = layer.estimated
        said_by[left:right] = places[layer.source]
    seen = sorted({names[place] for place in np.unique(said_by) if place >= 0})
    return KnownIntensity(Series(zone, ", ".join(seen), nature, edges, values, estimated), said_by, names)
