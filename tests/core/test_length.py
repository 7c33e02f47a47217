"""How long a run is predicted to take."""

from datetime import UTC, datetime, timedelta

import pytest

from carbonslurm.core.job import JobKey
from carbonslurm.core.length import predicted_length
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
