"""What the jobs of a queue ask for, as columns: each job is looked at once, whoever asks for it later.

A queue may hold a hundred thousand jobs, so what is the same arithmetic for all of them is done by numpy.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import cached_property

import numpy as np

from carbonslurm.core.capacity import Pools, units_of
from carbonslurm.core.forecast import Floats
from carbonslurm.core.job import JobState, QueuedJob, Tres
from carbonslurm.core.length import Past, whole_rests
from carbonslurm.core.scene import Ints

NOWHERE = -1  # the pool of a job of which nobody knows it


@dataclass(frozen=True, eq=False)
class Columns:
    """Jobs that wait or run, in the order of the queue: n of them.

    Attributes:
        jobs: the rows.
        waiting: shape (w,), which of them wait.
        pool: shape (n,), index into the pools; ``NOWHERE`` where that is not known.
        units: shape (n,), of its pool, that one task takes.
        tasks: shape (n,).
        rests: shape (n, 5), equally likely lengths of a whole run, seconds.
    """

    jobs: Sequence[QueuedJob]
    waiting: Ints
    pool: Ints
    units: Ints
    tasks: Ints
    rests: Floats

    @cached_property
    def submitted(self) -> Floats:
        """Shape (n,), Unix seconds."""
        return np.array([job.submitted.timestamp() for job in self.jobs], dtype=float)

    def flex(self, rows: Ints) -> Floats:
        """Shape (k,), seconds for which these could wait at their arrival; 0 where one is not flexible."""
        tags = [self.jobs[row].tag for row in rows.tolist()]
        return np.array([0.0 if tag is None else tag.flex.total_seconds() for tag in tags], dtype=float)


def columns(jobs: Sequence[QueuedJob], pools: Pools, assumed: timedelta, past: Past | None) -> Columns:
    """Return what jobs ask for.

    Args:
        jobs: all of the queue.
        pools: of the cluster.
        assumed: length of a job without a limit that says nothing of itself.
        past: what past runs teach of lengths; None where they are not looked at.
    """
    there = [job for job in jobs if job.state is JobState.PENDING or job.state is JobState.RUNNING]
    return Columns(
        jobs=there,
        waiting=np.flatnonzero([job.state is JobState.PENDING for job in there]),
        pool=np.array([pool_of(pools, job.partition, job.tres) for job in there], dtype=np.int64),
        units=np.array([units_of(job.tres) for job in there], dtype=np.int64),
        tasks=np.array([job.tasks for job in there], dtype=np.int64),
        rests=whole_rests(there, assumed, past),
    )


def pool_of(pools: Pools, partition: str, tres: Tres) -> int:
    """Return the index of the pool for anything that asks for so much in a partition."""
    pool = pools.at(partition, tres)
    return NOWHERE if pool is None else pool
