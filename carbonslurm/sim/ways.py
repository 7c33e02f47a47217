"""The ways of a job through the engine: into the queue, back out of it, to its place, and off it again.

Who goes which way when is the engine's to say (``engine``), or the planner's (``together``).
"""

from collections.abc import Iterator, Sequence
from math import isnan

import numpy as np

from carbonslurm.errors import DataError
from carbonslurm.sim.events import Events, Kind
from carbonslurm.sim.lengths import Lengths
from carbonslurm.sim.life import NEVER, Life, State
from carbonslurm.sim.policy import Strategy
from carbonslurm.sim.pools import Need, Place, Pool
from carbonslurm.sim.queues import Running
from carbonslurm.sim.rooms import Rooms
from carbonslurm.sim.trace import Trace

INSTANT = 1e-3  # seconds: what rounding may differ by; nobody is asked twice within one


class Ways:
    """All jobs of a trace, and the rooms that they go through.

    Attributes:
        now: Unix seconds, set by the engine.
        lives: of all jobs.
        alive: jobs that have arrived and have not ended.
        runs: that are over: job, start and end.
        pool_of: the pool of each job.
        arrival: of each job, Unix seconds.
        length: of each job, seconds.
        flexible: whether each may wait.
    """

    def __init__(
        self,
        trace: Trace,
        pools: Sequence[Pool],
        pool_of: Sequence[int],
        strategy: Strategy,
        lengths: Lengths,
        events: Events,
    ) -> None:
        """Let nobody have arrived yet.

        Raises:
            DataError: a job does not fit into its pool.
        """
        self._trace, self._pools, self._strategy = trace, pools, strategy
        self._lengths, self._events = lengths, events
        self.now = -NEVER
        self.arrival: list[float] = trace.arrival.tolist()
        self.length: list[float] = trace.length.tolist()
        self.flexible: list[bool] = trace.flexible.tolist()
        self._limit: list[float] = np.nan_to_num(trace.limit, nan=NEVER).tolist()
        self._units: list[float] = trace.units.tolist()
        self._wait: list[float] = trace.wait.tolist()
        self.pool_of = list(pool_of)
        self.lives = [Life(length) for length in self.length]
        self.alive: set[int] = set()
        self.runs: list[tuple[int, float, float]] = []
        self._needs = [self._need(job) for job in range(len(trace))]
        self._rooms = Rooms(pools, strategy, self._lasting)

    def _need(self, job: int) -> Need:
        need = self._pools[self.pool_of[job]].need(self._trace.jobs[job], self._units[job])
        if need is None:
            raise DataError(f"job {self._trace.jobs[job].job_id} does not fit into the empty cluster")
        return need._replace(urgent=not self.flexible[job])

    def _lasting(self, job: int) -> float:
        """How long backfill expects a job to hold its place: its limit, else as long as is predicted."""
        limit = self._limit[job]
        return limit if limit < NEVER else self._lengths.of(job)

    def look_again(self) -> None:
        """Something changed for all rooms."""
        self._rooms.look_again()

    def starting(self) -> Iterator[tuple[int, Place]]:
        """Yield for whom there is room, and where; each is to be started before the next is asked for."""
        return self._rooms.starting(self.now)

    def wake_at(self, job: int, moment: float) -> None:
        """Ask a job's policy at a moment, and at no other that was set before."""
        life = self.lives[job]
        if moment != life.wake_at:
            life.wake_at = moment
            if moment < NEVER:
                self._events.push(moment, Kind.WAKE, job)

    def move(self, job: int) -> None:
        """Let a job run where its planner wants it."""
        pool = self.lives[job].aim
        if pool not in (-1, self.pool_of[job]):
            self.pool_of[job] = pool
            self._needs[job] = self._need(job)

    def let_go(self, job: int) -> None:
        """Put a job into the queue of its pool, at the place of its arrival or of its latest start."""
        self.lives[job].state = State.QUEUED
        order = float(job)
        if self._strategy.discipline == "latest-start":
            order = self.arrival[job] + self._wait[job]
        if not isnan(self.lives[job].order):
            order = self.lives[job].order
        self._rooms.add(self.pool_of[job], order, job, self._needs[job])

    def withhold(self, job: int) -> None:
        """Take a job out of its queue."""
        self._rooms.remove(self.pool_of[job], job)
        self.lives[job].state = State.WITHHELD

    def start(self, job: int, place: Place) -> None:
        """Let a job run."""
        life = self.lives[job]
        life.state, life.started = State.RUNNING, self.now
        life.run += 1
        if isnan(life.first_start):
            life.first_start = self.now
        running = Running(place, self.now, self.now + self._lasting(job))
        self._rooms.take(self.pool_of[job], job, self._units[job], running)
        limit = max(self._limit[job], self.length[job])
        self._events.push(self.now + min(life.left, limit), Kind.END, job, life.run)

    def stop(self, job: int) -> None:
        """Stop a running job: it writes its checkpoint, and then gives its place back.

        One that starts at this instant, because there is room at last, never ran; one that has nothing left
        to do, or would end before its checkpoint is written, ends by itself.
        """
        life, cost = self.lives[job], self._strategy.stop_cost
        elapsed = self.now - life.started
        if life.saving or life.left - elapsed <= max(cost.checkpoint, INSTANT):
            return
        if elapsed <= 0:
            self.leave(job)
            _, started, _ = self.runs.pop()
            life.never_ran(started)
        elif cost.checkpoint > 0:
            life.saving = True
            self._events.push(self.now + cost.checkpoint, Kind.SAVED, job, life.run)
        else:
            self.leave(job)
            life.stop(elapsed, cost)

    def saved(self, job: int) -> None:
        """The checkpoint of a run is written: it gives its place back."""
        life, cost = self.lives[job], self._strategy.stop_cost
        self.leave(job)
        life.stop(self.now - life.started - cost.checkpoint, cost)

    def leave(self, job: int) -> None:
        """Take a job off its place: one of its runs is over."""
        life = self.lives[job]
        self._rooms.give(self.pool_of[job], job, self._units[job])
        self.runs.append((job, life.started, self.now))
        life.lasted += self.now - life.started
        life.run += 1
