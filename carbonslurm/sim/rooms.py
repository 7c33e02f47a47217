"""The rooms of the engine: each pool with its queue and with what runs in it.

The engine says who waits, who leaves and who has started; the rooms say whom there is place for. A ceiling
over all of them is asked before the pools are.
"""

from collections.abc import Callable, Iterator, Sequence

from carbonslurm.sim.policy import Strategy
from carbonslurm.sim.pools import Need, Place, Pool
from carbonslurm.sim.queues import Fits, Ordered, Queue, Running, queue

TENTH = 0.1  # of what it has lasted: how much longer a run is expected to last that outlived its prediction


class Rooms:
    """All pools of a cluster."""

    def __init__(self, pools: Sequence[Pool], strategy: Strategy, lasting: Callable[[int], float]) -> None:
        """Open empty ones.

        Args:
            pools: room.
            strategy: its discipline orders the queues, its ceiling limits them.
            lasting: how long a job is expected to hold its place, in seconds.
        """
        self._pools, self._ceiling = pools, strategy.ceiling
        self._running: list[dict[int, Running]] = [{} for _ in pools]
        self._queues: list[Queue] = [
            queue(strategy.discipline, pool, running, lasting)
            for pool, running in zip(pools, self._running, strict=True)
        ]
        self._busy = 0.0
        self._dirty: set[int] = set()

    def look_again(self) -> None:
        """Something changed for all of them."""
        self._dirty.update(range(len(self._pools)))

    def add(self, pool: int, order: float, job: int, need: Need) -> None:
        """Let a job wait for room."""
        self._queues[pool].add(order, job, need)
        self._dirty.add(pool)

    def remove(self, pool: int, job: int) -> None:
        """Take a job out of the queue."""
        self._queues[pool].remove(job)

    def take(self, pool: int, job: int, units: float, run: Running) -> None:
        """Let a job have its place."""
        self._pools[pool].take(run.place)
        self._running[pool][job] = run
        self._busy += units

    def give(self, pool: int, job: int, units: float) -> None:
        """Take a job's place back."""
        self._pools[pool].give(self._running[pool].pop(job).place)
        self._busy -= units
        self._dirty.add(pool)

    def starting(self, now: float) -> Iterator[tuple[int, Place]]:
        """Yield who starts where; the caller takes each place before it asks for the next."""
        for pool in sorted(self._dirty):
            line = self._queues[pool]
            if len(line):
                if isinstance(line, Ordered):
                    line.now = now
                    self._outlive(pool, now)
                yield from line.starting(self._fits(pool, now))
        self._dirty.clear()

    def _outlive(self, pool: int, now: float) -> None:
        for run in self._running[pool].values():
            if run.expected_end <= now:
                run.expected_end = now + max(TENTH * (now - run.started), 1.0)

    def _fits(self, index: int, now: float) -> Fits:
        pool = self._pools[index]
        if self._ceiling is None:
            return pool.place
        ceiling = self._ceiling(now)

        def fits(need: Need, then: Pool | None) -> Place | None:
            # An empty cluster takes anybody: a job larger than the ceiling would wait for ever. So does any
            # for a job that may not wait.
            below = need.urgent or self._busy + need.units <= ceiling or self._busy <= 0
            return pool.place(need, then) if below else None

        return fits
