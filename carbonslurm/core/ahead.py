"""A forecast as slots from now on: means over each slot, and between which values they are expected.

Where nobody says how sure it is, ``doubt.by_nature`` does.
"""

from dataclasses import dataclass, replace

import numpy as np

from carbonslurm.core.doubt import by_nature
from carbonslurm.core.forecast import Band, Floats, Series

HOUR = 3600.0


@dataclass(frozen=True, eq=False)
class Ahead:
    """The slots ahead; t of them.

    Attributes:
        intensity: shape (t,), g/kWh; the first is the mean of what is left of its slot.
        first: what is left of the first slot, as a share of a slot.
        low: shape (t,), g/kWh, what each may be at best.
        high: shape (t,), likewise at worst.
    """

    intensity: Floats
    first: float
    low: Floats
    high: Floats

    @property
    def certain(self) -> bool:
        """Whether nothing of it is in doubt."""
        return bool(np.array_equal(self.low, self.high))


def ahead(series: Series, band: Band | None, now: float, slot: float, slots: int) -> Ahead | None:
    """Return the slots ahead of now, as far as the forecast is known without a gap; None where it is not.

    Args:
        series: the forecast.
        band: aligned with it, None where nobody says how sure it is; of no width where it is certain.
        now: Unix seconds.
        slot: seconds; slots begin at whole multiples of it.
        slots: at most so many.
    """
    begin = now // slot * slot
    edges = begin + slot * np.arange(slots + 1)
    edges[0] = now
    edges = edges[edges <= series.edges[-1]]
    if len(edges) < 3:
        return None
    intensity = _means(series, edges)
    unknown = np.flatnonzero(np.isnan(intensity))
    count = int(unknown[0]) if len(unknown) else len(intensity)
    if count < 2:
        return None
    intensity, edges, first = intensity[:count], edges[: count + 1], float((edges[1] - edges[0]) / slot)
    if band is None:
        told = by_nature(intensity, (edges[:-1] - now) / HOUR)
        return Ahead(intensity, first, told.low, told.high)
    if band.low is band.high:
        return Ahead(intensity, first, intensity, intensity)
    low, high = (_means(replace(series, values=values), edges) for values in (band.low, band.high))
    return Ahead(intensity, first, np.minimum(low, intensity), np.maximum(high, intensity))


def _means(series: Series, edges: Floats) -> Floats:
    lengths = np.diff(edges)
    if bool(np.all(lengths[1:] == lengths[1])):
        rest = series.means(edges[1:-1], float(lengths[1]))
        return np.concatenate((series.means(edges[:1], float(lengths[0])), rest))
    return np.array([series.means(edges[i : i + 1], float(lengths[i]))[0] for i in range(len(lengths))])
