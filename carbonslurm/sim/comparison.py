"""Policies side by side on the same work: what each emits, and what it makes jobs wait.

Where partitions stand in several zones each zone lives for itself, with its own intensities and forecasts:
a policy that does not choose a place has nothing to do with the others.
"""

from collections.abc import Callable
from dataclasses import dataclass

from carbonslurm.core.places import Transfer
from carbonslurm.errors import UsageError
from carbonslurm.sim.engine import Engine
from carbonslurm.sim.figures import Row, grams, grams_at_once, late, row_of, waits_h
from carbonslurm.sim.lengths import lengths
from carbonslurm.sim.outcome import Outcome, joined_outcomes
from carbonslurm.sim.parameters import Parameters
from carbonslurm.sim.placing import PLACING, sights_of
from carbonslurm.sim.registry import POLICIES, World
from carbonslurm.sim.work import Bools, Places, Setting, Zone

__all__ = [
    "Bools",
    "Places",
    "Row",
    "Run",
    "Setting",
    "Zone",
    "grams",
    "grams_at_once",
    "late",
    "row_of",
    "run",
    "waits_h",
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
    if policy not in POLICIES and policy not in PLACING:
        raise UsageError(f"no policy {policy[:40]}; there are {', '.join([*POLICIES, *PLACING])}")
    began = clock()
    if len(setting.zones) == 1 or policy in PLACING:
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
    if policy in PLACING:
        transfer = setting.places.transfer if setting.places else Transfer()
        strategy, sights = PLACING[policy](world, transfer), sights_of(setting)
    else:
        strategy, sights = POLICIES[policy](world), None
    pools = setting.pools()
    outcome = Engine(setting.trace, pools, setting.pool_of, strategy, estimate, tell, sights).run()
    return strategy.length or setting.length, outcome
