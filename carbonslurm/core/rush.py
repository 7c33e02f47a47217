"""A rush: more work cannot wait than a pool can do, so that promises break whatever is done.

Least slack first keeps all promises where all can be kept; where not, it breaks the most of them: each job
starts when its promise is broken already, and the next one's breaks meanwhile. Here as few promises as
possible are given up: moment by moment ahead, those of the jobs that take most of what cannot wait, until
the others fit (``kept``). Jobs whose promises are to be kept go first, then those that were given up or are
late already; in both by their latest start, each later by a multiple of the time that its run would take
of the whole pool. So a few large jobs come late instead of many small ones. After some days a job that was
given up comes before new ones, so none waits for ever. All this is asked anew each cycle.

Nobody waits for carbon: what stands idle now is missing for as long as the rush lasts. In a deep rush
nothing is stopped, which would break one promise for another and lose work. In a slight one nearly all
promises can be kept: there a running job that may still wait makes room for one that has its last chance
now, and for nobody else.
"""

from dataclasses import dataclass

import numpy as np

from carbonslurm.core.forecast import Floats
from carbonslurm.core.line import Flags, Jobs, fitting, turn
from carbonslurm.core.patience import Ints
from carbonslurm.core.prices import Market
from carbonslurm.core.scene import Scene
from carbonslurm.core.terms import Joint

FIRST = 1e9  # seconds: before anybody else


def needed(market: Market) -> float:
    """Return what cannot wait, as a share of the pool up to the moment ahead at which that is highest."""
    if not np.isfinite(market.units):
        return 0.0
    crowd = market.crowd.merged(len(market.stop), market.shape)
    moments = np.arange(1.0, market.shape.rest + 1)
    cannot_wait = np.clip(moments - crowd.slack[:, None], 0.0, crowd.rest[:, None])
    return float((crowd.units @ cannot_wait / (market.units * moments)).max())


@dataclass(frozen=True, eq=False)
class Rush:
    """What a rush makes of the jobs of one pool; each shape (n,).

    Attributes:
        order: in which the waiting ones are to start, the lowest first, as Unix seconds.
        runs: who runs now.
        stopped: who is stopped.
    """

    order: Floats
    runs: Flags
    stopped: Flags


def in_a_rush(jobs: Jobs, need: float, room: float, terms: Joint, scene: Scene) -> Rush:
    """Say who goes first, who fits, and who makes room.

    Args:
        jobs: of one pool, slack and rests in slots.
        need: see ``needed``.
        room: units of the pool.
        terms: how much later a large job comes, and one that was given up, and how deep a rush is in which
            nobody is stopped.
        scene: the moment, and how long until it is asked again.
    """
    last_chance, order = _order(jobs, room, terms, scene)
    runs = jobs.runs == 1
    slight = need <= terms.full + terms.slight
    may_stop = runs & jobs.free & (jobs.slack * terms.slot > scene.cycle) & slight
    tier = np.select([runs & ~may_stop, last_chance, may_stop], [0, 1, 2], 3)
    line = np.flatnonzero(runs | jobs.free)
    line = line[np.lexsort((jobs.ids[line], turn(jobs)[line], order[line], tier[line]))]
    goes = np.zeros(len(order), dtype=bool)
    goes[line[fitting(jobs.units[line], room)]] = True
    return Rush(order, goes, may_stop & ~goes)


def kept(jobs: Jobs, room: float, terms: Joint) -> Flags:
    """Shape (n,): the waiting jobs whose promises are to be kept, as many as there is room for.

    Whoever may wait up to a moment ahead takes nothing of what the pool can do by then. Where the others
    take more, the one that takes most gives its promise up. So Moore's rule has it, which leaves as few
    jobs late as can be on one machine (Management Science 15, 1968); here they run side by side, and it is
    a good guess.

    Args:
        jobs: of one pool, slack and rests in slots.
        room: units of the pool.
        terms: how far ahead is looked.
    """
    moments = np.arange(1.0, terms.rest + 1)
    running = np.flatnonzero(jobs.runs == 1)
    waiting = np.flatnonzero((jobs.runs == 0) & (jobs.early >= 0))
    left = room * moments - _cannot_wait(jobs, running, moments).sum(axis=1)
    stays = np.ones(len(waiting), dtype=bool)
    for each, most in zip(_cannot_wait(jobs, waiting, moments), left.tolist(), strict=True):
        over = float(each[stays].sum()) - most
        if over > 0:
            line = np.flatnonzero(stays & (each > 0))
            place = waiting[line]
            line = line[np.lexsort((jobs.ids[place], jobs.early[place], -each[line]))]
            stays[line[: np.searchsorted(np.cumsum(each[line]), over) + 1]] = False
    found = np.zeros(len(jobs.runs), dtype=bool)
    found[waiting[stays]] = True
    return found


def _cannot_wait(jobs: Jobs, some: Ints, moments: Floats) -> Floats:
    """Shape (m, k), units x slots: what cannot wait of each of some jobs, up to each moment."""
    slack, rests = jobs.slack[some], jobs.rests[some]
    each = np.zeros((len(moments), len(some)))
    for rest in rests.T:
        each += np.clip(moments[:, None] - slack, 0.0, rest)
    return np.asarray(each * (jobs.units[some] / rests.shape[1]), dtype=float)


def _order(jobs: Jobs, room: float, terms: Joint, scene: Scene) -> tuple[Flags, Floats]:
    """Return which waiting jobs have their last chance to start as promised, and the order of all."""
    latest = scene.now + jobs.early * terms.slot
    order = latest + terms.size * terms.slot * jobs.units / room * jobs.rests.mean(axis=1)
    last_chance = (jobs.runs == 0) & jobs.fresh & (latest >= scene.now) & (latest <= scene.now + scene.cycle)
    order = order + np.where(last_chance | kept(jobs, room, terms), 0.0, terms.behind)
    return last_chance, np.asarray(np.where(last_chance, order - FIRST, order), dtype=float)
