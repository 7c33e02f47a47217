"""joint: all jobs of a pool placed together, against its room, with promises that hold under contention.

1. Each job becomes a slack (waiting that may still be asked of it) and a few equally likely rests of its
   run.
2. Prices of scarcity are searched for under which the crowd fits into the pool (``prices``), from those of
   the last cycle. Jobs that will arrive are counted as those that came lately.
3. At these prices each job has an advantage of running now over waiting (``patience``). Whoever has no slack
   left runs; then, in the order of advantage, whoever gains, as long as there is room. A running job that
   falls short of a place, its stop paid, is stopped.
4. Where more work cannot wait than the pool can do up to some moment ahead, promises break whatever is done
   (``rush``): nobody waits for carbon, hardly anything is stopped, and the order is such that few of them do.

Among equals the owner with less in the pool goes first. What was answered last stands while a change gains
less than a threshold. The same scene gives the same placement.
"""

from dataclasses import dataclass, replace

import numpy as np

from carbonslurm.core.ahead import Ahead, ahead
from carbonslurm.core.crowd import Crowd
from carbonslurm.core.dates import start_slots
from carbonslurm.core.demand import jobs_of, market_of
from carbonslurm.core.forecast import Floats
from carbonslurm.core.line import Flags, Jobs, fitting, turn
from carbonslurm.core.patience import MUST, Patience
from carbonslurm.core.prices import Market, settle
from carbonslurm.core.reasons import reasons
from carbonslurm.core.rush import in_a_rush, needed
from carbonslurm.core.scene import Ints, Placement, Scarcity, Scene, Stop
from carbonslurm.core.terms import Joint

__all__ = ["Joint", "joint"]
ONE_SECOND = 1.0
RUSH = "more cannot wait than there is room for"
NO_FORECAST = "no usable forecast"


def joint(scene: Scene, rules: Joint) -> Placement:
    """Return the placement of all jobs of a scene, pool by pool."""
    starts, order = (np.full(len(scene.waiting.ids), np.nan) for _ in range(2))
    stops: list[Stop] = []
    prices = np.zeros((len(scene.room), rules.slots))
    why = [NO_FORECAST] * len(starts) if rules.explain else []
    tables: list[Patience | None] = [None] * len(scene.room)
    since = scene.now // rules.slot * rules.slot
    found_at = scene.now
    for pool, series in enumerate(scene.forecasts):
        known = (
            None if series is None else ahead(series, scene.bands[pool], scene.now, rules.slot, rules.slots)
        )
        if known is None or not _has_jobs(scene, pool):
            continue
        planned = _Pool(scene, rules, pool, known).planned()
        starts[planned.waiting] = planned.starts
        order[planned.waiting] = planned.order
        stops += planned.stops
        prices[pool, : len(planned.scarcity)] = planned.scarcity
        tables[pool] = planned.table
        for place, line in zip(planned.waiting.tolist(), planned.reasons, strict=False):
            why[place] = line
        found_at = planned.found_at
    found = Scarcity(since, rules.slot, prices, found_at, tuple(tables))
    return Placement(starts, tuple(stops), found, tuple(why), order=order)


@dataclass(frozen=True, eq=False)
class _Planned:
    """What became of one pool."""

    waiting: Ints
    starts: Floats
    order: Floats
    stops: list[Stop]
    scarcity: Floats
    found_at: float
    table: Patience | None
    reasons: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class _Pool:
    """One pool of a scene: the steps of the module's docstring."""

    scene: Scene
    rules: Joint
    pool: int
    known: Ahead

    def planned(self) -> _Planned:
        jobs = jobs_of(self.scene, self.pool, self.rules.slot)
        market = market_of(self.scene, self.pool, self.known, jobs, self.rules)
        if (need := needed(market)) > self.rules.full:
            return self._rushed(jobs, market, need)
        scarcity, found_at = self._scarcity(market)
        table = self._table(market, scarcity, found_at)
        gain = self._gain(jobs, table, scarcity, market)
        chosen = self._chosen(jobs, gain, market.units)
        slots = start_slots(jobs, chosen, table, scarcity, market.units, self._equal)
        waiting = jobs.runs == 0
        starts = np.where(chosen, self.scene.now, self._later(jobs, gain, slots))[waiting]
        why: tuple[str, ...] = ()
        if self.rules.explain:
            must, wishes = gain[waiting] >= MUST / 2, gain[waiting] > -self._equal
            why = reasons(must, wishes, chosen[waiting], slots[waiting], market.intensity, scarcity)
        stops = self._stops(jobs, (jobs.runs == 1) & ~chosen)
        there = jobs.place[waiting]
        return _Planned(there, starts, np.full(len(there), np.nan), stops, scarcity, found_at, table, why)

    def _rushed(self, jobs: Jobs, market: Market, need: float) -> _Planned:
        """Everybody goes: who fits at once, the others into the queue. Prices are of no use, and stay."""
        waiting, rush = jobs.runs == 0, in_a_rush(jobs, need, market.units, self.rules, self.scene)
        starts = np.where(rush.runs, self.scene.now, self.scene.now + ONE_SECOND)
        there, (scarcity, found_at) = jobs.place[waiting], self._last_prices(market)
        why = (RUSH,) * len(there) if self.rules.explain else ()
        stops = self._stops(jobs, rush.stopped)
        return _Planned(there, starts[waiting], rush.order[waiting], stops, scarcity, found_at, None, why)

    def _stops(self, jobs: Jobs, stopped: Flags) -> list[Stop]:
        resume = self.scene.now + max(self.scene.cycle, ONE_SECOND)
        return [Stop(int(jobs.ids[index]), resume) for index in np.flatnonzero(stopped)]

    def _scarcity(self, market: Market) -> tuple[Floats, float]:
        """The last prices, moved on to this slot; searched for anew once they are old."""
        last, rules = self.scene.scarcity, self.rules
        scarcity, found_at = self._last_prices(market)
        known = last is not None and last.slot == rules.slot and last.tables[self.pool] is not None
        same = known and last is not None and self._passed(last) == 0
        if same and self.scene.now - found_at < rules.every:
            return scarcity, found_at
        return settle(market, scarcity, rules.search), self.scene.now

    def _last_prices(self, market: Market) -> tuple[Floats, float]:
        """The last prices, moved on to this slot, and when they were found; zeros where there are none."""
        last, count = self.scene.scarcity, len(market.intensity)
        scarcity = np.zeros(count)
        if last is None or last.slot != self.rules.slot:
            return scarcity, self.scene.now
        past = self._passed(last)
        kept = last.g_per_kwh[self.pool][past:][:count] if past >= 0 else scarcity[:0]
        scarcity[: len(kept)] = kept
        return scarcity, last.found_at

    def _passed(self, last: Scarcity) -> int:
        """How many slots have begun since the last prices were."""
        return round((self.scene.now // self.rules.slot * self.rules.slot - last.since) / self.rules.slot)

    def _table(self, market: Market, scarcity: Floats, found_at: float) -> Patience:
        """The table at these prices: that of the last cycle where only the first slot has grown shorter."""
        last = self.scene.scarcity
        if last is not None and last.found_at == found_at and found_at < self.scene.now:
            kept = last.tables[self.pool]
            fits = (
                kept is not None
                and kept.shape == market.shape
                and np.array_equal(kept.price[1:], (market.intensity + scarcity)[1:])
                and np.array_equal(kept.stop, market.stop)
            )
            if kept is not None and fits:
                price = np.concatenate(((market.intensity + scarcity)[:1], kept.price[1:]))
                return replace(kept, price=price, first=market.first)
        return market.table(scarcity)

    def _gain(self, jobs: Jobs, table: Patience, scarcity: Floats, market: Market) -> Floats:
        """Shape (n,), g/kWh: the advantage of running now.

        A run that goes on counts with what it would gain if now were as clean, and all later slots as dirty,
        as the band allows, where that is more: no stop that the band does not support.
        """
        gain = _advantage(jobs, table, scarcity, market.crowd)
        stoppable = (jobs.runs == 1) & jobs.free
        if not self.known.certain and bool(stoppable.any()):
            shifted = np.concatenate((self.known.low[:1], self.known.high[1:]))
            firm = replace(market, intensity=shifted, beyond=float(shifted.mean())).table(scarcity)
            gain = np.where(stoppable, np.maximum(gain, _advantage(jobs, firm, scarcity, market.crowd)), gain)
        keep = self.rules.keep * float(self.known.intensity.mean())
        told_to_go = np.isfinite(jobs.planned) & (jobs.planned <= self.scene.now)
        told_to_wait = jobs.planned > self.scene.now + self.scene.cycle
        gain = gain + np.where(told_to_go, keep, 0.0) - np.where(told_to_wait & (gain < MUST), keep, 0.0)
        return np.asarray(gain, dtype=float)

    def _chosen(self, jobs: Jobs, gain: Floats, room: float) -> Flags:
        """Shape (n,), whether each runs now."""
        must, equal = gain >= MUST / 2, self._equal
        spent = jobs.slack * self.rules.slot <= self.scene.cycle
        running = jobs.runs == 1
        stays = running & (~jobs.free | spent)
        fresh = spent & ~running & jobs.fresh
        tier = np.select([stays, fresh, spent, running & must, must], [0, 1, 2, 3, 4], 5)
        wish = np.where(must, jobs.slack, -np.round(gain / equal))
        order = np.lexsort((jobs.ids, turn(jobs), wish, tier))
        may = (stays | must | spent | (gain > -equal)) & (running | jobs.free)
        order = order[may[order]]
        chosen = np.zeros(len(gain), dtype=bool)
        chosen[order[fitting(jobs.units[order], room)]] = True
        return np.asarray(chosen | (running & ~jobs.free))

    def _later(self, jobs: Jobs, gain: Floats, slots: Ints) -> Floats:
        """Shape (n,), Unix seconds: who would gain now goes into the queue behind those that were chosen."""
        soon = self.scene.now + ONE_SECOND
        edge = (self.scene.now // self.rules.slot + slots) * self.rules.slot
        latest = self.scene.now + jobs.slack * self.rules.slot
        return np.where(gain > -self._equal, soon, np.maximum(np.minimum(edge, latest), soon))

    @property
    def _equal(self) -> float:
        """What makes no difference, in g/kWh."""
        return self.rules.equal * float(self.known.intensity.mean())


def _advantage(jobs: Jobs, table: Patience, scarcity: Floats, crowd: Crowd) -> Floats:
    """Shape (n,), g/kWh: of running now, the scarcity of this very slot left out.

    A place that nobody else wants now is worth nothing, whatever was expected of the slot.
    """
    parts = jobs.rests.shape[1]
    each = table.now(crowd.kind, crowd.runs, crowd.slack, crowd.rest).reshape(-1, parts).mean(axis=1)
    return np.where(each >= MUST / 2, MUST, each / table.first + scarcity[0])


def _has_jobs(scene: Scene, pool: int) -> bool:
    return bool((scene.waiting.pool == pool).any() or (scene.running.pool == pool).any())
