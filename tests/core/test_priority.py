"""What age counts, what waiting costs, and what a job may keep of what it was given."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carbonslurm.core.job import JobKey
from carbonslurm.core.means import Means
from carbonslurm.core.ownership import Claim, Compensation, Known
from carbonslurm.core.priority import AgeWeight, earned, is_overpaid, site_factor
from carbonslurm.sim.job import SimulatedJob, Submission

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
AGE = AgeWeight(weight=1000, full_after=10 * HOUR)
JOB = replace(SimulatedJob(JobKey("toy", 1), Submission(HOUR), NOON, NOON).queued(), eligible=NOON + 5 * HOUR)
HELD = replace(JOB, held=True, reason="JobHeldUser")
TWO = NOON + 2 * HOUR


def ours(means: Means = Means.BEGIN, restarts: int = 0, factor: int = 500) -> Known:
    claim = Claim(restarts, NOON + 5 * HOUR, NOON, 7, NOON, settled=True, means=means, site_factor=factor)
    return Known(NOON, claims=(claim,), compensation=Compensation(factor, restarts))


def test_age_counts_in_proportion_and_never_more_than_in_full() -> None:
    assert [site_factor(AGE, hours * HOUR) for hours in (-1, 0, 1, 10, 30)] == [0, 0, 100, 1000, 1000]


@given(st.timedeltas(timedelta(days=-40), timedelta(days=40)), st.integers(0, 2**31))
def test_whatever_is_waited_it_is_within_the_weight(waited: timedelta, weight: int) -> None:
    assert 0 <= site_factor(AgeWeight(weight, 7 * HOUR), waited) <= weight


def test_an_age_that_is_full_at_once_gives_nothing() -> None:
    assert site_factor(AgeWeight(1000, timedelta()), HOUR) == 0


def test_a_job_keeps_what_it_has_lost_by_now() -> None:
    assert earned(JOB, ours(), AGE, TWO) == 200


def test_one_that_its_owner_started_lost_no_more_after_that() -> None:
    started = replace(JOB, eligible=NOON + HOUR)
    assert earned(started, ours(), AGE, TWO) == 100


def test_one_that_we_hold_has_lost_all_the_time_even_more_than_was_thought() -> None:
    late = NOON + 8 * HOUR
    assert earned(HELD, ours(Means.HOLD), AGE, late) == 800
    assert earned(replace(HELD, held=False), ours(Means.HOLD), AGE, late) == 500


def test_what_was_never_given_is_not_taken_back() -> None:
    assert earned(JOB, replace(ours(), compensation=None), AGE, TWO) is None
    assert earned(JOB, ours(factor=0), AGE, TWO) is None


@pytest.mark.parametrize("means", [Means.BEGIN, Means.HOLD])
def test_a_later_run_has_lost_nothing(means: Means) -> None:
    again = replace(JOB, restarts=1, submitted=TWO)
    assert earned(again, ours(means), AGE, TWO + HOUR) == 0
    assert is_overpaid(again, ours(means))


def test_where_none_is_given_any_more_all_is_taken_back() -> None:
    assert earned(JOB, ours(), None, TWO) == 0


def test_behind_a_gate_nothing_is_lost() -> None:
    assert earned(JOB, ours(Means.GATE), AGE, TWO) == 0


def test_what_stands_and_what_is_settled_is_its_due() -> None:
    released = replace(JOB, eligible=NOON)
    unsure = replace(ours(), compensation=Compensation(500, 0, settled=False))
    assert not is_overpaid(JOB, ours())
    assert not is_overpaid(released, ours())
    assert not is_overpaid(JOB, unsure)  # it waits as we told it to
    assert is_overpaid(released, unsure)
    assert not is_overpaid(released, replace(unsure, compensation=Compensation(0, 0, settled=False)))
