"""Greedy placing: each waiting job, in its turn, takes the cleanest start at which there is room for it.

The ground floor for placing jobs together (docs/policies.md, 19): it looks at room, but nobody ever moves for
somebody else, and bounds are kept only as far as the turn leaves room.
"""

from dataclasses import dataclass

import numpy as np

from carbonslurm.core.forecast import Floats, Series
from carbonslurm.core.scene import Ints, Placement, Scene


@dataclass(frozen=True, eq=False)
class Grid:
    """Slots from now on, and how many units of each pool are busy in each.

    Attributes:
        now: where slot 0 begins, Unix seconds.
        slot: how long one is, seconds.
        busy: shape (p, t).
        room: shape (p,).
    """

    now: float
    slot: float
    busy: Floats
    room: Floats

    def slots(self, seconds: float) -> int:
        """Return how many slots a run touches."""
        return max(int(np.ceil(seconds / self.slot - 1e-9)), 1)

    def first_starts(self, pool: int, units: float, slots: int) -> Floats:
        """Shape (t - slots + 1,): whether a run may begin in each slot, as 0 and 1."""
        crowded = np.concatenate(([0], np.cumsum(self.busy[pool] + units > self.room[pool])))
        return np.asarray(crowded[slots:] == crowded[:-slots], dtype=float)

    def add(self, pool: int, start: int, slots: int, units: float) -> None:
        """Let units be busy."""
        self.busy[pool, start : start + slots] += units


def greedy(scene: Scene) -> Placement:
    """Return the placement of each job in the order in which it stands in the queue."""
    waiting = scene.waiting
    grid = grid_of(scene, scene.cycle)
    starts = np.full(len(waiting.ids), np.nan)
    for index in range(len(waiting.ids)):
        pool, units = int(waiting.pool[index]), float(waiting.units[index])
        slots = grid.slots(float(waiting.length[index]))
        free = np.flatnonzero(grid.first_starts(pool, units, slots))
        if not len(free):  # behind all that is planned: a later cycle will find its place
            starts[index] = scene.now + grid.busy.shape[1] * grid.slot
            continue
        latest = int((waiting.latest[index] - scene.now) / grid.slot + 1e-9)
        promised = free[free <= latest]
        chosen = int(free[0])
        if len(promised):
            length = float(waiting.length[index])
            costs = run_means(scene.forecasts[pool], scene.now, grid.slot, promised, length, latest)
            chosen = int(promised[np.argmin(costs)])
        grid.add(pool, chosen, slots, units)
        starts[index] = scene.now + chosen * grid.slot
    return Placement(starts)


def grid_of(scene: Scene, slot: float) -> Grid:
    """Return a grid that reaches behind everything that waits, with the running jobs in it."""
    waiting, running = scene.waiting, scene.running
    ahead = np.maximum(waiting.latest - scene.now, 0.0) + waiting.length
    reach = max(ahead.max(initial=0.0), running.rest.max(initial=0.0))
    # All that waits, one after the other, would fit behind it: twice the reach is enough for most.
    grid = Grid(scene.now, slot, np.zeros((len(scene.room), 2 * int(np.ceil(reach / slot)) + 2)), scene.room)
    for pool, rest, units in zip(
        running.pool.tolist(), running.rest.tolist(), running.units.tolist(), strict=True
    ):
        grid.add(pool, 0, grid.slots(rest), units)
    return grid


def run_means(
    series: Series | None, now: float, slot: float, starts: Ints, seconds: float, latest: int
) -> Floats:
    """Return the mean intensity of a run from each start; infinite where unknown, zero without a forecast.

    Args:
        series: the forecast.
        now: where slot 0 begins.
        slot: seconds.
        starts: shape (k,), slots.
        seconds: how long the run is; what a forecast that ends early is compared over is cut as in
            ``policies.judged_length``.
        latest: the last slot in which it may start.
    """
    if series is None:
        return np.zeros(len(starts))
    known = float(series.edges[-1]) - now
    judged = max(min(seconds, max(known - latest * slot, known / 2)), 1.0)
    moments = np.asarray(now + starts * slot, dtype=float)
    return np.nan_to_num(series.means(moments, judged), nan=np.inf)
