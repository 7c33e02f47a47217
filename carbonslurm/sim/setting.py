"""From what was read to a Setting: which jobs take part, in which partition, under which forecasts."""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from carbonslurm.core.forecast import Issue, Nature, Series
from carbonslurm.core.interval import from_epoch, iso
from carbonslurm.errors import DataError
from carbonslurm.formats.issues import WrittenIssue
from carbonslurm.formats.traces import TracedJob
from carbonslurm.sim.comparison import Bools, Setting
from carbonslurm.sim.foresight import Foresight, Issued, Own, Perfect, Persistence
from carbonslurm.sim.pools import ClusterShape, NodeGroup, NodePool
from carbonslurm.sim.trace import Trace

TOO_LARGE = "larger than the cluster"
NO_PARTITION = "of partitions that the cluster does not have"
BEYOND = "outside of the intensities"
HOUR = 3600.0


def joined(parts: Sequence[Series]) -> Series:
    """Return one series from several, in order of time; what lies between them is unknown.

    Raises:
        DataError: two of them overlap.
    """
    if len(parts) == 1:
        return parts[0]
    first = parts[0]
    ordered = sorted(parts, key=lambda part: float(part.edges[0]))
    for one, other in pairwise(ordered):
        if other.edges[0] < one.edges[-1]:
            raise DataError(
                f"--carbon: {one.source} and {other.source} both speak of {iso(other.start)}: "
                "give each time in one file only"
            )
    steps = [step for part in parts for step in part.steps()]
    return Series.from_steps(first.zone, first.source, first.nature, steps)


def within(trace: Trace, truth: Series) -> Trace:
    """Return the jobs whose runs the intensities cover, even if they wait for as long as they may.

    Raises:
        DataError: there is none.
    """
    ends = trace.arrival + trace.wait + trace.length
    kept = trace.only((trace.arrival >= truth.edges[0]) & (ends <= truth.edges[-1]), BEYOND)
    if not len(kept):
        raise DataError(
            f"no job lies within the intensities ({iso(truth.start)} to {iso(truth.horizon)}): "
            f"{_why_none(trace, truth)}: --shift moves jobs by weeks, --anchor dates a trace of offsets"
        )
    return kept


def covered(setting: Setting) -> Bools:
    """Shape (n,): whether each job arrives when the intensities of its zone are known at all.

    Raises:
        DataError: none does.
    """
    kept = np.zeros(len(setting.trace), dtype=np.bool_)
    zone_of = setting.zone_of_pool[np.array(setting.pool_of, dtype=np.int64)]
    for index, zone in enumerate(setting.zones):
        first, last = zone.truth.edges[0], zone.truth.edges[-1]
        arrival = setting.trace.arrival
        kept |= (zone_of == index) & (arrival >= first) & (arrival < last)
    if not bool(kept.any()):
        first, last = (iso(from_epoch(float(setting.trace.arrival[place]))) for place in (0, -1))
        raise DataError(f"no job lies within the intensities: they arrive from {first} to {last}")
    return kept


def _why_none(trace: Trace, truth: Series) -> str:
    """Return what keeps all jobs out: when they arrive, or that what they may need ends too late."""
    first, last = (iso(from_epoch(float(trace.arrival[place]))) for place in (0, -1))
    inside = (trace.arrival >= truth.edges[0]) & (trace.arrival < truth.edges[-1])
    if not bool(inside.any()):
        return f"the first job arrives at {first}, the last one at {last}"
    soonest = int(np.argmin(np.where(inside, trace.arrival + trace.wait + trace.length, np.inf)))
    arrival = iso(from_epoch(float(trace.arrival[soonest])))
    wait, length = trace.wait[soonest] / HOUR, trace.length[soonest] / HOUR
    return (
        f"the first job that could be done arrives at {arrival}, and its longest wait of {wait:.4g} h and "
        f"its length of {length:.4g} h reach beyond the end"
    )


def on_units(trace: Trace, units: float) -> Trace:
    """Return the jobs that fit into so many units."""
    return _some(trace.only(trace.units <= units, TOO_LARGE))


def on_cluster(trace: Trace, shape: ClusterShape) -> tuple[Trace, list[int]]:
    """Return the jobs that fit into their partitions, and the index of each one's partition."""
    pools = [NodePool(groups, 0.0) for groups in shape.pools]

    def index(job: TracedJob) -> int:
        name = job.partition if job.partition in shape.partitions else shape.default
        return -1 if name is None else shape.partitions[name]

    chosen = np.array([index(job) for job in trace.jobs], dtype=np.int64)
    trace, chosen = trace.only(chosen >= 0, NO_PARTITION), chosen[chosen >= 0]
    fits = np.array(
        [
            pools[pool].need(job, 0.0) is not None
            for pool, job in zip(chosen.tolist(), trace.jobs, strict=True)
        ],
        dtype=np.bool_,
    )
    return _some(trace.only(fits, TOO_LARGE)), chosen[fits].tolist()


def choices_on_cluster(trace: Trace, shape: ClusterShape, pool_of: Sequence[int]) -> Bools:
    """Shape (n, p): the pools that each job may run in and fits into, its own among them."""
    pools = [NodePool(groups, 0.0) for groups in shape.pools]
    others = [
        {
            shape.partitions[name]
            for names in shape.together
            if names & _partitions_of(shape, pool)
            for name in names
        }
        for pool in range(len(pools))
    ]
    found = np.zeros((len(trace), len(pools)), dtype=np.bool_)
    for index, (job, home) in enumerate(zip(trace.jobs, pool_of, strict=True)):
        found[index, [pool for pool in others[home] if pools[pool].need(job, 0.0) is not None]] = True
        found[index, home] = True
    return found


def _partitions_of(shape: ClusterShape, pool: int) -> frozenset[str]:
    return frozenset(name for name, index in shape.partitions.items() if index == pool)


def elsewhere(trace: Trace, shape: ClusterShape) -> int:
    """Return how many jobs name a partition that the cluster does not have, and go to its default."""
    return sum(bool(job.partition) and job.partition not in shape.partitions for job in trace.jobs)


def units_of(groups: Sequence[NodeGroup], unit: str) -> float:
    """Return how many units a pool has; one without GPUs has none of those."""
    sizes = [group.size for group in groups]
    return float(sum(size.nodes * (1 if unit == "nodes" else getattr(size, unit)) for size in sizes))


def _some(trace: Trace) -> Trace:
    if not len(trace):
        raise DataError("no job of the trace fits into the cluster")
    return trace


def foresight(name: str, truth: Series, written: Sequence[WrittenIssue]) -> Foresight:
    """Return the forecasts of a name; any other name stands for those that were published.

    Raises:
        DataError: they cannot be made.
    """
    if name == "perfect":
        return Perfect(truth)
    if name == "persistence":
        return Persistence(truth)
    if name == "own":
        return Own(truth)
    return Issued([_issue(each, truth.zone, truth.nature, name) for each in written])


def _issue(written: WrittenIssue, zone: str, nature: Nature, source: str) -> Issue:
    values = np.array(written.values)
    edges = np.array([*written.starts, written.end])
    series = Series(zone, source, nature, edges, values, np.ones(len(values), dtype=np.bool_))
    published = from_epoch(written.published)
    return Issue(series, published, published)
