"""What waiting is worth: the least emissions that are still to come, for every job that there could be.

A job that may be paused has, at any moment, so much *rest* (of its run) and so much *slack* (waiting that it
may still be asked for). In each slot it either runs, at that slot's price, or waits, for a slot's worth of
slack; without slack it must run. The least cost from a slot t on is therefore

    V(t, s, r) = min(p_t + V(t + 1, s, r - 1),  V(t + 1, s - 1, r))

and *advantage* is how much dearer it is to wait in slot t than to run. One table serves all jobs of a pool,
whoever they are: planning a hundred thousand of them is looking them up. A job that runs pays for a stop
(work that is done again, a checkpoint that is loaded); for a job that cannot be stopped that price is
infinite, and the same recursion then finds its best single start.

Prices are intensity plus what a unit of the pool is worth where it is scarce (``prices``), in g/kWh. Slack
and rest count in slots; between whole numbers the table is interpolated.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from carbonslurm.core.forecast import Floats

Ints = npt.NDArray[np.int64]
Table = npt.NDArray[np.float32]  # seven digits are more than any forecast has, and half of the memory

MUST = 1e9  # g/kWh x slots: waiting is not possible


@dataclass(frozen=True, slots=True)
class Shape:
    """How large a table is.

    Attributes:
        slack: the longest slack in it, in slots; more counts as much.
        rest: the longest rest in it, in slots; what is longer is priced at the mean beyond it.
    """

    slack: int
    rest: int


@dataclass(frozen=True, eq=False)
class Patience:
    """The table of one pool; t slots, k kinds of jobs by what a stop costs them.

    Attributes:
        price: shape (t,), g/kWh of each slot; the first may be shorter than the others.
        first: what is left of the first slot, as a share of a slot.
        stop: shape (k,), what a stop costs a job of each kind, in g/kWh x slots; infinite where it cannot be.
        worth: shape (t + 1, k, 2, slack + 1, rest + 1): V, for jobs that wait and for jobs that run.
        advantage: shape (t, k, 2, slack + 1, rest + 1): of running over waiting; row 0 is not filled.
        beyond: g/kWh of what lies outside the table.
    """

    price: Floats
    first: float
    stop: Floats
    worth: Table
    advantage: Table
    beyond: float

    @property
    def shape(self) -> Shape:
        """How large it is."""
        return Shape(self.worth.shape[-2] - 1, self.worth.shape[-1] - 1)

    def of(self, slot: int, kind: Ints, runs: Ints, slack: Floats, rest: Floats) -> Floats:
        """Return V at the beginning of a slot, interpolated; arguments and result of one shape."""
        table = self.worth[slot]
        top, far = table.shape[-2] - 1, table.shape[-1] - 1
        s, r = np.clip(slack, 0.0, top - 1e-9), np.clip(rest, 0.0, far - 1e-9)
        i, j = s.astype(np.int64), r.astype(np.int64)
        x, y = s - i, r - j
        below = (1 - y) * table[kind, runs, i, j] + y * table[kind, runs, i, j + 1]
        above = (1 - y) * table[kind, runs, i + 1, j] + y * table[kind, runs, i + 1, j + 1]
        return np.asarray((1 - x) * below + x * above + (rest - r) * self.beyond, dtype=float)

    def now(self, kind: Ints, runs: Ints, slack: Floats, rest: Floats) -> Floats:
        """Return the advantage of running for the rest of the first slot; where waiting is over, MUST."""
        ran = self.of(1, kind, np.ones_like(runs), slack, np.maximum(rest - self.first, 0.0))
        run = self.price[0] * np.minimum(self.first, rest) + ran
        wait = self.of(1, kind, np.zeros_like(runs), slack - self.first, rest)
        stop = np.where(runs == 1, self.stop[kind], 0.0)
        return np.where(slack < self.first, MUST, wait + stop - run)


def patience(
    price: Floats, first: float, stop: Floats, shape: Shape, beyond: float, over: Patience | None = None
) -> Patience:
    """Work the table out, from its last slot backwards; see the module for the recursion.

    Args:
        price: shape (t,), g/kWh.
        first: share of the first slot that is left.
        stop: shape (k,), see Patience.
        shape: how large.
        beyond: g/kWh after the last slot.
        over: a table of this size that is needed no more: its memory is written over.
    """
    count, kinds, wide = len(price), len(stop), shape.rest + 1
    worth, advantage = (over.worth, over.advantage) if over else _blank(count, kinds, shape)
    worth[count] = np.arange(wide) * beyond
    # Rows of the table lie one behind the other: one slot of rest less is the place before, one of slack less
    # the row before.
    cells = wide * (shape.slack + 1)
    flat, gains = worth.reshape(count + 1, kinds, 2, cells), advantage.reshape(count, kinds, 2, cells)
    added, stops = price.astype(np.float32), stop.astype(np.float32)[:, None]
    run = np.zeros((kinds, cells), np.float32)
    wait, stopped, no_rest = np.full_like(run, MUST), np.empty_like(run), slice(None, None, wide)
    for slot in range(count - 1, 0, -1):
        after, here, gain = flat[slot + 1], flat[slot], gains[slot]
        np.add(after[:, 1, :-1], added[slot], out=run[:, 1:])
        run[:, no_rest] = 0.0
        wait[:, wide:] = after[:, 0, :-wide]
        wait[:, 0] = 0.0
        np.subtract(wait, run, out=gain[:, 0])
        np.add(gain[:, 0], stops, out=gain[:, 1])
        np.minimum(run, wait, out=here[:, 0])
        np.minimum(gain[:, 1], 0.0, out=stopped)
        np.add(run, stopped, out=here[:, 1])
    return Patience(price, first, stop, worth, advantage, beyond)


def _blank(count: int, kinds: int, shape: Shape) -> tuple[Table, Table]:
    size = (kinds, 2, shape.slack + 1, shape.rest + 1)
    return np.empty((count + 1, *size), np.float32), np.empty((count, *size), np.float32)
