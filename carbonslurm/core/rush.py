"""A rush: more work cannot wait than a pool can do, so that promises break whatever is done.

Least slack first keeps all promises where all can be kept; where not, it breaks the most of them: each job
starts when its promise is broken already, and the next one's breaks meanwhile. Here whoever can still start
as promised, but not after this cycle, goes first; then the others in the order of their latest start, each
later by a multiple of the time that its run would take of the whole pool. So a few large jobs come late
instead of many small ones, none waits for ever, and the mean wait falls.

Nobody waits for carbon: what stands idle now is missing for as long as the rush lasts. And nothing is
stopped, which would break one promise for another and lose work.
"""

import numpy as np

from carbonslurm.core.forecast import Floats
from carbonslurm.core.line import Jobs
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


def in_a_rush(jobs: Jobs, room: float, terms: Joint, scene: Scene) -> Floats:
    """Shape (n,): the order in which jobs are to start, the lowest first, as Unix seconds.

    Args:
        jobs: of one pool, slack and rests in slots.
        room: units of the pool.
        terms: how much later a large job comes.
        scene: the moment, and how long until it is asked again.
    """
    latest = scene.now + jobs.early * terms.slot
    order = latest + terms.size * terms.slot * jobs.units / room * jobs.rests.mean(axis=1)
    until = scene.now + scene.cycle
    last_chance = jobs.fresh & (latest >= scene.now) & (latest <= until)
    return np.asarray(np.where(last_chance, order - FIRST, order), dtype=float)
