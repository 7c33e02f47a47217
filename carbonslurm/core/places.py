"""Place and time together: a job that may run in any of several pools takes the cheapest of both.

For each job its own best start in each pool is found as in lowest-window, by that pool's forecast; what it
would emit there, and what moving its data would, are added; the least counts, of equals its own pool, then
the earliest start. Room is not looked at: where there is enough the result is never worse than the best that
staying gives, which is one of the candidates; else jobs queue where they went (docs/policies.md, 22).
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

import numpy as np

from carbonslurm.core.forecast import Floats, Series
from carbonslurm.core.interval import from_epoch
from carbonslurm.core.policies import Question, candidate_starts, judged_length
from carbonslurm.core.scene import Placement, Scene
from carbonslurm.core.units import kwh_from_watts

EQUAL = 1e-9  # as a share of the grams: what rounding may differ by is no reason to move


@dataclass(frozen=True, slots=True)
class Transfer:
    """What moving a GB from one pool to another costs.

    Attributes:
        g_per_gb: grams, whenever.
        kwh_per_gb: energy, at the mean of both zones' intensities when the job starts.
    """

    g_per_gb: float = 0.0
    kwh_per_gb: float = 0.0

    def grams(self, gigabytes: float, home: Series, there: Series, starts: Floats) -> Floats:
        """Shape (k,), g: what moving data for a start at each moment costs; NaN where that is unknown."""
        flat = np.full(len(starts), gigabytes * self.g_per_gb)
        if not self.kwh_per_gb:
            return flat
        both = (home.means(starts, 1.0) + there.means(starts, 1.0)) / 2
        return np.asarray(flat + gigabytes * self.kwh_per_gb * both, dtype=float)


@dataclass(frozen=True, slots=True)
class _Best:
    """The best start in one pool."""

    pool: int
    start: float
    grams: float


def anywhere(transfer: Transfer) -> Callable[[Scene], Placement]:
    """Return the planner of place and time; without a forecast at home a job is left to the queue."""
    return lambda scene: _placed(scene, transfer)


def _placed(scene: Scene, transfer: Transfer) -> Placement:
    waiting = scene.waiting
    starts, pools = np.full(len(waiting.ids), np.nan), waiting.pool.copy()
    for job in range(len(waiting.ids)):
        best = _cheapest(scene, job, transfer)
        if best is not None:
            starts[job], pools[job] = best.start, best.pool
    return Placement(starts, pools=pools)


def _cheapest(scene: Scene, job: int, transfer: Transfer) -> _Best | None:
    waiting, home = scene.waiting, int(scene.waiting.pool[job])
    if scene.forecasts[home] is None:
        return None
    others = [] if waiting.choices is None else np.flatnonzero(waiting.choices[job]).tolist()
    best: _Best | None = None
    for pool in [home, *(other for other in others if other != home)]:
        found = _best_in(scene, job, pool, transfer)
        if found is not None and (best is None or found.grams < best.grams * (1 - EQUAL)):
            best = found
    return best


def _best_in(scene: Scene, job: int, pool: int, transfer: Transfer) -> _Best | None:
    """Return the best start in one pool, None where its forecast does not cover the run."""
    waiting, series = scene.waiting, scene.forecasts[pool]
    home = scene.forecasts[int(waiting.pool[job])]
    if series is None or home is None or not series.edges[0] <= scene.now < series.edges[-1]:
        return None
    latest = max(float(waiting.latest[job]), scene.now)
    length = float(waiting.length[job])
    question = Question(from_epoch(scene.now), from_epoch(latest), timedelta(seconds=length), series)
    judged = judged_length(question)
    starts = candidate_starts(question, judged)
    watts = 1000.0 if waiting.watts is None else float(waiting.watts[job])
    grams = series.means(starts, judged.total_seconds()) * kwh_from_watts(watts, timedelta(seconds=length))
    if pool != int(waiting.pool[job]) and waiting.data_gb is not None:
        grams = grams + transfer.grams(float(waiting.data_gb[job]), home, series, starts)
    if bool(np.isnan(grams).all()):
        return None
    first = int(np.nanargmin(grams))
    return _Best(pool, float(starts[first]), float(grams[first]))
