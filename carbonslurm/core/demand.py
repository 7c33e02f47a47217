"""Who wants a pool: the jobs of a scene in slots, and the market of those that are there and those to come.

Jobs that will arrive are counted as those that came lately, but no rush lasts: they are expected to need no
more than a share of the pool, more of it where lengths are known badly.
"""

import numpy as np

from carbonslurm.core.ahead import Ahead
from carbonslurm.core.crowd import Crowd
from carbonslurm.core.forecast import Floats
from carbonslurm.core.line import Jobs
from carbonslurm.core.patience import Shape
from carbonslurm.core.prices import Market
from carbonslurm.core.scene import Arrivals, Scene
from carbonslurm.core.terms import Joint

ONE_SECOND = 1.0


def jobs_of(scene: Scene, pool: int, slot: float) -> Jobs:
    """Return the jobs of a pool, waiting ones first.

    Args:
        scene: all of them.
        pool: its index.
        slot: seconds.
    """
    stop, wait, run = scene.stop, scene.waiting, scene.running
    here, there = np.flatnonzero(wait.pool == pool), np.flatnonzero(run.pool == pool)
    count = (len(here), len(there))
    rests = np.concatenate((_wide(wait.rests[here], run.rests), _wide(run.rests[there], wait.rests)))
    slack = np.concatenate(
        (wait.latest[here] - np.maximum(wait.earliest[here], scene.now), run.latest[there] - scene.now)
    )
    stops = np.concatenate((wait.stops[here], run.stops[there]))
    runs = np.repeat(np.array([0, 1]), count)
    return Jobs(
        place=np.concatenate((here, there)),
        runs=runs,
        kind=(stops >= stop.max_stops).astype(np.int64),
        free=np.concatenate((wait.earliest[here] <= scene.now, run.can_stop[there])).astype(bool),
        fresh=stops == 0,
        slack=np.maximum(slack / slot - stop.again / slot * runs, 0.0),
        early=slack / slot,
        rests=rests / slot,
        units=np.concatenate((wait.units[here], run.units[there])),
        owner=np.concatenate((wait.owner[here], run.owner[there])),
        planned=np.concatenate((wait.planned[here], np.full(len(there), np.nan))),
        ids=np.concatenate((wait.ids[here], run.ids[there])),
    )


def market_of(scene: Scene, pool: int, known: Ahead, jobs: Jobs, terms: Joint) -> Market:
    """Return the pool ahead, with the crowd that is there and the one that is expected."""
    again = scene.stop.again / terms.slot * float(known.intensity.mean())
    arrivals = scene.arrivals
    slack, rest = jobs.slack.max(initial=1.0), jobs.rests.max(initial=1.0)
    if arrivals is not None:
        slack = max(slack, arrivals.slack.max(initial=0.0) / terms.slot)
        rest = max(rest, arrivals.rests.max(initial=0.0) / terms.slot)
    shape = Shape(_up_to(slack, terms.slack), _up_to(rest, terms.rest))
    stops = np.array([again, np.inf])[np.unique(jobs.kind)]
    kinds = len(stops)
    crowd = jobs.crowd() if kinds > 1 else _of_one_kind(jobs.crowd())
    room = float(scene.room[pool])
    inflow = np.zeros((kinds, 2, shape.slack + 1, shape.rest + 1))
    if arrivals is not None and np.isfinite(room):
        inflow = _expected(arrivals, pool, terms, room).poured(kinds, shape)
    beyond = float(known.intensity.mean())
    return Market(known.intensity, known.first, stops, shape, room, crowd, inflow, beyond)


def _expected(arrivals: Arrivals, pool: int, terms: Joint, room: float) -> Crowd:
    """Units that arrive in each slot, half a slot of waiting behind them on average."""
    here, slot = arrivals.pool == pool, terms.slot
    rests = arrivals.rests[here] / slot
    parts = rests.shape[1]
    units = np.repeat(arrivals.units[here] / parts, parts) * (slot / max(arrivals.span, slot))
    work = float(units @ rests.ravel())
    unsure = float(units @ np.repeat(rests.std(axis=1), parts)) / max(work, ONE_SECOND)
    most = min(terms.usual * (1 + terms.caution * unsure), 1.0)
    units *= min(1.0, most * room / work) if work > 0 else 1.0
    slack = np.repeat(np.maximum(arrivals.slack[here] / slot - 0.5, 0.0), parts)
    none = np.zeros(len(units), dtype=np.int64)
    return Crowd(none, none, slack, rests.ravel(), units)


def _up_to(longest: float, most: int) -> int:
    """Whole slots that hold the longest there is, at most so many: no table is larger than its jobs need."""
    return int(np.clip(np.ceil(longest), 1, most))


def _wide(rests: Floats, other: Floats) -> Floats:
    """Repeat columns where the other table has more of them."""
    if rests.shape[1] == other.shape[1] or other.shape[1] < rests.shape[1]:
        return rests
    return np.repeat(rests, other.shape[1] // rests.shape[1], axis=1)


def _of_one_kind(crowd: Crowd) -> Crowd:
    return Crowd(np.zeros_like(crowd.kind), crowd.runs, crowd.slack, crowd.rest, crowd.units)
