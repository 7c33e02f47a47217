"""The queue of some machines, lived through by the simulator's engine: for baselines, not for planning.

Slurm's backfill is taken to be EASY: in order of arrival, and nobody is let past the first that waits unless
it has ended, by its limit, before that one could start, or leaves it its places. Nothing else is known here:
no priorities, no limits of accounts, no reservations (docs/figures.md says what follows from that).
"""

from collections.abc import Sequence
from datetime import datetime, timedelta

import numpy as np

from carbonslurm.core.forecast import Band, Floats, Series
from carbonslurm.core.interval import from_epoch
from carbonslurm.core.without_us import Waiter
from carbonslurm.formats.traces import TracedJob, TracedJobs
from carbonslurm.sim.engine import Engine
from carbonslurm.sim.lengths import Known
from carbonslurm.sim.policy import Strategy
from carbonslurm.sim.pools import NodeGroup, NodePool, PartitionSize
from carbonslurm.sim.trace import MaxWait, Reading, lay_out

DISCIPLINE = "easy"
ANY_PARTITION = ""  # as of jobs that name none
_AS_LONG_AS_IT_TAKES = MaxWait(timedelta.max, timedelta.max)


class _Blind:
    """No forecast: nobody waits for one here."""

    @property
    def moments(self) -> Floats:
        return np.empty(0)

    def at(self, now: float) -> tuple[Series, Band | None] | None:  # noqa: ARG002 - as the engine asks
        return None


def in_words(size: PartitionSize) -> str:
    """Return the queue and the machines in words."""
    gpus = f", {size.gpus:g} GPUs" if size.gpus else ""
    return f"{DISCIPLINE} on {size.nodes} nodes of {size.cpus:g} CPUs{gpus}"


def queueing_on(size: PartitionSize, waiters: Sequence[Waiter]) -> list[datetime | None]:
    """Return when each of these would start on nodes of this size; None where one does not fit into them."""
    pool = NodePool([NodeGroup(size, frozenset({ANY_PARTITION}))], 0.0)
    jobs = [_traced(number, waiter) for number, waiter in enumerate(waiters)]
    fitting = tuple(job for job in jobs if pool.need(job, 1.0) is not None)
    if not fitting:
        return [None] * len(jobs)
    trace = lay_out(TracedJobs(fitting, dated=True, left_out={}), Reading("nodes", _AS_LONG_AS_IT_TAKES))
    strategy = Strategy(name="queue", foresight=_Blind(), discipline=DISCIPLINE)
    expected = np.where(np.isnan(trace.limit), trace.length, trace.limit)
    outcome = Engine(trace, [pool], [0] * len(trace), strategy, Known(expected)).run()
    starts = zip(trace.jobs, outcome.first_start.tolist(), strict=True)
    found = {int(job.job_id): from_epoch(start) for job, start in starts}
    return [found.get(number) for number in range(len(jobs))]


def _traced(number: int, waiter: Waiter) -> TracedJob:
    tres = waiter.tres
    return TracedJob(
        job_id=str(number),
        submitted=waiter.arrived.timestamp(),
        length=waiter.length.total_seconds(),
        limit=waiter.limit.total_seconds() if waiter.limit else None,
        cpus=float(tres.cpus),
        gpus=float(tres.gpu_count),
        nodes=float(tres.nodes or 1),
    )
