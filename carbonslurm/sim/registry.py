"""Every policy by its name: how the simulator makes a Strategy of it. To add one, write it and name it below.

What each is, is defined in docs/policies.md; its parameters are in ``parameters``.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta

from carbonslurm.core import policies
from carbonslurm.core.congestion import congestion_game
from carbonslurm.core.forecast import Series
from carbonslurm.core.greedy import greedy
from carbonslurm.core.pausing import allowed_units, pieces
from carbonslurm.core.prices import Search
from carbonslurm.core.scene import Planner, StopCost
from carbonslurm.core.timetable import Joint, joint
from carbonslurm.sim.foresight import Foresight, Judged, Measured, Perfect
from carbonslurm.sim.lengths import Known, Lengths
from carbonslurm.sim.pacing import DoubleThreshold, PercentileSuspend, Starting, StartRules, WaitAwhile
from carbonslurm.sim.parameters import Parameters
from carbonslurm.sim.policy import Strategy
from carbonslurm.sim.trace import Trace, peak

HOUR = 3600.0
DAY = 86_400.0
MARGIN = 1.1  # CAP: on the forecast's lowest value
NIGHTS_AND_WEEKEND_NOONS = "22:00+8h,sat-sun@10:00+5h"


@dataclass(frozen=True, eq=False)
class World:
    """What a policy is made from.

    Attributes:
        trace: the jobs.
        foresight: the forecasts that are visible.
        truth: what intensity was.
        lengths: the estimate that was chosen.
        units: of the whole cluster; infinite where nothing limits them.
        watts: of one unit.
        parameters: for this policy.
    """

    trace: Trace
    foresight: Foresight
    truth: Series
    lengths: Lengths
    units: float
    watts: float
    parameters: Parameters

    @property
    def measured(self) -> Foresight:
        """The forecasts, with the intensity of the step that is running."""
        return Measured(self.foresight, self.truth)


Maker = Callable[[World], Strategy]


def _starting(
    name: str, policy: policies.Policy, *, queue: str = "first-fit", online: bool = False, blind: bool = False
) -> Maker:
    """Make a policy of core.policies: ``online`` sees what is measured, ``blind`` looks at no forecast."""

    def make(world: World) -> Strategy:
        given = world.parameters
        every = given.seconds("every", HOUR)
        rules = StartRules(
            threshold=given.number("threshold", 250.0),
            every=timedelta(seconds=every) if every else None,
            windows=given.windows("windows", NIGHTS_AND_WEEKEND_NOONS),
            longest=given.seconds("max_delay", float("inf")) if name == "easy-withhold" else float("inf"),
        )
        foresight = world.measured if online else world.foresight
        if blind:
            foresight = Perfect(world.truth)  # which it does not look at: having none is no reason to start
        return Strategy(
            name=name,
            foresight=foresight,
            discipline=given.word("queue", queue),
            pacing=Starting(policy, world.trace, foresight, world.lengths, rules),
        )

    return make


def stop_cost(given: Parameters, lost_work: float = 0.0) -> StopCost:
    """Return what a stop costs: nothing by the definitions of the baselines, unless said otherwise."""
    return StopCost(
        lost=given.seconds("lost_work", lost_work),
        restart=given.seconds("restart", 0.0),
        checkpoint=given.seconds("checkpoint", 0.0),
        min_run=given.seconds("min_run", 0.0),
        max_stops=int(given.number("max_stops", 1_000_000)),
    )


def _pausing(world: World, pacing: PercentileSuspend | WaitAwhile | DoubleThreshold, name: str) -> Strategy:
    return Strategy(
        name=name,
        foresight=pacing.foresight,
        discipline=world.parameters.word("queue", "first-fit"),
        pacing=pacing,
        pauses=True,
        stop_cost=stop_cost(world.parameters),
        length="true" if name == "wait-awhile" else None,
    )


def _percentile_suspend(world: World) -> Strategy:
    share = world.parameters.number("share", 0.3)
    pacing = PercentileSuspend(world.trace, world.measured, world.lengths, share)
    return _pausing(world, pacing, "percentile-suspend")


def _wait_awhile(world: World) -> Strategy:
    return _pausing(world, WaitAwhile(world.trace, world.foresight, Known(world.trace.length)), "wait-awhile")


def _double_threshold(world: World) -> Strategy:
    slot, beta = world.parameters.seconds("slot", HOUR), world.parameters.number("beta", 10.0)
    again = stop_cost(world.parameters).again / slot
    pacing = DoubleThreshold(world.trace, world.measured, world.lengths, slot, beta, again)
    return _pausing(world, pacing, "double-threshold")


def _varying_cap(world: World) -> Strategy:
    """Without a capacity K is what no-wait would need at most; B is half of K unless it is named."""
    units = world.units if world.units < float("inf") else peak(world.trace)
    guaranteed = world.parameters.number("guaranteed", units // 2)
    measured = world.measured

    def ceiling(now: float) -> float:
        found = measured.at(now)
        if found is None:
            return units
        ahead = pieces(found[0], now, now + DAY).values
        ahead = ahead[ahead == ahead]  # noqa: PLR0124 - without NaN
        if not len(ahead):
            return units
        low, high = MARGIN * float(ahead.min()), float(ahead.max())
        return allowed_units(guaranteed, units, low, high, float(ahead[0]))

    return Strategy(
        name="varying-cap",
        foresight=measured,
        edges=world.truth.edges,
        discipline=world.parameters.word("queue", "first-fit"),
        ceiling=ceiling,
    )


def _joint(world: World) -> Strategy:
    given = world.parameters
    search = Search(iterations=int(given.number("iterations", Search().iterations)))
    rules = Joint(search=search)
    cost = stop_cost(given, lost_work=300.0)
    return Strategy(
        name="joint",
        foresight=Judged(world.foresight, world.truth),
        discipline=given.word("queue", "latest-start"),
        planner=lambda scene: joint(scene, rules),
        cycle=given.seconds("cycle", 600.0),
        stops=cost.max_stops > 0,
        stop_cost=cost,
    )


def _together(name: str, planner: Callable[[World], Planner], cycle: float, queue: str) -> Maker:
    """Make a policy that places all jobs together (core.scene)."""

    def make(world: World) -> Strategy:
        given = world.parameters
        return Strategy(
            name=name,
            foresight=world.foresight,
            discipline=given.word("queue", queue),
            planner=planner(world),
            cycle=given.seconds("cycle", cycle),
            stop_cost=stop_cost(given),
        )

    return make


POLICIES: Mapping[str, Maker] = {
    "no-wait": _starting("no-wait", policies.no_wait),
    "threshold": _starting("threshold", policies.threshold, online=True),
    "lowest-slot": _starting("lowest-slot", policies.lowest_slot),
    "lowest-window": _starting("lowest-window", policies.lowest_window),
    "carbon-time": _starting("carbon-time", policies.carbon_time),
    "percentile-suspend": _percentile_suspend,
    "wait-awhile": _wait_awhile,
    "double-threshold": _double_threshold,
    "varying-cap": _varying_cap,
    "congestion-game": _together(
        "congestion-game",
        lambda world: lambda scene: congestion_game(scene, world.watts),
        cycle=300.0,
        queue="first-fit",
    ),
    "easy-withhold": _starting("easy-withhold", policies.lowest_window, queue="easy"),
    "static-windows": _starting("static-windows", policies.static_windows, blind=True),
    "greedy": _together("greedy", lambda _: greedy, cycle=600.0, queue="first-fit"),
    "joint": _joint,
}
