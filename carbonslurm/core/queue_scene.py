"""The scene that joint sees, from a queue: who waits, who runs, how much room there is.

- Flexible jobs that are ours to plan stand there with their bounds.
- Pending jobs that could start now and will not wait take room first: their slack is zero. What is held,
  waits for others, for its begin time or for a limit of its owner takes none.
- Running jobs hold their room until they are predicted to end, or for minutes where they are being stopped.
  One with GPUs takes CPUs too, of those who wait for CPUs alone.
- The pending range of an array is one job, which may need several waves: as many tasks as there is room for
  stand there for so much longer, and early enough that the last of them starts by the bound.
- What came within the last day stands for what will come (``lately``).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import numpy as np

from carbonslurm.core.capacity import Pools, units_of
from carbonslurm.core.columns import Columns
from carbonslurm.core.forecast import Floats, Series
from carbonslurm.core.job import JobKey, QueuedJob
from carbonslurm.core.lately import arrivals
from carbonslurm.core.length import MEDIAN, QUANTILES, rests
from carbonslurm.core.line import Flags
from carbonslurm.core.ownership import UNKNOWN, standing
from carbonslurm.core.scene import Arrivals, Ints, RunningJobs, Scarcity, Scene, StopCost, WaitingJobs
from carbonslurm.core.situation import PlanRules, Situation
from carbonslurm.core.waiting import Prospect

STARTABLE = frozenset({"None", "Priority", "Resources", ""})  # Slurm's reasons of a job that only lacks room


@dataclass(frozen=True, slots=True)
class Stoppable:
    """A running job whose stop would pay by itself: until when it may start again, and what loading costs."""

    job: QueuedJob
    bound: datetime
    lost: timedelta
    restart: timedelta
    stops: int


@dataclass(frozen=True, slots=True)
class QueueScene:
    """The parts of a scene.

    Attributes:
        situation: the moment.
        rules: the site's.
        pools: of the cluster.
        forecasts: by pool, for those in which somebody is to be placed.
        jobs: all that wait or run.
        placed: those that are to be placed, by their places among the jobs that wait.
        going: places of jobs that are let go now.
        stoppable: running jobs that may be stopped.
    """

    situation: Situation
    rules: PlanRules
    pools: Pools
    forecasts: Mapping[int, Series]
    jobs: Columns
    placed: Mapping[int, Prospect]
    going: frozenset[int]
    stoppable: Mapping[JobKey, Stoppable]

    def scene(self, scarcity: Scarcity | None) -> Scene:
        """Return the scene; its first waiting jobs are ``placed``, in order."""
        numbers = range(len(self.pools.names))
        bands = {pool: self.situation.bands.get(series.zone) for pool, series in self.forecasts.items()}
        return Scene(
            now=self.situation.now.timestamp(),
            waiting=self._waiting(),
            running=self._running(),
            room=np.array(self.pools.units, dtype=float),
            forecasts=tuple(self.forecasts.get(pool) for pool in numbers),
            bands=tuple(bands.get(pool) for pool in numbers),
            stop=self._stop_cost(),
            cycle=self.rules.lead.total_seconds(),
            arrivals=self._arrivals(),
            scarcity=scarcity,
        )

    # --- waiting

    def _waiting(self) -> WaitingJobs:
        """Return the jobs to be placed and, behind them, those that take room first: these have no slack."""
        rows = self.jobs.waiting[[*self.placed, *self._inflexible()]].astype(np.int64)
        jobs, count, now = [self.jobs.jobs[row] for row in rows.tolist()], len(self.placed), self._now
        units, waves = self._waves(rows)
        rests = self.jobs.rests[rows] * waves[:, None]
        length = rests[:, MEDIAN]
        placed = self.placed.values()
        earliest, latest, planned = (np.full(len(rows), value) for value in (now, now, np.nan))
        earliest[:count] = [it.earliest.timestamp() for it in placed]
        last = np.array([_last(it).timestamp() for it in placed]) - (length * (1 - 1 / waves))[:count]
        latest[:count] = np.maximum(last, earliest[:count])
        planned[:count] = [self._planned(it) if it.known.claims else np.nan for it in placed]
        stops = np.zeros(len(rows), dtype=np.int64)
        most = self._most_stops
        stops[:count] = [it.known.stops if most and self._may_pause(it.job) else most for it in placed]
        limits = [np.nan if job.time_limit is None else job.time_limit.total_seconds() for job in jobs]
        return WaitingJobs(
            ids=np.array([job.key.job_id for job in jobs], dtype=np.int64),
            arrived=self.jobs.submitted[rows],
            earliest=earliest,
            latest=latest,
            length=length,
            longest=np.fmax(np.array(limits, dtype=float), length),
            units=units.astype(float),
            pool=self.jobs.pool[rows],
            owner=_numbered([job.user for job in jobs]),
            planned=planned,
            stops=stops,
            rests=rests,
        )

    @property
    def _now(self) -> float:
        return self.situation.now.timestamp()

    def _planned(self, prospect: Prospect) -> float:
        """When a job is to start as things stand, now if it was let go; NaN where nothing was said of it."""
        job, known = prospect.job, prospect.known
        stands = next((it.set_to for it in standing(job, known) if it.set_to is not None), None)
        if stands is not None:
            return stands.timestamp()
        mine = any(claim.restarts == job.restarts for claim in known.claims)
        return self._now if mine else np.nan

    def _inflexible(self) -> list[int]:
        """Return the places of jobs that could start now and are not to be placed."""
        others = np.ones(len(self.jobs.waiting), dtype=bool)
        others[list(self.placed)] = False
        others &= self._has_forecast[self.jobs.pool[self.jobs.waiting]]
        rows = self.jobs.waiting.tolist()
        return [
            place
            for place in np.flatnonzero(others).tolist()
            if self._could_start(self.jobs.jobs[rows[place]], going=place in self.going)
        ]

    @property
    def _has_forecast(self) -> Flags:
        """Shape (p + 1,), by pool; the last one is nowhere."""
        return np.array([pool in self.forecasts for pool in range(len(self.pools.units))] + [False])

    def _waves(self, rows: Ints) -> tuple[Ints, Ints]:
        """Return how many units jobs take at once, and how often one after the other."""
        each, tasks = np.maximum(self.jobs.units[rows], 1), self.jobs.tasks[rows]
        room = np.array(self.pools.units, dtype=np.int64)[self.jobs.pool[rows]]
        at_once = np.minimum(tasks, np.maximum(room // each, 1))
        return at_once * each, -(-tasks // at_once)

    def _could_start(self, job: QueuedJob, *, going: bool) -> bool:
        if job.waits_for_others or job.obstacle is not None:
            return False
        now = self.situation.now
        by_itself = job.reason in STARTABLE and (job.eligible is None or job.eligible <= now)
        return going or (by_itself and not job.held)

    # --- running

    def _running(self) -> RunningJobs:
        now = self.situation.now
        rows: list[tuple[Any, ...]] = []
        for job in self.situation.queue.running():
            started = job.started or now
            left = None
            for pool, units, itself in self._held(job):
                if left is None:
                    left = self._left(job, now - started)
                stop = self.stoppable.get(job.key) if itself else None
                latest = now if stop is None else stop.bound
                stops = 0 if stop is None else stop.stops
                rows.append((job, started.timestamp(), latest.timestamp(), units, pool, stops, stop, left))
        column = _columns(rows)
        left = _wide([row[-1] for row in rows])
        return RunningJobs(
            ids=np.array([job.key.job_id for job, *_ in rows], dtype=np.int64),
            started=column(1),
            rest=left[:, MEDIAN],
            latest=column(2),
            units=column(3),
            pool=column(4).astype(np.int64),
            owner=_numbered([job.user for job, *_ in rows]),
            stops=column(5).astype(np.int64),
            can_stop=np.array([row[6] is not None for row in rows], dtype=bool),
            rests=left,
        )

    def _left(self, job: QueuedJob, lasted: timedelta) -> Floats:
        """What is left of a run; one that is being stopped is gone within minutes."""
        checkpoint = job.tag.checkpoint if job.tag else None
        if checkpoint is not None and self.situation.known.get(job.key, UNKNOWN).stopping:
            return np.full(len(QUANTILES), (checkpoint.grace + self.rules.stop.settle).total_seconds())
        return rests(job, lasted, self.rules.assumed_length, self.situation.past)

    def _held(self, job: QueuedJob) -> list[tuple[int, int, bool]]:
        """Return the pools in which a running job holds units, how many, and whether it waited for those."""
        own, cpus = self.pools.of(job), self.pools.cpus_of(job)
        held = [] if own is None else [(own, units_of(job.tres), True)]
        if cpus is not None and cpus != own:
            held.append((cpus, job.tres.cpus, False))
        return [item for item in held if item[0] in self.forecasts]

    # --- stops

    @property
    def _most_stops(self) -> int:
        return self.rules.stop.max_stops if self.rules.stop.enabled else 0

    def _may_pause(self, job: QueuedJob) -> bool:
        return self.rules.stop.enabled and job.requeueable and bool(job.tag and job.tag.checkpoint)

    def _stop_cost(self) -> StopCost:
        """What the dearest of the stops would cost: one price serves all."""
        rules, stops = self.rules.stop, self.stoppable.values()
        usual = rules.settle
        return StopCost(
            lost=max((stop.lost for stop in stops), default=usual).total_seconds(),
            restart=max((stop.restart for stop in stops), default=rules.restart).total_seconds(),
            min_run=rules.min_run.total_seconds(),
            max_stops=self._most_stops,
        )

    # --- what will come

    def _arrivals(self) -> Arrivals | None:
        past = self.situation.past
        if past is None:
            return None
        return arrivals(self.situation.now, self.jobs, past, self.pools, self._has_forecast)


def _last(prospect: Prospect) -> datetime:
    """Return the last moment at which a job may start, as its policy is asked."""
    return prospect.bound if prospect.question is None else prospect.question.bound


def _columns(rows: Sequence[tuple[Any, ...]]) -> Callable[[int], Floats]:
    return lambda place: np.array([row[place] for row in rows], dtype=float)


def _wide(rows: Sequence[Floats]) -> Floats:
    return np.concatenate((np.empty(0), *rows)).reshape(len(rows), len(QUANTILES))


def _numbered(names: Sequence[str]) -> Any:
    order = {name: number for number, name in enumerate(sorted(set(names)))}
    return np.array([order[name] for name in names], dtype=np.int64)
