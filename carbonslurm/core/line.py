"""The jobs of one pool in a line: who goes first among equals, and who fits."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from carbonslurm.core.crowd import Crowd
from carbonslurm.core.forecast import Floats
from carbonslurm.core.patience import Ints

Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Jobs:
    """The jobs of one pool, waiting ones first: shape (n,), but for ``rests``; slots for all lengths.

    Attributes:
        place: index among the scene's waiting jobs, or its running ones.
        runs: 1 where it runs.
        kind: index into what a stop costs.
        free: whether it may start, or be stopped, now.
        fresh: whether it was never stopped.
        slack: waiting that may still be asked.
        early: slots until the latest start that was promised, below zero where that has passed.
        rests: shape (n, q).
        units: of the pool.
        owner: a number for each owner.
        planned: Unix seconds; NaN where nothing is.
        ids: the scene's.
    """

    place: Ints
    runs: Ints
    kind: Ints
    free: Flags
    fresh: Flags
    slack: Floats
    early: Floats
    rests: Floats
    units: Floats
    owner: Ints
    planned: Floats
    ids: Ints

    def crowd(self) -> Crowd:
        """Return each job as its rests, each in part."""
        parts = self.rests.shape[1]
        return Crowd(
            np.repeat(self.kind, parts),
            np.repeat(self.runs, parts),
            np.repeat(self.slack, parts),
            self.rests.ravel(),
            np.repeat(self.units / parts, parts),
        )


def turn(jobs: Jobs) -> Floats:
    """Shape (n,): units that the owner has in the pool or, in the order of the queue, before this job."""
    owner = jobs.owner - jobs.owner.min(initial=0)
    has = np.bincount(owner, weights=jobs.units * jobs.runs, minlength=1) if len(owner) else np.zeros(1)
    order = np.lexsort((jobs.ids, jobs.runs, owner))
    waits = (jobs.units * (1 - jobs.runs))[order]
    before = np.cumsum(waits) - waits
    first = np.flatnonzero(np.diff(owner[order], prepend=-1))
    base = np.repeat(before[first], np.diff(np.append(first, len(order))))
    turn = np.empty(len(owner))
    turn[order] = before - base + has[owner[order]]
    return turn


def fitting(units: Floats, room: float) -> Ints:
    """Indices of those that fit, in their order, each that does not being passed over."""
    left = np.arange(len(units))
    taken: list[Ints] = []
    while len(left):
        left = left[units[left] <= room + 1e-9]
        fits = int(np.searchsorted(np.cumsum(units[left]), room + 1e-9, side="right"))
        taken.append(left[:fits])
        room -= float(units[left[:fits]].sum())
        left = left[fits + 1 :]
    return np.concatenate(taken) if taken else left
