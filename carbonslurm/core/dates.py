"""When those who wait will start, as things stand: the timetable that is shown, and asked anew each cycle.

Slot by slot, whoever would gain by running, or may wait no longer, starts as far as there is room beside
those that run; who finds none goes on waiting. So no slot is promised to more jobs than it holds.
"""

import numpy as np

from carbonslurm.core.forecast import Floats
from carbonslurm.core.line import Flags, Jobs, fitting
from carbonslurm.core.patience import Ints, Patience


def start_slots(
    jobs: Jobs, chosen: Flags, table: Patience, scarcity: Floats, room: float, equal: float
) -> Ints:
    """Shape (n,): the slot in which each job starts, 0 for those that were chosen to run now.

    Args:
        jobs: of one pool.
        chosen: shape (n,), whether each runs now.
        table: what waiting is worth.
        scarcity: shape (t,), of which that of the very slot is left out: what is free there is free.
        room: units of the pool.
        equal: g/kWh x slots; who loses no more than that by running runs.
    """
    rest = jobs.rests.mean(axis=1)
    found = np.zeros(len(rest), dtype=np.int64)
    busy = _busy(rest[chosen], jobs.units[chosen], len(table.price))
    left = np.flatnonzero(~chosen)
    for slot in range(1, len(table.price)):
        if not len(left):
            break
        gain, must = _gain(jobs, rest, left, table, slot)
        wishing = np.flatnonzero(must | (gain + scarcity[slot] > -equal))
        if not len(wishing):
            continue
        order = wishing[np.lexsort((jobs.ids[left[wishing]], -gain[wishing], ~must[wishing]))]
        fits = order[fitting(jobs.units[left[order]], room - busy[slot])] if np.isfinite(room) else order
        starts = must
        starts[fits] = True
        begun = left[starts]
        found[begun] = slot
        busy[slot:] += _busy(rest[begun], jobs.units[begun], len(busy) - slot)
        left = left[~starts]
    found[left] = len(table.price)
    return found


def _busy(rest: Floats, units: Floats, slots: int) -> Floats:
    """Shape (slots,): units of runs that begin in the first of them."""
    ends = np.clip(np.ceil(rest), 1, slots).astype(np.int64)
    ended = np.bincount(ends, weights=units, minlength=slots + 1)
    return np.asarray(units.sum() - np.cumsum(ended)[:slots], dtype=float)


def _gain(jobs: Jobs, rest: Floats, left: Ints, table: Patience, slot: int) -> tuple[Floats, Flags]:
    """The advantage of running in a slot for those who have waited until then, and who may wait no longer."""
    shape = table.shape
    slack = jobs.slack[left] - table.first - (slot - 1)
    row = np.clip(slack, 0, shape.slack).astype(np.int64)
    column = np.clip(np.ceil(rest[left]), 1, shape.rest).astype(np.int64)
    kind = np.minimum(jobs.kind[left], len(table.stop) - 1)
    gain = table.advantage[slot, kind, 0, row, column].astype(float)
    return gain, np.asarray(slack < 1.0)
