"""The scene that joint sees, from a queue: who waits, who runs, how much room there is.

- Flexible jobs that are ours to plan stand there with their bounds.
- Pending jobs that could start now and will not wait take room first: their slack is zero. What is held,
  waits for others, for its begin time or for a limit of its owner takes none.
- Running jobs hold their room until they are predicted to end, or for minutes where they are being stopped.
  One with GPUs takes CPUs too, of those who wait for CPUs alone.
- The pending range of an array is one job, which may need several waves: as many tasks as there is room for
  stand there for so much longer, and early enough that the last of them starts by the bound.
- What came within the last day stands for what will come.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import numpy as np

from carbonslurm.core.capacity import Pools, units_of
from carbonslurm.core.forecast import Floats, Series
from carbonslurm.core.job import JobKey, QueuedJob
from carbonslurm.core.length import MEDIAN, QUANTILES, rests
from carbonslurm.core.ownership import UNKNOWN, standing
from carbonslurm.core.scene import Arrivals, RunningJobs, Scarcity, Scene, StopCost, WaitingJobs
from carbonslurm.core.situation import PlanRules, Situation
from carbonslurm.core.waiting import Prospect

LATELY = timedelta(days=1)  # what came in so long speaks for what will come
ENOUGH = timedelta(hours=6)  # less says nothing
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
        placed: the jobs that wait and are to be placed, each with its pool.
        going: jobs that are let go now.
        stoppable: running jobs that may be stopped.
    """

    situation: Situation
    rules: PlanRules
    pools: Pools
    forecasts: Mapping[int, Series]
    placed: Sequence[tuple[Prospect, int]]
    going: frozenset[JobKey]
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
        rows = [self._row(prospect, pool) for prospect, pool in self.placed]
        taken = {prospect.job.key for prospect, _ in self.placed}
        for job in self.situation.queue.pending():
            if job.key in taken or not self._could_start(job):
                continue
            pool = self.pools.of(job)
            if pool is not None and pool in self.forecasts:
                rows.append(self._inflexible(job, pool))
        owners = _numbered([job.user for job, *_ in rows])
        column = _columns(rows)
        return WaitingJobs(
            ids=np.array([job.key.job_id for job, *_ in rows], dtype=np.int64),
            arrived=np.array([job.submitted.timestamp() for job, *_ in rows], dtype=float),
            earliest=column(1),
            latest=column(2),
            length=column(3),
            longest=np.array([self._longest(job, length) for job, _, _, length, *_ in rows], dtype=float),
            units=column(4),
            pool=column(5).astype(np.int64),
            owner=owners,
            planned=column(6),
            stops=column(7).astype(np.int64),
            rests=_wide([row[-1] for row in rows]),
        )

    def _row(self, prospect: Prospect, pool: int) -> tuple[Any, ...]:
        job, question = prospect.job, prospect.question
        latest = question.bound if question is not None else prospect.bound
        units, waves = self._waves(job, pool)
        left = rests(job, timedelta(), self.rules.assumed_length, self.situation.past) * waves
        length = float(left[MEDIAN])
        last = latest.timestamp() - length * (1 - 1 / waves)
        return (
            job,
            prospect.earliest.timestamp(),
            max(last, prospect.earliest.timestamp()),
            length,
            units,
            pool,
            self._planned(prospect),
            prospect.known.stops if self._may_pause(job) else self._most_stops,
            left,
        )

    def _planned(self, prospect: Prospect) -> float:
        """When a job is to start as things stand, now if it was let go; NaN where nothing was said of it."""
        job, known = prospect.job, prospect.known
        stands = next((it.set_to for it in standing(job, known) if it.set_to is not None), None)
        if stands is not None:
            return stands.timestamp()
        mine = [claim for claim in known.claims if claim.restarts == job.restarts]
        return self.situation.now.timestamp() if mine else np.nan

    def _inflexible(self, job: QueuedJob, pool: int) -> tuple[Any, ...]:
        now = self.situation.now.timestamp()
        units, waves = self._waves(job, pool)
        left = rests(job, timedelta(), self.rules.assumed_length, self.situation.past) * waves
        return (job, now, now, float(left[MEDIAN]), units, pool, np.nan, 0, left)

    def _waves(self, job: QueuedJob, pool: int) -> tuple[int, int]:
        """Return how many units a job takes at once, and how often one after the other."""
        each, room = max(units_of(job.tres), 1), self.pools.units[pool]
        at_once = min(job.tasks, max(room // each, 1))
        return at_once * each, -(-job.tasks // at_once)

    def _could_start(self, job: QueuedJob) -> bool:
        if job.waits_for_others or job.obstacle is not None:
            return False
        now = self.situation.now
        by_itself = job.reason in STARTABLE and (job.eligible is None or job.eligible <= now)
        return job.key in self.going or (by_itself and not job.held)

    def _longest(self, job: QueuedJob, length: float) -> float:
        return length if job.time_limit is None else max(job.time_limit.total_seconds(), length)

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
        """What came within the last day: runs that have ended, and what is in the queue."""
        past, now = self.situation.past, self.situation.now
        if past is None:
            return None
        since = now - LATELY
        rows = [
            (run.submitted, run.flex, run.partition, run.tres, 1, np.full(len(QUANTILES), run.seconds))
            for run in past.runs
            if run.ended and since < run.submitted <= now
        ]
        for job in self.situation.queue.jobs:
            if job.state.value in {"PENDING", "RUNNING"} and since < job.submitted <= now:
                flex = job.tag.flex if job.tag else None
                left = rests(job, timedelta(), self.rules.assumed_length, past)
                rows.append((job.submitted, flex, job.partition, job.tres, job.tasks, left))
        first = min((run.submitted for run in past.runs), default=now)
        first = min([first, *(row[0] for row in rows)])
        span = min(now - first, LATELY)
        here = [(row, self.pools.at(row[2], row[3])) for row in rows]
        known = [(row, pool) for row, pool in here if pool is not None and pool in self.forecasts]
        if span < ENOUGH or not known:
            return None
        return Arrivals(
            span=span.total_seconds(),
            slack=np.array([(row[1] or timedelta()).total_seconds() for row, _ in known]),
            rests=_wide([row[5] for row, _ in known]),
            units=np.array([units_of(row[3]) * row[4] for row, _ in known], dtype=float),
            pool=np.array([pool for _, pool in known], dtype=np.int64),
        )


def _columns(rows: Sequence[tuple[Any, ...]]) -> Callable[[int], Floats]:
    return lambda place: np.array([row[place] for row in rows], dtype=float)


def _wide(rows: Sequence[Floats]) -> Floats:
    return np.concatenate((np.empty(0), *rows)).reshape(len(rows), len(QUANTILES))


def _numbered(names: Sequence[str]) -> Any:
    order = {name: number for number, name in enumerate(sorted(set(names)))}
    return np.array([order[name] for name in names], dtype=np.int64)
