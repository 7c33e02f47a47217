"""The policy joint on a queue: by hand, and what must hold however full it is."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from carbonslurm.core.action import Action, Verb
from carbonslurm.core.capacity import Node
from carbonslurm.core.forecast import Band, Kind, Nature, Scope, Series
from carbonslurm.core.job import JobKey, JobState, Queue, QueuedJob
from carbonslurm.core.ownership import Claim, Known
from carbonslurm.core.placing import DEPENDS, NO_ROOM_KNOWN, TOO_LARGE, TOO_SHORT
from carbonslurm.core.planner import Plan, plan
from carbonslurm.core.power import PowerModel
from carbonslurm.core.situation import PlanRules, Situation, Zones
from carbonslurm.core.stop import StopRules
from carbonslurm.core.tag import Checkpoint, FlexibleBy, Tag
from carbonslurm.sim.job import SimulatedJob, Submission

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
MINUTE = timedelta(minutes=1)
TAG = Tag(flex=12 * HOUR, by=FlexibleBy.OWNER)
SAVING = replace(TAG, checkpoint=Checkpoint("USR1", MINUTE, full=False, restart=None))
RULES = PlanRules(Zones("GB"), policy="joint", power=PowerModel(pue=1), stop=StopRules(restart=MINUTE))
NODES = [Node(f"n{number}", frozenset({"gpu"}), 16, {"a100": 4}) for number in range(4)]
NIGHT = (300, 300, 300, 50, 50, *[300] * 43)  # two clean hours, from three o'clock on


def series(*values: float) -> Series:
    edges = NOW.timestamp() + 3600.0 * np.arange(len(values) + 1)
    nature = Nature(Kind.AVERAGE, Scope.LIFECYCLE)
    return Series(
        "GB", "toy", nature, edges, np.array(values, dtype=float), np.zeros(len(values), dtype=bool)
    )


def pending(
    number: int, gpus: int = 4, hours: float = 1, tag: Tag | None = TAG, **changes: object
) -> QueuedJob:
    wants = Submission(HOUR, time_limit=hours * HOUR, tag=tag, gpus=gpus)
    job = SimulatedJob(JobKey("toy", number), wants, NOW, NOW).queued()
    return replace(job, **changes)  # type: ignore[arg-type]


def running(
    number: int, since: timedelta, gpus: int = 4, hours: float = 4, tag: Tag | None = None
) -> QueuedJob:
    began = NOW - since
    job = pending(number, gpus, hours, tag, submitted=began, eligible=began)
    return replace(job, state=JobState.RUNNING, started=began)


def facing(*jobs: QueuedJob, values: Sequence[float] = NIGHT, **changes: object) -> Situation:
    known = {job.key: Known(first_eligible=job.submitted) for job in jobs}
    found = Situation(NOW, Queue(NOW, jobs), {"GB": series(*values)}, known, capacity=NODES)
    return replace(found, **changes)  # type: ignore[arg-type]


def starts(found: Plan) -> Counter[float]:
    """How many jobs are to start in which hour; those that go now, or may go on, in none."""
    return Counter((it.until - NOW) / HOUR for it in found.actions if it.verb is Verb.WITHHOLD and it.until)


def reasons(found: Plan) -> set[str]:
    return {action.reason for action in found.actions}


# --- placed together


def test_a_herd_is_spread_over_the_clean_hours_that_have_room_for_it() -> None:
    """Alone, all eight would take three o'clock, where there is room for four."""
    herd = [pending(number) for number in range(1, 9)]
    assert starts(plan(facing(*herd), replace(RULES, policy="lowest-window"))) == {3: 8}
    found = plan(facing(*herd), RULES)
    assert starts(found) == {3: 4, 4: 4}
    assert all("g/kWh then, 300 now" in reason and "(toy)" in reason for reason in reasons(found))


def test_what_runs_then_leaves_less_room() -> None:
    long = running(99, HOUR, gpus=8, hours=9)
    herd = [pending(number) for number in range(1, 5)]
    assert starts(plan(facing(long, *herd), RULES)) == {3: 2, 4: 2}


def test_inflexible_jobs_that_wait_take_room_first() -> None:
    first = pending(99, gpus=16, hours=4, tag=None, reason="Resources")
    busy = running(98, HOUR, gpus=16, hours=1.5)
    herd = [pending(number) for number in range(1, 5)]
    free = plan(facing(busy, *herd), RULES)
    assert starts(free) == {3: 4}
    taken = plan(facing(busy, first, *herd), RULES)
    assert 3 not in starts(taken)


@pytest.mark.parametrize(
    "changes",
    [{"held": True}, {"needs": (7,)}, {"reason": "QOSMaxJobsPerUserLimit"}, {"eligible": NOW + 9 * HOUR}],
)
def test_inflexible_jobs_that_cannot_start_take_none(changes: dict[str, object]) -> None:
    other = pending(99, gpus=16, hours=9, tag=None, **changes)
    assert starts(plan(facing(other, *(pending(number) for number in range(1, 5))), RULES)) == {3: 4}


def test_an_array_larger_than_its_pool_comes_in_waves_and_the_last_one_starts_by_the_bound() -> None:
    array = pending(1, gpus=4, tag=replace(TAG, flex=5 * HOUR), spec="1_[0-11]", tasks=12)
    (hour,) = starts(plan(facing(array), RULES))
    assert hour <= 3  # the second wave starts at four, the third at five
    assert starts(plan(facing(array, values=(300,) * 5 + (50,) * 43), RULES)) <= Counter({3: 1})


def test_the_owner_with_less_in_the_pool_goes_first_among_equals() -> None:
    greedy = [pending(number, user="greta") for number in range(1, 8)]
    late = pending(9, user="mo")
    found = plan(facing(*greedy, late), RULES)
    (his,) = [action for action in found.actions if action.job.user == "mo"]
    assert starts(found) == {3: 4, 4: 4}
    assert his.until is not None


def test_where_jobs_wait_for_any_gpu_or_for_cpus_they_are_placed_by_those() -> None:
    cpu = [pending(number, tres=replace(pending(1).tres, cpus=32, gpus={})) for number in range(1, 5)]
    assert starts(plan(facing(*cpu), RULES)) == {3: 2, 4: 2}
    held = running(99, HOUR, gpus=8, hours=9)  # and 32 CPUs
    assert starts(plan(facing(held, *cpu[:2]), RULES)) == {3: 1, 4: 1}


# --- placed alone


def test_without_a_word_of_the_room_each_is_placed_alone_and_the_reason_says_so() -> None:
    herd = [pending(number) for number in range(1, 9)]
    found = plan(facing(*herd, capacity=None), RULES)
    assert starts(found) == {3: 8}
    assert all(reason.endswith(NO_ROOM_KNOWN) for reason in reasons(found))


@pytest.mark.parametrize(
    ("job", "why"),
    [
        (pending(1, gpus=17), TOO_LARGE),
        (pending(1, needs=(99,)), DEPENDS),
        (pending(1, partition="new"), NO_ROOM_KNOWN),
    ],
)
def test_what_cannot_be_placed_with_others_is_placed_alone(job: QueuedJob, why: str) -> None:
    found = plan(facing(job), RULES)
    assert starts(found) == {3: 1}
    assert reasons(found) == {f"50 g/kWh over its run, 300 if now (toy); {why}"}


def test_a_forecast_of_less_than_two_hours_places_each_alone() -> None:
    waits = pending(1, hours=0.5, eligible=NOW + 3 * HOUR)
    known = {waits.key: Known(NOW, claims=(Claim(0, NOW + 3 * HOUR, NOW, 1),))}
    found = plan(facing(waits, values=(300,), known=known), RULES)
    assert reasons(found) == {f"now is the cleanest before its bound: 300 g/kWh (toy); {TOO_SHORT}"}


def test_without_a_forecast_all_go() -> None:
    waits = pending(1, eligible=NOW + 3 * HOUR)
    known = {waits.key: Known(NOW, claims=(Claim(0, NOW + 3 * HOUR, NOW, 1),))}
    found = plan(facing(waits, forecasts={"GB": None}, known=known), RULES)
    assert [(action.verb, action.reason) for action in found.actions] == [
        (Verb.RELEASE, "no usable forecast")
    ]


# --- from cycle to cycle


def carried_out(situation: Situation, found: Plan) -> Situation:
    """The same moment after Slurm did all of it, with what joint found."""
    done = {action.job.key: action for action in found.actions}
    jobs, known = [], dict(situation.known)
    for job in situation.queue.jobs:
        action = done.get(job.key)
        jobs.append(job if action is None else replace(job, eligible=action.until or situation.now))
        if action is not None and action.verb is Verb.STOP:
            jobs[-1], known[job.key] = job, replace(known[job.key], stopping=True)
        elif action is not None:
            claim = Claim(job.restarts, action.until, job.eligible, 2)
            known[job.key] = replace(known[job.key], claims=(claim,))
    return replace(situation, queue=Queue(situation.now, tuple(jobs)), known=known, found=found.found)


def test_a_plan_that_stands_keeps_its_time_until_that_comes_near() -> None:
    """At three there is room for one of two, at four for the other: told at three, not before."""
    both = [pending(number, gpus=16, eligible=NOW + 3 * HOUR) for number in (1, 2)]
    known = {job.key: Known(NOW, claims=(Claim(0, NOW + 3 * HOUR, NOW, 1),)) for job in both}
    assert starts(plan(facing(*both, known=known), RULES)) == {}
    soon = NOW + 3 * HOUR - RULES.lead
    assert starts(plan(facing(*both, known=known, now=soon), RULES)) == {4: 1}


@pytest.mark.parametrize(("minutes", "waits"), [(59, 0), (61, 1)])
def test_a_job_that_was_let_go_stays_so_for_an_hour(minutes: int, waits: int) -> None:
    job = pending(1)
    known = {job.key: Known(NOW, claims=(Claim(0, None, NOW, 1, at=NOW - minutes * MINUTE),))}
    assert starts(plan(facing(job, known=known), RULES)).total() == waits


def test_a_pool_that_has_changed_is_searched_anew() -> None:
    herd = [pending(number) for number in range(1, 9)]
    first = plan(facing(*herd), RULES)
    fewer = facing(*herd, capacity=NODES[:2], found=first.found)
    assert starts(plan(fewer, RULES)) == starts(plan(replace(fewer, found=None), RULES))
    assert max(starts(plan(fewer, RULES)).values()) <= 4


# --- stops


def test_a_run_is_stopped_where_that_pays_and_its_place_is_worth_it() -> None:
    dirty = (600, 600, 600, 50, 50, 50, *[300] * 42)
    job = running(1, HOUR, gpus=16, hours=4, tag=SAVING)
    found = plan(facing(job, values=dirty), RULES)
    assert [(action.verb, action.until) for action in found.actions] == [(Verb.STOP, NOW + 3 * HOUR)]


def test_a_stop_that_the_forecasts_band_does_not_support_is_spared() -> None:
    dirty = (600, 600, 600, 50, 50, 50, *[300] * 42)
    job = running(1, HOUR, gpus=16, hours=4, tag=SAVING)
    values = np.array(dirty, dtype=float)
    unsure = Band(np.maximum(values - 500, 0), values + 500)
    assert plan(facing(job, values=dirty, bands={"GB": unsure}), RULES).actions == []


def test_where_every_node_was_drained_since_a_stop_that_pays_is_made_as_ever() -> None:
    """What runs there began after we were told that nothing does."""
    dirty = (600, 600, 600, 50, 50, 50, *[300] * 42)
    job = running(1, HOUR, gpus=16, hours=4, tag=SAVING)
    nothing = [Node("n1", frozenset({"gpu"}), 0, {"a100": 0})]
    found = plan(facing(job, pending(2), values=dirty, capacity=nothing), RULES)
    assert Counter(action.verb for action in found.actions) == {Verb.STOP: 1, Verb.WITHHOLD: 1}


def test_while_the_room_is_unknown_a_stop_that_pays_is_made_as_ever() -> None:
    dirty = (600, 600, 600, 50, 50, 50, *[300] * 42)
    job = running(1, HOUR, gpus=16, hours=4, tag=SAVING)
    found = plan(facing(job, values=dirty, capacity=None), RULES)
    assert [action.verb for action in found.actions] == [Verb.STOP]


# --- properties

HOURS = st.integers(1, 30)
TAGS = st.builds(
    lambda flex, saving: replace(SAVING if saving else TAG, flex=flex * HOUR),
    st.integers(1, 36),
    st.booleans(),
)


@st.composite
def crowds(draw: st.DrawFn) -> Situation:
    """Up to forty jobs for sixteen GPUs."""
    jobs = []
    for number in range(1, draw(st.integers(1, 40)) + 1):
        gpus, hours, tag = draw(st.integers(1, 16)), draw(HOURS), draw(st.none() | TAGS)
        if draw(st.integers(0, 3)):
            jobs.append(pending(number, gpus, hours, tag, user=draw(st.sampled_from("abc"))))
        else:
            jobs.append(running(number, draw(st.integers(0, 20)) * HOUR, min(gpus, 4), hours, tag))
    values = draw(st.lists(st.integers(10, 900), min_size=2, max_size=60))
    return facing(*jobs, values=values)


@given(crowds())
@settings(max_examples=40, deadline=None)
def test_however_full_it_is_planning_again_plans_nothing(situation: Situation) -> None:
    found = plan(situation, RULES)
    if all(action.verb is not Verb.STOP for action in found.actions):  # whose room is free after minutes only
        assert plan(carried_out(situation, found), RULES).actions == []


@given(crowds())
@settings(max_examples=40, deadline=None)
def test_however_full_it_is_nothing_waits_past_its_bound(situation: Situation) -> None:
    found: list[Action] = plan(situation, RULES).actions
    for action in found:
        tag = action.job.tag
        assert tag is not None
        if action.until is not None:
            assert situation.now < action.until <= action.job.submitted + tag.flex
        if action.verb is Verb.RELEASE:
            assert action.reason
