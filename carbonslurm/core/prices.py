"""What a unit of a pool is worth in each slot: the price that keeps the crowd within the pool.

Everybody's best hour is the same hour. So each slot has, on top of its intensity, a price of scarcity; where
the crowd (``crowd``) would need more units than there are it rises, and where units are left over it falls
back to zero. At the prices where both are still, each job can choose for itself and the choices fit together
(they are the multipliers of the capacity in the linear programme that is the bound of docs/policies.md). The
search is bounded by a count of iterations: more of them bring the prices closer. As choices turn over all at
once where two slots are nearly alike, prices swing around where they belong; the answer is the mean of the
later half of them.

No price needs to exceed the range of the intensities: for that much one may as well take the dirtiest hour.
"""

from dataclasses import dataclass

import numpy as np

from carbonslurm.core.crowd import Crowd, expected
from carbonslurm.core.forecast import Floats
from carbonslurm.core.patience import Patience, Shape, patience


@dataclass(frozen=True, slots=True)
class Search:
    """How prices are searched for.

    Attributes:
        iterations: how many steps; each is one table and one flow of the crowd.
        stride: the first step, as a share of the range of intensities for a pool that is needed twice over.
        settling: after so many iterations a step is half as long.
        softness: of choices, as a share of the mean intensity.
        ceiling: of a price, as a multiple of the range of intensities.
    """

    iterations: int = 20
    stride: float = 0.3
    settling: float = 10.0
    softness: float = 0.06
    ceiling: float = 1.0


@dataclass(frozen=True, eq=False)
class Market:
    """One pool ahead; t slots, k kinds.

    Attributes:
        intensity: shape (t,), g/kWh.
        first: share of the first slot that is left.
        stop: shape (k,), what a stop costs each kind, in g/kWh x slots.
        shape: of the table.
        units: of the pool; infinite where nothing limits it.
        crowd: jobs that are there.
        inflow: units that are expected to arrive in each slot, on the grid of Crowd.poured.
        beyond: g/kWh after the last slot.
    """

    intensity: Floats
    first: float
    stop: Floats
    shape: Shape
    units: float
    crowd: Crowd
    inflow: Floats
    beyond: float

    def table(self, scarcity: Floats, over: Patience | None = None) -> Patience:
        """Return what waiting is worth at some prices of scarcity, shape (t,).

        Args:
            scarcity: shape (t,), or of fewer slots: then of those alone.
            over: a table of as many slots that is needed no more.
        """
        price = self.intensity[: len(scarcity)] + scarcity
        return patience(price, self.first, self.stop, self.shape, self.beyond, over)

    @property
    def near(self) -> int:
        """Slots within which everybody who is there has run, or was lost sight of, and nobody else comes.

        In each slot a job loses one of slack or one of rest, so no price after their sum is ever paid.
        """
        count, comes = len(self.intensity), bool(self.inflow.any())
        return count if comes else min(count, 1 + self.shape.slack + self.shape.rest)


def settle(market: Market, scarcity: Floats, search: Search) -> Floats:
    """Return the prices of scarcity, shape (t,), g/kWh.

    Args:
        market: the pool.
        scarcity: shape (t,), where to begin: what was found last, or zeros.
        search: how long and how.
    """
    if not np.isfinite(market.units):
        return np.zeros_like(scarcity)
    mean, spread = float(market.intensity.mean()), float(np.ptp(market.intensity))
    crowd, near = market.crowd.merged(len(market.stop), market.shape), market.near
    total, counted = np.zeros_like(scarcity), 0
    load, table = np.zeros_like(scarcity), None
    for iteration in range(search.iterations):
        table = market.table(scarcity[:near], table)
        load[:near] = expected(table, crowd, market.inflow, search.softness * mean)
        stride = search.stride * mean / (1 + iteration / search.settling)
        last = scarcity
        scarcity = np.clip(last + stride * (load / market.units - 1), 0.0, search.ceiling * spread)
        if np.array_equal(scarcity, last):  # there is room for all, and no step changes that
            return scarcity
        if 2 * iteration >= search.iterations:
            total, counted = total + scarcity, counted + 1
    return total / counted if counted else scarcity
