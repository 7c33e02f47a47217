"""plan(): by hand for each of its branches, and what must hold for every queue."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from carbonslurm.core.action import Action, Verb
from carbonslurm.core.bound import BoundRules, bound_of, latest_by_deadlines
from carbonslurm.core.capacity import Node
from carbonslurm.core.forecast import Kind, Nature, Scope, Series, Step
from carbonslurm.core.interval import Interval
from carbonslurm.core.job import HELD_BY_USER, JobKey, JobState, Queue, QueuedJob
from carbonslurm.core.means import GateRules, Means, MeansRules
from carbonslurm.core.ownership import HELD, UNKNOWN, Claim, Known, first_eligible
from carbonslurm.core.planner import plan
from carbonslurm.core.policy_names import NAMES
from carbonslurm.core.situation import PlanRules, Situation, Zones
from carbonslurm.core.tag import Checkpoint, FlexibleBy, Tag
from carbonslurm.sim.job import SimulatedJob, Submission

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
MINUTE = timedelta(minutes=1)
NATURE = Nature(Kind.AVERAGE, Scope.LIFECYCLE)
RULES = PlanRules(zones=Zones("GB"))
TAG = Tag(flex=12 * HOUR, by=FlexibleBy.OWNER)
SAVING = replace(TAG, checkpoint=Checkpoint("USR1", MINUTE, full=False, restart=None))


def hourly(*values: float, start: datetime = NOW) -> Series:
    steps = [
        Step(Interval(start + number * HOUR, start + (number + 1) * HOUR), value)
        for number, value in enumerate(values)
    ]
    return Series.from_steps("GB", "toy", NATURE, steps)


DAY = hourly(300, 200, 100, 50, 400, 300)


def pending(
    number: int = 1, tag: Tag | None = TAG, limit: timedelta | None = HOUR, **changes: object
) -> QueuedJob:
    wants = Submission(HOUR, time_limit=limit, tag=tag)
    job = SimulatedJob(JobKey("toy", number), wants, NOW, NOW).queued()
    return replace(job, **changes)  # type: ignore[arg-type]


def running(since: timedelta, tag: Tag = SAVING, limit: timedelta = 4 * HOUR) -> QueuedJob:
    job = pending(tag=tag, limit=limit, submitted=NOW - since, eligible=NOW - since)
    return replace(job, state=JobState.RUNNING, started=NOW - since)


def facing(
    *jobs: QueuedJob,
    series: Series | None = DAY,
    known: Mapping[int, Known] | None = None,
    now: datetime = NOW,
    may_stop: bool = True,
) -> Situation:
    remembered = {job.key: (known or {}).get(job.key.job_id, UNKNOWN) for job in jobs}
    seen = {
        key: replace(
            item,
            first_eligible=first_eligible(next(job for job in jobs if job.key == key), item, False, now),
        )
        for key, item in remembered.items()
    }
    return Situation(now, Queue(now, jobs), {"GB": series}, seen, may_stop)


def claimed(set_to: datetime | None, before: datetime | None = NOW) -> Known:
    return Known(first_eligible=NOW, claims=(Claim(0, set_to, before, action=1),))


def planned(situation: Situation, rules: PlanRules) -> list[Action]:
    return plan(situation, rules).actions


def only(actions: list[Action]) -> tuple[Verb, datetime | None]:
    assert len(actions) == 1
    return actions[0].verb, actions[0].until


# --- pending jobs ---


def test_a_flexible_job_is_withheld_until_its_cleanest_hour() -> None:
    action = planned(facing(pending()), RULES)[0]
    assert (action.verb, action.until, action.bound) == (Verb.WITHHOLD, NOW + 3 * HOUR, NOW + 12 * HOUR)
    assert (action.g_per_kwh_now, action.g_per_kwh_then) == (300, 50)
    assert action.saving_g == pytest.approx(RULES.power.watts(action.job.tres) / 1000 * 250)
    assert action.reason == "50 g/kWh over its run, 300 if now (toy)"


def test_the_bound_cuts_the_wait() -> None:
    job = pending(tag=replace(TAG, flex=2 * HOUR))
    assert only(planned(facing(job), RULES)) == (Verb.WITHHOLD, NOW + 2 * HOUR)


@pytest.mark.parametrize(
    "job",
    [
        pytest.param(pending(tag=None), id="not flexible"),
        pytest.param(pending(held=True), id="held"),
        pytest.param(pending(obstacle="in a reservation"), id="obstructed"),
    ],
)
def test_jobs_that_are_not_ours_to_plan_never_appear(job: QueuedJob) -> None:
    assert planned(facing(job), RULES) == []


@pytest.mark.parametrize("known", [Known(hands_off=True), Known(stopping=True)])
def test_jobs_that_were_overridden_or_are_being_stopped_never_appear(known: Known) -> None:
    assert planned(facing(pending(), known={1: known}), RULES) == []
    assert planned(facing(running(2 * HOUR), known={1: known}), RULES) == []


def test_a_job_that_its_owner_started_is_left_for_good() -> None:
    actions = planned(facing(pending(), known={1: claimed(NOW + 3 * HOUR, before=NOW - HOUR)}), RULES)
    assert [(action.verb, action.final) for action in actions] == [(Verb.LEAVE, True)]


def test_a_job_that_somebody_holds_while_it_waits_for_us_is_left_for_good() -> None:
    waiting = pending(held=True, eligible=NOW + 3 * HOUR)
    (action,) = planned(facing(waiting, known={1: claimed(NOW + 3 * HOUR)}), RULES)
    assert (action.verb, action.final, action.reason) == (Verb.LEAVE, True, HELD)


def test_where_we_hold_jobs_ourselves_a_hold_is_no_word() -> None:
    """Slurm may show another reason than the hold, as an unmet dependency, and the hold be ours."""
    held = Claim(0, NOW + 3 * HOUR, NOW, action=2, means=Means.HOLD)
    known = claimed(NOW + 3 * HOUR)
    both = replace(known, claims=(*known.claims, held))
    waiting = pending(held=True, reason="Dependency", eligible=NOW + 3 * HOUR)
    assert planned(facing(waiting, known={1: both}), RULES) == []


def test_a_job_that_its_owner_started_is_left_for_good_although_it_runs_already() -> None:
    known = {1: claimed(NOW + 3 * HOUR, before=NOW - 9 * HOUR)}
    actions = planned(facing(running(HOUR), known=known), RULES)
    assert [(action.verb, action.final) for action in actions] == [(Verb.LEAVE, True)]


def test_without_a_forecast_a_waiting_job_is_released() -> None:
    waiting = pending(eligible=NOW + 3 * HOUR)
    situation = facing(waiting, series=None, known={1: claimed(NOW + 3 * HOUR)})
    assert only(planned(situation, RULES)) == (Verb.RELEASE, None)


def test_without_a_forecast_nothing_is_withheld() -> None:
    assert planned(facing(pending(), series=None), RULES) == []


def test_a_forecast_that_ended_is_no_forecast() -> None:
    waiting = pending(eligible=NOW + 3 * HOUR)
    situation = facing(waiting, series=hourly(1, 2, start=NOW - 9 * HOUR), known={1: claimed(NOW + 3 * HOUR)})
    assert only(planned(situation, RULES)) == (Verb.RELEASE, None)


def test_a_released_job_still_waits_for_its_owners_begin_time() -> None:
    begin = NOW + HOUR
    waiting = pending(tag=replace(TAG, begin=begin), eligible=NOW + 3 * HOUR)
    situation = facing(waiting, series=None, known={1: claimed(NOW + 3 * HOUR)})
    assert only(planned(situation, RULES)) == (Verb.WITHHOLD, begin)


def test_at_its_bound_a_job_is_released() -> None:
    waiting = pending(tag=replace(TAG, flex=HOUR), submitted=NOW - 2 * HOUR, eligible=NOW + 3 * HOUR)
    known = replace(claimed(NOW + 3 * HOUR), first_eligible=NOW - 2 * HOUR)
    assert only(planned(facing(waiting, known={1: known}), RULES)) == (Verb.RELEASE, None)


def test_a_start_within_one_cycle_is_now() -> None:
    series = Series.from_steps(
        "GB",
        "toy",
        NATURE,
        [Step(Interval(NOW, NOW + MINUTE), 300), Step(Interval(NOW + MINUTE, NOW + 9 * HOUR), 100)],
    )
    assert planned(facing(pending(), series=series), RULES) == []


def test_a_job_with_unmet_dependencies_is_planned_as_if_it_were_eligible() -> None:
    job = pending(needs=(99,), eligible=None)
    assert only(planned(facing(job), RULES)) == (Verb.WITHHOLD, NOW + 3 * HOUR)


def test_a_plan_that_stands_stays() -> None:
    waiting = pending(eligible=NOW + 3 * HOUR)
    assert planned(facing(waiting, known={1: claimed(NOW + 3 * HOUR)}), RULES) == []


def test_a_plan_that_is_nearly_as_good_stays() -> None:
    series = hourly(300, 51, 100, 50.5, 400, 300)
    waiting = pending(eligible=NOW + HOUR)
    assert planned(facing(waiting, series=series, known={1: claimed(NOW + HOUR)}), RULES) == []


def test_a_plan_that_a_new_forecast_beats_is_replaced() -> None:
    waiting = pending(eligible=NOW + HOUR)
    situation = facing(waiting, known={1: claimed(NOW + HOUR)})
    assert only(planned(situation, RULES)) == (Verb.WITHHOLD, NOW + 3 * HOUR)


def test_a_plan_past_a_bound_that_moved_nearer_is_replaced() -> None:
    """A dependent job with a deadline appeared."""
    waiting = pending(eligible=NOW + 3 * HOUR)
    late = pending(2, tag=None, needs=(1,), deadline=NOW + 4 * HOUR, eligible=None)
    verb, until = only(planned(facing(waiting, late, known={1: claimed(NOW + 3 * HOUR)}), RULES))
    assert verb is Verb.WITHHOLD
    assert until is not None
    assert until <= NOW + 2 * HOUR - 2 * RULES.bound.margin


def test_a_forgotten_change_is_made_again() -> None:
    assert only(planned(facing(pending(), known={1: claimed(NOW + 3 * HOUR)}), RULES)) == (
        Verb.WITHHOLD,
        NOW + 3 * HOUR,
    )


def test_each_partition_follows_its_own_zone() -> None:
    rules = replace(RULES, zones=Zones("GB", {"north": "GB-north"}))
    flat = hourly(200, 200, 200)
    situation = replace(
        facing(pending(1), pending(2, partition="north")), forecasts={"GB": DAY, "GB-north": flat}
    )
    assert [action.job.key.job_id for action in planned(situation, rules)] == [1]


# --- running jobs ---


def test_a_run_in_a_dirty_hour_is_stopped_until_a_clean_one() -> None:
    series = hourly(*[500] * 3, *[50] * 9)
    action = planned(facing(running(HOUR), series=series), RULES)[0]
    assert action.verb is Verb.STOP
    assert action.until == NOW + 3 * HOUR
    assert action.saving_g is not None
    assert action.saving_g > 0


@pytest.mark.parametrize(
    "job",
    [
        pytest.param(running(HOUR, tag=TAG), id="cannot checkpoint"),
        pytest.param(running(29 * MINUTE), id="has only just started"),
        pytest.param(replace(running(HOUR), requeueable=False), id="may not be requeued"),
        pytest.param(replace(running(HOUR), obstacle="not a batch job"), id="not a batch job"),
        pytest.param(replace(running(HOUR), held=True), id="would be held afterwards"),
        pytest.param(replace(running(HOUR), state=JobState.COMPLETING), id="on its way out"),
        pytest.param(running(3 * HOUR + 59 * MINUTE), id="nearly done"),
        pytest.param(running(HOUR, tag=replace(SAVING, flex=HOUR)), id="may not wait any more"),
    ],
)
def test_a_run_that_should_not_be_stopped_goes_on(job: QueuedJob) -> None:
    assert planned(facing(job, series=hourly(*[500] * 3, *[50] * 9)), RULES) == []


def test_nothing_is_stopped_while_slurmctld_is_freshly_back() -> None:
    series = hourly(*[500] * 3, *[50] * 9)
    assert planned(facing(running(HOUR), series=series, may_stop=False), RULES) == []


@pytest.mark.parametrize(
    ("begun", "stopped"), [(0, {1, 2, 3}), (58, {2, 3}), (59, {3}), (60, set()), (99, set())]
)
def test_an_hour_has_room_for_so_many_stops_and_those_that_save_most_go_first(
    begun: int, stopped: set[int]
) -> None:
    series = hourly(500, 500, 50, 50, 50, 50)
    tres = [replace(running(HOUR).tres, gpus={"a100": count}) for count in (1, 2, 4)]
    jobs = [
        replace(running(HOUR), key=JobKey("toy", number), spec=str(number), tres=asked)
        for number, asked in enumerate(tres, 1)
    ]
    situation = replace(facing(*jobs, series=series), stops_begun=begun)
    found = planned(situation, RULES)
    assert {action.job.key.job_id for action in found if action.verb is Verb.STOP} == stopped


def test_no_job_is_stopped_more_often_than_the_site_allows() -> None:
    series = hourly(*[500] * 3, *[50] * 9)
    known = {1: Known(stops=RULES.stop.max_stops)}
    assert planned(facing(running(HOUR), series=series, known=known), RULES) == []


# --- order ---


def test_what_must_be_let_go_comes_first_and_what_would_start_soonest_next() -> None:
    past = replace(TAG, flex=HOUR, latest=NOW - HOUR)
    jobs = [
        pending(1),
        pending(2, tag=past, eligible=NOW + 2 * HOUR),
        pending(3, eligible=NOW - MINUTE),
        running(HOUR),
    ]
    jobs[3] = replace(jobs[3], key=JobKey("toy", 4))
    known = {2: claimed(NOW + 2 * HOUR)}
    actions = planned(facing(*jobs, series=hourly(*[500] * 3, *[50] * 9), known=known), RULES)
    assert [(action.verb, action.job.key.job_id) for action in actions] == [
        (Verb.RELEASE, 2),
        (Verb.STOP, 4),
        (Verb.WITHHOLD, 3),
        (Verb.WITHHOLD, 1),
    ]


# --- properties ---

hours = st.integers(-12, 36)
moments = hours.map(lambda count: NOW + count * HOUR)
tags = st.builds(
    Tag,
    flex=st.integers(1, 48).map(lambda count: count * HOUR),
    by=st.just(FlexibleBy.OWNER),
    begin=st.none() | moments,
    latest=st.none() | moments,
    finish=st.none() | moments,
    length=st.none() | st.integers(1, 9).map(lambda count: count * HOUR),
    checkpoint=st.sampled_from([None, SAVING.checkpoint]),
)


@st.composite
def jobs(draw: st.DrawFn) -> tuple[QueuedJob, Known]:
    number = draw(st.integers(1, 99))
    limit = draw(st.none() | st.integers(1, 30).map(lambda count: count * HOUR))
    submitted = NOW + draw(st.integers(-48, 0)) * HOUR
    state = draw(st.sampled_from([JobState.PENDING, JobState.PENDING, JobState.RUNNING, JobState.COMPLETING]))
    before = draw(moments)
    set_to = draw(st.none() | moments)
    eligible = draw(st.sampled_from([before, set_to, NOW, NOW + HOUR]))
    job = pending(
        number,
        tag=draw(st.none() | tags),
        limit=limit,
        state=state,
        submitted=submitted,
        eligible=eligible,
        started=None if state is JobState.PENDING else submitted + MINUTE,
        held=draw(st.booleans()) and draw(st.booleans()),
        reason=draw(st.sampled_from([HELD_BY_USER, "JobHeldAdmin"])),
        gated=draw(st.booleans()),
        obstacle=draw(st.sampled_from([None, None, "in a reservation"])),
        restarts=draw(st.integers(0, 1)),
        deadline=draw(st.none() | moments),
        needs=tuple(draw(st.lists(st.integers(1, 99), max_size=2))),
    )
    claims = [
        Claim(draw(st.integers(0, 1)), set_to, before, 1, means=means)
        for means in Means
        if draw(st.booleans()) and (means is Means.BEGIN or draw(st.booleans()))
    ]
    known = Known(
        hands_off=draw(st.booleans()) and draw(st.booleans()),
        claims=tuple(claims),
        stops=draw(st.integers(0, 3)),
        stopping=draw(st.booleans()) and draw(st.booleans()),
    )
    return job, known


@st.composite
def situations(draw: st.DrawFn) -> Situation:
    drawn = draw(st.lists(jobs(), min_size=1, max_size=5, unique_by=lambda item: item[0].key))
    values = draw(st.lists(st.floats(0, 900), min_size=1, max_size=40))
    series = draw(st.sampled_from([None, hourly(*values), hourly(*values, start=NOW - 5 * HOUR)]))
    situation = facing(
        *(job for job, _ in drawn),
        series=series,
        known={job.key.job_id: known for job, known in drawn},
        may_stop=draw(st.booleans()),
    )
    room = draw(st.none() | st.integers(0, 6))
    nodes = None if room is None else [Node("n1", frozenset({"gpu"}), 4 * room, {"a100": room})]
    return replace(situation, capacity=nodes)


all_rules = st.builds(
    lambda policy, max_wait, queue_wait, means: replace(
        RULES,
        policy=policy,
        means=MeansRules(means, gate=GateRules() if means is Means.GATE else None),
        bound=BoundRules(max_wait=max_wait * HOUR, queue_wait={"gpu": queue_wait * MINUTE}),
    ),
    policy=st.sampled_from(NAMES),
    means=st.sampled_from(Means),
    max_wait=st.integers(1, 48),
    queue_wait=st.integers(0, 90),
)


def carried_out(situation: Situation, actions: list[Action]) -> Situation:
    """The same moment after Slurm did all of it."""
    done = {action.job.key: action for action in actions}
    shown, known = [], dict(situation.known)
    for job in situation.queue.jobs:
        action = done.get(job.key)
        after = job
        if action is not None:
            after, known[job.key] = _effect(action, known[job.key], situation.now)
        shown.append(after)
    return replace(situation, queue=Queue(situation.now, tuple(shown)), known=known)


def _effect(action: Action, known: Known, now: datetime) -> tuple[QueuedJob, Known]:
    job, waits = action.job, action.verb is Verb.WITHHOLD
    if action.verb is Verb.LEAVE:
        return job, replace(known, hands_off=True)
    if action.verb is Verb.STOP:
        return job, replace(known, stopping=True)
    claim = Claim(job.restarts, action.until if waits else None, job.eligible, 2, means=action.means)
    others = [it for it in known.claims if it.means is not action.means]
    if action.means is Means.BEGIN:
        job = replace(job, eligible=action.until or now)
    elif action.means is Means.HOLD:
        job = replace(job, held=waits, reason=HELD_BY_USER if waits else "None")
    elif not action.silent:
        job = replace(job, gated=waits)
    return job, replace(known, claims=(claim, *others))


@settings(deadline=None)
@given(situations(), all_rules)
def test_planning_again_once_it_was_carried_out_plans_nothing(situation: Situation, rules: PlanRules) -> None:
    """Another means takes a cycle to come and one to take the old ones away: at most two, and a last word."""
    for _ in range(4):
        situation = carried_out(situation, planned(situation, rules))
    assert planned(situation, rules) == []


@settings(deadline=None)
@given(situations(), all_rules)
def test_a_job_that_only_knows_begin_times_is_planned_once(situation: Situation, rules: PlanRules) -> None:
    begin = replace(
        situation,
        queue=replace(situation.queue, jobs=tuple(replace(job, gated=False) for job in situation.queue.jobs)),
        known={
            key: replace(known, claims=tuple(it for it in known.claims if it.means is Means.BEGIN))
            for key, known in situation.known.items()
        },
    )
    rules = replace(rules, means=MeansRules())
    assert planned(carried_out(begin, planned(begin, rules)), rules) == []


@settings(deadline=None)
@given(situations(), all_rules)
def test_nothing_is_withheld_or_stopped_past_its_bound(situation: Situation, rules: PlanRules) -> None:
    latest = latest_by_deadlines(situation.queue.jobs, rules.bound, situation.now)
    for action in planned(situation, rules):
        first = situation.known[action.job.key].first_eligible
        bound = bound_of(action.job, first, latest, rules.bound, situation.now)
        if action.verb is Verb.STOP or (
            action.verb is Verb.WITHHOLD and action.until != action.job.tag.begin
        ):
            assert action.until is not None
            assert action.until <= bound


@settings(deadline=None)
@given(situations(), all_rules)
def test_nothing_begins_before_now_or_its_owners_begin_time(situation: Situation, rules: PlanRules) -> None:
    for action in planned(situation, rules):
        begin = action.job.tag.begin if action.job.tag else None
        if action.verb is Verb.WITHHOLD:
            assert action.until is not None
            assert action.until > situation.now
            assert begin is None or action.until >= begin
        if action.verb is Verb.RELEASE and action.means is Means.BEGIN:
            assert begin is None or begin <= situation.now


@settings(deadline=None)
@given(situations(), all_rules)
def test_no_plan_is_worse_by_its_forecast_than_starting_now(situation: Situation, rules: PlanRules) -> None:
    for action in planned(situation, replace(rules, policy="lowest-window")):
        if action.g_per_kwh_now is not None and action.g_per_kwh_then is not None:
            assert action.g_per_kwh_then <= action.g_per_kwh_now + 1e-9
        assert action.saving_g is None or action.saving_g >= -1e-9


@settings(deadline=None)
@given(situations(), all_rules)
def test_no_action_touches_what_is_not_ours(situation: Situation, rules: PlanRules) -> None:
    for action in planned(situation, rules):
        job, known = action.job, situation.known[action.job.key]
        assert action.reason
        assert job.tag is not None
        if (action.verb, action.means) == (Verb.RELEASE, Means.GATE):
            continue  # the licence is ours, whoever the job belongs to by now
        assert not known.stopping
        if (action.verb, action.means) == (Verb.RELEASE, Means.HOLD):
            assert job.held_by_user
            assert known.claim(Means.HOLD, job.restarts) is not None
            continue  # so is a hold of ours
        assert not known.hands_off
        if action.verb is not Verb.LEAVE:
            assert not job.held or known.claim(Means.HOLD, job.restarts) is not None
            assert job.obstacle is None
            assert job.state in {JobState.PENDING, JobState.RUNNING}


@settings(deadline=None)
@given(situations(), all_rules)
def test_each_job_has_one_action_at_most(situation: Situation, rules: PlanRules) -> None:
    keys = [action.job.key for action in planned(situation, rules)]
    assert len(keys) == len(set(keys))


def moved(situation: Situation, by: timedelta) -> Situation:
    """The same situation at another time."""

    def shift(moment: datetime | None) -> datetime | None:
        return None if moment is None else moment + by

    def shifted_job(job: QueuedJob) -> QueuedJob:
        tag = job.tag and replace(
            job.tag,
            begin=shift(job.tag.begin),
            latest=shift(job.tag.latest),
            finish=shift(job.tag.finish),
            window=shift(job.tag.window),
        )
        times = {name: shift(getattr(job, name)) for name in ("submitted", "eligible", "started", "deadline")}
        return replace(job, tag=tag, **times)

    def shifted_known(known: Known) -> Known:
        claims = [
            replace(claim, set_to=shift(claim.set_to), before=shift(claim.before)) for claim in known.claims
        ]
        return replace(known, first_eligible=shift(known.first_eligible), claims=tuple(claims))

    series = situation.forecasts["GB"]
    steps = [
        replace(step, interval=step.interval.shifted_to(step.interval.start + by))
        for step in (series.steps() if series else [])
    ]
    return Situation(
        now=situation.now + by,
        queue=Queue(situation.now + by, tuple(map(shifted_job, situation.queue.jobs))),
        forecasts={"GB": Series.from_steps("GB", "toy", NATURE, steps) if steps else None},
        known={key: shifted_known(known) for key, known in situation.known.items()},
        may_stop=situation.may_stop,
        capacity=situation.capacity,
    )


@given(situations(), all_rules, st.integers(-400, 4000))
@settings(max_examples=60, deadline=None)
def test_shifting_all_times_shifts_the_plan(situation: Situation, rules: PlanRules, days: int) -> None:
    by = timedelta(days=days)
    here, there = planned(situation, rules), planned(moved(situation, by), rules)
    assert [(one.verb, one.job.key, one.until and one.until + by) for one in here] == [
        (one.verb, one.job.key, one.until) for one in there
    ]
