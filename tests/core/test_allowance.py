"""Budgets: whose they are, what is left, and how they change the planning of flexible jobs."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carbonslurm.core.action import Verb
from carbonslurm.core.allowance import Allowance, AtEnd, OwnerKind, Standing, effect_on, effects
from carbonslurm.core.bound import BoundRules
from carbonslurm.core.forecast import Kind, Nature, Scope, Series, Step
from carbonslurm.core.interval import Interval
from carbonslurm.core.job import JobKey, Queue, QueuedJob
from carbonslurm.core.ownership import Known
from carbonslurm.core.planner import plan
from carbonslurm.core.policies import POLICIES
from carbonslurm.core.situation import PlanRules, Situation, Zones
from carbonslurm.core.tag import FlexibleBy, Tag, format_tag, parse_tag
from carbonslurm.sim.job import SimulatedJob, Submission

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
ADA = Allowance(OwnerKind.USER, "ada", 1000.0, AtEnd.FLEXIBLE)
MATHS = Allowance(OwnerKind.ACCOUNT, "maths", 1000.0, AtEnd.GREEN)
GPU = Allowance(OwnerKind.PARTITION, "gpu", 1000.0, AtEnd.WARN)


def job(number: int = 1, by: FlexibleBy = FlexibleBy.BUDGET, **changes: object) -> QueuedJob:
    tag = Tag(flex=6 * HOUR, by=by, window=NOW + HOUR / 12)
    queued = SimulatedJob(
        JobKey("toy", number), Submission(HOUR, time_limit=HOUR, tag=tag), NOW, NOW
    ).queued()
    facts = {"user": "ada", "account": "maths", "partition": "gpu", "eligible": NOW + HOUR / 12}
    return replace(queued, **facts | changes)  # type: ignore[arg-type]


def used(allowance: Allowance, grams: float = 1000.0) -> Standing:
    return Standing(allowance, "2026-11", grams)


def planned(
    item: QueuedJob, *standings: Standing, policy: str = "lowest-window"
) -> list[tuple[Verb, datetime | None, str]]:
    """Clean from three hours on, cleaner still at five, within a bound of six."""
    values = [500, 500, 500, 200, 200, 100, 400, *[400] * 20]
    steps = [Step(Interval(NOW + at * HOUR, NOW + (at + 1) * HOUR), value) for at, value in enumerate(values)]
    series = Series.from_steps("GB", "toy", Nature(Kind.AVERAGE, Scope.LIFECYCLE), steps)
    rules = PlanRules(zones=Zones("GB"), policy=policy, threshold=250.0, bound=BoundRules(max_wait=24 * HOUR))
    used_up = effects([item], standings)
    known = {item.key: Known(first_eligible=NOW)}
    situation = Situation(NOW, Queue(NOW, (item,)), {"GB": series}, known, used_up=used_up)
    return [(it.verb, it.until, it.reason) for it in plan(situation, rules).actions]


def test_a_tag_by_a_budget_is_read_back() -> None:
    tag = Tag(flex=6 * HOUR, by=FlexibleBy.BUDGET)
    assert parse_tag(format_tag(tag)) == tag


def test_within_its_budget_a_job_that_said_nothing_starts_at_once() -> None:
    for standings in ((), (used(ADA, 999.0),), (used(GPU),)):
        ((verb, _, reason),) = planned(job(), *standings)
        assert (verb, "not used up" in reason) == (Verb.RELEASE, True)


def test_when_it_is_used_up_the_job_waits_as_the_site_s_policy_has_it() -> None:
    ((verb, until, reason),) = planned(job(), used(ADA), policy="threshold")
    assert (verb, until) == (Verb.WITHHOLD, NOW + 3 * HOUR)
    assert reason.endswith("; the budget of user ada is used up")


def test_green_waits_for_the_greenest_hours_whatever_the_site_s_policy() -> None:
    for policy in POLICIES:
        for by in FlexibleBy:
            ((verb, until, reason),) = planned(job(by=by), used(MATHS), policy=policy)
            assert (verb, until) == (Verb.WITHHOLD, NOW + 5 * HOUR)
            assert reason.endswith("; the budget of account maths is used up")


def test_what_an_owner_declared_is_planned_as_ever_where_a_budget_only_warns_or_is_not_used_up() -> None:
    declared = job(by=FlexibleBy.OWNER)
    for standings in ((used(GPU),), (used(MATHS, 10.0),), ()):
        ((verb, until, reason),) = planned(declared, *standings, policy="threshold")
        assert (verb, until, "budget" in reason) == (Verb.WITHHOLD, NOW + 3 * HOUR, False)


def test_the_strictest_of_several_counts() -> None:
    assert effect_on("ada", "maths", "gpu", [used(GPU), used(ADA), used(MATHS)]) == MATHS
    assert effect_on("ada", "physics", "gpu", [used(GPU), used(ADA), used(MATHS)]) == ADA
    assert effect_on("bob", "physics", "gpu", [used(GPU), used(ADA), used(MATHS)]) is None
    assert effects([job()], [used(GPU)]) == {}


@given(
    grams=st.floats(0, 5000, allow_nan=False),
    at_end=st.sampled_from(AtEnd),
    by=st.sampled_from(FlexibleBy),
    policy=st.sampled_from(sorted(POLICIES)),
)
def test_no_budget_makes_a_job_wait_past_its_bound(
    grams: float, at_end: AtEnd, by: FlexibleBy, policy: str
) -> None:
    for _, until, _ in planned(job(by=by), used(replace(ADA, at_end=at_end), grams), policy=policy):
        assert until is None or until <= NOW + 6 * HOUR


def test_what_is_left() -> None:
    standing = used(ADA, 1250.0)
    assert (standing.left_g, standing.share, standing.is_used_up) == (-250.0, 1.25, True)
    assert used(ADA, 999.9).is_used_up is False
    assert ADA.owner == "user ada"
    assert ADA.concerns("bob", "ada", "ada") is False


def test_jobs_of_others_are_left_out() -> None:
    assert effects([job(user="eve", account="x", partition="y")], [used(ADA), used(MATHS)]) == {}


@pytest.mark.parametrize("kind", OwnerKind)
def test_each_kind_of_owner_is_told_by_its_own_name(kind: OwnerKind) -> None:
    allowance = Allowance(kind, "x", 1.0, AtEnd.GREEN)
    names = {it: "x" if it is kind else "y" for it in OwnerKind}
    assert allowance.concerns(*names.values())
    assert not allowance.concerns(*("y" if it is kind else "x" for it in OwnerKind))
