"""When a job that can be paused runs: the maths of the policies that pause and resume.

They are baselines of the simulator: in the daemon a running job is stopped by ``core.stop`` alone, which
counts what a stop costs. Each function says where its formula stands in docs/policies.md.
"""

from dataclasses import dataclass

import numpy as np

from carbonslurm.core.forecast import Floats, Series


@dataclass(frozen=True, eq=False)
class Pieces:
    """A series cut to a window: n stretches side by side.

    Attributes:
        starts: shape (n,), Unix seconds.
        ends: shape (n,).
        values: shape (n,), g/kWh; NaN where unknown.
    """

    starts: Floats
    ends: Floats
    values: Floats


def pieces(series: Series, start: float, end: float) -> Pieces:
    """Return the steps of a series within [start, end), cut to it; n is 0 where it knows none of it."""
    edges = series.edges
    first = max(int(np.searchsorted(edges, start, side="right")) - 1, 0)
    last = min(int(np.searchsorted(edges, end, side="left")), len(series.values))
    starts = np.maximum(edges[first:last], start)
    ends = np.minimum(edges[first + 1 : last + 1], end)
    return Pieces(starts, ends, series.values[first:last])


def percentile(series: Series, start: float, end: float, share: float) -> float:
    """Return the intensity below which a share of the time lies; NaN where nothing is known.

    The percentile of densely sampled time: the first value, from below, up to which the steps together last
    for that share of what is known.

    Args:
        series: in g/kWh.
        start: of the window, Unix seconds.
        end: of the window.
        share: 0..1.
    """
    cut = pieces(series, start, end)
    known = ~np.isnan(cut.values)
    if not bool(known.any()):
        return float("nan")
    order = np.argsort(cut.values[known], kind="stable")
    lasted = np.cumsum((cut.ends - cut.starts)[known][order])
    index = int(np.searchsorted(lasted, share * lasted[-1], side="left"))
    return float(cut.values[known][order][min(index, len(order) - 1)])


def cheapest(series: Series, start: float, end: float, seconds: float) -> list[tuple[float, float]]:
    """Return the cleanest stretches of a window that together last for some seconds, in order of time.

    Ties go to the earlier step, and of the last step that is needed its beginning is taken. Unknown steps
    come last. Where the window is shorter than the seconds, all of it is returned.
    """
    cut = pieces(series, start, end)
    order = np.lexsort((cut.starts, np.nan_to_num(cut.values, nan=np.inf)))
    lasting = (cut.ends - cut.starts)[order]
    taken = np.clip(seconds - (np.cumsum(lasting) - lasting), 0.0, lasting)
    chosen = sorted(
        (float(cut.starts[index]), float(cut.starts[index] + part))
        for index, part in zip(order, taken, strict=True)
        if part > 0
    )
    joined: list[tuple[float, float]] = []
    for left, right in chosen:
        if joined and joined[-1][1] == left:
            joined[-1] = (joined[-1][0], right)
        else:
            joined.append((left, right))
    return joined


def pause_thresholds(low: float, high: float, slots: int, cost: float) -> Floats:
    """Return phi_1..phi_k: up to which intensity each slot of work is worth running (the double threshold).

    phi_i = U [1 - (1 - 1/alpha) r^(i-1)] + 2 beta (1/(k alpha) - 1/k + 1) r^(i-1), with r = 1 + 1/(alpha k)
    and alpha such that phi_(k+1) = L + 2 beta: the more is done, the cleaner it must be. With beta = 0 they
    are the thresholds of the varying cap.

    Args:
        low: L, the lowest intensity that is expected, g/kWh.
        high: U, the highest.
        slots: k, of work, 1 or more.
        cost: beta, of one pause or resume, in g/kWh times one slot.

    Returns:
        Shape (k,), falling. Infinite where the spread is not worth two switches.
    """
    if high - low <= 2 * cost or low <= 0:
        return np.full(slots, np.inf)
    alpha = _alpha(low, high, slots, cost)
    growth = (1 + 1 / (alpha * slots)) ** np.arange(slots)
    switching = 2 * cost * (1 / (slots * alpha) - 1 / slots + 1)
    return np.asarray(high * (1 - (1 - 1 / alpha) * growth) + switching * growth, dtype=float)


def _alpha(low: float, high: float, slots: int, cost: float) -> float:
    """Solve (U - L - 2 beta) / (U (1 - 1/alpha) - 2 beta (1 - 1/k + 1/(k alpha))) = r^k by bisection.

    The difference is above zero at 1 and below it where alpha is large; the worst alpha possible is U / L.
    """

    def excess(alpha: float) -> float:
        spread = high * (1 - 1 / alpha) - 2 * cost * (1 - 1 / slots + 1 / (slots * alpha))
        return float((high - low - 2 * cost) - spread * (1 + 1 / (alpha * slots)) ** slots)

    left, right = 1.0, 2.0
    while excess(right) > 0:
        right *= 2
    for _ in range(100):
        middle = (left + right) / 2
        left, right = (middle, right) if excess(middle) > 0 else (left, middle)
    return right


def allowed_units(guaranteed: float, units: float, low: float, high: float, now: float) -> float:
    """Return how many units may be busy at an intensity: the varying cap (CAP).

    Args:
        guaranteed: B, always allowed.
        units: K, all there are.
        low: L of the forecast, already with its margin.
        high: U of the forecast.
        now: the intensity, g/kWh.
    """
    flexible = int(units - guaranteed)
    # At its own lowest value, or below, the forecast gives no reason for restraint.
    if flexible <= 0 or now <= low:
        return units
    clean = pause_thresholds(low, high, flexible, 0.0) >= now
    return guaranteed + float(np.count_nonzero(clean))
