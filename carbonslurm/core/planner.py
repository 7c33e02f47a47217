"""plan(): the queue, the forecasts and what is ours -> what to do, as data.

The daemon, observe mode, replay and the simulator call this one function. It is pure: the same input gives
the same list, and planning again after the list was carried out gives an empty one.

For a pending flexible job: is it still ours to plan? Is there a forecast to plan by? When would the policy
start it, within its bound? Is that worth another change? For a running one that can checkpoint: does a stop
pay? Jobs of others (held, reserved, overridden) never appear in the list, but for one ``leave`` that records
that somebody else decided.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from carbonslurm.core.action import Action, Verb
from carbonslurm.core.bound import BoundRules, bound_of, latest_by_deadlines
from carbonslurm.core.forecast import Series
from carbonslurm.core.interval import Interval, iso, whole_second
from carbonslurm.core.job import JobKey, Queue, QueuedJob
from carbonslurm.core.length import predicted_length
from carbonslurm.core.ownership import STARTED, UNKNOWN, Known, is_ours_still, overridden
from carbonslurm.core.policies import POLICIES, Choice, Question, judged_length
from carbonslurm.core.power import PowerModel
from carbonslurm.core.stop import StopRules, worth_stopping
from carbonslurm.core.units import kwh_from_watts


@dataclass(frozen=True, slots=True)
class Zones:
    """Where the cluster's partitions stand on the grid."""

    default: str
    partitions: Mapping[str, str] = field(default_factory=dict)

    def of(self, job: QueuedJob) -> str:
        """Return the zone that a job runs in."""
        return self.partitions.get(job.partition, self.default)

    def all(self) -> frozenset[str]:
        """Return every zone of the cluster."""
        return frozenset({self.default, *self.partitions.values()})


@dataclass(frozen=True, slots=True)
class PlanRules:
    """The site's choices for planning.

    Attributes:
        zones: which grid zone each partition is in.
        policy: a name in policies.POLICIES.
        threshold: g/kWh, for the policy of that name.
        assumed_length: of a job without a time limit.
        lead: a job that may start is not made to wait for less than this; one cycle of the daemon.
        min_gain: share of its emissions that a new plan must save before it replaces the old one, 0..1.
        bound: the site's share of the bound.
        stop: the site's limits for stops.
        power: for grams in reasons; decisions compare intensities only.
    """

    zones: Zones
    policy: str = "lowest-window"
    threshold: float = 250.0
    assumed_length: timedelta = timedelta(hours=4)
    lead: timedelta = timedelta(minutes=1)
    min_gain: float = 0.02
    bound: BoundRules = field(default_factory=BoundRules)
    stop: StopRules = field(default_factory=StopRules)
    power: PowerModel = field(default_factory=PowerModel)


@dataclass(frozen=True, slots=True)
class Situation:
    """All that a plan may know.

    Attributes:
        now: the moment of planning.
        queue: the snapshot.
        forecasts: by zone; None, or missing, where there is no usable one.
        known: what the ledger remembers, with first eligible times brought up to this snapshot.
        controller_started: when slurmctld was last started; asked for only where one of our changes is gone.
        stops_begun: within the last hour, in the whole cluster.
        may_stop: False while slurmctld is freshly back and may not have heard of jobs that ended meanwhile.
    """

    now: datetime
    queue: Queue
    forecasts: Mapping[str, Series | None]
    known: Mapping[JobKey, Known]
    may_stop: bool = True
    controller_started: datetime | None = None
    stops_begun: int = 0


def plan(situation: Situation, rules: PlanRules) -> list[Action]:
    """Return what to do now, the most urgent first: what must be let go, then what would start soonest."""
    latest = latest_by_deadlines(situation.queue.jobs, rules.bound, situation.now)
    planner = _Planner(situation, rules, latest)
    found = [planner.pending(job) for job in situation.queue.pending()]
    found += [planner.running(job) for job in situation.queue.running()]
    actions = [action for action in found if action is not None]
    room = rules.stop.per_hour - situation.stops_begun
    return sorted(_within_budget(actions, room), key=_urgency)


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
class _Planner:
    """One call of plan(): the situation and the rules, at hand for each job's own short story."""

    situation: Situation
    rules: PlanRules
    latest: Mapping[int, datetime]

    def pending(self, job: QueuedJob) -> Action | None:
        known = self.situation.known.get(job.key, UNKNOWN)
        if job.tag is None or job.held or job.obstacle or known.hands_off or known.stopping:
            return None
        word = overridden(job, known, self.situation.now, self.situation.controller_started)
        if word is not None:
            return Action(Verb.LEAVE, job, word, final=True)
        earliest = whole_second(max(self.situation.now, job.tag.begin or self.situation.now), up=True)
        bound = self._bound(job, known)
        series = self.situation.forecasts.get(self.rules.zones.of(job))
        if series is None or series.at(earliest) is None:
            return self._let_go(job, earliest, bound, "no usable forecast")
        if bound <= earliest:
            return self._let_go(job, earliest, bound, "its bound is reached")
        return self._place(job, known, self._question(job, earliest, bound, series))

    def running(self, job: QueuedJob) -> Action | None:
        known = self.situation.known.get(job.key, UNKNOWN)
        if job.tag is None or known.hands_off or known.stopping:
            return None
        word = STARTED if _started_in_window(job, known) else None
        if _started_early(job, known):
            word = overridden(job, known, self.situation.now, self.situation.controller_started)
        if word is not None:
            return Action(Verb.LEAVE, job, word, final=True)
        if not self._may_stop(job, known):
            return None
        return self._stop(job, known)

    def _bound(self, job: QueuedJob, known: Known) -> datetime:
        first = known.first_eligible
        bound = bound_of(job, first, self.latest, self.rules.bound, self.situation.now)
        return whole_second(bound, up=False)

    def _question(self, job: QueuedJob, earliest: datetime, bound: datetime, series: Series) -> Question:
        length = predicted_length(job, self.rules.assumed_length)
        return Question(earliest, bound, length, series, self.rules.threshold)

    def _let_go(self, job: QueuedJob, earliest: datetime, bound: datetime, reason: str) -> Action | None:
        """Release a job that waits because of us: it may not start before its owner's own begin time."""
        if job.eligible is None or job.eligible <= max(earliest, self.situation.now):
            return None
        if job.tag is not None and job.tag.begin is not None and job.tag.begin > self.situation.now:
            return Action(Verb.WITHHOLD, job, "waits for its own begin time", until=earliest, bound=bound)
        return Action(Verb.RELEASE, job, reason, bound=bound)

    def _place(self, job: QueuedJob, known: Known, question: Question) -> Action | None:
        choice = POLICIES[self.rules.policy](question)
        if choice.start <= question.earliest:
            return self._let_go(job, question.earliest, question.bound, choice.reason)
        if self._keeps(job, known, question, choice) or self._is_near(job, choice):
            return None
        now_g, then_g = _mean(question, question.earliest), _mean(question, choice.start)
        return Action(
            Verb.WITHHOLD,
            job,
            choice.reason,
            until=choice.start,
            bound=question.bound,
            g_per_kwh_now=now_g,
            g_per_kwh_then=then_g,
            saving_g=self._saving(job, question, now_g, then_g),
        )

    def _is_near(self, job: QueuedJob, choice: Choice) -> bool:
        """Whether the job starts about then by itself: a few seconds are not worth telling Slurm."""
        soon = choice.start - self.situation.now <= self.rules.lead
        return soon and (job.eligible is None or job.eligible <= choice.start)

    def _keeps(self, job: QueuedJob, known: Known, question: Question, choice: Choice) -> bool:
        """Whether the plan that stands is good enough: no flapping for a few grams."""
        if not is_ours_still(job, known.claim) or job.eligible is None:
            return False
        if job.eligible == choice.start:
            return True
        if not self.situation.now < job.eligible <= question.bound:
            return False
        old, new = _mean(question, job.eligible), _mean(question, choice.start)
        if old is None or new is None:
            return False
        return (old - new) < self.rules.min_gain * old

    def _saving(
        self, job: QueuedJob, question: Question, now_g: float | None, then_g: float | None
    ) -> float | None:
        if now_g is None or then_g is None:
            return None
        return kwh_from_watts(self.rules.power.watts(job.tres), question.length) * (now_g - then_g)

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
        bound = self._bound(job, known)
        worth = worth_stopping(job, rest, bound, series, now, self.rules.stop)
        if worth is None:
            return None
        then, on = f"{worth.g_per_kwh_then:.0f} g/kWh", f"{worth.g_per_kwh_now:.0f} if it runs on"
        return Action(
            Verb.STOP,
            job,
            f"{then} from {iso(worth.restart_at)}, {on}",
            until=worth.restart_at,
            bound=bound,
            g_per_kwh_now=worth.g_per_kwh_now,
            g_per_kwh_then=worth.g_per_kwh_then,
            saving_g=worth.saved_g_per_w * self.rules.power.watts(job.tres),
        )


def _started_in_window(job: QueuedJob, known: Known) -> bool:
    """Whether its owner started a job before we had seen it: within the window that the hook had set."""
    window = job.tag.window if job.tag else None
    if window is None or job.started is None or known.claim is not None:
        return False
    first_run = job.restarts == 0 and "_" not in job.spec  # a task's claim is its array's
    return first_run and job.started < window


def _started_early(job: QueuedJob, known: Known) -> bool:
    """Whether a job that we withheld runs before the time that we set."""
    set_to = known.claim.set_to if known.claim else None
    return set_to is not None and job.started is not None and job.started < set_to


def _mean(question: Question, start: datetime) -> float | None:
    """The mean g/kWh of the run from a start, over as much of it as the policy compared."""
    return question.series.mean(Interval(start, start + judged_length(question)))
