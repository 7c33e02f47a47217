"""A rush: more work cannot wait than a pool can do, so that promises break whatever is done.

Least slack first keeps all promises where all can be kept; where not, it breaks the most of them: each job
starts when its promise is broken already, and the next one's breaks meanwhile. Here whoever can still start
as promised, but not after this cycle, goes first; then the others in the order of their latest start, each
later by a multiple of the time that its run would take of the whole pool. So a few large jobs come late
instead of many small ones, none waits for ever, and the mean wait falls.

Nobody waits for carbon: what stands idle now is missing for as long as the rush lasts. In a deep rush
nothing is stopped, which would break one promise for another and lose work. In a slight one nearly all
promises can be kept: there a running job that may still wait makes room for one that has its last chance
now, and for nobody else.
"""

from dataclasses import dataclass

import numpy as np

from carbonslurm.core.forecast import Floats
from carbonslurm.core.line import Flags, Jobs, fitting, turn
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
        terms: how much later a large job comes, and how deep a rush is in which nobody is stopped.
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


def _order(jobs: Jobs, room: float, terms: Joint, scene: Scene) -> tuple[Flags, Floats]:
    """Return which waiting jobs have their last chance to start as promised, and the order of all."""
    latest = scene.now + jobs.early * terms.slot
    order = latest + terms.size * terms.slot * jobs.units / room * jobs.rests.mean(axis=1)
    last_chance = (jobs.runs == 0) & jobs.fresh & (latest >= scene.now) & (latest <= scene.now + scene.cycle)
    return last_chance, np.asarray(np.where(last_chance, order - FIRST, order), dtype=float)
