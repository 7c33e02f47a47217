"""A forecast as slots from now on: means over each slot, and how far they may err."""

from dataclasses import dataclass, replace

import numpy as np

from carbonslurm.core.forecast import Band, Floats, Series


@dataclass(frozen=True, eq=False)
class Ahead:
    """The slots ahead; t of them.

    Attributes:
        intensity: shape (t,), g/kWh; the first is the mean of what is left of its slot.
        first: what is left of the first slot, as a share of a slot.
        doubt: g/kWh by which the difference between now and later may err, zero where nobody says.
    """

    intensity: Floats
    first: float
    doubt: float


def ahead(series: Series, band: Band | None, now: float, slot: float, slots: int) -> Ahead | None:
    """Return the slots ahead of now, as far as the forecast is known without a gap; None where it is not.

    Args:
        series: the forecast.
        band: aligned with it, None where nobody says how sure it is.
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
    doubt = 0.0 if band is None else _doubt(series, band, edges[: count + 1])
    return Ahead(intensity[:count], float((edges[1] - edges[0]) / slot), doubt)


def _means(series: Series, edges: Floats) -> Floats:
    lengths = np.diff(edges)
    if bool(np.all(lengths[1:] == lengths[1])):
        rest = series.means(edges[1:-1], float(lengths[1]))
        return np.concatenate((series.means(edges[:1], float(lengths[0])), rest))
    return np.array([series.means(edges[i : i + 1], float(lengths[i]))[0] for i in range(len(lengths))])


def _doubt(series: Series, band: Band, edges: Floats) -> float:
    """Half of the band now plus half of the band at the cleanest slot: by so much may the two come closer."""
    low = _means(replace(series, values=band.low), edges)
    high = _means(replace(series, values=band.high), edges)
    middle = _means(series, edges)
    best = int(np.argmin(middle))
    return float(max(middle[0] - low[0], 0.0) + max(high[best] - middle[best], 0.0))
