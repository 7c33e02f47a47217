"""The congestion game: each waiting job picks the start that costs it least, given what the others picked.

COAST's cost (docs/policies.md, 17): carbon, waiting and crowding, each over a scale of its own. Nobody looks
at room; that jobs keep out of each other's way is what the crowding is for.
"""

from dataclasses import dataclass

import numpy as np

from carbonslurm.core.forecast import Floats
from carbonslurm.core.greedy import Grid, grid_of, run_means
from carbonslurm.core.scene import Placement, Scene

SLOT = 1800.0  # seconds, as in the paper; so are all of the numbers below
HORIZON = 48 * 3600.0
LONGEST_WAIT = 24 * 3600.0
RUNTIMES_OF_WAIT = 4.0
CARBON_WEIGHT, CARBON_SCALE = 4.0, 82.66  # g
WAIT_SCALE = 3600.0  # seconds
CROWD_WEIGHT, CROWD_SCALE = 0.0005, 9216.0  # units squared
SWEEPS = 50
STRICTLY = 1e-12


@dataclass(frozen=True, eq=False)
class _Player:
    """A waiting job.

    Attributes:
        pool: where it plays.
        units: what it occupies.
        slots: how many slots it touches.
        fixed: shape (k,), carbon and waiting of each start.
    """

    pool: int
    units: float
    slots: int
    fixed: Floats

    def best(self, grid: Grid) -> tuple[int, Floats]:
        """Return the first cheapest start, and the costs of all."""
        load = np.concatenate(([0.0], np.cumsum(grid.busy[self.pool])))
        met = load[self.slots : self.slots + len(self.fixed)] - load[: len(self.fixed)]
        # (load + r)^2 - load^2 = 2 r load + r^2, summed over its slots.
        crowd = 2 * self.units * met + self.slots * self.units**2
        costs = self.fixed + CROWD_WEIGHT * crowd / CROWD_SCALE
        return int(np.argmin(costs)), costs


def congestion_game(scene: Scene, watts: float) -> Placement:
    """Return an equilibrium: no job would be better off with another start.

    Args:
        scene: what waits and runs; the forecast where there is one, else only waiting and crowding count.
        watts: of one unit.
    """
    waiting = scene.waiting
    grid = grid_of(scene, SLOT)
    players = [_player(scene, index, watts) for index in range(len(waiting.ids))]
    picked: list[int] = []
    for player in players:
        start, _ = player.best(grid)
        picked.append(start)
        grid.add(player.pool, start, player.slots, player.units)
    for _ in range(SWEEPS):
        if not _sweep(players, picked, grid):
            break
    return Placement(scene.now + SLOT * np.array(picked, dtype=float))


def _sweep(players: list[_Player], picked: list[int], grid: Grid) -> bool:
    """Let each job move once, if it gains; tell whether any did."""
    moved = False
    for index, player in enumerate(players):
        here = picked[index]
        grid.add(player.pool, here, player.slots, -player.units)
        start, costs = player.best(grid)
        if costs[start] < costs[here] - STRICTLY:
            picked[index], moved = start, True
        grid.add(player.pool, picked[index], player.slots, player.units)
    return moved


def _player(scene: Scene, index: int, watts: float) -> _Player:
    waiting = scene.waiting
    length, pool = float(waiting.length[index]), int(waiting.pool[index])
    longest = min(RUNTIMES_OF_WAIT * length, LONGEST_WAIT, HORIZON)
    last = min(float(waiting.arrived[index]) + longest, float(waiting.latest[index]))
    latest = max(int((last - scene.now) / SLOT + 1e-9), 0)
    starts = np.arange(latest + 1, dtype=np.int64)
    means = run_means(scene.forecasts[pool], scene.now, SLOT, starts, length, latest)
    grams = means * watts / 1000 * length / 3600 * float(waiting.units[index])
    fixed = CARBON_WEIGHT * grams / CARBON_SCALE + starts * SLOT / WAIT_SCALE
    return _Player(pool, float(waiting.units[index]), max(int(np.ceil(length / SLOT - 1e-9)), 1), fixed)
