"""The policy joint in the daemon: a scene from a situation, one placement, and back to single jobs.

The same ``joint(scene)`` as the simulator's places them (``core.timetable``); ``core.queue_scene`` makes the
scene. A job whose dependencies are unmet, whose pool nobody knows or which is larger than it, or whose
forecast reaches too short is placed alone, as by lowest-window, and the reason says so.

One that was let go stays so for an hour, even if joint would have it wait again: whether a pool is full may
change from cycle to cycle, and each change of mind costs calls.

A running job is stopped only where both agree: joint, which has something better for its place, and
``core.stop``, for which the stop has to pay by itself.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from math import isnan

from carbonslurm.core.action import Action
from carbonslurm.core.capacity import Pools, pools
from carbonslurm.core.columns import NOWHERE, Columns, columns
from carbonslurm.core.forecast import Series
from carbonslurm.core.interval import from_epoch, whole_second
from carbonslurm.core.job import JobKey
from carbonslurm.core.policies import Choice, lowest_window
from carbonslurm.core.queue_scene import QueueScene, Stoppable
from carbonslurm.core.scene import Placement, Scarcity
from carbonslurm.core.situation import Found, PlanRules, Situation
from carbonslurm.core.timetable import Joint, joint
from carbonslurm.core.waiting import Prospect

RULES = Joint(explain=True)
STAYS = timedelta(hours=1)
LET_GO = "it was let go within the last hour: it starts as soon as there is room"
NO_ROOM_KNOWN = "placed alone: nobody knows how much room there is"
TOO_LARGE = "placed alone: it asks for more than its nodes have now"
GREEN = "placed alone, for the greenest hours"
DEPENDS = "placed alone, until the jobs are done that it waits for"
TOO_SHORT = "placed alone: the forecast is too short"


@dataclass(frozen=True, slots=True)
class Placed:
    """What was answered for the jobs that were asked for.

    Attributes:
        choices: when each of the jobs that wait is to start, in their order; None where there was no
            question.
        spared: running jobs that are not to be stopped.
        found: for the next cycle.
    """

    choices: Sequence[Choice | None]
    spared: frozenset[JobKey] = frozenset()
    found: Found | None = field(default=None)


def placed_together(
    situation: Situation,
    rules: PlanRules,
    wishes: Sequence[Prospect | Action | None],
    stoppable: Mapping[JobKey, Stoppable],
) -> Placed:
    """Return when each job of which there is a question is to start, and which running ones are spared.

    Args:
        situation: the moment.
        rules: the site's.
        wishes: of all jobs that wait, in their order.
        stoppable: running jobs whose stop would pay by itself.
    """
    queue = situation.queue
    known = pools(situation.capacity or (), [*queue.pending(), *queue.running()])
    jobs = columns(queue.jobs, known, rules.assumed_length, situation.past)
    asked = _asked(wishes, jobs, known, situation.now)
    forecasts = _forecasts(situation, rules, known, asked.placed, jobs, stoppable)
    going = frozenset(asked.going)
    scene = QueueScene(situation, rules, known, forecasts, jobs, asked.placed, going, stoppable)
    placement = joint(scene.scene(_kept(situation.found, known)), RULES)
    choices: list[Choice | None] = [None] * len(wishes)
    for place, choice in (*asked.choices.items(), *_choices(scene, placement)):
        choices[place] = choice
    stopped = {stop.job for stop in placement.stops}
    return Placed(
        choices,
        frozenset(_spared(scene, stopped)),
        None if placement.scarcity is None else Found(_signature(known), placement.scarcity),
    )


@dataclass(frozen=True, slots=True)
class _Asked:
    """The jobs that wait, by their places, sorted by what is to be asked of whom.

    Attributes:
        placed: they are to be placed together.
        going: they are let go, whatever joint says.
        choices: what was decided without it.
    """

    placed: dict[int, Prospect]
    going: set[int]
    choices: dict[int, Choice]


def _asked(wishes: Sequence[Prospect | Action | None], jobs: Columns, known: Pools, now: datetime) -> _Asked:
    asked = _Asked({}, set(), {})
    own, units = (column[jobs.waiting].tolist() for column in (jobs.pool, jobs.units))
    for place, wish in enumerate(wishes):
        if not isinstance(wish, Prospect):
            continue
        if wish.question is None:
            asked.going.add(place)
        elif why := _why_alone(wish, own[place], units[place], known):
            asked.choices[place] = _alone(wish, why)
        elif wish.known.claims and _was_just_let_go(wish, now):
            asked.choices[place] = Choice(wish.earliest, LET_GO)
            asked.going.add(place)
        else:
            asked.placed[place] = wish
    return asked


def _why_alone(prospect: Prospect, pool: int, units: int, known: Pools) -> str | None:
    if prospect.green:
        return GREEN
    if prospect.job.waits_for_others:
        return DEPENDS
    if pool == NOWHERE:
        return NO_ROOM_KNOWN
    return TOO_LARGE if units > known.units[pool] else None


def _was_just_let_go(prospect: Prospect, now: datetime) -> bool:
    claims = prospect.known.claims
    mine = [claim for claim in claims if claim.restarts == prospect.job.restarts and claim.at is not None]
    last = max(mine, key=lambda claim: claim.at or now, default=None)
    return last is not None and last.set_to is None and last.at is not None and now - last.at < STAYS


def _forecasts(
    situation: Situation,
    rules: PlanRules,
    known: Pools,
    placed: Mapping[int, Prospect],
    jobs: Columns,
    stoppable: Mapping[JobKey, Stoppable],
) -> Mapping[int, Series]:
    """Return the forecasts of the pools in which somebody is to be placed, or may be stopped.

    A pool has one forecast: of partitions that share nodes and stand in two zones, that of the first job. One
    without a unit, as far as we know, places nobody.
    """
    forecasts: dict[int, Series] = {}
    own = jobs.pool[jobs.waiting].tolist()
    for place, prospect in placed.items():
        if own[place] not in forecasts and prospect.question is not None:
            forecasts[own[place]] = prospect.question.series
    for stop in stoppable.values():
        pool, series = known.of(stop.job), situation.forecasts.get(rules.zones.of(stop.job))
        if pool is not None and known.units[pool] and series is not None:
            forecasts.setdefault(pool, series)
    return forecasts


def _choices(scene: QueueScene, placement: Placement) -> Iterator[tuple[int, Choice]]:
    """Yield what was answered, by the jobs' places, in whole seconds and within each bound."""
    at_once, said = scene.situation.now.timestamp() + 1.0, _Said()
    answers = zip(scene.placed.items(), placement.starts.tolist(), placement.reasons, strict=False)
    for (place, prospect), start, reason in answers:
        question = prospect.question
        if question is None or isnan(start):
            yield place, _alone(prospect, TOO_SHORT)._replace(together=True)
            continue
        moment = question.earliest
        if start > at_once:
            moment = min(max(said.moment(start), moment), question.bound)
        yield place, Choice(moment, said.words(reason, question.series.source), together=True)


class _Said:
    """What was said before: many jobs start at the same moments, for the same reasons."""

    def __init__(self) -> None:
        self._moments: dict[float, datetime] = {}
        self._words: dict[tuple[str, str], str] = {}

    def moment(self, start: float) -> datetime:
        found = self._moments.get(start)
        if found is None:
            found = self._moments[start] = whole_second(from_epoch(start), up=True)
        return found

    def words(self, reason: str, source: str) -> str:
        found = self._words.get((reason, source))
        if found is None:
            found = self._words[reason, source] = f"{reason} ({source})" if "g/kWh" in reason else reason
        return found


def _alone(prospect: Prospect, why: str) -> Choice:
    if prospect.question is None:
        raise AssertionError(f"{prospect.job.spec} was asked for without a question")
    choice = lowest_window(prospect.question)
    return Choice(choice.start, f"{choice.reason}; {why}")


def _spared(scene: QueueScene, stopped: set[int]) -> list[JobKey]:
    """Return the running jobs whose place joint leaves to them; of pools that it does not know, none."""
    found = []
    for key, stop in scene.stoppable.items():
        pool = scene.pools.of(stop.job)
        if pool in scene.forecasts and key.job_id not in stopped:
            found.append(key)
    return found


def _signature(known: Pools) -> tuple[tuple[str, int], ...]:
    return tuple(zip(known.names, known.units, strict=True))


def _kept(found: Found | None, known: Pools) -> Scarcity | None:
    """Return what was found last, if the pools are still the same."""
    return found.scarcity if found is not None and found.pools == _signature(known) else None
