"""What a cycle may tell Slurm, in calls."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carbonslurm.core.action import Action, Verb
from carbonslurm.core.budget import (
    CONTROLLER,
    SNAPSHOT,
    Level,
    RateLimit,
    batch_size,
    level,
    most_updates,
    tokens,
    within,
)
from carbonslurm.core.job import JobKey
from carbonslurm.core.means import Means
from carbonslurm.sim.job import SimulatedJob, Submission

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
SECOND = timedelta(seconds=1)
limits = st.builds(
    RateLimit, st.integers(1, 1000), st.integers(1, 100), st.integers(1, 60).map(lambda s: s * SECOND)
)


def test_without_a_limit_the_site_s_own_counts() -> None:
    assert tokens(500, SNAPSHOT, None) == 500


def test_a_look_at_the_settings_is_paid_from_the_site_s_limit() -> None:
    assert tokens(500, SNAPSHOT + CONTROLLER, None) == 498


def test_reads_are_taken_from_the_bucket() -> None:
    assert tokens(500, SNAPSHOT, 30) == 28


def test_the_smaller_limit_counts() -> None:
    assert tokens(10, SNAPSHOT, 30) == 10


def test_a_bucket_that_is_too_small_for_our_reads_does_not_stop_us() -> None:
    assert tokens(500, SNAPSHOT + CONTROLLER, 2) == 1


@pytest.mark.parametrize(("seconds", "held"), [(0, 4), (0.9, 4), (1, 6), (10, 24), (60, 30), (-60, 4)])
def test_the_bucket_fills_by_whole_periods_up_to_its_size(seconds: float, held: int) -> None:
    now = NOW + seconds * SECOND
    assert level(RateLimit(), Level(4, NOW), now) == Level(held, now)


def test_a_bucket_of_which_nothing_is_known_counts_as_full() -> None:
    assert level(RateLimit(50), None, NOW).calls == 50


def test_what_costs_more_than_there_is_goes_first_and_alone_and_is_not_in_the_way_for_good() -> None:
    job = SimulatedJob(JobKey("toy", 1), Submission(timedelta(hours=1)), NOW, NOW).queued()
    dear = Action(Verb.RELEASE, job, "a hold, and its site factor", means=Means.HOLD, site_factor=1)
    cheap, free = Action(Verb.RELEASE, job, "one call"), Action(Verb.LEAVE, job, "none")
    assert dear.calls == 2
    assert within([free, dear, cheap, free], 1) == [free, dear, free]
    assert within([cheap, dear, cheap], 2) == [cheap]
    assert within([dear, cheap], 3) == [dear, cheap]


def test_a_batch_ends_in_half_its_timeout_with_an_empty_bucket() -> None:
    assert batch_size(RateLimit(), 30 * SECOND) == 30
    assert batch_size(RateLimit(refill=1, period=60 * SECOND), 30 * SECOND) == 1


@pytest.mark.parametrize(
    ("limit", "seconds", "most"),
    [(None, 60, 500), (RateLimit(), 60, 28), (RateLimit(), 10, 18), (RateLimit(1000), 60, 118)],
)
def test_in_the_long_run_a_cycle_has_what_flows_in_between_two(
    limit: RateLimit | None, seconds: int, most: int
) -> None:
    assert most_updates(500, limit, seconds * SECOND) == most


@given(limits, st.integers(1, 10_000), st.lists(st.integers(0, 600), min_size=1, max_size=20))
def test_no_sequence_of_cycles_takes_more_than_the_bucket_gives(
    limit: RateLimit, updates: int, pauses: list[int]
) -> None:
    """But for the one call that each cycle always has."""
    now, last, spent, forced = NOW, None, 0, 0
    for pause in pauses:
        now += pause * SECOND
        held = level(limit, last, now)
        given_now = tokens(updates, SNAPSHOT, held.calls)
        spent += SNAPSHOT + given_now
        forced += max(SNAPSHOT + given_now - held.calls, 0)
        last = Level(max(held.calls - SNAPSHOT - given_now, 0), now)
    assert spent - forced <= limit.bucket + limit.refilled(now - NOW)
