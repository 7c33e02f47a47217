"""The simulated cluster behaves as the real one was seen to."""

from datetime import UTC, datetime, timedelta

import pytest

from carbonslurm.core.interval import Interval
from carbonslurm.core.job import JobState
from carbonslurm.errors import RefusedError, UnavailableError
from carbonslurm.ports import Setting
from carbonslurm.sim.actuators import SimulatedGate, SimulatedHold
from carbonslurm.sim.cluster import NOT_PENDING, SimulatedCluster
from carbonslurm.sim.job import OnSignal, Submission

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
MINUTE = timedelta(minutes=1)
SECOND = timedelta(seconds=1)
ALL_DAY = Interval(NOON - HOUR, NOON + 24 * HOUR)


@pytest.fixture
def cluster() -> SimulatedCluster:
    return SimulatedCluster(NOON, {"gpu": 2})


def test_jobs_start_in_order_as_soon_as_they_fit(cluster: SimulatedCluster) -> None:
    first, second, small = (cluster.submit(Submission(HOUR, gpus=gpus)) for gpus in (1, 2, 1))
    cluster.advance(NOON + 3 * HOUR)
    assert [cluster.job(job).started for job in (first, second, small)] == [NOON, NOON + HOUR, NOON]


def test_a_begin_time_in_the_past_becomes_now(cluster: SimulatedCluster) -> None:
    job = cluster.submit(Submission(HOUR, begin=NOON + 9 * HOUR))
    assert cluster.update_begin(str(job), NOON - HOUR) is None
    assert (cluster.job(job).begin, cluster.job(job).started) == (NOON, NOON)


def test_a_running_job_takes_no_begin_time(cluster: SimulatedCluster) -> None:
    job = cluster.submit(Submission(HOUR))
    assert cluster.withhold([str(job)], Setting(NOON + HOUR)) == {str(job): NOT_PENDING}


def test_a_requeue_is_seen_at_once_and_comes_to_its_end_later(cluster: SimulatedCluster) -> None:
    job = cluster.submit(Submission(HOUR))
    cluster.advance(NOON + 10 * MINUTE)
    cluster.requeue(job)
    sight = cluster.look([job])[job]
    assert (sight.state, sight.restarts) == (JobState.COMPLETING, 1)
    cluster.advance(NOON + 11 * MINUTE)
    submitted = cluster.job(job).submitted
    assert submitted == NOON + 10 * MINUTE + 5 * SECOND
    assert cluster.job(job).begin == submitted + 121 * SECOND


def test_a_begin_time_that_is_set_while_completing_is_kept(cluster: SimulatedCluster) -> None:
    job = cluster.submit(Submission(HOUR))
    cluster.requeue(job)
    assert cluster.withhold([str(job)], Setting(NOON + 3 * HOUR)) == {str(job): None}
    cluster.advance(NOON + 3 * HOUR)
    assert cluster.job(job).started == NOON + 3 * HOUR


def test_a_requeue_leaves_ended_and_waiting_jobs_alone(cluster: SimulatedCluster) -> None:
    ended, waiting = cluster.submit(Submission(MINUTE)), cluster.submit(Submission(HOUR, begin=NOON + HOUR))
    cluster.advance(NOON + 2 * MINUTE)
    for job in (ended, waiting):
        cluster.requeue(job)
        assert cluster.job(job).restarts == 0


def test_a_job_that_forbids_it_is_not_requeued(cluster: SimulatedCluster) -> None:
    job = cluster.submit(Submission(HOUR, requeueable=False))
    with pytest.raises(RefusedError):
        cluster.requeue(job)


def test_what_was_not_saved_is_done_again(cluster: SimulatedCluster) -> None:
    wants = Submission(HOUR, on_signal=OnSignal.SAVE, saves_in=MINUTE, reload=2 * MINUTE)
    job = cluster.submit(wants)
    cluster.advance(NOON + 20 * MINUTE)
    cluster.signal(job, "USR1", full=False)
    cluster.advance(NOON + 30 * MINUTE)
    cluster.requeue(job)
    cluster.advance(NOON + 5 * HOUR)
    first, second = cluster.runs(ALL_DAY)
    assert (first.state, second.state) == ("REQUEUED", "COMPLETED")
    assert second.started is not None
    assert second.ended is not None
    assert second.ended - second.started == HOUR - 21 * MINUTE + 2 * MINUTE


def test_a_time_limit_ends_a_run(cluster: SimulatedCluster) -> None:
    job = cluster.submit(Submission(2 * HOUR, time_limit=HOUR))
    cluster.advance(NOON + 2 * HOUR)
    assert (cluster.job(job).word, cluster.job(job).ended) == ("TIMEOUT", NOON + HOUR)


def test_a_job_waits_for_those_that_it_needs(cluster: SimulatedCluster) -> None:
    first = cluster.submit(Submission(HOUR))
    second = cluster.submit(Submission(HOUR, needs=(first,)))
    waiting = next(job for job in cluster.snapshot().jobs if job.key.job_id == second)
    assert (waiting.needs, waiting.eligible) == ((first,), None)
    cluster.advance(NOON + 3 * HOUR)
    assert cluster.job(second).started == NOON + HOUR


def test_a_lapsed_begin_time_lets_it_start_the_second_its_needs_resolve(cluster: SimulatedCluster) -> None:
    first = cluster.submit(Submission(HOUR))
    second = cluster.submit(Submission(HOUR, needs=(first,), begin=NOON + 2 * MINUTE))
    cluster.advance(NOON + 3 * HOUR)
    assert cluster.job(second).started == NOON + HOUR


def test_while_slurmctld_is_away_it_answers_nothing_and_starts_nothing(cluster: SimulatedCluster) -> None:
    job = cluster.submit(Submission(HOUR, begin=NOON + MINUTE))
    cluster.crash()
    with pytest.raises(UnavailableError):
        cluster.snapshot()
    cluster.advance(NOON + HOUR)
    assert cluster.job(job).started is None
    cluster.come_back()
    assert cluster.job(job).started == NOON + HOUR
    assert cluster.controller().started == NOON + HOUR


def test_it_may_have_forgotten_its_last_updates_only(cluster: SimulatedCluster) -> None:
    old, new = (cluster.submit(Submission(HOUR, begin=NOON + HOUR)) for _ in range(2))
    cluster.update_begin(str(old), NOON + 5 * HOUR)
    cluster.advance(NOON + MINUTE)
    cluster.update_begin(str(new), NOON + 5 * HOUR)
    cluster.crash()
    cluster.come_back(forget=10 * SECOND)
    assert (cluster.job(old).begin, cluster.job(new).begin) == (NOON + 5 * HOUR, NOON + HOUR)


def test_freshly_back_it_runs_again_what_ended_meanwhile_if_it_is_told_to(cluster: SimulatedCluster) -> None:
    job = cluster.submit(Submission(HOUR))
    cluster.crash()
    cluster.advance(NOON + 2 * HOUR)
    cluster.come_back(silence=MINUTE)
    assert cluster.look([job])[job].state is JobState.RUNNING
    cluster.requeue(job)
    cluster.advance(NOON + 9 * HOUR)
    assert cluster.job(job).finished == 2


def test_an_ended_job_is_forgotten_after_some_minutes(cluster: SimulatedCluster) -> None:
    job = cluster.submit(Submission(MINUTE))
    cluster.advance(NOON + 2 * MINUTE)
    assert cluster.look([job])[job].state is JobState.ENDED
    cluster.advance(NOON + HOUR)
    assert cluster.look([job]) == {}
    assert cluster.snapshot().jobs == ()


def test_the_tasks_of_an_array_are_named_by_ranges(cluster: SimulatedCluster) -> None:
    first = cluster.submit(Submission(HOUR, tasks=4, begin=NOON + HOUR))
    assert cluster.update_begin(f"{first}_[0,2-3]", NOON + 5 * HOUR) is None
    begins = [cluster.job(first + task).begin for task in range(4)]
    assert begins == [NOON + 5 * HOUR, NOON + HOUR, NOON + 5 * HOUR, NOON + 5 * HOUR]


def test_the_same_story_gives_the_same_runs() -> None:
    def story() -> object:
        cluster = SimulatedCluster(NOON, {"gpu": 3})
        jobs = [cluster.submit(Submission(HOUR * (1 + n % 3), gpus=1 + n % 2)) for n in range(20)]
        cluster.advance(NOON + 2 * HOUR)
        cluster.requeue(jobs[4])
        cluster.advance(NOON + 40 * HOUR)
        return cluster.runs(Interval(NOON - HOUR, NOON + 99 * HOUR))

    assert story() == story()


def test_a_crash_may_forget_every_change_of_ours(cluster: SimulatedCluster) -> None:
    cluster.submit(Submission(HOUR, gpus=2))
    job, gated = (str(cluster.submit(Submission(HOUR, gated=gated))) for gated in (False, True))
    gate = SimulatedGate(cluster)
    cluster.advance(NOON + MINUTE)
    SimulatedHold(cluster).withhold([job], Setting(site_factor=500))
    gate.shut(NOON + HOUR)
    gate.release([gated], Setting(site_factor=5))
    cluster.crash()
    cluster.come_back(forget=SECOND)
    assert (cluster.job(int(job)).held, cluster.job(int(job)).site_factor) == (False, 0)
    assert (cluster.job(int(gated)).gated, cluster.job(int(gated)).site_factor) == (True, 0)
    assert cluster.gate_shut_until <= cluster.now


def test_a_gate_that_was_opened_and_moved_on_is_back_where_it_was_when_it_was_saved(
    cluster: SimulatedCluster,
) -> None:
    gate = SimulatedGate(cluster)
    gate.shut(NOON + HOUR)
    cluster.advance(NOON + MINUTE)
    gate.shut(NOON + 2 * HOUR)
    gate.open()
    cluster.crash()
    cluster.come_back(forget=SECOND)
    assert cluster.gate_shut_until == NOON + HOUR


def test_a_requeue_keeps_the_site_factor(cluster: SimulatedCluster) -> None:
    job = cluster.submit(Submission(HOUR))
    cluster.set_factor([str(job)], 500)
    cluster.requeue(str(job))
    cluster.advance(NOON + MINUTE)
    assert (cluster.job(job).restarts, cluster.job(job).site_factor) == (1, 500)
