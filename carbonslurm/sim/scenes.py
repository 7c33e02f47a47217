"""The scene that a planner sees, from the lives of the simulator's jobs."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from carbonslurm.core.forecast import Band, Floats, Series
from carbonslurm.core.scene import Arrivals, Ints, RunningJobs, Scarcity, Scene, WaitingJobs
from carbonslurm.sim.foresight import Foresight
from carbonslurm.sim.lengths import Lengths
from carbonslurm.sim.life import Life
from carbonslurm.sim.policy import Strategy
from carbonslurm.sim.trace import Trace

OUTLIVED = 0.1  # of what it has lasted: the rest of a run that outlived its prediction
SHORTEST = 60.0  # seconds: nothing is planned finer
LATELY = 3 * 86_400.0  # what came in so many seconds speaks for what will come
ENOUGH = 6 * 3600.0  # fewer say nothing


@dataclass(frozen=True, eq=False)
class Sights:
    """What a planner may see of places.

    Attributes:
        foresights: of each pool.
        choices: shape (n, p), the pools that each job may start in; None where each stays.
        watts: shape (n,), W of each job.
        data_gb: shape (n,).
    """

    foresights: Sequence[Foresight]
    choices: npt.NDArray[np.bool_] | None
    watts: Floats
    data_gb: Floats | None


@dataclass(frozen=True, eq=False)
class Stage:
    """What stays the same from scene to scene.

    Attributes:
        trace: the jobs.
        pool_of: shape (n,), the index of each job's pool.
        room: shape (p,), units of each pool.
        strategy: the policy, its forecasts and what a stop costs.
        lengths: what may be known of lengths.
        sights: for a policy that chooses a place; None for one that does not.
    """

    trace: Trace
    pool_of: Ints
    room: Floats
    strategy: Strategy
    lengths: Lengths
    sights: Sights | None = None

    def scene(
        self,
        now: float,
        lives: Sequence[Life],
        waiting: list[int],
        running: list[int],
        scarcity: Scarcity | None = None,
    ) -> Scene:
        """Return the scene at a moment.

        Args:
            now: Unix seconds.
            lives: of all jobs.
            waiting: indices of those that may start, rising.
            running: indices of those that run, rising.
            scarcity: what the last placement found.
        """
        series, bands = self._forecasts(now)
        return Scene(
            now=now,
            waiting=self._waiting(now, lives, waiting),
            running=self._running(now, lives, running),
            room=self.room,
            forecasts=series,
            bands=bands,
            stop=self.strategy.stop_cost,
            cycle=self.strategy.cycle,
            arrivals=self._arrivals(now),
            scarcity=scarcity,
        )

    def _forecasts(self, now: float) -> tuple[tuple[Series | None, ...], tuple[Band | None, ...]]:
        """Return what is forecast for each pool: one forecast for all, unless places are to be seen."""
        if self.sights is None:
            found = [self.strategy.foresight.at(now)] * len(self.room)
        else:
            found = [foresight.at(now) for foresight in self.sights.foresights]
        said = [(None, None) if each is None else each for each in found]
        return tuple(series for series, _ in said), tuple(band for _, band in said)

    def _arrivals(self, now: float) -> Arrivals | None:
        """What came within the last days, once there is enough of it to speak of."""
        trace = self.trace
        first, until = np.searchsorted(trace.arrival, [now - LATELY, now], side="right")
        span = min(now - float(trace.arrival[0]), LATELY)
        if span < ENOUGH or first == until:
            return None
        jobs = list(range(int(first), int(until)))
        return Arrivals(
            span=span,
            slack=trace.wait[first:until],
            rests=self.lengths.rests(jobs, np.zeros(len(jobs))),
            units=trace.units[first:until],
            pool=self.pool_of[first:until],
        )

    def _waiting(self, now: float, lives: Sequence[Life], jobs: list[int]) -> WaitingJobs:
        trace = self.trace
        elapsed = np.zeros(len(jobs))
        length = self._rest(jobs, lives, elapsed)
        limit, sights = trace.limit[jobs], self.sights
        return WaitingJobs(
            ids=np.array(jobs, dtype=np.int64),
            arrived=trace.arrival[jobs],
            earliest=np.full(len(jobs), now),
            latest=trace.arrival[jobs] + trace.wait[jobs] + self._worked(jobs, lives, elapsed),
            length=length,
            longest=np.where(np.isnan(limit), length, np.maximum(limit, length)),
            units=trace.units[jobs],
            pool=self.pool_of[jobs],
            owner=trace.owner[jobs],
            planned=np.array([lives[job].planned for job in jobs], dtype=float),
            stops=np.array([lives[job].stops for job in jobs], dtype=np.int64),
            rests=self._rests(jobs, lives, elapsed),
            choices=None if sights is None or sights.choices is None else sights.choices[jobs],
            watts=None if sights is None else sights.watts[jobs],
            data_gb=None if sights is None or sights.data_gb is None else sights.data_gb[jobs],
        )

    def _running(self, now: float, lives: Sequence[Life], jobs: list[int]) -> RunningJobs:
        trace = self.trace
        started = np.array([lives[job].started for job in jobs], dtype=float)
        stops = np.array([lives[job].stops for job in jobs], dtype=np.int64)
        cost = self.strategy.stop_cost
        rest = self._rest(jobs, lives, now - started)
        saving = np.array([lives[job].saving for job in jobs], dtype=bool)
        ripe = (now - started >= cost.min_run) & (rest >= cost.min_run)
        can = (stops < cost.max_stops) & ripe & ~saving
        return RunningJobs(
            ids=np.array(jobs, dtype=np.int64),
            started=started,
            rest=rest,
            latest=trace.arrival[jobs] + trace.wait[jobs] + self._worked(jobs, lives, now - started),
            units=trace.units[jobs],
            pool=self.pool_of[jobs],
            owner=trace.owner[jobs],
            stops=stops,
            can_stop=can & trace.flexible[jobs] if self.strategy.stops else np.zeros(len(jobs), dtype=bool),
            rests=self._rests(jobs, lives, now - started),
        )

    def _worked(self, jobs: list[int], lives: Sequence[Life], elapsed: Floats) -> Floats:
        """Shape (k,): seconds of its work that each has done; what is done again counts as waiting."""
        done = np.array([lives[job].lasted - lives[job].lost for job in jobs], dtype=float)
        return np.asarray(done + elapsed, dtype=float)

    def _rests(self, jobs: list[int], lives: Sequence[Life], elapsed: Floats) -> Floats:
        """Shape (k, q): what is left of each job, equally likely."""
        return self.lengths.rests(jobs, np.maximum(self._worked(jobs, lives, elapsed), 0.0))

    def _rest(self, jobs: list[int], lives: Sequence[Life], elapsed: Floats) -> Floats:
        """Shape (k,): what is left of each job as predicted, lost work and restarts included."""
        predicted = self.lengths.many(jobs)
        lost = np.array([lives[job].lost for job in jobs], dtype=float)
        lasted = np.array([lives[job].lasted for job in jobs], dtype=float) + elapsed
        left = np.maximum(predicted + lost - lasted, OUTLIVED * lasted)
        return np.asarray(np.maximum(left, min(self.strategy.cycle, SHORTEST)), dtype=float)
