"""The policy joint in the daemon: a scene from a situation, one placement, and back to single jobs.

The same ``joint(scene)`` as the simulator's places them (``core.timetable``); ``core.queue_scene`` makes the
scene. A job whose dependencies are unmet, whose pool nobody knows or which is larger than it, or whose
forecast reaches too short is placed alone, as by lowest-window, and the reason says so.

One that was let go stays so for an hour, even if joint would have it wait again: whether a pool is full may
change from cycle to cycle, and each change of mind costs calls.

A running job is stopped only where both agree: joint, which has something better for its place, and
``core.stop``, for which the stop has to pay by itself.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from math import isnan
from typing import TYPE_CHECKING

from carbonslurm.core.capacity import Pools, pools, units_of
from carbonslurm.core.interval import from_epoch, whole_second
from carbonslurm.core.job import JobKey
from carbonslurm.core.policies import Choice, lowest_window
from carbonslurm.core.queue_scene import QueueScene, Stoppable
from carbonslurm.core.scene import Placement, Scarcity
from carbonslurm.core.situation import Found, PlanRules, Situation
from carbonslurm.core.timetable import Joint, joint
from carbonslurm.core.waiting import Prospect

if TYPE_CHECKING:
    from carbonslurm.core.forecast import Series

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
        choices: when each is to start.
        together: those that were placed together.
        spared: running jobs that are not to be stopped.
        found: for the next cycle.
    """

    choices: Mapping[JobKey, Choice]
    together: frozenset[JobKey] = frozenset()
    spared: frozenset[JobKey] = frozenset()
    found: Found | None = field(default=None)


def placed_together(
    situation: Situation,
    rules: PlanRules,
    prospects: Sequence[Prospect],
    stoppable: Mapping[JobKey, Stoppable],
) -> Placed:
    """Return when each job of which there is a question is to start, and which running ones are spared.

    Args:
        situation: the moment.
        rules: the site's.
        prospects: of all pending jobs that are ours.
        stoppable: running jobs whose stop would pay by itself.
    """
    queue = situation.queue
    known = pools(situation.capacity or (), [*queue.pending(), *queue.running()])
    asked = [prospect for prospect in prospects if prospect.question is not None]
    own = [known.of(prospect.job) for prospect in asked]
    reasons = [_why_alone(prospect, pool, known) for prospect, pool in zip(asked, own, strict=True)]
    alone = {prospect.job.key: why for prospect, why in zip(asked, reasons, strict=True) if why}
    choices = {
        prospect.job.key: Choice(prospect.earliest, LET_GO)
        for prospect in asked
        if prospect.job.key not in alone and _was_just_let_go(prospect, situation.now)
    }
    places = [
        (prospect, pool)
        for prospect, pool, why in zip(asked, own, reasons, strict=True)
        if pool is not None and why is None and prospect.job.key not in choices
    ]
    asked = [prospect for prospect in asked if prospect.job.key not in choices]
    going = {prospect.job.key for prospect in prospects} - {prospect.job.key for prospect in asked}
    scene = _scene(situation, rules, known, places, frozenset(going), stoppable)
    placement = joint(scene.scene(_kept(situation.found, known)), RULES)
    choices |= _choices(scene, placement)
    for prospect in asked:
        if prospect.job.key not in choices:
            choices[prospect.job.key] = _alone(prospect, alone.get(prospect.job.key, TOO_SHORT))
    stopped = {stop.job for stop in placement.stops}
    return Placed(
        choices,
        frozenset(prospect.job.key for prospect in asked) - frozenset(alone),
        frozenset(_spared(scene, stopped)),
        None if placement.scarcity is None else Found(_signature(known), placement.scarcity),
    )


def _why_alone(prospect: Prospect, pool: int | None, known: Pools) -> str | None:
    if prospect.green:
        return GREEN
    if prospect.job.waits_for_others:
        return DEPENDS
    if pool is None:
        return NO_ROOM_KNOWN
    return TOO_LARGE if units_of(prospect.job.tres) > known.units[pool] else None


def _was_just_let_go(prospect: Prospect, now: datetime) -> bool:
    claims = prospect.known.claims
    if not claims:
        return False
    mine = [claim for claim in claims if claim.restarts == prospect.job.restarts and claim.at is not None]
    last = max(mine, key=lambda claim: claim.at or now, default=None)
    return last is not None and last.set_to is None and last.at is not None and now - last.at < STAYS


def _scene(
    situation: Situation,
    rules: PlanRules,
    known: Pools,
    placed: Sequence[tuple[Prospect, int]],
    going: frozenset[JobKey],
    stoppable: Mapping[JobKey, Stoppable],
) -> QueueScene:
    """Return the scene of the pools in which somebody is to be placed, or may be stopped.

    A pool has one forecast: of partitions that share nodes and stand in two zones, that of the first job. One
    without a unit, as far as we know, places nobody.
    """
    forecasts: dict[int, Series] = {}
    for prospect, pool in placed:
        if prospect.question is not None:
            forecasts.setdefault(pool, prospect.question.series)
    for stop in stoppable.values():
        own, series = known.of(stop.job), situation.forecasts.get(rules.zones.of(stop.job))
        if own is not None and known.units[own] and series is not None:
            forecasts.setdefault(own, series)
    return QueueScene(situation, rules, known, forecasts, placed, going, stoppable)


def _choices(scene: QueueScene, placement: Placement) -> dict[JobKey, Choice]:
    """Return what was answered, in whole seconds and within each bound; what was not is missing."""
    choices: dict[JobKey, Choice] = {}
    at_once = scene.situation.now.timestamp() + 1.0
    answers = zip(scene.placed, placement.starts.tolist(), placement.reasons, strict=False)
    for (prospect, _), start, reason in answers:
        question = prospect.question
        if question is None or isnan(start):
            continue
        moment = question.earliest
        if start > at_once:
            moment = min(max(whole_second(from_epoch(start), up=True), moment), question.bound)
        words = f"{reason} ({question.series.source})" if "g/kWh" in reason else reason
        choices[prospect.job.key] = Choice(moment, words)
    return choices


def _alone(prospect: Prospect, why: str) -> Choice:
    if prospect.question is None:
        raise AssertionError(f"{prospect.job.spec} was asked for without a question")
    choice = lowest_window(prospect.question)
    return replace(choice, reason=f"{choice.reason}; {why}")


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
