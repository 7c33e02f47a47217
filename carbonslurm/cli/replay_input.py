"""What ``carbonslurm replay`` reads: the site's past and its cluster, laid out for every policy.

Everything that is not given as a file is asked of the site: runs of sacct, nodes of sinfo, intensities of
the ledger, the power model and the zones of the configuration.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from carbonslurm.cli import simulate_input as files
from carbonslurm.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime
    from pathlib import Path

    from carbonslurm.config import Config
    from carbonslurm.core.forecast import Floats, Issue, Series
    from carbonslurm.core.interval import Interval
    from carbonslurm.formats.traced import TracedJobs
    from carbonslurm.sim.comparison import Setting, Zone
    from carbonslurm.sim.foresight import Foresight
    from carbonslurm.sim.history import Flexibility
    from carbonslurm.sim.pools import ClusterShape
    from carbonslurm.sim.trace import Trace

ISSUED = "issued"  # the forecasts of the ledger, as they were published


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the user asked for.

    Attributes:
        config: the site's; None where everything comes from files.
        window: which part of the past; None for all of a file's.
        jobs: a file; None for sacct.
        carbon: files of one zone's intensities; none for the ledger.
        column: of these.
        forecast: perfect, persistence, own, issued or a file.
        flexible: who may wait.
        capacity: plain units, in place of nodes.
        cluster: a file of nodes; None, without a capacity, for the cluster's own.
        unit: what a capacity counts.
        length: which estimate policies see.
        watts: of one unit; None for the power model.
        anchor: when a trace of offsets begins.
        parameters: of the policies.
    """

    config: Config | None
    window: Interval | None
    jobs: Path | None
    carbon: Sequence[Path]
    column: str | None
    forecast: str
    flexible: Flexibility
    capacity: float | None
    cluster: Path | None
    unit: str
    length: str
    watts: float | None
    anchor: datetime | None
    parameters: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Past:
    """A site's past, laid out.

    Attributes:
        setting: for every policy.
        unread: what was wrong with rows that could not be read, a line each.
    """

    setting: Setting
    unread: Sequence[str] = field(default=())


def past(wanted: Wanted) -> Past:
    """Read everything and lay it out.

    Raises:
        CarbonslurmError: something is away, cannot be read, or does not fit together.
    """
    from carbonslurm.sim.comparison import Setting
    from carbonslurm.sim.history import within_window
    from carbonslurm.sim.trace import Reading, lay_out

    jobs = _jobs(wanted)
    if wanted.window is not None and not jobs.dated:
        raise UsageError("-S and -E choose among jobs with times: these have offsets")
    jobs = within_window(jobs, wanted.window)
    unit = "cpus" if wanted.capacity is None else wanted.unit
    trace = lay_out(jobs, Reading(unit, wanted.flexible.wait, wanted.anchor))
    shape = None if wanted.capacity is not None else _shape(wanted)
    trace, pool_of, pool_units = _placed(trace, shape, wanted)
    (first, *others), zone_of = _zones(wanted, shape, trace, pool_of)
    watts = _watts(wanted, trace)
    laid_out = Setting(
        trace=trace,
        truth=first.truth,
        foresight=first.foresight,
        forecast=wanted.forecast,
        length=wanted.length,
        partitions=None if shape is None else shape.pools,
        pool_units=pool_units,
        pool_of=pool_of,
        watts=float(watts.sum() / trace.units.sum()),
        parameters=wanted.parameters,
        others=others,
        zone_of=zone_of,
        job_watts=watts,
    )
    return Past(_flexible(laid_out, wanted.flexible), jobs.unread)


def _watts(wanted: Wanted, trace: Trace) -> Floats:
    """Shape (n,): W of each job, by the power model unless those of a unit were named."""
    from carbonslurm import wiring
    from carbonslurm.core.power import PowerModel
    from carbonslurm.sim.history import modelled_watts

    if wanted.watts is not None:
        return trace.units * wanted.watts
    return modelled_watts(trace, wiring.power(wanted.config) if wanted.config else PowerModel())


def _flexible(laid_out: Setting, flexible: Flexibility) -> Setting:
    """Leave out what arrives when nothing was measured, and say who of the rest may wait."""
    import numpy as np

    from carbonslurm.sim.history import with_flexibility
    from carbonslurm.sim.setting import covered

    kept = covered(laid_out)
    trace = laid_out.trace.only(kept, "of hours without a measured intensity")
    return replace(
        laid_out,
        trace=with_flexibility(trace, flexible),
        pool_of=np.array(laid_out.pool_of)[kept].tolist(),
        job_watts=None if laid_out.job_watts is None else laid_out.job_watts[kept],
    )


def _jobs(wanted: Wanted) -> TracedJobs:
    from carbonslurm import wiring
    from carbonslurm.app.replay import past_runs
    from carbonslurm.formats.traces import read_trace
    from carbonslurm.sim.history import traced

    if wanted.jobs is not None:
        return read_trace(files.text_of(wanted.jobs), str(wanted.jobs))
    if wanted.config is None or wanted.window is None:
        raise AssertionError("sacct is asked only with a configuration and a window")
    unread: list[str] = []
    runs = past_runs(wiring.past_accounting(wanted.config, unread.append), wanted.window)
    until = min(wanted.window.end, wiring.now()).timestamp()
    return traced(runs, unread, until)


def _shape(wanted: Wanted) -> ClusterShape | None:
    """Return the cluster's nodes; None where nothing is known of it, so that nothing limits it."""
    from carbonslurm import wiring
    from carbonslurm.sim.nodes import shape_of

    if wanted.cluster is not None:
        return files.cluster_of(wanted.cluster)
    if wanted.config is None:
        return None
    return shape_of(wiring.cluster_nodes(wanted.config), dict(wanted.config.zones))


def _placed(trace: Trace, shape: ClusterShape | None, wanted: Wanted) -> tuple[Trace, list[int], list[float]]:
    """Return the jobs that fit, the pool of each, and the units of each pool: nodes, or what was named."""
    from carbonslurm.sim.history import shares
    from carbonslurm.sim.setting import on_cluster, on_units, units_of

    if shape is None:
        units = float("inf") if wanted.capacity is None else wanted.capacity
        fitting = on_units(trace, units)
        return fitting, [0] * len(fitting), [units]
    fitting, pool_of = on_cluster(trace, shape)
    sized = replace(fitting, units=shares(fitting, shape.pools, pool_of))
    return sized, pool_of, [units_of(groups, "nodes") for groups in shape.pools]


def _zones(
    wanted: Wanted, shape: ClusterShape | None, trace: Trace, pool_of: Sequence[int]
) -> tuple[list[Zone], list[int]]:
    """Return the zones that jobs ran in, and the number of each pool's."""
    from carbonslurm.sim.comparison import Zone

    named = _zone_names(wanted, shape)
    zones = list(dict.fromkeys(named[pool] for pool in sorted(set(pool_of))))
    truths, published = _intensities(wanted, zones, trace)
    found = [
        Zone(zone, truths[zone], _foresight(wanted, truths[zone], published.get(zone, []))) for zone in zones
    ]
    return found, [zones.index(zone) if zone in zones else 0 for zone in named]


def _zone_names(wanted: Wanted, shape: ClusterShape | None) -> list[str]:
    """Return the zone of each pool, by the first of its partitions."""
    first = wanted.config.zone if wanted.config and not wanted.carbon else "trace"
    if shape is None or wanted.carbon:
        return [first] * (1 if shape is None else len(shape.pools))
    partitions: dict[int, str] = {}
    for name in sorted(shape.partitions):
        partitions.setdefault(shape.partitions[name], name)
    return [shape.zones.get(partitions[index], first) for index in range(len(shape.pools))]


def _intensities(
    wanted: Wanted, zones: Sequence[str], trace: Trace
) -> tuple[Mapping[str, Series], Mapping[str, Sequence[Issue]]]:
    """Return what was measured in each zone, and the forecasts of it where issued ones are asked for."""
    from carbonslurm import wiring
    from carbonslurm.app.replay import issued, measured

    if wanted.carbon:
        return {zones[0]: files.truth_of(wanted.carbon, wanted.column)}, {}
    if wanted.config is None:
        raise AssertionError("the ledger is asked only with a configuration")
    window = wanted.window or _span(trace)
    with wiring.reading(wanted.config) as book:
        truths = measured(book, zones, window)
        if wanted.forecast != ISSUED:
            return truths, {}
        return truths, {zone: issued(book, zone, truths[zone].nature, window) for zone in zones}


def _span(trace: Trace) -> Interval:
    from carbonslurm.core.interval import Interval, from_epoch

    ends = trace.arrival + trace.length
    return Interval(from_epoch(float(trace.arrival.min())), from_epoch(float(ends.max())))


def _foresight(wanted: Wanted, truth: Series, published: Sequence[Issue]) -> Foresight:
    from carbonslurm.sim.foresight import Issued

    if wanted.forecast == ISSUED:
        return Issued(published)
    return files.foresight_of(wanted.forecast, truth)
