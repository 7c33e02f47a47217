"""What is ours and what is the owner's word: every way in which a begin time can change."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from carbonslurm.core.job import JobKey, JobState, QueuedJob
from carbonslurm.core.means import Means
from carbonslurm.core.ownership import (
    OTHER_TIME,
    STARTED,
    UNKNOWN,
    Claim,
    Known,
    first_eligible,
    forgotten,
    is_ours_still,
    lacks_before,
    overridden,
    with_before,
)
from carbonslurm.core.tag import FlexibleBy, Tag
from carbonslurm.sim.job import SimulatedJob, Submission

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
MINUTE = timedelta(minutes=1)
SUBMITTED = NOW - MINUTE
WINDOW = SUBMITTED + 2 * MINUTE
TAG = Tag(flex=12 * HOUR, by=FlexibleBy.OWNER, latest=SUBMITTED + 12 * HOUR, window=WINDOW)
JOB = replace(
    SimulatedJob(JobKey("toy", 1), Submission(HOUR, tag=TAG), SUBMITTED, WINDOW).queued(), eligible=WINDOW
)
THEN = NOW + 5 * HOUR
WITHHELD = replace(JOB, eligible=THEN)
CLAIM = Claim(restarts=0, set_to=THEN, before=WINDOW, action=7)
OURS = Known(first_eligible=SUBMITTED, claims=(CLAIM,))
RELEASED = Known(first_eligible=SUBMITTED, claims=(Claim(restarts=0, set_to=None, before=THEN, action=8),))
# A hold that we lifted, after a plan by begin time of which Slurm may never have heard.
LIFTED = Claim(0, set_to=None, before=None, action=8, at=NOW - MINUTE, settled=True, means=Means.HOLD)

WAITS_AGAIN = replace(JOB, restarts=1, submitted=NOW, eligible=NOW + 2 * MINUTE)


# --- first eligible ---


def test_a_job_could_start_when_it_was_submitted() -> None:
    assert first_eligible(JOB, UNKNOWN, False, NOW) == SUBMITTED


def test_not_before_its_owners_begin_time() -> None:
    job = replace(JOB, tag=replace(TAG, begin=THEN))
    assert first_eligible(job, UNKNOWN, False, NOW) == THEN


def test_not_before_its_dependencies_were_met_as_far_as_we_saw() -> None:
    waiting = replace(JOB, needs=(9,))
    assert first_eligible(waiting, UNKNOWN, False, NOW) is None
    assert first_eligible(replace(JOB, singleton=True), UNKNOWN, False, NOW) is None
    assert first_eligible(JOB, UNKNOWN, True, NOW) == NOW


def test_once_known_it_never_changes() -> None:
    known = Known(first_eligible=SUBMITTED - HOUR)
    assert first_eligible(replace(JOB, needs=(9,), submitted=NOW), known, True, NOW) == SUBMITTED - HOUR


# --- ours, and forgotten ---


def test_what_we_set_is_ours_while_slurm_shows_it() -> None:
    assert is_ours_still(WITHHELD, CLAIM)
    assert not is_ours_still(JOB, CLAIM)
    assert not is_ours_still(WITHHELD, None)
    assert not is_ours_still(replace(WITHHELD, restarts=1), CLAIM)


def test_slurm_back_at_the_value_from_before_has_forgotten() -> None:
    assert forgotten(JOB, CLAIM, None)
    assert not forgotten(WITHHELD, CLAIM, None)
    assert not forgotten(JOB, None, None)
    assert not forgotten(replace(JOB, restarts=1), CLAIM, None)


def test_what_slurm_had_taken_is_forgotten_only_in_a_crash() -> None:
    """Without one, it was the owner who set his own begin time again."""
    taken = replace(CLAIM, at=NOW, settled=True)
    assert not forgotten(JOB, taken, None)
    assert not forgotten(JOB, taken, NOW - MINUTE)
    assert forgotten(JOB, taken, NOW + MINUTE)


def test_after_a_stop_slurm_may_be_back_at_the_begin_time_of_its_own_requeue() -> None:
    """Our change came while the job was COMPLETING, so no value from before was seen."""
    claim = Claim(restarts=1, set_to=THEN, before=None, action=7)
    again = replace(JOB, restarts=1, submitted=NOW, eligible=NOW + 2 * MINUTE)
    other = replace(again, eligible=NOW + MINUTE)
    assert lacks_before(again, claim)
    assert with_before(again, Known(claims=(claim,)), 2 * MINUTE).claims == (
        replace(claim, before=NOW + 2 * MINUTE),
    )
    known = with_before(again, Known(claims=(claim,)), 2 * MINUTE)
    assert forgotten(again, known.claims[0], None)
    assert overridden(again, known, NOW) is None
    assert overridden(other, with_before(other, Known(claims=(claim,)), 2 * MINUTE), NOW) == OTHER_TIME


@pytest.mark.parametrize(
    "changes", [{"eligible": THEN, "restarts": 1}, {"restarts": 2}, {"restarts": 1, "eligible": None}]
)
def test_what_slurms_requeue_had_set_is_asked_for_only_where_another_time_than_ours_is_shown(
    changes: dict[str, Any],
) -> None:
    claim = Claim(restarts=1, set_to=THEN, before=None, action=7)
    job = replace(JOB, **changes)
    assert not lacks_before(job, claim)
    assert with_before(job, Known(claims=(claim,)), MINUTE).claims == (claim,)


# --- overridden ---


@pytest.mark.parametrize(
    ("job", "known"),
    [
        pytest.param(JOB, UNKNOWN, id="a new job in the hook's window"),
        pytest.param(
            replace(JOB, eligible=SUBMITTED, tag=replace(TAG, window=None)), UNKNOWN, id="no window"
        ),
        pytest.param(replace(JOB, eligible=None), UNKNOWN, id="no begin time yet"),
        pytest.param(
            replace(JOB, eligible=THEN, tag=replace(TAG, begin=THEN)), UNKNOWN, id="its owner's --begin"
        ),
        pytest.param(WITHHELD, OURS, id="what we set"),
        pytest.param(replace(WITHHELD, state=JobState.RUNNING, started=THEN), OURS, id="started as we set"),
        pytest.param(JOB, OURS, id="forgotten by slurmctld"),
        pytest.param(replace(WITHHELD, eligible=None), OURS, id="no begin time any more"),
        pytest.param(replace(JOB, eligible=NOW), RELEASED, id="released by us"),
        pytest.param(WITHHELD, RELEASED, id="our release forgotten by slurmctld"),
        pytest.param(
            replace(JOB, eligible=NOW - timedelta(seconds=50)),
            Known(first_eligible=SUBMITTED, claims=(CLAIM, LIFTED)),
            id="moved by Slurm to the moment at which our hold was lifted",
        ),
        pytest.param(
            replace(JOB, eligible=NOW - HOUR),
            Known(
                first_eligible=SUBMITTED,
                claims=(CLAIM, replace(LIFTED, set_to=THEN, action=12, settled=False)),
            ),
            id="moved likewise, then held again by us, which slurmctld forgot",
        ),
        pytest.param(
            replace(JOB, eligible=NOW + timedelta(seconds=1)),
            Known(first_eligible=SUBMITTED, claims=(LIFTED,)),
            id="moved likewise while the snapshot was taken",
        ),
        pytest.param(WAITS_AGAIN, OURS, id="requeued by Slurm"),
        pytest.param(WAITS_AGAIN, UNKNOWN, id="requeued by Slurm, never ours"),
    ],
)
def test_nobody_else_decided(job: QueuedJob, known: Known) -> None:
    assert overridden(job, known, NOW) is None


@pytest.mark.parametrize(
    ("job", "known", "words"),
    [
        pytest.param(replace(WITHHELD, eligible=NOW), OURS, STARTED, id="StartTime=now over ours"),
        pytest.param(
            replace(WITHHELD, eligible=NOW - MINUTE, state=JobState.RUNNING, started=NOW),
            OURS,
            STARTED,
            id="StartTime=now over ours, running already",
        ),
        pytest.param(replace(WITHHELD, eligible=THEN + HOUR), OURS, OTHER_TIME, id="another time over ours"),
        pytest.param(replace(JOB, eligible=THEN), UNKNOWN, OTHER_TIME, id="a time nobody of us set"),
        pytest.param(
            replace(JOB, eligible=NOW - timedelta(seconds=5)),
            UNKNOWN,
            STARTED,
            id="StartTime=now in the window",
        ),
        pytest.param(replace(JOB, eligible=THEN + HOUR), RELEASED, OTHER_TIME, id="a time after our release"),
        pytest.param(
            replace(WITHHELD, eligible=NOW - timedelta(seconds=50)),
            Known(first_eligible=SUBMITTED, claims=(replace(CLAIM, action=9), LIFTED)),
            STARTED,
            id="StartTime=now over a plan from after our hold",
        ),
        pytest.param(
            replace(JOB, eligible=THEN),
            Known(first_eligible=SUBMITTED, claims=(LIFTED,)),
            OTHER_TIME,
            id="a time that nobody of us set, after our hold",
        ),
    ],
)
def test_somebody_else_decided(job: QueuedJob, known: Known, words: str) -> None:
    assert overridden(job, known, NOW) == words


def test_a_replan_that_was_forgotten_is_no_word() -> None:
    """Slurm is back at our own earlier plan: the newest claim's ``before``."""
    known = Known(first_eligible=SUBMITTED, claims=(Claim(0, set_to=THEN + HOUR, before=THEN, action=9),))
    assert overridden(WITHHELD, known, NOW) is None


def test_an_old_claim_of_another_run_says_nothing_about_this_one() -> None:
    again = replace(JOB, restarts=1, eligible=THEN + HOUR)
    assert overridden(again, OURS, NOW) is None
