"""What came within the last day stands for what will come: runs that have ended, and what is in the queue."""

from datetime import datetime, timedelta

import numpy as np

from carbonslurm.core.capacity import Pools, units_of
from carbonslurm.core.columns import Columns, pool_of
from carbonslurm.core.forecast import Floats
from carbonslurm.core.length import QUANTILES, Past
from carbonslurm.core.line import Flags
from carbonslurm.core.scene import Arrivals, Ints

LATELY = timedelta(days=1)  # what came in so long speaks for what will come
ENOUGH = timedelta(hours=6)  # less says nothing


def arrivals(now: datetime, jobs: Columns, past: Past, pools: Pools, counts: Flags) -> Arrivals | None:
    """Return what came lately; None where too little is known.

    Args:
        now: the moment of planning.
        jobs: all that wait or run.
        past: what has ended, too.
        pools: of the cluster.
        counts: shape (p + 1,), whether what came to a pool is of interest; the last one is nowhere.
    """
    until, since = now.timestamp(), (now - LATELY).timestamp()
    ended = [run for run in past.submitted_within(since, until) if run.ended]
    there = np.flatnonzero((since < jobs.submitted) & (jobs.submitted <= until))
    pool = np.append(
        np.array([pool_of(pools, run.partition, run.tres) for run in ended], dtype=np.int64), jobs.pool[there]
    )
    of_interest = counts[pool]
    span = min(now - _first(now, jobs, there, past), LATELY)
    if span < ENOUGH or not bool(of_interest.any()):
        return None
    flex = np.array([(run.flex or timedelta()).total_seconds() for run in ended], dtype=float)
    units = np.array([units_of(run.tres) for run in ended], dtype=float)
    return Arrivals(
        span=span.total_seconds(),
        slack=np.append(flex, jobs.flex(there))[of_interest],
        rests=np.concatenate((_rests([run.seconds for run in ended]), jobs.rests[there]))[of_interest],
        units=np.append(units, jobs.units[there] * jobs.tasks[there])[of_interest],
        pool=pool[of_interest],
    )


def _rests(seconds: list[float]) -> Floats:
    return np.repeat(np.array(seconds, dtype=float)[:, None], len(QUANTILES), axis=1)


def _first(now: datetime, jobs: Columns, there: Ints, past: Past) -> datetime:
    """Return when the first came of which anything is known."""
    first = now if past.first is None else past.first
    if not len(there):
        return first
    return min(first, jobs.jobs[int(there[np.argmin(jobs.submitted[there])])].submitted)
