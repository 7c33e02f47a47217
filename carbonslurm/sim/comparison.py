"""Policies side by side on the same work: what each emits, and what it makes jobs wait.

The figures of a row, as ``--json`` prints them (docs/simulate.md says what each means). Carbon counts all
runs of a job, lost work too, at constant power of its units. ``relative`` is against the same jobs all
started at their arrival, as if there were room without end. A wait is the delay of a job's end: end less
arrival less length; where nothing is paused or stopped that is the wait for its start. Jobs that may not wait
are in every sum but ``late``: nobody promised them anything.

Where partitions stand in several zones each zone lives for itself, with its own intensities and forecasts:
a policy that does not choose a place has nothing to do with the others.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from carbonslurm.core.forecast import Floats, Series
from carbonslurm.core.scene import Ints
from carbonslurm.errors import UsageError
from carbonslurm.sim.engine import Engine
from carbonslurm.sim.foresight import Foresight
from carbonslurm.sim.lengths import lengths
from carbonslurm.sim.outcome import Outcome, joined_outcomes
from carbonslurm.sim.parameters import Parameters
from carbonslurm.sim.pools import NodeGroup, NodePool, Pool, UnitPool
from carbonslurm.sim.registry import POLICIES, World
from carbonslurm.sim.trace import Trace

HOUR = 3600.0
Bools = npt.NDArray[np.bool_]
TOLERANCE = 1.0  # seconds: starts are rounded up to whole ones


@dataclass(frozen=True, slots=True)
class Row:
    """One policy's figures; None is unknown."""

    policy: str
    length: str | None
    forecast: str | None
    capacity: float | None
    jobs: int
    carbon_kg: float | None
    relative: float | None
    saved_percent: float | None
    mean_wait_h: float
    p95_wait_h: float
    max_wait_h: float
    late: int
    stops: int
    lost_work_h: float
    seconds: float


@dataclass(frozen=True, eq=False)
class Zone:
    """A grid area: what its intensity was, and what was forecast of it."""

    name: str
    truth: Series
    foresight: Foresight


@dataclass(frozen=True, eq=False)
class Setting:
    """What all policies of a comparison share.

    Attributes:
        trace: the jobs, all of which fit into the cluster.
        truth: what intensity was, in the first zone.
        foresight: the forecasts of that, and what they are called.
        forecast: the latter.
        length: which estimate.
        partitions: the pools of the cluster, with their nodes; None for plain units.
        pool_units: of each pool, infinite where nothing limits them.
        pool_of: for each job, the index of its pool; zeros for plain units.
        watts: of one unit.
        parameters: of all policies.
        others: the other zones.
        zone_of: for each pool its zone, 0 for the first; empty where all are there.
        job_watts: shape (n,), W of each job; None where the units' count.
    """

    trace: Trace
    truth: Series
    foresight: Foresight
    forecast: str
    length: str
    partitions: Sequence[Sequence[NodeGroup]] | None
    pool_units: Sequence[float]
    pool_of: Sequence[int]
    watts: float
    parameters: Mapping[str, str]
    others: Sequence[Zone] = ()
    zone_of: Sequence[int] = ()
    job_watts: Floats | None = None

    @property
    def units(self) -> float:
        """Of the whole cluster."""
        return float(sum(self.pool_units))

    @property
    def zones(self) -> list[Zone]:
        """All zones, the first one ahead."""
        return [Zone(self.truth.zone, self.truth, self.foresight), *self.others]

    @property
    def zone_of_pool(self) -> Ints:
        """Shape (p,): the zone of each pool."""
        return np.array(self.zone_of or [0] * len(self.pool_units), dtype=np.int64)

    @property
    def watts_of(self) -> Floats:
        """Shape (n,): W of each job."""
        return self.trace.units * self.watts if self.job_watts is None else self.job_watts

    def pools(self) -> list[Pool]:
        """Return an empty cluster."""
        if self.partitions is None:
            return [UnitPool(units) for units in self.pool_units]
        return [
            NodePool(groups, units) for groups, units in zip(self.partitions, self.pool_units, strict=True)
        ]

    def of_zone(self, index: int) -> tuple["Setting", Ints, Ints]:
        """Return one zone for itself, and the places that its jobs and its pools have among all."""
        zone, pools = self.zones[index], np.flatnonzero(self.zone_of_pool == index)
        jobs = np.flatnonzero(np.isin(self.pool_of, pools))
        mine = np.isin(np.arange(len(self.trace)), jobs)
        alone = replace(
            self,
            trace=self.trace.only(mine, "in other zones"),
            truth=zone.truth,
            foresight=zone.foresight,
            partitions=None
            if self.partitions is None
            else [self.partitions[pool] for pool in pools.tolist()],
            pool_units=[self.pool_units[pool] for pool in pools.tolist()],
            pool_of=np.searchsorted(pools, np.array(self.pool_of)[mine]).tolist(),
            others=(),
            zone_of=(),
            job_watts=None if self.job_watts is None else self.job_watts[mine],
        )
        return alone, jobs, pools


@dataclass(frozen=True, eq=False)
class Run:
    """One policy's row and what became of each job."""

    row: Row
    outcome: Outcome


def run(setting: Setting, policy: str, clock: Callable[[], float], tell: Callable[[int], None]) -> Run:
    """Run one policy.

    Args:
        setting: jobs, intensity and cluster.
        policy: a name in ``registry.POLICIES``.
        clock: seconds of wall time, for the row's own ``seconds``.
        tell: see Engine.

    Raises:
        UsageError: there is no such policy, or a parameter of it is wrong.
    """
    if policy not in POLICIES:
        raise UsageError(f"no policy {policy[:40]}; there are {', '.join(POLICIES)}")
    began = clock()
    if len(setting.zones) == 1:
        length, outcome = _lived(setting, policy, tell)
    else:
        apart = [setting.of_zone(index) for index in range(len(setting.zones))]
        done = [(*_lived(alone, policy, tell), jobs, pools) for alone, jobs, pools in apart if len(jobs)]
        length = done[0][0]
        outcome = joined_outcomes([(jobs, pools, part) for _, part, jobs, pools in done], len(setting.trace))
    return Run(row_of(setting, policy, length, outcome, clock() - began), outcome)


def _lived(setting: Setting, policy: str, tell: Callable[[int], None]) -> tuple[str, Outcome]:
    """Return which estimate of lengths a policy had, and what became of the jobs of one zone."""
    estimate = lengths(setting.length, setting.trace)
    world = World(
        trace=setting.trace,
        foresight=setting.foresight,
        truth=setting.truth,
        lengths=estimate,
        units=setting.units,
        watts=setting.watts,
        parameters=Parameters(policy, setting.parameters),
    )
    strategy = POLICIES[policy](world)
    outcome = Engine(setting.trace, setting.pools(), setting.pool_of, strategy, estimate, tell).run()
    return strategy.length or setting.length, outcome


def row_of(
    setting: Setting,
    policy: str,
    length: str | None,
    outcome: Outcome,
    seconds: float,
    counted: Bools | None = None,
) -> Row:
    """Return a policy's figures.

    Args:
        setting: jobs, intensity and cluster.
        policy: its name.
        length: which estimate it had.
        outcome: what became of the jobs.
        seconds: of wall time.
        counted: shape (n,), whose grams are summed; None for all.
    """
    trace = setting.trace
    waits = waits_h(trace, outcome)
    summed = np.ones(len(trace), dtype=np.bool_) if counted is None else counted
    kilograms = _kilograms(grams(setting, outcome)[summed])
    at_once = _kilograms(grams_at_once(setting)[summed])
    relative = None if kilograms is None or not at_once else kilograms / at_once
    return Row(
        policy=policy,
        length=length,
        forecast=None if length is None else setting.forecast,
        capacity=None if np.isinf(setting.units) else setting.units,
        jobs=len(trace),
        carbon_kg=kilograms,
        relative=relative,
        saved_percent=None if relative is None else 100 * (1 - relative),
        mean_wait_h=float(waits.mean()),
        p95_wait_h=float(np.percentile(waits, 95)),
        max_wait_h=float(waits.max()),
        late=int(np.count_nonzero(late(trace, outcome))),
        stops=int(outcome.stops.sum()),
        lost_work_h=float((outcome.lost * trace.units).sum() / HOUR),
        seconds=seconds,
    )


def waits_h(trace: Trace, outcome: Outcome) -> Floats:
    """Shape (n,): by how much each job's end was delayed, hours."""
    return np.asarray(np.maximum(outcome.end - trace.arrival - trace.length, 0.0) / HOUR, dtype=float)


def late(trace: Trace, outcome: Outcome) -> Bools:
    """Shape (n,): whether each job first started after its arrival and its longest wait."""
    after = outcome.first_start > trace.arrival + trace.wait + TOLERANCE
    return np.asarray(after & trace.flexible, dtype=np.bool_)


def grams(setting: Setting, outcome: Outcome) -> Floats:
    """Shape (n,): what all runs of each job emitted; NaN where the intensity of any part is unknown."""
    jobs = outcome.run_job
    zone = setting.zone_of_pool[outcome.pool[jobs]]
    each = _run_grams(setting, jobs, zone, outcome.run_start, outcome.run_end - outcome.run_start)
    return np.asarray(np.bincount(jobs, each, minlength=len(setting.trace)), dtype=float)


def grams_at_once(setting: Setting) -> Floats:
    """Shape (n,): what each job would have emitted had it started at its arrival; NaN where unknown."""
    jobs = np.arange(len(setting.trace))
    zone = setting.zone_of_pool[np.array(setting.pool_of)]
    return _run_grams(setting, jobs, zone, setting.trace.arrival, setting.trace.length)


def _run_grams(setting: Setting, jobs: Ints, zone: Ints, starts: Floats, seconds: Floats) -> Floats:
    each = np.zeros(len(jobs))
    for index, there in enumerate(setting.zones):
        here = (zone == index) & (seconds > 0)
        kwh = setting.watts_of[jobs[here]] * seconds[here] / HOUR / 1000
        each[here] = there.truth.means(starts[here], seconds[here]) * kwh
    return each


def _kilograms(each: Floats) -> float | None:
    total = float(each.sum()) / 1000
    return None if np.isnan(total) else total
