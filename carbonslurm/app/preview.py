"""What would happen to a job that is about to be submitted: the same plan() on a queue of one."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from carbonslurm.core.action import Action
from carbonslurm.core.bound import bound_of
from carbonslurm.core.forecast import Series
from carbonslurm.core.interval import Interval
from carbonslurm.core.job import JobKey, JobState, Queue, QueuedJob, Tres
from carbonslurm.core.length import predicted_length
from carbonslurm.core.ownership import Known
from carbonslurm.core.planner import PlanRules, Situation, plan
from carbonslurm.core.power import PowerModel
from carbonslurm.core.tag import Declaration, FlexibleBy, Tag
from carbonslurm.core.units import kwh_from_watts


@dataclass(frozen=True, slots=True)
class Preview:
    """One job's prospects.

    Attributes:
        start: when it would be planned to start; now where waiting does not pay.
        bound: its latest start.
        length: predicted.
        g_now: grams if it started now, None where the forecast does not cover its run.
        g_then: grams if it starts at ``start``.
        mean_now: mean g/kWh of its run if it started now.
        mean_then: the same at ``start``.
        reason: the planner's.
    """

    start: datetime
    bound: datetime
    length: timedelta
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
) -> Preview:
    """Return what the planner would do with such a job, were it submitted now.

    Args:
        declared: its tag, with ``flex`` or ``finish``.
        limit: its time limit, None where it is left to Slurm.
        partition: for zone and queue wait; an empty text for the default one.
        tres: what it asks for, for grams.
        series: the zone's usable forecast, None where there is none.
        rules: the site's.
        now: the moment of submission.
    """
    job = _job(declared, limit, partition, tres, rules, now)
    zone = rules.zones.of(job)
    queue = Queue(now, (job,))
    # A lead of nothing: planned to the second, as the daemon does from its next cycle on.
    known = {job.key: Known(first_eligible=now)}
    actions = plan(Situation(now, queue, {zone: series}, known), replace(rules, lead=timedelta()))
    return _preview(job, actions[0] if actions else None, series, rules, now)


def _job(
    declared: Declaration,
    limit: timedelta | None,
    partition: str,
    tres: Tres,
    rules: PlanRules,
    now: datetime,
) -> QueuedJob:
    tag = Tag(
        flex=declared.flex or rules.bound.max_wait,
        by=FlexibleBy.OWNER,
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
        eligible=now,
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


def _preview(
    job: QueuedJob, action: Action | None, series: Series | None, rules: PlanRules, now: datetime
) -> Preview:
    length = predicted_length(job, rules.assumed_length)
    start = action.until if action and action.until else now
    mean_now, mean_then = (_mean(series, moment, length) for moment in (now, start))
    return Preview(
        start=start,
        bound=max(bound_of(job, now, {}, rules.bound, now), now),
        length=length,
        g_now=_grams(rules.power, job.tres, length, mean_now),
        g_then=_grams(rules.power, job.tres, length, mean_then),
        mean_now=mean_now,
        mean_then=mean_then,
        reason=action.reason
        if action
        else ("no usable forecast" if series is None else "now is as clean as it gets"),
    )


def _mean(series: Series | None, start: datetime, length: timedelta) -> float | None:
    return series.mean(Interval(start, start + length)) if series is not None else None


def _grams(power: PowerModel, tres: Tres, length: timedelta, mean: float | None) -> float | None:
    return None if mean is None else kwh_from_watts(power.watts(tres), length) * mean
