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

import numpy as np

from carbonslurm.sim.events import Events, Kind
from carbonslurm.sim.lengths import Lengths
from carbonslurm.sim.life import NEVER, Life, State
from carbonslurm.sim.outcome import Outcome, outcome_of
from carbonslurm.sim.policy import Asked, Strategy
from carbonslurm.sim.pools import Pool
from carbonslurm.sim.scenes import Sights, Stage
from carbonslurm.sim.together import Together
from carbonslurm.sim.trace import Trace
from carbonslurm.sim.ways import INSTANT, Ways

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

    Raises:
        DataError: a job does not fit into its pool.
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
        self._events = Events()
        self._ways = Ways(self.trace, self.pools, self.pool_of, self.strategy, self.lengths, self._events)
        self.lives = self._ways.lives
        self._ended = 0
        stage = Stage(
            trace=self.trace,
            pool_of=np.array(self.pool_of, dtype=np.int64),
            room=np.array([pool.units for pool in self.pools], dtype=float),
            strategy=self.strategy,
            lengths=self.lengths,
            sights=self.sights,
        )
        self._together = Together(self.strategy, stage, self._ways, self._events)

    def run(self) -> Outcome:
        """Live through the whole trace."""
        arrival = self._ways.arrival
        for job, moment in enumerate(arrival):
            self._events.push(moment, Kind.ARRIVAL, job)
        for moment in self.strategy.news(arrival[0] if arrival else NEVER).tolist():
            self._events.push(moment, Kind.NEWS)
        while self._events and self._ended < len(self.lives):
            self._instant()
        self.tell(self._ended % TOLD_EVERY)
        return outcome_of(self.lives, self._ways.runs, self._ways.pool_of)

    def _instant(self) -> None:
        """Let everything happen that happens at the next instant, then start whom there is room for."""
        ways = self._ways
        ways.now = self._events.next_at()
        for kind, job, run in self._events.until(ways.now):
            if kind is Kind.ARRIVAL:
                self._arrive(job)
            elif kind is Kind.NEWS:
                self._hear()
            elif kind is Kind.CYCLE:
                self._together.cycle()
            elif kind is Kind.WAKE:
                self._wake(job)
            elif run == self.lives[job].run:
                self._saved(job) if kind is Kind.SAVED else self._end(job)
        for job, place in ways.starting():
            ways.start(job, place)
            if self.strategy.pauses and ways.flexible[job]:
                self._ask(job)

    # --- the events

    def _arrive(self, job: int) -> None:
        self.lives[job].state = State.WITHHELD
        self._ways.alive.add(job)
        if not self._ways.flexible[job]:
            self._ways.let_go(job)
        elif self.strategy.planner is None:
            self._ask(job)
        self._together.called()

    def _wake(self, job: int) -> None:
        life = self.lives[job]
        if life.wake_at == self._ways.now and life.state is not State.DONE:
            life.wake_at = NEVER
            self._ask(job)

    def _hear(self) -> None:
        """Something new is known: whoever is withheld, or may be paused, is asked again."""
        self._ways.look_again()
        if self.strategy.pacing is None:
            return
        for job in sorted(self._ways.alive):
            asked = self.strategy.pauses or self.lives[job].state is State.WITHHELD
            if asked and self._ways.flexible[job]:
                self._ask(job)

    def _saved(self, job: int) -> None:
        self._ways.saved(job)
        if self.strategy.pacing is not None:
            self._ask(job)

    def _end(self, job: int) -> None:
        ways, life = self._ways, self.lives[job]
        ways.leave(job)
        life.left -= ways.now - life.started
        if life.left > INSTANT:  # it met its time limit: Slurm ends it, and its owner submits the rest again
            life.timed_out += 1
            life.saving = False
            life.state = State.WITHHELD
            ways.let_go(job)
            return
        life.state, life.end = State.DONE, ways.now
        ways.alive.discard(job)
        self._ended += 1
        self.lengths.ended(job)
        if self._ended % TOLD_EVERY == 0:
            self.tell(TOLD_EVERY)

    # --- policies for one job at a time

    def _ask(self, job: int) -> None:
        """Ask a job's policy whether it runs, and do so; one that was placed with others goes now."""
        ways, life = self._ways, self.lives[job]
        if self.strategy.pacing is None:
            self._together.go(job)
            return
        running = life.state is State.RUNNING
        worked = ways.length[job] - life.left + (ways.now - life.started if running else 0.0)
        wish = self.strategy.pacing.wish(Asked(job, ways.now, max(worked, 0.0), running))
        if wish.run and life.state is State.WITHHELD:
            ways.let_go(job)
        elif not wish.run and life.state is State.QUEUED:
            ways.withhold(job)
        elif not wish.run and running:
            ready = life.stops_from(self.strategy.stop_cost, self.lengths.of(job), ways.now)
            if ways.now < ready:
                ways.wake_at(job, ready)
                return
            ways.stop(job)
        ways.wake_at(job, max(wish.until, ways.now + INSTANT))
