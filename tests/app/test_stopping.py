"""Stories of running jobs that are stopped for a dirty spell, each to its end.

Every job works for four hours in all, has one hour behind it when the forecast turns, and has a time limit
that leaves room to work again.
"""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from carbonslurm.core.action import Verb
from carbonslurm.core.interval import Interval
from carbonslurm.core.job import JobState
from carbonslurm.core.stop import Phase
from carbonslurm.sim.job import OnSignal

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
MINUTE = timedelta(minutes=1)
SECOND = timedelta(seconds=1)
TURNS = NOON + HOUR
CLEAN = NOON + 4 * HOUR


def stopped(world: Any, on_signal: OnSignal, **wanted: Any) -> int:
    """A job that has run for an hour when the forecast turns: three dirty hours, then clean ones."""
    world.forecast(100)
    wanted = {"grace": MINUTE, "time_limit": 5 * HOUR, "saves_in": timedelta(seconds=20)} | wanted
    job = world.submit(4 * HOUR, on_signal=on_signal, **wanted)
    world.cycle()
    world.without_us(HOUR)
    assert world.job(job).started == NOON
    world.forecast(600, 600, 600, 50)
    return int(job)


def first_run(world: Any) -> Any:
    return world.owner.runs(Interval(NOON - HOUR, world.now))[0]


def the_stop(world: Any) -> Any:
    """The one stop that was written."""
    stops = [row for row in world.actions() if row.verb == Verb.STOP]
    assert len(stops) == 1
    return stops[0]


def commands(world: Any, verb: str) -> int:
    return sum(said == verb for said, _ in world.owner.commands)


def ran_again(world: Any, job: int) -> timedelta:
    """How long its second run took; it ended well and only once."""
    ended = world.job(job)
    assert (ended.state, ended.word, ended.held, ended.finished) == (JobState.ENDED, "COMPLETED", False, 1)
    assert ended.restarts == 1
    assert ended.started == CLEAN
    return ended.ended - ended.started


# --- each kind of job ---


def test_a_job_that_saves_and_goes_on_loses_what_came_after_its_checkpoint(world: Any) -> None:
    job = stopped(world, OnSignal.SAVE)
    world.live(12 * HOUR)
    assert ran_again(world, job) == 4 * HOUR - (HOUR + timedelta(seconds=20))
    assert the_stop(world).state == "confirmed"  # done, and seen to be so
    assert (commands(world, "signal"), commands(world, "requeue")) == (1, 1)


def test_a_job_that_ignores_the_signal_is_stopped_after_its_grace_and_begins_anew(world: Any) -> None:
    job = stopped(world, OnSignal.IGNORE)
    world.live(12 * HOUR)
    assert ran_again(world, job) == 4 * HOUR
    run = first_run(world)
    assert MINUTE <= run.ended - TURNS <= MINUTE + timedelta(seconds=5)


def test_a_job_that_says_it_saved_is_requeued_without_waiting_for_its_grace(world: Any) -> None:
    job = stopped(world, OnSignal.SAY, grace=20 * MINUTE)
    world.live(12 * HOUR)
    assert ran_again(world, job) == 4 * HOUR - (HOUR + timedelta(seconds=20))
    run = first_run(world)
    assert run.ended - TURNS <= timedelta(seconds=30)


def test_a_job_that_requeues_itself_is_only_delayed(world: Any) -> None:
    job = stopped(world, OnSignal.REQUEUE, grace=20 * MINUTE)
    world.live(12 * HOUR)
    assert ran_again(world, job) == 4 * HOUR - (HOUR + timedelta(seconds=20))
    assert commands(world, "requeue") == 1  # its own
    assert the_stop(world).state == "confirmed"  # done, and seen to be so


def test_a_job_that_saves_and_exits_is_finished_and_never_runs_again(world: Any) -> None:
    job = stopped(world, OnSignal.EXIT)
    world.live(12 * HOUR)
    ended = world.job(job)
    assert (ended.state, ended.word, ended.restarts, ended.finished) == (JobState.ENDED, "COMPLETED", 0, 1)
    assert commands(world, "requeue") == 0
    assert the_stop(world).state == Phase.ENDED


def test_a_job_that_is_cancelled_meanwhile_stays_cancelled(world: Any) -> None:
    job = stopped(world, OnSignal.SAVE)
    world.cycle()
    world.stops()
    world.owner.cancel(job)
    world.live(6 * HOUR)
    assert (world.job(job).word, world.job(job).restarts) == ("CANCELLED", 0)
    assert the_stop(world).state == Phase.ENDED


def test_a_job_that_is_cancelled_while_it_waits_stays_cancelled(world: Any) -> None:
    job = stopped(world, OnSignal.SAVE)
    world.live(HOUR)
    world.owner.cancel(job)
    world.live(6 * HOUR)
    assert world.job(job).word == "CANCELLED"
    assert world.ledger.stops_in_flight("toy") == []


def test_a_job_that_ends_by_itself_within_its_grace_is_left_alone(world: Any) -> None:
    job = stopped(world, OnSignal.SAVE, grace=20 * MINUTE)
    world.job(job).loaded = 3 * HOUR - 10 * MINUTE  # it is nearly done, which nobody of ours knows
    world.live(6 * HOUR)
    ended = world.job(job)
    assert (ended.word, ended.restarts, ended.finished) == ("COMPLETED", 0, 1)
    assert commands(world, "requeue") == 0


def test_an_array_task_is_stopped_by_itself(world: Any) -> None:
    first = stopped(world, OnSignal.SAVE, tasks=2)
    world.live(12 * HOUR)
    for job in (first, first + 1):
        assert (world.job(job).word, world.job(job).finished) == ("COMPLETED", 1)
        assert world.job(job).restarts == 1


# --- the owner meanwhile ---


def test_the_owner_may_start_a_stopped_job(world: Any) -> None:
    job = stopped(world, OnSignal.SAVE)
    world.live(HOUR)
    assert world.job(job).begin == CLEAN
    world.owner.update_begin(str(job), world.now)
    world.live(6 * HOUR)
    assert world.job(job).started == NOON + 2 * HOUR
    assert world.verbs()[-2:] == ["stop", "leave"]


def test_the_owner_may_start_a_stopped_task_of_an_array(world: Any) -> None:
    first = stopped(world, OnSignal.SAVE, tasks=2)
    world.live(HOUR)
    world.owner.update_begin(f"{first}_1", world.now)
    world.live(6 * HOUR)
    assert [world.job(first + task).started for task in range(2)] == [CLEAN, NOON + 2 * HOUR]
    assert world.verbs()[-3:] == ["stop", "stop", "leave"]


def test_the_owner_may_requeue_the_job_first(world: Any) -> None:
    """Between our signal and our requeue; the job goes on at the clean hour all the same."""
    job = stopped(world, OnSignal.SAVE, grace=20 * MINUTE)
    world.cycle()
    world.stops()
    world.owner.requeue(job)
    world.live(12 * HOUR)
    assert world.job(job).started == CLEAN
    assert commands(world, "requeue") == 1


def test_a_job_is_stopped_no_more_often_than_the_site_allows(world: Any) -> None:
    job = stopped(world, OnSignal.SAVE, flex=48 * HOUR, time_limit=24 * HOUR)
    for _ in range(6):
        world.live(5 * HOUR)
        if world.job(job).state is JobState.ENDED:
            break
        world.forecast(600, 600, 600, 50)
    assert commands(world, "requeue") <= world.rules.plan.stop.max_stops
    assert world.job(job).finished == 1


def test_an_array_task_is_stopped_no_more_often_than_the_site_allows(world: Any) -> None:
    first = stopped(world, OnSignal.SAVE, tasks=2, flex=48 * HOUR, time_limit=24 * HOUR)
    for _ in range(8):
        world.live(5 * HOUR)
        world.forecast(600, 600, 600, 50)
    assert world.job(first).restarts <= world.rules.plan.stop.max_stops
    assert world.job(first + 1).restarts <= world.rules.plan.stop.max_stops


def test_an_old_word_that_it_saved_acknowledges_no_new_signal(world: Any) -> None:
    """Slurm keeps a Comment across a requeue; at the second stop it is hours old."""
    job = stopped(world, OnSignal.SAY, flex=48 * HOUR, time_limit=24 * HOUR, grace=10 * MINUTE)
    world.live(4 * HOUR + 30 * MINUTE)
    assert world.job(job).restarts == 1
    world.job(job).reacts_at = None
    before = world.job(job).saved
    world.forecast(600, 600, 600, 50)
    world.live(HOUR)
    assert world.job(job).restarts == 2
    assert world.job(job).saved > before


# --- slurmctld away, or freshly back ---


def test_nothing_is_stopped_while_slurmctld_is_freshly_back(world: Any) -> None:
    stopped(world, OnSignal.SAVE)
    world.owner.crash()
    world.owner.come_back()
    world.cycle()
    world.owner.advance(world.now + 5 * MINUTE)
    world.cycle()
    assert "stop" not in world.verbs()
    world.owner.advance(world.now + MINUTE)
    world.cycle()
    assert world.verbs()[-1] == "stop"


def test_nothing_is_stopped_soon_after_slurmctld_did_not_answer(world: Any) -> None:
    stopped(world, OnSignal.SAVE)
    world.owner.crash()
    world.cycle()
    world.owner.come_back()
    world.owner.advance(world.now + 5 * MINUTE)
    world.cycle()
    assert "stop" not in world.verbs()


def test_a_job_that_ended_while_slurmctld_was_away_is_not_run_again(world: Any) -> None:
    """slurmctld is back but has not heard of the end: ``requeue Incomplete`` would run it again."""
    job = stopped(world, OnSignal.SAVE)
    world.cycle()
    world.stops()  # signalled
    world.owner.crash()
    world.job(job).loaded = 3 * HOUR - 5 * MINUTE  # it is nearly done
    world.live(10 * MINUTE)
    world.owner.come_back(silence=2 * MINUTE)
    world.live(6 * HOUR)
    ended = world.job(job)
    assert (ended.word, ended.restarts, ended.finished) == ("COMPLETED", 0, 1)
    assert commands(world, "requeue") == 0


def test_a_stop_waits_while_slurmctld_is_away_and_then_goes_on(world: Any) -> None:
    job = stopped(world, OnSignal.SAVE)
    world.cycle()
    world.stops()
    world.owner.crash()
    world.live(10 * MINUTE)
    world.owner.come_back()
    world.live(12 * HOUR)
    ran_again(world, job)


def test_a_begin_time_that_slurmctld_forgot_after_a_stop_is_set_again(world: Any) -> None:
    job = stopped(world, OnSignal.SAVE)
    world.cycle()
    world.step(2 * MINUTE)
    assert world.job(job).begin == CLEAN
    world.owner.crash()
    world.owner.come_back(forget=2 * MINUTE)
    assert world.job(job).begin == world.job(job).submitted + timedelta(seconds=121)
    world.live(12 * HOUR)
    ran_again(world, job)
    assert "leave" not in world.verbs()


def test_a_begin_time_that_slurmctld_forgot_at_once_is_set_again_by_the_next_step(world: Any) -> None:
    """Before the job shows it: a site's own delay of requeues may be shorter than a cycle."""
    job = stopped(world, OnSignal.SAVE)
    world.cycle()
    while not world.job(job).restarts:
        world.stops()
        world.owner.advance(world.now + timedelta(seconds=1))
    world.owner.crash()
    world.owner.come_back(forget=10 * SECOND, silence=timedelta())
    assert world.job(job).begin != CLEAN
    world.step(6 * SECOND)
    assert world.job(job).begin == CLEAN
    world.live(12 * HOUR)
    ran_again(world, job)
    assert the_stop(world).state == "confirmed"


def test_a_job_that_runs_because_slurmctld_forgot_its_begin_time_is_still_ours(world: Any) -> None:
    job = stopped(world, OnSignal.SAVE)
    world.live(5 * MINUTE)
    world.owner.crash()
    world.owner.come_back(forget=5 * MINUTE)
    assert world.job(job).state is JobState.RUNNING
    world.live(12 * HOUR)
    assert world.job(job).finished == 1
    assert "leave" not in world.verbs()


def test_a_stop_that_cannot_be_written_is_not_begun(world: Any) -> None:
    stopped(world, OnSignal.SAVE)
    with world.locked():
        world.cycle()
        world.stops()
    assert commands(world, "signal") == 0


def test_a_job_that_slurm_will_not_requeue_runs_on(world: Any) -> None:
    """Its owner forbade requeues after our signal."""
    job = stopped(world, OnSignal.SAVE)
    world.cycle()
    world.stops()
    world.job(job).wants = replace(world.job(job).wants, requeueable=False)
    world.live(6 * HOUR)
    assert (world.job(job).word, world.job(job).restarts) == ("COMPLETED", 0)
    assert the_stop(world).state == Phase.ABANDONED


def test_an_outage_of_ours_past_the_restart_abandons_the_stop(world: Any) -> None:
    job = stopped(world, OnSignal.SAVE, time_limit=9 * HOUR)
    world.job(job).wants = replace(world.job(job).wants, run_time=8 * HOUR)
    world.cycle()
    world.stops()
    world.without_us(4 * HOUR)
    world.restart()
    world.forecast(50)
    world.live(HOUR)
    assert the_stop(world).state == Phase.ABANDONED
    assert world.job(job).restarts == 0
