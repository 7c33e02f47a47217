"""A site's past as a trace: what ran is run again, from the moments at which it could have started.

A job arrives when it was eligible (its --begin and its dependencies behind it), unless it carried our tag,
since what we do moves Eligible: then when it was submitted. Of runs that were under way when the window
begins the rest is run, at once, since they held their places; they are not flexible. What had not ended is
run for as long as it was seen to. A job's class (``MaxWait``) goes by its time limit, which is known before.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

import numpy as np

from carbonslurm.core.forecast import Floats
from carbonslurm.core.interval import Interval
from carbonslurm.core.job import AccountedRun, Tres
from carbonslurm.core.power import PowerModel
from carbonslurm.formats.trace_sacct import traced_run
from carbonslurm.formats.traced import NO_LENGTH, TracedJob, TracedJobs
from carbonslurm.sim.comparison import Run, Setting, row_of
from carbonslurm.sim.flexible import Rule, declared_wait
from carbonslurm.sim.outcome import Outcome
from carbonslurm.sim.pools import NodeGroup
from carbonslurm.sim.trace import SHORT, MaxWait, Trace

OUTSIDE = "outside of the window"
HISTORY = "history"


@dataclass(frozen=True, slots=True)
class Flexibility:
    """Which jobs may wait, and for how long.

    Attributes:
        rule: whether a job may.
        wait: for how long, by class.
        by_tag: whether a job's own tag says so, up to ``wait``.
    """

    rule: Rule
    wait: MaxWait
    by_tag: bool = False


def traced(runs: Sequence[AccountedRun], unread: Sequence[str], until: float) -> TracedJobs:
    """Return the runs of sacct as a trace; those that still run end at ``until``, as far as is known."""
    left_out: Counter[str] = Counter()
    jobs = []
    for run in runs:
        job = traced_run(run if run.ended else _so_far(run, until))
        if job is None:
            left_out[NO_LENGTH] += 1
        else:
            jobs.append(job)
    return TracedJobs(tuple(jobs), dated=True, left_out=left_out, unread=tuple(unread))


def _so_far(run: AccountedRun, until: float) -> AccountedRun:
    if run.started is None or run.state == "PENDING":
        return run
    return replace(run, ended=run.started + timedelta(seconds=max(until - run.started.timestamp(), 0.0)))


def within_window(jobs: TracedJobs, window: Interval | None) -> TracedJobs:
    """Return the part of a past that lies in a window, each job from when it could have started on."""
    since = -np.inf if window is None else window.start.timestamp()
    until = np.inf if window is None else window.end.timestamp()
    kept, left_out = [], Counter(jobs.left_out)
    for job in jobs.jobs:
        found = _within(job, since, until)
        if found is None:
            left_out[OUTSIDE] += 1
        else:
            kept.append(found)
    kept.sort(key=_under_way, reverse=True)  # they have their places before anybody who waits gets one
    return TracedJobs(tuple(kept), jobs.dated, left_out, jobs.unread)


def _within(job: TracedJob, since: float, until: float) -> TracedJob | None:
    arrival = job.submitted if job.tag is not None else max(job.submitted, job.eligible or job.submitted)
    started = arrival if job.started is None else job.started
    arrival, end = min(arrival, started), started + job.length
    if end <= since or arrival >= until:
        return None
    if started < since:
        return replace(job, submitted=since, length=end - since)  # its start stays: it tells such a job
    return replace(job, submitted=max(arrival, since))


def with_flexibility(trace: Trace, flexible: Flexibility) -> Trace:
    """Return the trace with who may wait, and for how long.

    Args:
        trace: as it was laid out.
        flexible: who may; what was under way when the window began may not.
    """
    short = np.nan_to_num(trace.limit, nan=np.inf) <= SHORT.total_seconds()
    longest = np.where(short, flexible.wait.short.total_seconds(), flexible.wait.long.total_seconds())
    chosen = np.array([flexible.rule(job) and not _under_way(job) for job in trace.jobs])
    if flexible.by_tag:
        told = [declared_wait(job, job.submitted) for job in trace.jobs]
        longest = np.minimum(longest, [np.inf if it is None else it.total_seconds() for it in told])
    wait = np.where(chosen, longest, 0.0)
    return replace(trace, flexible=chosen, wait=wait, short=short)


def _under_way(job: TracedJob) -> bool:
    return job.started is not None and job.started < job.submitted


def shares(trace: Trace, pools: Sequence[Sequence[NodeGroup]], pool_of: Sequence[int]) -> Floats:
    """Shape (n,): what each job takes of its pool, in nodes: the larger of its shares of CPUs and GPUs."""
    totals = [_totals(groups) for groups in pools]
    found = []
    for job, pool in zip(trace.jobs, pool_of, strict=True):
        nodes, cpus, gpus = totals[pool]
        share = max((job.cpus or 0.0) / cpus, (job.gpus or 0.0) / gpus if gpus else 0.0)
        found.append(share * nodes)
    return np.array(found)


def _totals(groups: Sequence[NodeGroup]) -> tuple[float, float, float]:
    sizes = [group.size for group in groups]
    return (
        float(sum(size.nodes for size in sizes)),
        float(sum(size.nodes * size.cpus for size in sizes)),
        float(sum(size.nodes * size.gpus for size in sizes)),
    )


def modelled_watts(trace: Trace, model: PowerModel) -> Floats:
    """Shape (n,): W of each job, as the ledger's figures have them."""
    return np.array([model.watts(_tres(job)) for job in trace.jobs])


def _tres(job: TracedJob) -> Tres:
    gpus = {job.gpu_type: int(job.gpus)} if job.gpus else {}
    return Tres(cpus=int(job.cpus or 0), nodes=int(job.nodes or 0), gpus=gpus)


def as_it_was(setting: Setting) -> Run | None:
    """Return what really happened, as a row; None where the past does not say when jobs started."""
    started = [job.started for job in setting.trace.jobs]
    if any(moment is None for moment in started):
        return None
    trace = setting.trace
    waited = np.array(started, dtype=float) - [job.submitted for job in trace.jobs]
    starts = trace.arrival + np.maximum(waited, 0.0)
    nothing = np.zeros(len(trace), dtype=np.int64)
    outcome = Outcome(
        first_start=starts,
        end=starts + trace.length,
        run_job=np.arange(len(trace)),
        run_start=starts,
        run_end=starts + trace.length,
        stops=nothing,
        lost=np.zeros(len(trace)),
        timed_out=nothing,
        pool=np.array(setting.pool_of, dtype=np.int64),
    )
    return Run(row_of(setting, HISTORY, None, outcome, 0.0), outcome)
