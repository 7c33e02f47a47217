"""Policies side by side on the same work: what each emits, and what it makes jobs wait.

The figures of a row, as ``--json`` prints them (docs/simulate.md says what each means). Carbon counts all
runs of a job, lost work too, at constant power of its units. ``relative`` is against the same jobs all
started at their arrival, as if there were room without end. A wait is the delay of a job's end: end less
arrival less length; where nothing is paused or stopped that is the wait for its start.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from carbonslurm.core.forecast import Floats, Series
from carbonslurm.errors import UsageError
from carbonslurm.sim.engine import Engine
from carbonslurm.sim.foresight import Foresight
from carbonslurm.sim.lengths import lengths
from carbonslurm.sim.outcome import Outcome
from carbonslurm.sim.parameters import Parameters
from carbonslurm.sim.pools import NodeGroup, NodePool, Pool, UnitPool
from carbonslurm.sim.registry import POLICIES, World
from carbonslurm.sim.trace import Trace

HOUR = 3600.0
TOLERANCE = 1.0  # seconds: starts are rounded up to whole ones


@dataclass(frozen=True, slots=True)
class Row:
    """One policy's figures; None is unknown."""

    policy: str
    length: str
    forecast: str
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
class Setting:
    """What all policies of a comparison share.

    Attributes:
        trace: the jobs, all of which fit into the cluster and lie within the truth.
        truth: what intensity was.
        foresight: the forecasts, and what they are called.
        forecast: the latter.
        length: which estimate.
        partitions: the pools of the cluster, with their nodes; None for plain units.
        pool_of: for each job, the index of its pool; zeros for plain units.
        units: of the whole cluster, infinite where nothing limits them.
        watts: of one unit.
        parameters: of all policies.
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

    @property
    def units(self) -> float:
        """Of the whole cluster."""
        return float(sum(self.pool_units))

    def pools(self) -> list[Pool]:
        """Return an empty cluster."""
        if self.partitions is None:
            return [UnitPool(self.pool_units[0])]
        return [
            NodePool(groups, units) for groups, units in zip(self.partitions, self.pool_units, strict=True)
        ]


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
    length = strategy.length or setting.length
    return Run(_row(setting, policy, length, outcome, clock() - began), outcome)


def _row(setting: Setting, policy: str, length: str, outcome: Outcome, seconds: float) -> Row:
    trace = setting.trace
    waits = np.maximum(outcome.end - trace.arrival - trace.length, 0.0) / HOUR
    kilograms = carbon_kg(
        setting, trace.units[outcome.run_job], outcome.run_start, outcome.run_end - outcome.run_start
    )
    at_once = carbon_kg(setting, trace.units, trace.arrival, trace.length)
    relative = None if kilograms is None or not at_once else kilograms / at_once
    return Row(
        policy=policy,
        length=length,
        forecast=setting.forecast,
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


def late(trace: Trace, outcome: Outcome) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    """Shape (n,): whether each job first started after its arrival and its longest wait."""
    return np.asarray(outcome.first_start > trace.arrival + trace.wait + TOLERANCE, dtype=np.bool_)


def carbon_kg(setting: Setting, units: Floats, starts: Floats, seconds: Floats) -> float | None:
    """Return what runs emit; None where the intensity of any part of them is unknown."""
    there = seconds > 0
    means = setting.truth.means(starts[there], seconds[there])
    total = float((means * seconds[there] * units[there]).sum()) * setting.watts / 1000 / HOUR / 1000
    return None if np.isnan(total) else total
