"""The bound: each limit by itself, then all together."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carbonslurm.core.bound import BoundRules, bound_of, latest_by_deadlines
from carbonslurm.core.job import JobKey, JobState, QueuedJob, Tres
from carbonslurm.core.tag import FlexibleBy, Tag

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
RULES = BoundRules(max_wait=24 * HOUR, margin=timedelta(minutes=5))

JOB = QueuedJob(
    key=JobKey("toy", 1),
    spec="1",
    state=JobState.PENDING,
    user="ada",
    account="science",
    partition="gpu",
    qos="normal",
    submitted=NOW,
    eligible=NOW,
    started=None,
    time_limit=2 * HOUR,
    deadline=None,
    needs=(),
    held=False,
    reason="None",
    restarts=0,
    requeueable=True,
    tag=Tag(flex=12 * HOUR, by=FlexibleBy.OWNER),
    tres=Tres(),
)


def tagged(**items: object) -> QueuedJob:
    return replace(JOB, tag=replace(JOB.tag, **items))  # type: ignore[type-var]


def bound(
    job: QueuedJob, *others: QueuedJob, first: datetime | None = NOW, rules: BoundRules = RULES
) -> datetime:
    return bound_of(job, first, latest_by_deadlines([job, *others], rules, NOW), rules, NOW)


def test_a_job_waits_as_long_as_it_said() -> None:
    assert bound(JOB) == NOW + 12 * HOUR


def test_the_wait_counts_from_when_it_could_first_have_started() -> None:
    assert bound(JOB, first=NOW - 3 * HOUR) == NOW + 9 * HOUR
    assert bound(JOB, first=NOW + 3 * HOUR) == NOW + 15 * HOUR


def test_a_job_with_unmet_dependencies_is_bound_as_if_they_were_met_now() -> None:
    assert bound(JOB, first=None) == NOW + 12 * HOUR


def test_the_site_allows_no_longer_wait_than_its_own() -> None:
    assert bound(tagged(flex=99 * HOUR)) == NOW + 24 * HOUR


def test_the_latest_start_of_the_hook_outlives_a_forgotten_first_sight() -> None:
    assert bound(tagged(latest=NOW + HOUR)) == NOW + HOUR


def test_a_finish_leaves_room_for_the_whole_limit_and_the_margin() -> None:
    assert bound(tagged(finish=NOW + 6 * HOUR)) == NOW + 4 * HOUR - RULES.margin


def test_a_deadline_leaves_room_likewise() -> None:
    assert bound(replace(JOB, deadline=NOW + 6 * HOUR)) == NOW + 4 * HOUR - RULES.margin


@pytest.mark.parametrize(
    "job", [replace(JOB, deadline=NOW + 6 * HOUR), tagged(finish=NOW + 6 * HOUR)], ids=["deadline", "finish"]
)
def test_without_a_time_limit_no_deadline_is_safe_to_wait_for(job: QueuedJob) -> None:
    assert bound(replace(job, time_limit=None)) <= NOW


def test_a_deadline_that_cannot_be_met_any_more_gives_a_bound_in_the_past() -> None:
    assert bound(replace(JOB, deadline=NOW + HOUR)) < NOW


def test_the_predicted_wait_in_the_queue_comes_off() -> None:
    rules = replace(RULES, queue_wait={"gpu": HOUR})
    assert bound(JOB, rules=rules) == NOW + 11 * HOUR
    assert bound(replace(JOB, partition="cpu"), rules=rules) == NOW + 12 * HOUR


def dependent(number: int, *needs: int, **changes: object) -> QueuedJob:
    job = replace(JOB, key=JobKey("toy", number), tag=None, needs=needs, eligible=None)
    return replace(job, **changes)  # type: ignore[arg-type]


def test_the_deadline_of_a_dependent_job_counts() -> None:
    """It needs its own two hours, and ours before them."""
    other = dependent(2, 1, deadline=NOW + 10 * HOUR)
    assert bound(JOB, other) == NOW + 6 * HOUR - 2 * RULES.margin


def test_the_deadline_at_the_end_of_a_chain_counts() -> None:
    chain = [dependent(2, 1), dependent(3, 2, deadline=NOW + 12 * HOUR)]
    assert bound(JOB, *chain) == NOW + 6 * HOUR - 3 * RULES.margin


def test_of_many_dependents_the_tightest_counts() -> None:
    others = [dependent(2, 1, deadline=NOW + 12 * HOUR), dependent(3, 1, deadline=NOW + 9 * HOUR)]
    assert bound(JOB, *others) == NOW + 5 * HOUR - 2 * RULES.margin


def test_a_dependent_without_a_deadline_does_not_matter() -> None:
    assert bound(JOB, dependent(2, 1)) == NOW + 12 * HOUR


def test_a_circle_in_a_stale_snapshot_does_no_harm() -> None:
    mine = replace(JOB, needs=(2,), deadline=NOW + 9 * HOUR)
    assert bound(mine, dependent(2, 1)) <= NOW


def test_a_long_chain_is_followed_to_its_end() -> None:
    chain = [dependent(number, number - 1) for number in range(2, 5_000)]
    chain[-1] = replace(chain[-1], deadline=NOW + 11_000 * HOUR)
    assert bound(JOB, *chain) == NOW + 12 * HOUR


def test_a_ladder_of_dependencies_takes_no_time_to_speak_of() -> None:
    """Each step waits for both jobs of the step before: 2^30 paths, 60 jobs."""
    steps = [
        dependent(2 * level + side, 2 * level - 2, 2 * level - 1) for level in range(1, 31) for side in (0, 1)
    ]
    steps.append(replace(dependent(99, 60, 61), deadline=NOW + 1000 * HOUR))
    first = replace(JOB, key=JobKey("toy", 0))
    second = replace(JOB, key=JobKey("toy", 1))
    assert bound(first, second, *steps) == NOW + 12 * HOUR


hours = st.integers(-50, 200).map(lambda count: NOW + count * HOUR)


@given(
    flex=st.integers(1, 720),
    latest=st.none() | hours,
    finish=st.none() | hours,
    deadline=st.none() | hours,
    first=hours,
)
def test_the_bound_is_within_every_limit(
    flex: int, latest: datetime | None, finish: datetime | None, deadline: datetime | None, first: datetime
) -> None:
    job = replace(tagged(flex=flex * HOUR, latest=latest, finish=finish), deadline=deadline)
    found = bound(job, first=first)
    assert found <= first + min(flex, 24) * HOUR
    for limit in (latest, finish, deadline):
        assert limit is None or found <= limit
    for end in (finish, deadline):
        assert end is None or found + 2 * HOUR + RULES.margin <= end


def test_a_chain_as_long_as_slurm_allows_leaves_the_calendar_nowhere() -> None:
    """Any user can make one; its first job may not wait at all."""
    year = timedelta(days=365)
    chain = [
        replace(JOB, key=JobKey("toy", number), needs=(number - 1,), time_limit=year, tag=None)
        for number in range(2, 2_100)
    ]
    last = replace(chain[-1], deadline=NOW + HOUR)
    assert bound(JOB, *chain[:-1], last) <= NOW


def test_a_net_as_dense_as_slurm_allows_is_worked_out_once() -> None:
    """Each deadline goes along each dependency once, however many ways there are from end to end."""
    net = [
        replace(JOB, key=JobKey("toy", number), needs=tuple(range(1, number)), time_limit=HOUR / 60, tag=None)
        for number in range(2, 400)
    ]
    last = replace(net[-1], deadline=NOW + 9 * 24 * HOUR)
    assert bound(JOB, *net[:-1], last, rules=replace(RULES, max_wait=99 * 24 * HOUR)) <= NOW + 12 * HOUR
