"""The engine: a heap of (time, priority, sequence, event), and the lives of jobs between its events.

A job arrives, is withheld as long as its policy says, waits in the queue of its pool, runs, may be paused or
stopped, and ends. Time is continuous: nothing happens between events, and the same input gives the same
output. At one instant ends go first, then arrivals, then policies, then the whole of it is followed by one
pass over the queues, so that no job starts in a place that is given back at that instant too late.

The engine knows true lengths and true intensity has no part in it: what a policy may know it asks of
``Foresight`` and ``Lengths``. Emissions are worked out afterwards, from the runs.
"""

import heapq
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from math import isnan

import numpy as np

from carbonslurm.core.forecast import Floats
from carbonslurm.core.scene import Ints, Scarcity
from carbonslurm.errors import DataError
from carbonslurm.sim.lengths import Lengths
from carbonslurm.sim.life import NEVER, Life, State
from carbonslurm.sim.policy import Asked, Strategy
from carbonslurm.sim.pools import Need, Place, Pool
from carbonslurm.sim.queues import Ordered, Queue, Running, queue
from carbonslurm.sim.scenes import Stage
from carbonslurm.sim.trace import Trace

INSTANT = 1e-3  # seconds: what rounding may differ by; nobody is asked twice within one
TOLD_EVERY = 100  # jobs


class Kind(IntEnum):
    """Events, in the order in which they happen at one instant."""

    END = 0
    ARRIVAL = 1
    NEWS = 2
    WAKE = 3
    CYCLE = 4
    SAVED = 5


@dataclass(frozen=True, eq=False)
class Outcome:
    """What became of a trace; n jobs, m runs.

    Attributes:
        first_start: shape (n,), Unix seconds.
        end: shape (n,).
        run_job: shape (m,), whose run it is.
        run_start: shape (m,).
        run_end: shape (m,).
        stops: shape (n,), how often each was paused or stopped.
        lost: shape (n,), seconds of its runs that were no work: done again, or loading checkpoints.
        timed_out: shape (n,), how often a run of it met its time limit with work left.
    """

    first_start: Floats
    end: Floats
    run_job: Ints
    run_start: Floats
    run_end: Floats
    stops: Ints
    lost: Floats
    timed_out: Ints


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
    """

    trace: Trace
    pools: Sequence[Pool]
    pool_of: Sequence[int]
    strategy: Strategy
    lengths: Lengths
    tell: Callable[[int], None] = lambda _: None
    lives: list[Life] = field(init=False)

    def __post_init__(self) -> None:
        self._arrival: list[float] = self.trace.arrival.tolist()
        self._length: list[float] = self.trace.length.tolist()
        self._limit: list[float] = np.nan_to_num(self.trace.limit, nan=NEVER).tolist()
        self._units: list[float] = self.trace.units.tolist()
        self.lives = [Life(length) for length in self._length]
        self._needs = [self._need(job) for job in range(len(self.trace))]
        self._running: list[dict[int, Running]] = [{} for _ in self.pools]
        self._queues: list[Queue] = [
            queue(self.strategy.discipline, pool, running, self._lasting)
            for pool, running in zip(self.pools, self._running, strict=True)
        ]
        self._busy = 0.0
        self._dirty: set[int] = set()
        self._sequence = 0
        self._heap: list[tuple[float, int, int, int, int]] = []
        self._alive: set[int] = set()
        self._runs: list[tuple[int, float, float]] = []
        self._ended = 0
        self._cycle_at = NEVER
        self._scarcity: Scarcity | None = None
        self._stage = Stage(
            trace=self.trace,
            pool_of=np.array(self.pool_of, dtype=np.int64),
            room=np.array([pool.units for pool in self.pools], dtype=float),
            strategy=self.strategy,
            lengths=self.lengths,
        )
        self.now = -NEVER

    def _need(self, job: int) -> Need:
        need = self.pools[self.pool_of[job]].need(self.trace.jobs[job], self._units[job])
        if need is None:
            raise DataError(f"job {self.trace.jobs[job].job_id} does not fit into the empty cluster")
        return need

    # --- the heap

    def run(self) -> Outcome:
        """Live through the whole trace."""
        for job, arrival in enumerate(self._arrival):
            self._push(arrival, Kind.ARRIVAL, job)
        for moment in self.strategy.news(self._arrival[0] if self._arrival else NEVER).tolist():
            self._push(moment, Kind.NEWS)
        while self._heap and self._ended < len(self.lives):
            self._instant()
        return self._outcome()

    def _push(self, moment: float, kind: Kind, job: int = -1, run: int = 0) -> None:
        self._sequence += 1
        heapq.heappush(self._heap, (moment, kind, self._sequence, job, run))

    def _instant(self) -> None:
        """Let everything happen that happens at the next instant, then start whom there is room for."""
        self.now = self._heap[0][0]
        while self._heap and self._heap[0][0] <= self.now:
            _, kind, _, job, run = heapq.heappop(self._heap)
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
        self._start_whom_there_is_room_for()

    def _wake_at(self, job: int, moment: float) -> None:
        """Ask a job's policy at a moment, and at no other that was set before."""
        life = self.lives[job]
        if moment != life.wake_at:
            life.wake_at = moment
            if moment < NEVER:
                self._push(moment, Kind.WAKE, job)

    # --- events

    def _arrive(self, job: int) -> None:
        self.lives[job].state = State.WITHHELD
        self._alive.add(job)
        if self.strategy.planner is None:
            self._ask(job)
        elif self._cycle_at == NEVER:
            self._next_cycle(self.now)

    def _wake(self, job: int) -> None:
        life = self.lives[job]
        if life.wake_at == self.now and life.state is not State.DONE:
            life.wake_at = NEVER
            self._ask(job)

    def _hear(self) -> None:
        """Something new is known: whoever is withheld, or may be paused, is asked again."""
        self._dirty.update(range(len(self.pools)))
        if self.strategy.pacing is None:
            return
        for job in sorted(self._alive):
            if self.strategy.pauses or self.lives[job].state is State.WITHHELD:
                self._ask(job)

    def _ask(self, job: int) -> None:
        """Ask a job's policy whether it runs, and do so."""
        life = self.lives[job]
        if self.strategy.pacing is None:
            if life.state is State.WITHHELD:
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
            if self.now < self._leave_alone_until(job):
                self._wake_at(job, self._leave_alone_until(job))
                return
            self._stop(job)
        self._wake_at(job, max(wish.until, self.now + INSTANT))

    def _leave_alone_until(self, job: int) -> float:
        """Until when a running job that its policy would pause runs on, by the limits for stops."""
        life, cost = self.lives[job], self.strategy.stop_cost
        ready = life.started + cost.min_run
        predicted = self.lengths.of(job) + life.lost - life.lasted - (self.now - life.started)
        if life.stops >= cost.max_stops or (self.now >= ready and 0 < predicted < cost.min_run):
            return NEVER
        return ready

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

    def _let_go(self, job: int) -> None:
        """Put a job into the queue of its pool, at the place of its arrival or of its latest start."""
        pool = self.pool_of[job]
        self.lives[job].state = State.QUEUED
        order = float(job)
        if self.strategy.discipline == "latest-start":
            order = self._arrival[job] + float(self.trace.wait[job])
        self._queues[pool].add(order, job, self._needs[job])
        self._dirty.add(pool)

    def _withhold(self, job: int) -> None:
        self._queues[self.pool_of[job]].remove(job)
        self.lives[job].state = State.WITHHELD

    def _start(self, job: int, place: Place) -> None:
        life, pool = self.lives[job], self.pool_of[job]
        self.pools[pool].take(place)
        self._busy += self._units[job]
        life.state, life.started, life.place = State.RUNNING, self.now, place
        life.run += 1
        if isnan(life.first_start):
            life.first_start = self.now
        self._running[pool][job] = Running(place, self.now + self._lasting(job))
        limit = max(self._limit[job], self._length[job])
        self._push(self.now + min(life.left, limit), Kind.END, job, life.run)
        if self.strategy.pauses:
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
            self._never_ran(job)
        elif cost.checkpoint > 0:
            life.saving = True
            self._push(self.now + cost.checkpoint, Kind.SAVED, job, life.run)
        else:
            self._requeue(job, elapsed)

    def _saved(self, job: int, run: int) -> None:
        """The checkpoint of a run is written: it gives its place back."""
        life = self.lives[job]
        if run == life.run:
            self._requeue(job, self.now - life.started - self.strategy.stop_cost.checkpoint)
            if self.strategy.pacing is not None:
                self._ask(job)

    def _requeue(self, job: int, worked: float) -> None:
        """End a run early: what it did since its last checkpoint is lost, and loading it takes time."""
        life, cost = self.lives[job], self.strategy.stop_cost
        self._leave(job)
        again = min(cost.lost, worked) + cost.checkpoint + cost.restart
        life.left += again - (worked + cost.checkpoint)
        life.saving = False
        life.lost += again
        life.stops += 1
        life.state = State.WITHHELD

    def _never_ran(self, job: int) -> None:
        """Forget the run that a job has just left."""
        life = self.lives[job]
        _, started, _ = self._runs.pop()
        if life.first_start == started:
            life.first_start = float("nan")
        life.state = State.WITHHELD

    def _leave(self, job: int) -> None:
        life, pool = self.lives[job], self.pool_of[job]
        self.pools[pool].give(life.place)
        self._busy -= self._units[job]
        del self._running[pool][job]
        self._runs.append((job, life.started, self.now))
        life.lasted += self.now - life.started
        life.run += 1
        self._dirty.add(pool)

    def _lasting(self, job: int) -> float:
        """How long backfill expects a job to hold its place: its limit, else as long as is predicted."""
        limit = self._limit[job]
        return limit if limit < NEVER else self.lengths.of(job)

    # --- room

    def _start_whom_there_is_room_for(self) -> None:
        for pool in sorted(self._dirty):
            line = self._queues[pool]
            if len(line):
                if isinstance(line, Ordered):
                    line.now = self.now
                    self._outlive(pool)
                for job, place in line.starting(self._fits(pool)):
                    self._start(job, place)
        self._dirty.clear()

    def _outlive(self, pool: int) -> None:
        """A run that outlives its prediction is expected to last a tenth of what it has lasted."""
        for job, run in self._running[pool].items():
            if run.expected_end <= self.now:
                run.expected_end = self.now + max(0.1 * (self.now - self.lives[job].started), 1.0)

    def _fits(self, index: int) -> Callable[[Need], Place | None]:
        pool = self.pools[index]
        if self.strategy.ceiling is None:
            return pool.place
        ceiling = self.strategy.ceiling(self.now)

        def fits(need: Need) -> Place | None:
            # An empty cluster takes anybody: a job larger than the ceiling would wait for ever.
            below = self._busy + need.units <= ceiling or self._busy <= 0
            return pool.place(need) if below else None

        return fits

    # --- policies that place all jobs together

    def _next_cycle(self, since: float) -> None:
        """Ask the planner at the first whole cycle that is not before a moment."""
        cycle = self.strategy.cycle
        self._cycle_at = float(np.ceil(since / cycle) * cycle)
        self._push(self._cycle_at, Kind.CYCLE)

    def _place_together(self) -> None:
        self._cycle_at = NEVER
        planner = self.strategy.planner
        waiting = sorted(job for job in self._alive if self.lives[job].state is not State.RUNNING)
        running = sorted(job for job in self._alive if self.lives[job].state is State.RUNNING)
        if planner is not None and (waiting or (running and self.strategy.stops)):
            scene = self._stage.scene(self.now, self.lives, waiting, running, self._scarcity)
            placement = planner(scene)
            self._scarcity = placement.scarcity
            for job, start in zip(waiting, placement.starts.tolist(), strict=True):
                self._plan(job, start)
            for stop in placement.stops:
                self._stop(stop.job)
                self._plan(stop.job, stop.restart_at)
        if waiting or (running and self.strategy.stops):
            self._next_cycle(self.now + 0.5 * self.strategy.cycle)

    def _plan(self, job: int, start: float) -> None:
        """Withhold a job until its planned start, or let it go."""
        life = self.lives[job]
        life.planned = start
        if not start > self.now + INSTANT:
            self._wake_at(job, NEVER)
            if life.state is State.WITHHELD:
                self._let_go(job)
            return
        if life.state is State.QUEUED:
            self._withhold(job)
        self._wake_at(job, start)

    # --- the end

    def _outcome(self) -> Outcome:
        def column(name: str) -> list[float]:
            return [getattr(life, name) for life in self.lives]

        jobs, starts, ends = zip(*self._runs, strict=True) if self._runs else ((), (), ())
        return Outcome(
            first_start=np.array(column("first_start")),
            end=np.array(column("end")),
            run_job=np.array(jobs, dtype=np.int64),
            run_start=np.array(starts, dtype=float),
            run_end=np.array(ends, dtype=float),
            stops=np.array(column("stops"), dtype=np.int64),
            lost=np.array(column("lost")),
            timed_out=np.array(column("timed_out"), dtype=np.int64),
        )
