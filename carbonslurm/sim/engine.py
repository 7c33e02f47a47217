"""The engine: a heap of (time, priority, sequence, event), and the lives of jobs between its events.

A job arrives, is withheld as long as its policy says, waits in the queue of its pool, runs, may be paused or
stopped, and ends. Time is continuous: nothing happens between events, and the same input gives the same
output. At one instant ends go first, then arrivals, then policies, then the whole of it is followed by one
pass over the queues, so that no job starts in a place that is given back at that instant too late.

The engine knows true lengths and true intensity has no part in it: what a policy may know it asks of
``Foresight`` and ``Lengths``. Emissions are worked out afterwards, from the runs.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from math import isnan

import numpy as np

from carbonslurm.core.scene import Placement
from carbonslurm.errors import DataError
from carbonslurm.sim.events import Events, Kind
from carbonslurm.sim.lengths import Lengths
from carbonslurm.sim.life import NEVER, Life, State
from carbonslurm.sim.outcome import Outcome, outcome_of
from carbonslurm.sim.policy import Asked, Strategy
from carbonslurm.sim.pools import Need, Place, Pool
from carbonslurm.sim.queues import Running
from carbonslurm.sim.rooms import Rooms
from carbonslurm.sim.scenes import Sights, Stage
from carbonslurm.sim.trace import Trace

INSTANT = 1e-3  # seconds: what rounding may differ by; nobody is asked twice within one
TOLD_EVERY = 100  # jobs


@dataclass(eq=False)
class Engine:
    """One run of a trace under one strategy.

    Attributes:
        trace: the jobs; each must fit into its pool.
        pools: room.
        pool_of: for each job, the index of its pool.
        strategy: the policy.
        lengths: what may be known of lengths.
        tell: called now and then with how many jobs have ended.
        sights: for a policy that chooses a place.
    """

    trace: Trace
    pools: Sequence[Pool]
    pool_of: Sequence[int]
    strategy: Strategy
    lengths: Lengths
    tell: Callable[[int], None] = lambda _: None
    sights: Sights | None = None
    lives: list[Life] = field(init=False)

    def __post_init__(self) -> None:
        self._arrival: list[float] = self.trace.arrival.tolist()
        self._length: list[float] = self.trace.length.tolist()
        self._limit: list[float] = np.nan_to_num(self.trace.limit, nan=NEVER).tolist()
        self._units: list[float] = self.trace.units.tolist()
        self._wait: list[float] = self.trace.wait.tolist()
        self._flexible: list[bool] = self.trace.flexible.tolist()
        self._pool_of = list(self.pool_of)
        self.lives = [Life(length) for length in self._length]
        self._needs = [self._need(job) for job in range(len(self.trace))]
        self._rooms = Rooms(self.pools, self.strategy, self._lasting)
        self._events = Events()
        self._alive: set[int] = set()
        self._runs: list[tuple[int, float, float]] = []
        self._ended = 0
        self._cycle_at = NEVER
        self._placed = Placement(np.empty(0))  # the last answer of the planner
        self._stage = Stage(
            trace=self.trace,
            pool_of=np.array(self.pool_of, dtype=np.int64),
            room=np.array([pool.units for pool in self.pools], dtype=float),
            strategy=self.strategy,
            lengths=self.lengths,
            sights=self.sights,
        )
        self.now = -NEVER

    def _need(self, job: int) -> Need:
        need = self.pools[self._pool_of[job]].need(self.trace.jobs[job], self._units[job])
        if need is None:
            raise DataError(f"job {self.trace.jobs[job].job_id} does not fit into the empty cluster")
        return need._replace(urgent=not self._flexible[job])

    # --- the events

    def run(self) -> Outcome:
        """Live through the whole trace."""
        for job, arrival in enumerate(self._arrival):
            self._events.push(arrival, Kind.ARRIVAL, job)
        for moment in self.strategy.news(self._arrival[0] if self._arrival else NEVER).tolist():
            self._events.push(moment, Kind.NEWS)
        while self._events and self._ended < len(self.lives):
            self._instant()
        self.tell(self._ended % TOLD_EVERY)
        return outcome_of(self.lives, self._runs, self._pool_of)

    def _instant(self) -> None:
        """Let everything happen that happens at the next instant, then start whom there is room for."""
        self.now = self._events.next_at()
        for kind, job, run in self._events.until(self.now):
            if kind is Kind.ARRIVAL:
                self._arrive(job)
            elif kind is Kind.NEWS:
                self._hear()
            elif kind is Kind.CYCLE:
                self._place_together()
            elif kind is Kind.WAKE:
                self._wake(job)
            elif kind is Kind.SAVED:
                self._saved(job, run)
            elif run == self.lives[job].run:
                self._end(job)
        for job, place in self._rooms.starting(self.now):
            self._start(job, place)

    def _wake_at(self, job: int, moment: float) -> None:
        """Ask a job's policy at a moment, and at no other that was set before."""
        life = self.lives[job]
        if moment != life.wake_at:
            life.wake_at = moment
            if moment < NEVER:
                self._events.push(moment, Kind.WAKE, job)

    # --- events

    def _arrive(self, job: int) -> None:
        self.lives[job].state = State.WITHHELD
        self._alive.add(job)
        if not self._flexible[job]:
            self._let_go(job)
        elif self.strategy.planner is None:
            self._ask(job)
        if self.strategy.planner is not None and self._cycle_at == NEVER:
            self._next_cycle(self.now)

    def _wake(self, job: int) -> None:
        life = self.lives[job]
        if life.wake_at == self.now and life.state is not State.DONE:
            life.wake_at = NEVER
            self._ask(job)

    def _hear(self) -> None:
        """Something new is known: whoever is withheld, or may be paused, is asked again."""
        self._rooms.look_again()
        if self.strategy.pacing is None:
            return
        for job in sorted(self._alive):
            if self._flexible[job] and (self.strategy.pauses or self.lives[job].state is State.WITHHELD):
                self._ask(job)

    def _ask(self, job: int) -> None:
        """Ask a job's policy whether it runs, and do so."""
        life = self.lives[job]
        if self.strategy.pacing is None:
            if life.state is State.WITHHELD:
                self._move(job)
                self._let_go(job)
            return
        running = life.state is State.RUNNING
        worked = self._length[job] - life.left + (self.now - life.started if running else 0.0)
        wish = self.strategy.pacing.wish(Asked(job, self.now, max(worked, 0.0), running))
        if wish.run and life.state is State.WITHHELD:
            self._let_go(job)
        elif not wish.run and life.state is State.QUEUED:
            self._withhold(job)
        elif not wish.run and running:
            ready = life.stops_from(self.strategy.stop_cost, self.lengths.of(job), self.now)
            if self.now < ready:
                self._wake_at(job, ready)
                return
            self._stop(job)
        self._wake_at(job, max(wish.until, self.now + INSTANT))

    def _end(self, job: int) -> None:
        life = self.lives[job]
        self._leave(job)
        life.left -= self.now - life.started
        if life.left > INSTANT:  # it met its time limit: Slurm ends it, and its owner submits the rest again
            life.timed_out += 1
            life.saving = False
            life.state = State.WITHHELD
            self._let_go(job)
            return
        life.state, life.end = State.DONE, self.now
        self._alive.discard(job)
        self._ended += 1
        self.lengths.ended(job)
        if self._ended % TOLD_EVERY == 0:
            self.tell(TOLD_EVERY)

    # --- a job's ways

    def _move(self, job: int) -> None:
        """Let a job run where its planner wants it."""
        pool = self.lives[job].aim
        if pool not in (-1, self._pool_of[job]):
            self._pool_of[job] = pool
            self._stage.pool_of[job] = pool
            self._needs[job] = self._need(job)

    def _let_go(self, job: int) -> None:
        """Put a job into the queue of its pool, at the place of its arrival or of its latest start."""
        self.lives[job].state = State.QUEUED
        order = float(job)
        if self.strategy.discipline == "latest-start":
            order = self._arrival[job] + self._wait[job]
        if not isnan(self.lives[job].order):
            order = self.lives[job].order
        self._rooms.add(self._pool_of[job], order, job, self._needs[job])

    def _withhold(self, job: int) -> None:
        self._rooms.remove(self._pool_of[job], job)
        self.lives[job].state = State.WITHHELD

    def _start(self, job: int, place: Place) -> None:
        life = self.lives[job]
        life.state, life.started = State.RUNNING, self.now
        life.run += 1
        if isnan(life.first_start):
            life.first_start = self.now
        running = Running(place, self.now, self.now + self._lasting(job))
        self._rooms.take(self._pool_of[job], job, self._units[job], running)
        limit = max(self._limit[job], self._length[job])
        self._events.push(self.now + min(life.left, limit), Kind.END, job, life.run)
        if self.strategy.pauses and self._flexible[job]:
            self._ask(job)

    def _stop(self, job: int) -> None:
        """Stop a running job: it writes its checkpoint, and then gives its place back.

        One that starts at this instant, because there is room at last, never ran; one that has nothing left
        to do, or would end before its checkpoint is written, ends by itself.
        """
        life, cost = self.lives[job], self.strategy.stop_cost
        elapsed = self.now - life.started
        if life.saving or life.left - elapsed <= max(cost.checkpoint, INSTANT):
            return
        if elapsed <= 0:
            self._leave(job)
            _, started, _ = self._runs.pop()
            life.never_ran(started)
        elif cost.checkpoint > 0:
            life.saving = True
            self._events.push(self.now + cost.checkpoint, Kind.SAVED, job, life.run)
        else:
            self._leave(job)
            life.stop(elapsed, cost)

    def _saved(self, job: int, run: int) -> None:
        """The checkpoint of a run is written: it gives its place back."""
        life, cost = self.lives[job], self.strategy.stop_cost
        if run == life.run:
            self._leave(job)
            life.stop(self.now - life.started - cost.checkpoint, cost)
            if self.strategy.pacing is not None:
                self._ask(job)

    def _leave(self, job: int) -> None:
        life = self.lives[job]
        self._rooms.give(self._pool_of[job], job, self._units[job])
        self._runs.append((job, life.started, self.now))
        life.lasted += self.now - life.started
        life.run += 1

    def _lasting(self, job: int) -> float:
        """How long backfill expects a job to hold its place: its limit, else as long as is predicted."""
        limit = self._limit[job]
        return limit if limit < NEVER else self.lengths.of(job)

    # --- policies that place all jobs together

    def _next_cycle(self, since: float) -> None:
        """Ask the planner at the first whole cycle that is not before a moment."""
        cycle = self.strategy.cycle
        self._cycle_at = float(np.ceil(since / cycle) * cycle)
        self._events.push(self._cycle_at, Kind.CYCLE)

    def _place_together(self) -> None:
        self._cycle_at = NEVER
        planner = self.strategy.planner
        waiting = sorted(job for job in self._alive if self.lives[job].state is not State.RUNNING)
        running = sorted(job for job in self._alive if self.lives[job].state is State.RUNNING)
        if planner is not None and (waiting or (running and self.strategy.stops)):
            scene = self._stage.scene(self.now, self.lives, waiting, running, self._placed.scarcity)
            self._placed = placement = planner(scene)
            starts = placement.starts.tolist()
            pools = [None] * len(waiting) if placement.pools is None else placement.pools.tolist()
            self._line_up(waiting, placement)
            for job, start, pool in zip(waiting, starts, pools, strict=True):
                self._plan(job, start, pool)
            for stop in placement.stops:
                self._stop(stop.job)
                self._plan(stop.job, stop.restart_at)
        if waiting or (running and self.strategy.stops):
            self._next_cycle(self.now + 0.5 * self.strategy.cycle)

    def _line_up(self, waiting: Sequence[int], placement: Placement) -> None:
        """Give jobs their places in the queue, those that stand in it already, too."""
        if placement.order is None:
            return
        for job, order in zip(waiting, placement.order.tolist(), strict=True):
            life = self.lives[job]
            if self._flexible[job] and order != life.order and not (isnan(order) and isnan(life.order)):
                life.order = order
                if life.state is State.QUEUED:
                    self._withhold(job)
                    self._let_go(job)

    def _plan(self, job: int, start: float, pool: int | None = None) -> None:
        """Withhold a job until its planned start, or let it go; one that may not wait is let go already.

        Where it was let go it stays: its data are on their way.
        """
        life = self.lives[job]
        if not self._flexible[job] or (pool is not None and life.state is State.QUEUED):
            return
        life.planned, life.aim = start, -1 if pool is None else pool
        if not start > self.now + INSTANT:
            self._wake_at(job, NEVER)
            if life.state is State.WITHHELD:
                self._move(job)
                self._let_go(job)
            return
        if life.state is State.QUEUED:
            self._withhold(job)
        self._wake_at(job, start)
