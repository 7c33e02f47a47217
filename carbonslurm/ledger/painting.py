"""Steps painted over each other, the last on top: how stored rows become one series.

Rows may overlap, repeat each other and be of different length. The result is cut at every edge, and what
nobody painted is unknown.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from carbonslurm.core.forecast import Nature, Series
from carbonslurm.core.painted import Painted


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
    picture = paint(zone, nature, layers)
    return None if picture is None else picture.series()


def paint(zone: str, nature: Nature, layers: Sequence[Layer]) -> Painted | None:
    """Do the same, and keep who painted each step."""
    if not layers:
        return None
    starts = np.array([layer.start for layer in layers])
    ends = np.array([layer.end for layer in layers])
    edges = np.unique(np.concatenate((starts, ends)))
    top = np.full(len(edges) - 1, -1)
    spans = zip(np.searchsorted(edges, starts).tolist(), np.searchsorted(edges, ends).tolist(), strict=True)
    for number, (left, right) in enumerate(spans):
        top[left:right] = number
    # The last place of each is for steps that nobody painted, whose number is -1.
    values = np.array([*(layer.g_per_kwh for layer in layers), np.nan])[top]
    estimated = np.array([*(layer.estimated for layer in layers), False])[top]
    names = tuple(sorted({layer.source for layer in layers}))
    place = {name: number for number, name in enumerate(names)}
    painter = np.array([*(place[layer.source] for layer in layers), -1])[top]
    return Painted(zone, nature, edges, values, estimated, painter, names)
