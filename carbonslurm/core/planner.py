"""plan(): the queue, the forecasts and what is ours -> what to do, as data.

The daemon, observe mode, replay and the simulator call this one function. It is pure: the same input gives
the same list, and planning again after the list was carried out gives an empty one.

For a pending flexible job: is it still ours to plan? Is there a forecast to plan by? When would the policy
start it, within its bound? Is that worth another change (core.waiting)? For a running one that can
checkpoint: does a stop pay? Jobs of others (held, reserved, overridden) never appear in the list, but for one
``leave`` that records that somebody else decided.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from carbonslurm.core.action import Action, Verb
from carbonslurm.core.bound import latest_by_deadlines
from carbonslurm.core.interval import iso
from carbonslurm.core.job import QueuedJob
from carbonslurm.core.length import predicted_length
from carbonslurm.core.means import Means
from carbonslurm.core.ownership import STARTED, UNKNOWN, Known, overridden
from carbonslurm.core.situation import PlanRules, Situation
from carbonslurm.core.stop import worth_stopping
from carbonslurm.core.waiting import Prospect, Waiting, bound, gate_shut


@dataclass(frozen=True, slots=True)
class Plan:
    """What to do now.

    Attributes:
        actions: the most urgent first: what must be let go, then what would start soonest.
        shut: whether the gate is to be shut; None where no job is behind it.
    """

    actions: list[Action]
    shut: bool | None = None


def plan(situation: Situation, rules: PlanRules) -> Plan:
    """Return what to do now."""
    latest = latest_by_deadlines(situation.queue.jobs, rules.bound, situation.now)
    waiting, running = Waiting(situation, rules, latest), _Running(situation, rules, latest)
    prospects = [waiting.prospect(job) for job in situation.queue.pending()]
    asked = [prospect for prospect in prospects if isinstance(prospect, Prospect)]
    shut = gate_shut([prospect for prospect in asked if prospect.job.key not in situation.watched])
    # Those that are only watched have no say; for them is written what the gate would do, had they one.
    would = bool(shut or gate_shut(asked))
    found = [
        waiting.act(prospect, would if prospect.job.key in situation.watched else bool(shut))
        if isinstance(prospect, Prospect)
        else prospect
        for prospect in prospects
    ]
    pending = zip(situation.queue.pending(), found, strict=True)
    found = [action or waiting.take_back(job) for job, action in pending]
    found += [running.act(job) for job in situation.queue.running()]
    actions = [action for action in found if action is not None]
    room = rules.stop.per_hour - situation.stops_begun
    return Plan(sorted(_within_budget(actions, room), key=_urgency), shut)


def _within_budget(actions: list[Action], stops: int) -> list[Action]:
    """Leave out the stops for which this hour has no room, those that save least."""
    wanted = [action for action in actions if action.verb is Verb.STOP]
    if len(wanted) <= stops:
        return actions
    wanted.sort(key=lambda action: (-(action.saving_g or 0), action.job.key.job_id))
    left_out = {action.job.spec for action in wanted[max(stops, 0) :]}
    return [action for action in actions if action.verb is not Verb.STOP or action.job.spec not in left_out]


def _urgency(action: Action) -> tuple[int, float, int]:
    """Of jobs to be let go, the closest to its bound first: a cycle may not have room for all of them."""
    order = (Verb.LEAVE, Verb.RELEASE, Verb.STOP, Verb.WITHHOLD)
    starts = action.job.eligible or action.job.submitted
    if action.verb is Verb.RELEASE and action.bound is not None:
        starts = action.bound
    return order.index(action.verb), starts.timestamp(), action.job.key.job_id


@dataclass(frozen=True, slots=True)
class _Running:
    """One call of plan(), for each running job's own short story."""

    situation: Situation
    rules: PlanRules
    latest: Mapping[int, datetime]

    def act(self, job: QueuedJob) -> Action | None:
        known = self.situation.known.get(job.key, UNKNOWN)
        if job.tag is None or known.hands_off or known.stopping:
            return None
        word = STARTED if _started_in_window(job, known) else None
        if _started_early(job, known):
            word = overridden(job, known, self.situation.now, self.situation.controller_started)
        if word is not None:
            return Action(Verb.LEAVE, job, word, final=True)
        if self.situation.paused or not self._may_stop(job, known):
            return None
        return self._stop(job, known)

    def _may_stop(self, job: QueuedJob, known: Known) -> bool:
        rules = self.rules.stop
        return (
            rules.enabled
            and self.situation.may_stop
            and job.tag is not None
            and job.tag.checkpoint is not None
            and job.requeueable
            and job.obstacle is None
            and not job.held
            and known.stops < rules.max_stops
            and job.started is not None
            and self.situation.now - job.started >= rules.min_run
        )

    def _stop(self, job: QueuedJob, known: Known) -> Action | None:
        now = self.situation.now
        series = self.situation.forecasts.get(self.rules.zones.of(job))
        if series is None or job.started is None:
            return None
        rest = predicted_length(job, self.rules.assumed_length) - (now - job.started)
        last = bound(job, known, self.latest, self.situation, self.rules)
        worth = worth_stopping(job, rest, last, series, now, self.rules.stop)
        if worth is None:
            return None
        then, on = f"{worth.g_per_kwh_then:.0f} g/kWh", f"{worth.g_per_kwh_now:.0f} if it runs on"
        return Action(
            Verb.STOP,
            job,
            f"{then} from {iso(worth.restart_at)}, {on} ({series.source})",
            until=worth.restart_at,
            bound=last,
            g_per_kwh_now=worth.g_per_kwh_now,
            g_per_kwh_then=worth.g_per_kwh_then,
            saving_g=worth.saved_g_per_w * self.rules.power.watts(job.tres),
        )


def _started_in_window(job: QueuedJob, known: Known) -> bool:
    """Whether its owner started a job before we had seen it: within the window that the hook had set."""
    window = job.tag.window if job.tag else None
    if window is None or job.started is None or known.claims:
        return False
    first_run = job.restarts == 0 and "_" not in job.spec  # a task's claim is its array's
    return first_run and job.started < window


def _started_early(job: QueuedJob, known: Known) -> bool:
    """Whether a job that we withheld runs before the time that we set, or without our letting it go."""
    waits = [claim for claim in known.claims if claim.restarts == job.restarts and claim.set_to is not None]
    return any(
        claim.means is not Means.BEGIN
        or (job.started is not None and claim.set_to is not None and job.started < claim.set_to)
        for claim in waits
    )
