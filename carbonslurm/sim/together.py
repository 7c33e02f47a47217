"""Policies that place all jobs together, in the engine: asked once in a cycle, and done as they say."""

from collections.abc import Sequence
from math import isnan

import numpy as np

from carbonslurm.core.scene import Placement
from carbonslurm.sim.events import Events, Kind
from carbonslurm.sim.life import NEVER, State
from carbonslurm.sim.policy import Strategy
from carbonslurm.sim.scenes import Stage
from carbonslurm.sim.ways import INSTANT, Ways


class Together:
    """The cycles of a planner."""

    def __init__(self, strategy: Strategy, stage: Stage, ways: Ways, events: Events) -> None:
        """Begin before the first cycle.

        Args:
            strategy: with a planner; without one nothing is asked.
            stage: what the planner sees.
            ways: of the jobs.
            events: where cycles are called for.
        """
        self._strategy, self._stage, self._ways, self._events = strategy, stage, ways, events
        self._cycle_at = NEVER
        self._placed = Placement(np.empty(0))  # the last answer of the planner

    def called(self) -> None:
        """A job arrived: there is to be a cycle at the first whole one that is not before now."""
        if self._strategy.planner is not None and self._cycle_at == NEVER:
            self._next_cycle(self._ways.now)

    def cycle(self) -> None:
        """Ask the planner, and do what it says."""
        self._cycle_at = NEVER
        ways, planner = self._ways, self._strategy.planner
        waiting = sorted(job for job in ways.alive if ways.lives[job].state is not State.RUNNING)
        running = sorted(job for job in ways.alive if ways.lives[job].state is State.RUNNING)
        if not waiting and not (running and self._strategy.stops):
            return
        if planner is not None:
            scene = self._stage.scene(ways.now, ways.lives, waiting, running, self._placed.scarcity)
            self._placed = placement = planner(scene)
            self._do(waiting, placement)
        self._next_cycle(ways.now + 0.5 * self._strategy.cycle)

    def go(self, job: int) -> None:
        """Let a job that is withheld go, to where it was placed."""
        ways = self._ways
        if ways.lives[job].state is State.WITHHELD:
            ways.move(job)
            self._stage.pool_of[job] = ways.pool_of[job]
            ways.let_go(job)

    def _next_cycle(self, since: float) -> None:
        """Ask the planner at the first whole cycle that is not before a moment."""
        cycle = self._strategy.cycle
        self._cycle_at = float(np.ceil(since / cycle) * cycle)
        self._events.push(self._cycle_at, Kind.CYCLE)

    def _do(self, waiting: Sequence[int], placement: Placement) -> None:
        starts = placement.starts.tolist()
        pools = [None] * len(waiting) if placement.pools is None else placement.pools.tolist()
        self._line_up(waiting, placement)
        for job, start, pool in zip(waiting, starts, pools, strict=True):
            self._plan(job, start, pool)
        for stop in placement.stops:
            self._ways.stop(stop.job)
            self._plan(stop.job, stop.restart_at)

    def _line_up(self, waiting: Sequence[int], placement: Placement) -> None:
        """Give jobs their places in the queue, those that stand in it already, too."""
        if placement.order is None:
            return
        ways = self._ways
        for job, order in zip(waiting, placement.order.tolist(), strict=True):
            life = ways.lives[job]
            if ways.flexible[job] and order != life.order and not (isnan(order) and isnan(life.order)):
                life.order = order
                if life.state is State.QUEUED:
                    ways.withhold(job)
                    ways.let_go(job)

    def _plan(self, job: int, start: float, pool: int | None = None) -> None:
        """Withhold a job until its planned start, or let it go; one that may not wait is let go already.

        Where it was let go it stays: its data are on their way.
        """
        ways, life = self._ways, self._ways.lives[job]
        if not ways.flexible[job] or (pool is not None and life.state is State.QUEUED):
            return
        life.planned, life.aim = start, -1 if pool is None else pool
        if not start > ways.now + INSTANT:
            ways.wake_at(job, NEVER)
            self.go(job)
            return
        if life.state is State.QUEUED:
            ways.withhold(job)
        ways.wake_at(job, start)
