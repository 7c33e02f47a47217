"""How long a run is predicted to take."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carbonslurm.core.job import JobKey, QueuedJob, Tres
from carbonslurm.core.length import (
    Past,
    PastRun,
    predicted_length,
    predicted_rest,
    rests,
    whole_rests,
)
from carbonslurm.core.tag import FlexibleBy, Tag
from carbonslurm.sim.job import SimulatedJob, Submission

NOW = datetime(2026, 11, 22, tzinfo=UTC)
HOUR = timedelta(hours=1)


@pytest.mark.parametrize(
    ("declared", "limit", "predicted"),
    [
        (None, 8, 8),
        (3, 8, 3),
        (9, 8, 8),  # Slurm ends the run at its limit
    ],
)
def test_the_owners_word_counts_up_to_the_limit(declared: int | None, limit: int, predicted: int) -> None:
    length = None if declared is None else declared * HOUR
    tag = Tag(flex=HOUR, by=FlexibleBy.OWNER, length=length)
    wants = Submission(run_time=HOUR, time_limit=limit * HOUR, tag=tag)
    job = SimulatedJob(JobKey("toy", 1), wants, NOW, NOW).queued()
    assert predicted_length(job, assumed=4 * HOUR) == predicted * HOUR


@pytest.mark.parametrize(("declared", "predicted"), [(None, 4), (9, 9)])
def test_without_a_limit_the_owner_or_the_sites_assumption_speaks(
    declared: int | None, predicted: int
) -> None:
    length = None if declared is None else declared * HOUR
    tag = Tag(flex=HOUR, by=FlexibleBy.OWNER, length=length)
    wants = Submission(run_time=HOUR, time_limit=None, tag=tag)
    job = SimulatedJob(JobKey("toy", 1), wants, NOW, NOW).queued()
    assert predicted_length(job, assumed=4 * HOUR) == predicted * HOUR


def test_a_job_without_a_tag_is_predicted_by_its_limit() -> None:
    job = SimulatedJob(JobKey("toy", 1), Submission(HOUR, time_limit=2 * HOUR), NOW, NOW).queued()
    assert predicted_length(job, assumed=4 * HOUR) == 2 * HOUR


# --- what past runs teach


def past_run(hours: float, *, user: str = "ada", limit: float | None = 10, **changes: Any) -> PastRun:
    found = PastRun(
        user=user,
        account="science",
        partition="gpu",
        submitted=NOW - 99 * HOUR,
        seconds=hours * 3600,
        ended=True,
        time_limit=None if limit is None else limit * HOUR,
        tres=Tres(4, 1, {"a100": 1}),
    )
    return replace(found, **changes)


def waiting(limit: float | None = 10, *, declared: float | None = None, **changes: Any) -> QueuedJob:
    tag = Tag(flex=HOUR, by=FlexibleBy.OWNER, length=None if declared is None else declared * HOUR)
    wants = Submission(run_time=HOUR, time_limit=None if limit is None else limit * HOUR, tag=tag)
    return replace(SimulatedJob(JobKey("toy", 1), wants, NOW, NOW).queued(), **changes)


def hours(found: Any) -> list[float]:
    return [round(float(value) / 3600, 2) for value in found]


def test_who_knows_nothing_expects_the_limit_or_what_the_owner_said() -> None:
    nothing = Past([])
    assert hours(rests(waiting(10), timedelta(), 4 * HOUR, nothing)) == [10.0] * 5
    assert hours(rests(waiting(None), timedelta(), 4 * HOUR, nothing)) == [4.0] * 5
    assert predicted_length(waiting(10), 4 * HOUR, nothing) == 10 * HOUR
    assert predicted_length(waiting(10, declared=2), 4 * HOUR, Past([past_run(1)] * 99)) == 2 * HOUR


def test_the_more_an_owner_has_run_the_more_his_own_runs_count() -> None:
    others = [past_run(5, user="bo") for _ in range(50)]
    few, many = (Past([past_run(1) for _ in range(count)] + others) for count in (2, 60))
    job = waiting(10)
    assert predicted_length(job, 4 * HOUR, few) > 3 * HOUR
    assert predicted_length(job, 4 * HOUR, many) == HOUR
    assert hours(rests(job, timedelta(), 4 * HOUR, many))[0] == 1.0


def test_somebody_new_in_a_new_place_is_judged_by_the_shares_of_limits_that_others_lasted() -> None:
    past = Past([past_run(2, limit=8) for _ in range(90)])
    new = waiting(20, user="zoe", account="art", partition="new")
    assert predicted_length(new, 4 * HOUR, past) == 5 * HOUR


def test_a_run_that_was_requeued_or_lasts_speaks_for_longer_ones() -> None:
    short = [past_run(1) for _ in range(20)]
    lasting = [past_run(6, ended=False) for _ in range(60)]
    job = waiting(10)
    assert predicted_length(job, 4 * HOUR, Past([*short, *lasting])) > predicted_length(
        job, 4 * HOUR, Past(short)
    )


def test_what_has_lasted_long_is_expected_to_last_longer() -> None:
    past = Past([past_run(hours) for hours in (1, 1, 1, 1, 1, 1, 8, 8, 8)] * 5)
    job = waiting(10)
    assert predicted_rest(job, 2 * HOUR, 4 * HOUR, past) == 6 * HOUR
    assert predicted_rest(job, 2 * HOUR, 4 * HOUR) == 8 * HOUR
    assert predicted_rest(waiting(10, declared=1), 2 * HOUR, 4 * HOUR, past) == -HOUR


@given(
    st.lists(st.tuples(st.floats(0.001, 400), st.booleans(), st.sampled_from("ab")), max_size=40),
    st.none() | st.integers(1, 200),
    st.integers(0, 300),
)
def test_no_rest_exceeds_the_limit_and_they_rise(
    runs: list[tuple[float, bool, str]], limit: int | None, lasted: int
) -> None:
    past = Past([past_run(length, user=user, ended=ended) for length, ended, user in runs])
    job = waiting(limit, user="a")
    found = rests(job, lasted * HOUR, 4 * HOUR, past)
    assert (found > 0).all()
    assert (found[1:] >= found[:-1]).all()
    if limit is not None:
        assert found.max() <= max((limit - lasted) * 3600, 1)


@given(
    st.lists(
        st.tuples(
            st.none() | st.integers(1, 30), st.none() | st.integers(1, 40), st.sampled_from(["a", "b"])
        ),
        max_size=6,
    ),
    st.none() | st.lists(st.floats(0.001, 40), max_size=30),
)
def test_many_at_once_are_expected_to_last_what_each_is_by_itself(
    asked: list[tuple[int | None, int | None, str]], lasted: list[float] | None
) -> None:
    past = None if lasted is None else Past([past_run(length, user="a") for length in lasted])
    jobs = [waiting(limit, declared=declared, user=user) for limit, declared, user in asked]
    found = whole_rests(jobs, 4 * HOUR, past)
    assert found.shape == (len(jobs), 5)
    assert found.tolist() == [rests(job, timedelta(), 4 * HOUR, past).tolist() for job in jobs]


def test_runs_are_looked_up_by_when_they_were_submitted() -> None:
    runs = [past_run(1, submitted=NOW - hours * HOUR) for hours in (1, 5, 24, 30)]
    past, now = Past(runs), NOW.timestamp()
    assert past.submitted_within(now - 24 * 3600, now) == runs[:2]
    assert past.first == runs[-1].submitted
    assert Past([]).first is None
    assert Past([]).submitted_within(0.0, now) == []
