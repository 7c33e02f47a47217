"""What would happen to a job that is about to be submitted: the same plan() on a queue of one."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

from carbonslurm.core.action import Action
from carbonslurm.core.allowance import Allowance
from carbonslurm.core.forecast import Series
from carbonslurm.core.interval import Interval
from carbonslurm.core.job import JobKey, JobState, Queue, QueuedJob, Tres
from carbonslurm.core.length import Past, predicted_length
from carbonslurm.core.ownership import Known
from carbonslurm.core.planner import plan
from carbonslurm.core.policy_names import JOINT
from carbonslurm.core.power import PowerModel
from carbonslurm.core.situation import PlanRules, Situation
from carbonslurm.core.tag import Declaration, FlexibleBy, Tag
from carbonslurm.core.units import kwh_from_watts

_INSTANT = timedelta(seconds=1)
NO_ROOM = "no room to wait: it must start now"
NO_ROOM_BEHIND_BEGIN = "no room to wait: it must start at its own begin time"


class Basis(StrEnum):
    """Where a predicted length comes from."""

    DECLARED = "declared"
    PAST = "past"
    LIMIT = "limit"
    ASSUMED = "assumed"


@dataclass(frozen=True, slots=True)
class Preview:
    """One job's prospects; grams are those of an array's one task.

    Attributes:
        begin: its own begin time, None where it has none or that has passed.
        earliest: the first moment at which it could start.
        start: when it would be planned to start; as soon as it may where waiting does not pay.
        bound: its latest start.
        length: predicted.
        basis: where the length comes from.
        g_now: grams if it started as soon as it may, None where the forecast does not cover its run.
        g_then: grams if it starts at ``start``.
        mean_now: mean g/kWh of its run if it started as soon as it may.
        mean_then: the same at ``start``.
        reason: the planner's.
    """

    begin: datetime | None
    earliest: datetime
    start: datetime
    bound: datetime
    length: timedelta
    basis: Basis
    g_now: float | None
    g_then: float | None
    mean_now: float | None
    mean_then: float | None
    reason: str


def preview(
    declared: Declaration,
    *,
    limit: timedelta | None,
    partition: str,
    tres: Tres,
    series: Series | None,
    rules: PlanRules,
    now: datetime,
    begin: datetime | None = None,
    user: str = "",
    past: Past | None = None,
    budget: Allowance | None = None,
    by: FlexibleBy = FlexibleBy.OWNER,
) -> Preview:
    """Return what the planner would do with such a job, were it submitted now and alone.

    How much room others leave is not looked at: under joint it may start at another time.

    Args:
        declared: its tag, with ``flex`` or ``finish``.
        limit: its time limit, None where it is left to Slurm.
        partition: for zone and queue wait; an empty text for the default one.
        tres: what it asks for, for grams.
        series: the zone's usable forecast, None where there is none.
        rules: the site's.
        now: the moment of submission.
        begin: its own begin time.
        user: who submits it.
        past: what past runs teach of lengths; None where the site does not look at them.
        budget: the used-up budget that decides how it is planned, None where there is none.
        by: who declared it.
    """
    if rules.policy == JOINT:
        rules = replace(rules, policy="lowest-window")
    job = _job(declared, limit, partition, tres, rules, now, begin)
    job = replace(job, user=user, tag=job.tag and replace(job.tag, by=by))
    queue = Queue(now, (job,))
    known = {job.key: Known(first_eligible=_earliest(job, now))}
    # A lead of nothing: planned to the second, as the daemon does from its next cycle on.
    used_up = {job.key: budget} if budget is not None else {}
    situation = Situation(now, queue, {rules.zones.of(job): series}, known, past=past, used_up=used_up)
    (action,) = plan(situation, replace(rules, lead=timedelta())).actions
    return _preview(job, action, situation, rules)


def _earliest(job: QueuedJob, now: datetime) -> datetime:
    return job.tag.begin if job.tag and job.tag.begin else now


def _job(
    declared: Declaration,
    limit: timedelta | None,
    partition: str,
    tres: Tres,
    rules: PlanRules,
    now: datetime,
    begin: datetime | None,
) -> QueuedJob:
    """Return the job as the hook leaves it, its planning window an instant: so the planner always answers."""
    begin = begin if begin is not None and begin > now else None
    window = (begin or now) + _INSTANT
    tag = Tag(
        flex=declared.flex or rules.bound.max_wait,
        by=FlexibleBy.OWNER,
        begin=begin,
        window=window,
        finish=declared.finish,
        checkpoint=declared.checkpoint,
        length=declared.length,
    )
    return QueuedJob(
        key=JobKey("", 0),
        spec="0",
        state=JobState.PENDING,
        user="",
        account="",
        partition=partition,
        qos="",
        submitted=now,
        eligible=window,
        started=None,
        time_limit=limit,
        deadline=None,
        needs=(),
        held=False,
        reason="",
        restarts=0,
        requeueable=True,
        tag=tag,
        tres=tres,
    )


def _preview(job: QueuedJob, action: Action, situation: Situation, rules: PlanRules) -> Preview:
    now, series = situation.now, situation.forecasts[rules.zones.of(job)]
    length = predicted_length(job, rules.assumed_length, situation.past)
    earliest = _earliest(job, now)
    start = action.until or earliest
    bound = max(action.bound or earliest, earliest)
    mean_now, mean_then = (_mean(series, moment, length) for moment in (earliest, start))
    return Preview(
        begin=job.tag.begin if job.tag else None,
        earliest=earliest,
        start=start,
        bound=bound,
        length=length,
        basis=_basis(job, situation.past),
        g_now=_grams(rules.power, job.tres, length, mean_now),
        g_then=_grams(rules.power, job.tres, length, mean_then),
        mean_now=mean_now,
        mean_then=mean_then,
        reason=_reason(action, now, earliest, bound),
    )


def _reason(action: Action, now: datetime, earliest: datetime, bound: datetime) -> str:
    if bound > earliest:
        return action.reason
    return NO_ROOM if earliest <= now else NO_ROOM_BEHIND_BEGIN


def _basis(job: QueuedJob, past: Past | None) -> Basis:
    declared = job.tag.length if job.tag else None
    if declared is not None and (job.time_limit is None or declared <= job.time_limit):
        return Basis.DECLARED
    if declared is None and past is not None and past.runs:
        return Basis.PAST
    return Basis.ASSUMED if job.time_limit is None else Basis.LIMIT


def _mean(series: Series | None, start: datetime, length: timedelta) -> float | None:
    return series.mean(Interval(start, start + length)) if series is not None else None


def _grams(power: PowerModel, tres: Tres, length: timedelta, mean: float | None) -> float | None:
    return None if mean is None else kwh_from_watts(power.watts(tres), length) * mean
