"""How many units a pool is expected to need in each slot, if everybody acts by the table of ``patience``.

Jobs are poured onto the table's grid of (kind, waits or runs, slack, rest) and flow along it slot by slot:
what runs loses rest, what waits loses slack, and jobs that are still to come flow in. So the work per slot
does not depend on how many jobs there are. A job whose advantage is a tie belongs half to either side; that
softness is what lets prices settle (``prices``), and says that a prediction is not certain to a gram.
"""

from dataclasses import dataclass

import numpy as np

from carbonslurm.core.forecast import Floats
from carbonslurm.core.patience import Ints, Patience, Shape, Table

STEEPEST = np.float32(40.0)  # e to the power of it is as good as certain


@dataclass(frozen=True, eq=False)
class Crowd:
    """Jobs as columns of one length n; a job may stand there several times, with each rest in part.

    Attributes:
        kind: shape (n,), by what a stop costs.
        runs: shape (n,), 1 where it runs.
        slack: shape (n,), in slots.
        rest: shape (n,), in slots.
        units: shape (n,), of the pool.
    """

    kind: Ints
    runs: Ints
    slack: Floats
    rest: Floats
    units: Floats

    def merged(self, kinds: int, shape: Shape) -> "Crowd":
        """Return the same crowd as one job for each occupied place of the grid, if that is fewer."""
        if len(self.units) <= kinds * 2 * (shape.slack + 1) * (shape.rest + 1):
            return self
        grid = self.poured(kinds, shape)
        kind, runs, slack, rest = np.nonzero(grid)
        return Crowd(kind, runs, slack.astype(float), rest.astype(float), grid[kind, runs, slack, rest])

    def poured(self, kinds: int, shape: Shape) -> Floats:
        """Shape (kinds, 2, slack + 1, rest + 1): units on the grid, each job shared among its neighbours."""
        s = np.clip(self.slack, 0.0, shape.slack - 1e-9)
        r = np.clip(self.rest, 0.0, shape.rest - 1e-9)
        i, j = s.astype(np.int64), r.astype(np.int64)
        x, y = s - i, r - j
        wide, size = shape.rest + 1, (kinds, 2, shape.slack + 1, shape.rest + 1)
        place = ((self.kind * 2 + self.runs) * (shape.slack + 1) + i) * wide + j
        places = np.concatenate((place, place + 1, place + wide, place + wide + 1))
        shares = np.concatenate(((1 - x) * (1 - y), (1 - x) * y, x * (1 - y), x * y)) * np.tile(self.units, 4)
        grid = np.bincount(places, weights=shares, minlength=int(np.prod(size)))
        return np.asarray(grid.reshape(size), dtype=float)


def likely(gain: Table, softness: float) -> Table:
    """Return the share that runs, from the advantage of running: one half where there is none."""
    share = np.multiply(gain, np.float32(-1.0 / softness))
    np.minimum(share, STEEPEST, out=share)
    np.exp(share, out=share)
    share += np.float32(1.0)
    return np.reciprocal(share, out=share)


def expected(table: Patience, crowd: Crowd, inflow: Floats, softness: float) -> Floats:
    """Shape (t,): units that run in each slot.

    Args:
        table: of the pool.
        crowd: the jobs that are there, for the first slot.
        inflow: shape as Crowd.poured: units that arrive in each slot.
        softness: g/kWh x slots.
    """
    load = np.zeros(len(table.price))
    at_once = table.now(crowd.kind, crowd.runs, crowd.slack, crowd.rest)
    share = likely(at_once.astype(np.float32), softness * table.first).astype(float)
    load[0] = float(share @ (crowd.units * np.minimum(1.0, crowd.rest / table.first)))
    inflow = inflow.astype(np.float32)
    grid = _after_first(table, crowd, share, inflow.shape).astype(np.float32)
    grid += inflow * np.float32(table.first)
    arriving, ran = bool(inflow.any()), np.empty_like(grid[:, 0])
    waited = np.empty_like(ran)
    for slot in range(1, len(load)):
        run = likely(table.advantage[slot], softness)
        run *= grid
        grid -= run
        np.add(run[:, 0], run[:, 1], out=ran)
        np.add(grid[:, 0], grid[:, 1], out=waited)
        load[slot] = float(ran[..., 1:].sum())
        grid.fill(0.0)
        grid[:, 1, :, :-1] = ran[..., 1:]
        grid[:, 0, :-1, 1:] = waited[:, 1:, 1:]
        if arriving:
            grid += inflow
    return load


def _after_first(table: Patience, crowd: Crowd, share: Floats, size: tuple[int, ...]) -> Floats:
    kinds, shape = size[0], Shape(size[-2] - 1, size[-1] - 1)
    on, off = np.ones_like(crowd.runs), np.zeros_like(crowd.runs)
    rest = np.maximum(crowd.rest - table.first, 0.0)
    ran = Crowd(crowd.kind, on, crowd.slack, rest, crowd.units * share)
    waited = Crowd(crowd.kind, off, crowd.slack - table.first, crowd.rest, crowd.units * (1 - share))
    return ran.poured(kinds, shape) + waited.poured(kinds, shape)
