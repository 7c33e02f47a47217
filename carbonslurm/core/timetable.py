"""joint: all jobs of a pool placed together, against its room, with promises that hold under contention.

1. Each job becomes a slack (waiting that may still be asked of it) and a few equally likely rests of its
   run.
2. Prices of scarcity are searched for under which the crowd fits into the pool (``prices``), from those of
   the last cycle. Jobs that will arrive are counted as those that came lately.
3. At these prices each job has an advantage of running now over waiting (``patience``). Whoever has no slack
   left runs; then, in the order of advantage, whoever gains, as long as there is room. A running job that
   falls short of a place, its stop paid, is stopped.
4. Where the work that cannot wait will nearly fill the pool up to some moment ahead, nobody waits for
   carbon: jobs run as long as there is room, least slack first.

Among equals the owner with less in the pool goes first. What was answered last stands while a change gains
less than a threshold. The same scene gives the same placement.
"""

from dataclasses import dataclass, field, replace

import numpy as np

from carbonslurm.core.ahead import Ahead, ahead
from carbonslurm.core.crowd import Crowd
from carbonslurm.core.dates import start_slots
from carbonslurm.core.forecast import Floats
from carbonslurm.core.line import Flags, Jobs, fitting, turn
from carbonslurm.core.patience import MUST, Patience, Shape
from carbonslurm.core.prices import Market, Search, settle
from carbonslurm.core.reasons import reasons
from carbonslurm.core.scene import Arrivals, Ints, Placement, Scarcity, Scene, Stop

ONE_SECOND = 1.0
NO_FORECAST = "no usable forecast"


@dataclass(frozen=True, slots=True)
class Joint:
    """How joint plans.

    Attributes:
        search: for the prices; ``again`` iterations where those of the last search still hold.
        again: see there.
        every: seconds; prices are searched for anew when so much has passed.
        slot: seconds.
        slots: at most so many are looked at.
        slack: slots; the longest slack that is told from longer ones.
        rest: slots; the longest rest likewise.
        usual: jobs to come are expected to need at most this share of a pool: no rush lasts.
        caution: how much more where lengths are not known, for each standard deviation that equals the mean.
        full: a pool is taken for full when what cannot wait needs this share of it.
        keep: g/kWh as a share of the mean; what a change must gain.
        equal: likewise; advantages that differ by less are equals.
        explain: whether to say why, job by job.
    """

    search: Search = field(default_factory=Search)
    every: float = 3600.0
    slot: float = 3600.0
    slots: int = 48
    slack: int = 48
    rest: int = 48
    usual: float = 0.75
    caution: float = 0.25
    full: float = 0.85
    keep: float = 0.005
    equal: float = 0.001
    explain: bool = False


def joint(scene: Scene, rules: Joint) -> Placement:
    """Return the placement of all jobs of a scene, pool by pool."""
    starts = np.full(len(scene.waiting.ids), np.nan)
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
        stops += planned.stops
        prices[pool, : len(planned.scarcity)] = planned.scarcity
        tables[pool] = planned.table
        for place, line in zip(planned.waiting.tolist(), planned.reasons, strict=False):
            why[place] = line
        found_at = planned.found_at
    found = Scarcity(since, rules.slot, prices, found_at, tuple(tables))
    return Placement(starts, tuple(stops), found, tuple(why))


@dataclass(frozen=True, eq=False)
class _Planned:
    """What became of one pool."""

    waiting: Ints
    starts: Floats
    stops: list[Stop]
    scarcity: Floats
    found_at: float
    table: Patience
    reasons: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class _Pool:
    """One pool of a scene: the steps of the module's docstring."""

    scene: Scene
    rules: Joint
    pool: int
    known: Ahead

    def planned(self) -> _Planned:
        jobs = self._jobs()
        market = self._market(jobs)
        scarcity, found_at = self._scarcity(market)
        table = self._table(market, scarcity, found_at)
        gain = self._gain(jobs, table, scarcity, market.crowd)
        full = self._full(market)
        if full:
            gain = np.maximum(gain, self._equal)
        chosen = self._chosen(jobs, gain, market.units, full=full)
        slots = start_slots(jobs, chosen, table, scarcity, market.units, self._equal)
        waiting = jobs.runs == 0
        starts = np.where(chosen, self.scene.now, self._later(jobs, gain, slots))[waiting]
        why: tuple[str, ...] = ()
        if self.rules.explain:
            must, wishes = gain[waiting] >= MUST / 2, gain[waiting] > -self._equal
            why = reasons(must, wishes, chosen[waiting], slots[waiting], market.intensity, scarcity)
        stopped = np.flatnonzero((jobs.runs == 1) & ~chosen)
        resume = self.scene.now + max(self.scene.cycle, ONE_SECOND)
        stops = [Stop(int(jobs.ids[index]), resume) for index in stopped]
        return _Planned(jobs.place[waiting], starts, stops, scarcity, found_at, table, why)

    def _jobs(self) -> Jobs:
        scene, slot, stop = self.scene, self.rules.slot, self.scene.stop
        wait, run = scene.waiting, scene.running
        here, there = np.flatnonzero(wait.pool == self.pool), np.flatnonzero(run.pool == self.pool)
        count = (len(here), len(there))
        again = (stop.lost + stop.restart) / slot
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
            slack=np.maximum(slack / slot - again * runs, 0.0),
            rests=rests / slot,
            units=np.concatenate((wait.units[here], run.units[there])),
            owner=np.concatenate((wait.owner[here], run.owner[there])),
            planned=np.concatenate((wait.planned[here], np.full(len(there), np.nan))),
            ids=np.concatenate((wait.ids[here], run.ids[there])),
        )

    def _market(self, jobs: Jobs) -> Market:
        rules, stop, intensity = self.rules, self.scene.stop, self.known.intensity
        again = (stop.lost + stop.restart) / rules.slot * float(intensity.mean())
        arrivals = self.scene.arrivals
        slack, rest = jobs.slack.max(initial=1.0), jobs.rests.max(initial=1.0)
        if arrivals is not None:
            slack = max(slack, arrivals.slack.max(initial=0.0) / rules.slot)
            rest = max(rest, arrivals.rests.max(initial=0.0) / rules.slot)
        shape = Shape(_up_to(slack, rules.slack), _up_to(rest, rules.rest))
        stops = np.array([again, np.inf])[np.unique(jobs.kind)]
        kinds = len(stops)
        crowd = jobs.crowd() if kinds > 1 else _of_one_kind(jobs.crowd())
        room = float(self.scene.room[self.pool])
        inflow = np.zeros((kinds, 2, shape.slack + 1, shape.rest + 1))
        if arrivals is not None and np.isfinite(room):
            inflow = self._inflow(arrivals, kinds, shape, room)
        return Market(intensity, self.known.first, stops, shape, room, crowd, inflow)

    def _inflow(self, arrivals: Arrivals, kinds: int, shape: Shape, room: float) -> Floats:
        """Units that arrive in each slot, half a slot of waiting behind them on average."""
        here, slot = arrivals.pool == self.pool, self.rules.slot
        rests = arrivals.rests[here] / slot
        parts = rests.shape[1]
        units = np.repeat(arrivals.units[here] / parts, parts) * (slot / max(arrivals.span, slot))
        work = float(units @ rests.ravel())
        unsure = float(units @ np.repeat(rests.std(axis=1), parts)) / max(work, ONE_SECOND)
        most = min(self.rules.usual * (1 + self.rules.caution * unsure), 1.0)
        units *= min(1.0, most * room / work) if work > 0 else 1.0
        slack = np.repeat(np.maximum(arrivals.slack[here] / slot - 0.5, 0.0), parts)
        none = np.zeros(len(units), dtype=np.int64)
        return Crowd(none, none, slack, rests.ravel(), units).poured(kinds, shape)

    def _scarcity(self, market: Market) -> tuple[Floats, float]:
        """The last prices, moved on to this slot; searched for anew once they are old."""
        last, rules, count = self.scene.scarcity, self.rules, len(market.intensity)
        scarcity = np.zeros(count)
        if last is None or last.slot != rules.slot or last.tables[self.pool] is None:
            return settle(market, scarcity, rules.search), self.scene.now
        past = round((self.scene.now // rules.slot * rules.slot - last.since) / rules.slot)
        kept = last.g_per_kwh[self.pool][past:][:count] if past >= 0 else scarcity[:0]
        scarcity[: len(kept)] = kept
        if self.scene.now - last.found_at < rules.every and past == 0:
            return scarcity, last.found_at
        return settle(market, scarcity, rules.search), self.scene.now

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

    def _gain(self, jobs: Jobs, table: Patience, scarcity: Floats, crowd: Crowd) -> Floats:
        """Shape (n,), g/kWh: the advantage of running now, the scarcity of this very slot left out.

        A place that nobody else wants now is worth nothing, whatever was expected of the slot.
        """
        parts = jobs.rests.shape[1]
        each = table.now(crowd.kind, crowd.runs, crowd.slack, crowd.rest).reshape(-1, parts).mean(axis=1)
        gain = each / table.first + scarcity[0]
        gain = np.where(each >= MUST / 2, MUST, gain)
        floor = self.known.doubt
        # A stop has to gain more than the forecast may err by; so has a change of what was answered last.
        gain = gain + np.where(jobs.runs == 1, floor, 0.0)
        keep = self.rules.keep * float(self.known.intensity.mean())
        told_to_go = np.isfinite(jobs.planned) & (jobs.planned <= self.scene.now)
        told_to_wait = jobs.planned > self.scene.now + self.scene.cycle
        gain = gain + np.where(told_to_go, keep, 0.0) - np.where(told_to_wait & (gain < MUST), keep, 0.0)
        return np.asarray(gain, dtype=float)

    def _full(self, market: Market) -> bool:
        """Whether what cannot wait will fill the pool at some moment ahead."""
        if not np.isfinite(market.units):
            return False
        crowd = market.crowd.merged(len(market.stop), market.shape)
        moments = np.arange(1.0, market.shape.rest + 1)
        cannot_wait = np.clip(moments - crowd.slack[:, None], 0.0, crowd.rest[:, None])
        needed = crowd.units @ cannot_wait
        return bool(np.any(needed > self.rules.full * market.units * moments))

    def _chosen(self, jobs: Jobs, gain: Floats, room: float, *, full: bool) -> Flags:
        """Shape (n,), whether each runs now."""
        must, equal = gain >= MUST / 2, self._equal
        spent = jobs.slack * self.rules.slot <= self.scene.cycle
        running = jobs.runs == 1
        stays = running & (~jobs.free | spent)
        fresh = spent & ~running & jobs.fresh
        tier = np.select([stays, fresh, spent, running & must, must], [0, 1, 2, 3, 4], 5)
        wish = np.where(must, jobs.slack, -np.round(gain / equal))
        if full:  # a run that goes on is worth an hour: two jobs of one slack must not take turns
            wish = jobs.slack - np.where(running & ~must, 1.0, 0.0)
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


def _up_to(longest: float, most: int) -> int:
    """Whole slots that hold the longest there is, at most so many: no table is larger than its jobs need."""
    return int(np.clip(np.ceil(longest), 1, most))


def _has_jobs(scene: Scene, pool: int) -> bool:
    return bool((scene.waiting.pool == pool).any() or (scene.running.pool == pool).any())


def _wide(rests: Floats, other: Floats) -> Floats:
    """Repeat columns where the other table has more of them."""
    if rests.shape[1] == other.shape[1] or other.shape[1] < rests.shape[1]:
        return rests
    return np.repeat(rests, other.shape[1] // rests.shape[1], axis=1)


def _of_one_kind(crowd: Crowd) -> Crowd:
    return Crowd(np.zeros_like(crowd.kind), crowd.runs, crowd.slack, crowd.rest, crowd.units)
