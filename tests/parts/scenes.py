"""Scenes for tests of planners: jobs as rows, in hours."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from carbonslurm.core.forecast import Band, Kind, Nature, Scope, Series
from carbonslurm.core.scene import Arrivals, RunningJobs, Scarcity, Scene, StopCost, WaitingJobs

HOUR = 3600.0
NOW = 1_700_000_000.0 // HOUR * HOUR
ONE_POOL = (0,)


@dataclass(frozen=True)
class Job:
    """A job in hours: the wait that it still allows, and equally likely rests of its run."""

    slack: float
    rests: tuple[float, ...]
    units: float = 1.0
    owner: int = 0
    pool: int = 0
    planned: float = float("nan")
    stops: int = 0
    can_stop: bool = True


def series(values: Sequence[float], step: float = HOUR) -> Series:
    """Make a forecast that begins now."""
    edges = NOW + step * np.arange(len(values) + 1)
    nature = Nature(Kind.AVERAGE, Scope.LIFECYCLE)
    return Series(
        "T", "test", nature, edges, np.array(values, dtype=float), np.zeros(len(values), dtype=bool)
    )


def scene(
    intensity: Sequence[float] | None,
    waiting: Sequence[Job] = (),
    running: Sequence[Job] = (),
    room: Sequence[float] = (float("inf"),),
    *,
    now: float = 0.0,
    stop: StopCost | None = None,
    band: Band | None = None,
    arrivals: Arrivals | None = None,
    scarcity: Scarcity | None = None,
) -> Scene:
    """Make a scene; ``now`` in hours, and so are all times of jobs, counted from then."""
    moment = NOW + now * HOUR
    forecast = None if intensity is None else series(intensity)
    return Scene(
        now=moment,
        waiting=_waiting(waiting, moment),
        running=_running(running, moment, len(waiting)),
        room=np.array(room, dtype=float),
        forecasts=(forecast,) * len(room),
        bands=(band,) * len(room),
        stop=stop or StopCost(lost=300.0),
        cycle=600.0,
        arrivals=arrivals,
        scarcity=scarcity,
    )


def _column(jobs: Sequence[Job], name: str, kind: type = float) -> np.ndarray:
    return np.array([getattr(job, name) for job in jobs], dtype=kind)


def _rests(jobs: Sequence[Job]) -> np.ndarray:
    return np.array([job.rests for job in jobs], dtype=float).reshape(len(jobs), -1 if jobs else 1) * HOUR


def _waiting(jobs: Sequence[Job], now: float) -> WaitingJobs:
    rests = _rests(jobs)
    return WaitingJobs(
        ids=np.arange(len(jobs)),
        arrived=np.full(len(jobs), now),
        earliest=np.full(len(jobs), now),
        latest=now + _column(jobs, "slack") * HOUR,
        length=rests.mean(axis=1),
        longest=rests.max(axis=1, initial=0.0),
        units=_column(jobs, "units"),
        pool=_column(jobs, "pool", int),
        owner=_column(jobs, "owner", int),
        planned=now + _column(jobs, "planned") * HOUR,
        stops=_column(jobs, "stops", int),
        rests=rests,
    )


def _running(jobs: Sequence[Job], now: float, first: int) -> RunningJobs:
    rests = _rests(jobs)
    return RunningJobs(
        ids=np.arange(len(jobs)) + first,
        started=np.full(len(jobs), now - HOUR),
        rest=rests.mean(axis=1),
        latest=now + _column(jobs, "slack") * HOUR,
        units=_column(jobs, "units"),
        pool=_column(jobs, "pool", int),
        owner=_column(jobs, "owner", int),
        stops=_column(jobs, "stops", int),
        can_stop=_column(jobs, "can_stop", bool),
        rests=rests,
    )
