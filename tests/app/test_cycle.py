"""Stories of waiting jobs: who starts them, when, and who may say otherwise."""

import logging
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from carbonslurm.app.forecasts import usable_forecasts
from carbonslurm.core.budget import RateLimit
from carbonslurm.core.choice import ForecastRules
from carbonslurm.core.job import JobState
from carbonslurm.ledger.writing import Ledger

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
MINUTE = timedelta(minutes=1)
DIRTY_UNTIL_THREE = (300.0, 300.0, 300.0, 50.0)


def at(hours: float) -> datetime:
    return NOON + hours * HOUR


# --- waiting, and starting by itself ---


def test_a_flexible_job_waits_for_the_clean_hour_and_starts_in_it(world: Any) -> None:
    world.forecast(*DIRTY_UNTIL_THREE)
    job = world.submit()
    reports = world.live(4 * HOUR)
    assert world.job(job).started == at(3)
    assert world.verbs() == ["withhold"]
    assert [report.error for report in reports if report.error] == []
    row = world.actions()[0]
    assert (row.state, row.until, row.bound) == ("confirmed", at(3), at(12))


def test_a_job_that_is_not_flexible_is_never_touched(world: Any) -> None:
    world.forecast(*DIRTY_UNTIL_THREE)
    job = world.submit(flex=None)
    world.live(HOUR)
    assert world.job(job).started == NOON
    assert world.owner.commands == []


def test_a_job_whose_hour_is_now_starts_when_its_window_ends(world: Any) -> None:
    world.forecast(50, 300)
    job = world.submit()
    world.live(HOUR)
    assert world.job(job).started is not None
    assert world.job(job).started <= NOON + 10 * MINUTE


def test_with_the_daemon_dead_it_starts_by_itself(world: Any) -> None:
    world.forecast(*DIRTY_UNTIL_THREE)
    job = world.submit()
    world.cycle()
    world.without_us(4 * HOUR)
    assert world.job(job).started == at(3)


def test_a_job_that_no_daemon_ever_saw_starts_after_its_window(world: Any) -> None:
    job = world.submit()
    world.without_us(HOUR)
    assert world.job(job).started == NOON + 10 * MINUTE


def test_no_forecast_of_better_times_moves_a_job_past_its_bound(world: Any) -> None:
    """Each hour a new forecast promises something still cleaner, later."""
    job = world.submit(flex=4 * HOUR)
    for hour in range(6):
        world.forecast(*[500.0] * (hour + 2), 10.0)
        world.live(HOUR)
    assert world.job(job).started is not None
    assert world.job(job).started <= at(4)


def test_a_new_forecast_moves_the_start(world: Any) -> None:
    world.forecast(*DIRTY_UNTIL_THREE)
    job = world.submit()
    world.live(HOUR)
    world.forecast(300, 20, 300)
    world.live(2 * HOUR)
    assert world.job(job).started == at(2)
    assert world.verbs() == ["withhold", "withhold"]


def test_a_few_grams_move_nothing(world: Any) -> None:
    world.forecast(300, 300, 50, 52, 300)
    world.submit()
    world.live(HOUR)
    world.forecast(300, 50.3, 50, 300)
    world.live(30 * MINUTE)
    assert world.verbs() == ["withhold"]


def test_no_job_starts_before_its_owners_own_begin_time(world: Any) -> None:
    world.forecast(10, 300)
    job = world.submit(begin=at(5))
    world.live(6 * HOUR)
    assert world.job(job).started == at(5)


def test_a_job_that_waits_for_another_is_planned_and_does_not_slip_through(world: Any) -> None:
    world.forecast(*[300.0] * 6, 50)
    first = world.submit(2 * HOUR, flex=None)
    second = world.submit(needs=(first,))
    world.live(8 * HOUR)
    assert world.job(second).started == at(6)


def test_the_wait_of_a_dependent_job_counts_from_when_it_could_start(world: Any) -> None:
    world.forecast(*[300.0] * 20, 50)
    first = world.submit(10 * HOUR, flex=None)
    second = world.submit(needs=(first,), flex=4 * HOUR)
    world.live(30 * HOUR)
    assert at(10) <= world.job(second).started <= at(14) + 10 * MINUTE


def test_an_array_is_withheld_whole(world: Any) -> None:
    world.forecast(*DIRTY_UNTIL_THREE)
    first = world.submit(tasks=4)
    world.live(4 * HOUR)
    assert [row.spec for row in world.actions()] == [f"{first}_[0-3]"]
    assert [world.job(first + task).started for task in range(4)] == [at(3)] * 4


def test_a_task_that_its_owner_lifted_is_left_alone_and_the_rest_of_the_array_is_not(world: Any) -> None:
    world.forecast(*DIRTY_UNTIL_THREE)
    first = world.submit(tasks=4)
    world.live(HOUR)
    world.fill()
    world.owner.update_begin(f"{first}_2", world.now)
    world.forecast(300, 20, 300)
    world.live(HOUR)
    assert [(row.verb, row.spec) for row in world.actions()] == [
        ("withhold", f"{first}_[0-3]"),
        ("leave", f"{first}_2"),
        ("withhold", f"{first}_[0-1,3]"),
    ]
    assert [world.job(first + task).begin for task in range(4)] == [at(2), at(2), at(1), at(2)]


# --- the owner's word ---


def test_start_time_now_is_an_opt_out_for_good(world: Any) -> None:
    world.forecast(*DIRTY_UNTIL_THREE)
    job = world.submit()
    world.cycle()
    world.fill(2 * HOUR)
    world.owner.update_begin(str(job), world.now)
    world.live(90 * MINUTE)
    world.forecast(300, 300, 20)
    world.live(2 * HOUR)
    assert world.verbs() == ["withhold", "leave"]
    assert world.job(job).started == at(2)


def test_an_opt_out_counts_although_it_is_only_seen_running(world: Any) -> None:
    world.forecast(*DIRTY_UNTIL_THREE)
    job = world.submit(3 * HOUR, grace=MINUTE)
    world.live(30 * MINUTE)
    world.owner.update_begin(str(job), world.now)
    world.live(10 * MINUTE)
    assert world.verbs() == ["withhold", "leave"]
    world.owner.requeue(job)  # by an admin: it stays its owner's
    world.live(3 * HOUR)
    assert world.verbs() == ["withhold", "leave"]
    assert world.job(job).started == NOON + 40 * MINUTE + timedelta(seconds=5 + 121)


def test_start_time_now_within_the_hooks_window_is_an_opt_out(world: Any) -> None:
    world.fill(2 * HOUR)
    world.forecast(*DIRTY_UNTIL_THREE)
    job = world.submit()
    world.owner.update_begin(str(job), world.now)
    world.live(3 * HOUR)
    assert world.verbs() == ["leave"]
    assert world.job(job).started == at(2)


def test_a_begin_time_of_the_owners_is_left_alone(world: Any) -> None:
    world.forecast(*DIRTY_UNTIL_THREE)
    job = world.submit()
    world.cycle()
    world.owner.update_begin(str(job), at(7))
    world.live(8 * HOUR)
    assert world.verbs() == ["withhold", "leave"]
    assert world.job(job).started == at(7)


def test_a_held_job_is_left_alone_until_it_is_let_go(world: Any) -> None:
    world.forecast(*DIRTY_UNTIL_THREE)
    job = world.submit()
    world.owner.hold(job)
    world.live(HOUR)
    assert world.verbs() == []
    world.owner.hold(job, held=False)
    world.live(HOUR)
    assert world.job(job).started is not None


def test_a_waiting_job_that_somebody_held_and_let_go_starts_in_the_dirty_hour_too(world: Any) -> None:
    """They took it over: it is not made to wait for the next clean hour."""
    world.forecast(500, 500, 500, 50, 500, 500, 500, 500, 100, 500)
    job = world.submit()
    world.live(HOUR)
    world.owner.hold(job)
    world.live(4 * HOUR)
    assert world.job(job).started is None
    world.owner.hold(job, held=False)
    world.cycle()
    world.live(HOUR)
    assert world.verbs() == ["withhold", "leave"]
    assert at(5) <= world.job(job).started <= at(6)


def requeued_and_seen(world: Any, job: int) -> None:
    """A node failed; the next cycle comes before Slurm's two minutes are over."""
    world.owner.requeue(job)
    world.owner.advance(world.now + timedelta(seconds=30))
    world.cycle()


def test_slurms_own_requeue_is_no_opt_out(world: Any) -> None:
    world.forecast(50, 300, 300, 300, 50)
    job = world.submit(50 * MINUTE)
    world.live(30 * MINUTE)
    assert world.job(job).state is JobState.RUNNING
    requeued_and_seen(world, job)
    world.live(4 * HOUR)
    assert "leave" not in world.verbs()
    assert world.job(job).started == at(4)


def test_a_requeue_does_not_start_the_wait_anew(world: Any) -> None:
    world.forecast(10, *[300.0 - 10 * hour for hour in range(20)])
    job = world.submit(2 * HOUR, flex=6 * HOUR)
    world.live(HOUR)
    requeued_and_seen(world, job)
    assert world.job(job).begin == at(6)
    world.live(10 * HOUR)
    assert world.job(job).started == at(6)


# --- slurmctld forgets ---


def test_a_change_that_slurmctld_forgot_is_made_again(world: Any) -> None:
    world.forecast(*DIRTY_UNTIL_THREE)
    job = world.submit()
    world.cycle()
    world.owner.crash()
    world.owner.come_back(forget=MINUTE)
    assert world.job(job).begin == NOON + 10 * MINUTE
    world.live(4 * HOUR)
    assert world.verbs() == ["withhold", "withhold"]
    assert world.job(job).started == at(3)


def test_a_change_of_plan_that_slurmctld_forgot_is_made_again(world: Any) -> None:
    world.forecast(*DIRTY_UNTIL_THREE)
    job = world.submit()
    world.live(HOUR)
    world.forecast(300, 20, 300)
    world.cycle()
    world.owner.crash()
    world.owner.come_back(forget=MINUTE)
    assert world.job(job).begin == at(3)
    world.live(2 * HOUR)
    assert world.verbs() == ["withhold", "withhold", "withhold"]
    assert world.job(job).started == at(2)


def test_a_release_that_slurmctld_forgot_is_made_again(world: Any) -> None:
    world.forecast(*DIRTY_UNTIL_THREE)
    job = world.submit()
    world.cycle()
    world.fill(2 * HOUR)
    world.forecast(50, 300)
    world.owner.advance(world.now + MINUTE)
    world.cycle()
    world.owner.crash()
    world.owner.come_back(forget=timedelta(seconds=10))
    assert world.job(job).begin == at(3)
    world.live(HOUR)
    assert world.verbs() == ["withhold", "release", "release"]
    assert world.job(job).begin < at(1)


def test_a_forgotten_change_that_had_no_room_in_the_next_cycle_is_not_the_owners_word(world: Any) -> None:
    """Slurm is back at our own earlier plan, and the budget of that cycle goes to more urgent jobs."""
    world.forecast(*DIRTY_UNTIL_THREE)
    job = world.submit()
    world.live(HOUR)
    world.forecast(300, 20, 300)
    world.cycle()
    world.owner.crash()
    world.owner.come_back(forget=MINUTE)
    urgent = [world.submit() for _ in range(2)]
    world.with_rules(updates=2)
    world.live(30 * MINUTE)
    assert "leave" not in world.verbs()
    assert {world.job(number).begin for number in (job, *urgent)} == {at(2)}


# --- slurmctld away ---


def test_while_slurmctld_is_away_cycles_fail_and_the_next_one_goes_on(world: Any) -> None:
    world.forecast(*DIRTY_UNTIL_THREE)
    job = world.submit()
    world.cycle()
    world.owner.crash()
    reports = world.live(30 * MINUTE)
    assert {report.error for report in reports} == {"Unable to contact slurm controller (connect failure)"}
    world.owner.come_back()
    assert {report.error for report in world.live(3 * HOUR)} == {None}
    assert world.job(job).started == at(3)
    assert world.verbs() == ["withhold"]


def test_an_update_that_got_no_answer_is_looked_at_in_the_next_cycle(world: Any, killed: Any) -> None:
    """The daemon dies between Slurm's yes and its own note of it."""
    world.forecast(*DIRTY_UNTIL_THREE)
    job = world.submit()
    for fuse in range(1, 30):
        world.fuse.calls, world.fuse.at, world.fuse.after = 0, fuse, True
        try:
            world.cycle()
        except killed:
            world.restart()
        else:
            break
    world.fuse.at = None
    assert world.job(job).begin == at(3)
    world.live(4 * HOUR)
    assert world.job(job).started == at(3)
    assert "leave" not in world.verbs()


def test_a_plan_that_has_grown_old_is_not_carried_out(world: Any) -> None:
    """Our host sleeps between the intent and the change, and the owner speaks meanwhile."""
    world.forecast(*DIRTY_UNTIL_THREE)
    world.fill(2 * HOUR)
    job = world.submit()

    def sleep(call: Any, *, done: bool) -> None:
        if call.name == "intend" and done:
            world.without_us(5 * MINUTE)
            world.owner.update_begin(str(job), at(6))

    world.watch = sleep
    report = world.cycle()
    assert (report.actions, report.refused) == (1, 1)
    assert world.job(job).begin == at(6)
    assert [(row.state) for row in world.actions()] == ["refused"]
    world.watch = world.fuse
    world.live(HOUR)
    assert world.job(job).begin == at(6)
    assert world.verbs(job) == ["withhold", "leave"]


# --- the ledger cannot be written ---


def test_what_cannot_be_written_is_not_done(world: Any) -> None:
    world.forecast(*DIRTY_UNTIL_THREE)
    job = world.submit()
    with world.locked():
        report = world.cycle()
    assert world.owner.commands == []
    assert report.actions == 0
    assert "nothing withheld or stopped" in report.notes[0]
    world.live(4 * HOUR)
    assert world.job(job).started == at(3)


def withheld_in_a_full_cluster(world: Any) -> int:
    world.forecast(*DIRTY_UNTIL_THREE)
    job = world.submit()
    world.cycle()
    world.fill(6 * HOUR)
    world.live(30 * MINUTE)
    return int(job)


def test_jobs_are_released_although_it_cannot_be_written(world: Any) -> None:
    job = withheld_in_a_full_cluster(world)
    world.forecast(10, 300)
    with world.locked():
        world.cycle()
    assert world.job(job).begin == world.now


def test_a_release_is_written_late_and_not_taken_for_the_owners_word(world: Any) -> None:
    job = withheld_in_a_full_cluster(world)
    world.forecast(10, 300)
    with world.locked():
        world.cycle()
        world.without_us(5 * MINUTE)
        world.cycle()
    world.live(30 * MINUTE)
    assert world.verbs(job) == ["withhold", "release"]
    assert world.actions()[-1].state == "applied"
    world.forecast(300, 20, 300)
    world.live(30 * MINUTE)
    assert world.verbs(job) == ["withhold", "release", "withhold"]


def test_a_release_that_is_repeated_unwritten_is_told_once(world: Any) -> None:
    job = withheld_in_a_full_cluster(world)
    world.forecast(10, 300)
    with world.locked():
        for _ in range(3):
            world.cycle()
            world.without_us(5 * MINUTE)
    assert world.owner.commands.count(("begin", str(job))) == 2  # withheld, released


def test_further_jobs_are_released_while_an_earlier_release_is_still_unwritten(world: Any) -> None:
    world.forecast(300, 300, 50, 300, 20, 300)
    soon, later = world.submit(flex=2 * HOUR), world.submit()
    world.cycle()
    world.fill(6 * HOUR)
    world.live(30 * MINUTE)
    world.forecast(10, 300, 300, 300, 5, 300)
    with world.locked():
        world.cycle()
    assert (world.job(soon).begin, world.job(later).begin) == (world.now, at(4))
    world.forecast(5, 300)
    world.without_us(5 * MINUTE)
    with world.locked():
        world.cycle()
    assert world.job(later).begin == world.now
    world.live(10 * MINUTE)
    assert world.verbs(soon) == world.verbs(later) == ["withhold", "release"]


def test_a_cycle_that_cannot_read_the_ledger_fails_and_is_not_fatal(world: Any) -> None:
    world.forecast(*DIRTY_UNTIL_THREE)
    world.submit()
    world.ledger.close()
    world.path.unlink()
    world.path.write_bytes(b"this is no database, and longer than its header is" * 9)
    report = world.cycle()
    assert report.error is not None
    assert world.owner.commands == []


def test_with_a_new_ledger_jobs_keep_their_planned_start(world: Any, tmp_path: Path) -> None:
    """The old one was lost: what it had planned looks like somebody else's word, and is left alone."""
    world.forecast(*DIRTY_UNTIL_THREE)
    job = world.submit()
    world.live(30 * MINUTE)
    with Ledger.open(tmp_path / "new.db", cluster="toy") as world.ledger:
        world.restart()
        world.forecast(300, 300, 20)
        world.live(3 * HOUR)
        assert world.job(job).started == at(3)
        assert world.verbs(job) == ["leave"]


# --- forecasts end, budgets, observing ---


def test_when_the_forecast_is_too_old_jobs_are_released(world: Any) -> None:
    world.forecast(*[300.0] * 20, 50)
    job = world.submit(flex=24 * HOUR)
    world.live(13 * HOUR)
    assert world.job(job).started is not None
    assert at(12) <= world.job(job).started <= at(12) + 10 * MINUTE
    assert world.verbs() == ["withhold", "release"]
    reason = world.actions()[-1].reason
    assert reason == "no usable forecast"
    state = usable_forecasts(world.ledger, ["GB"], world.now, ForecastRules())["GB"]
    assert state.reason is not None
    assert "stale" in state.reason


def test_without_any_forecast_nothing_is_withheld(world: Any) -> None:
    job = world.submit()
    world.live(HOUR)
    assert world.job(job).started <= NOON + 10 * MINUTE
    assert "withhold" not in world.verbs()


def test_a_job_released_in_its_window_is_still_ours_to_plan(world: Any) -> None:
    """The first forecast comes when the job was released already, but found no room."""
    world.fill(2 * HOUR)
    job = world.submit()
    world.live(15 * MINUTE)
    world.forecast(*DIRTY_UNTIL_THREE)
    world.live(4 * HOUR)
    assert "leave" not in world.verbs()
    assert world.job(job).started == NOON + 15 * MINUTE + 3 * HOUR


def test_no_cycle_changes_more_jobs_than_its_budget(world: Any) -> None:
    world.forecast(*DIRTY_UNTIL_THREE)
    """The first cycle that has something to say asks for the rate limit, which costs two calls."""
    jobs = [world.submit() for _ in range(6)]
    world.with_rules(updates=3)
    reports = world.live(15 * MINUTE)
    assert [report.actions for report in reports] == [1, 3, 0]
    assert reports[0].notes == ("5 changes left for the next cycle",)
    assert sum(world.job(job).begin == at(3) for job in jobs) == 4


def test_where_rates_are_limited_a_cycle_leaves_what_the_bucket_does_not_hold(world: Any) -> None:
    """Eight calls: the snapshot and the questions for settings and reservations take six of them."""
    world.forecast(*DIRTY_UNTIL_THREE)
    jobs = [world.submit() for _ in range(8)]
    world.owner.rate_limit = RateLimit(bucket=8, refill=1, period=timedelta(seconds=10))
    reports = world.live(15 * MINUTE)
    assert [report.actions for report in reports] == [2, 4, 0]
    assert sum(world.job(job).begin == at(3) for job in jobs) == 6


def test_no_call_names_more_jobs_than_an_empty_bucket_lets_through_in_time(world: Any) -> None:
    """Fifteen seconds, half of the timeout, at one call in five seconds."""
    world.forecast(*DIRTY_UNTIL_THREE)
    for _ in range(8):
        world.submit()
    world.owner.rate_limit = RateLimit(bucket=100, refill=1, period=timedelta(seconds=5))
    named: list[int] = []

    class Counting:
        def withhold(self, specs: Any, until: Any) -> Any:
            named.append(len(specs))
            return world.owner.withhold(specs, until)

    world.cycle(actuator=Counting())
    assert named == [3, 3, 2]


def test_of_jobs_to_be_released_those_closest_to_their_bounds_go_first(world: Any) -> None:
    world.forecast(*DIRTY_UNTIL_THREE)
    patient, pressed = world.submit(flex=12 * HOUR), world.submit(flex=4 * HOUR)
    world.cycle()
    world.forecast(20)
    world.with_rules(updates=1)
    world.live(5 * MINUTE)
    assert world.verbs(pressed) == ["withhold", "release"]
    assert world.verbs(patient) == ["withhold"]


def test_observing_writes_and_does_nothing(world: Any) -> None:
    world.with_rules(observe=frozenset({"*"}))
    world.forecast(*DIRTY_UNTIL_THREE)
    job = world.submit(4 * HOUR, grace=MINUTE)
    world.forecast(*DIRTY_UNTIL_THREE)
    world.live(90 * MINUTE)
    assert world.owner.commands == []
    assert world.job(job).started == NOON + 10 * MINUTE
    assert {row.state for row in world.actions()} == {"observed"}
    assert world.ledger.stops_in_flight("toy") == []


def test_what_was_observed_is_not_ours_afterwards(world: Any) -> None:
    world.with_rules(observe=frozenset({"*"}))
    world.forecast(*DIRTY_UNTIL_THREE)
    job = world.submit()
    world.cycle()
    world.with_rules(observe=frozenset())
    world.live(4 * HOUR)
    assert "leave" not in world.verbs()
    assert world.job(job).started == at(3)


def test_each_cycle_is_written_with_its_counts(world: Any, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    world.forecast(*DIRTY_UNTIL_THREE)
    world.submit()
    world.submit(flex=None)
    report = world.cycle()
    counts = (report.pending, report.flexible, report.running, report.actions, report.refused)
    assert counts == (1, 1, 1, 1, 0)
    assert world.ledger.last_cycle("toy") == (NOON, None)
    wait = "withhold job 1 until 2026-11-22T15:00:00Z: 50 g/kWh over its run, 300 if now (toy)"
    assert wait in caplog.messages
    assert "zone GB: forecast of toy, 0 min old, average, lifecycle" in caplog.messages


def test_whose_forecast_is_used_is_said_once_and_again_where_it_changes(
    world: Any, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    world.forecast(*DIRTY_UNTIL_THREE)
    world.live(13 * HOUR)
    world.forecast(*DIRTY_UNTIL_THREE)
    world.live(HOUR)
    said = [message.partition(":")[2][:28] for message in caplog.messages if message.startswith("zone GB")]
    assert said == [
        " forecast of toy, 0 min old,",
        " toy: the forecast is stale:",
        " forecast of toy, 0 min old,",
    ]


def test_a_refusal_is_written_and_tried_again(world: Any) -> None:
    """The job started between the snapshot and the update."""
    world.forecast(*DIRTY_UNTIL_THREE)
    job = world.submit()

    class Late:
        def __getattr__(self, name: str) -> Any:
            if name == "withhold":
                world.owner.update_begin(str(job), world.now)
            return getattr(world.owner, name)

    report = world.cycle(actuator=Late())
    assert (report.actions, report.refused) == (1, 1)
    assert world.actions()[0].state == "refused"


def test_a_task_that_starts_just_before_the_update_does_not_make_the_rest_somebody_elses(world: Any) -> None:
    """Slurm changes the others, and answers with an error all the same."""
    world.forecast(*DIRTY_UNTIL_THREE)
    first = world.submit(tasks=4)

    class Late:
        def __getattr__(self, name: str) -> Any:
            if name == "withhold":
                world.owner.update_begin(f"{first}_2", world.now)
            return getattr(world.owner, name)

    assert world.cycle(actuator=Late()).refused == 1
    world.live(4 * HOUR)
    assert [world.job(first + task).started for task in range(4)] == [at(3), at(3), NOON, at(3)]
    assert [row.spec for row in world.actions() if row.verb == "leave"] == [f"{first}_2"]


def test_a_job_that_can_run_before_a_maintenance_is_not_made_to_wait_until_after_it(world: Any) -> None:
    """Slurm would not start it within its limit of the maintenance, whatever we had planned."""
    world.forecast(300, 200, 100, 50)
    world.owner.planned_outages = {"gpu": at(4)}
    short, long = world.submit(HOUR), world.submit(5 * HOUR)
    world.cycle()
    assert world.job(short).begin == at(4) - HOUR - 5 * MINUTE  # its limit and the margin before it
    assert world.job(long).begin == at(3)  # cannot run before it in any case


def test_a_maintenance_of_another_partition_keeps_no_job_from_waiting(world: Any) -> None:
    world.forecast(300, 200, 100, 50)
    world.owner.planned_outages = {"cpu": at(4)}
    job = world.submit(HOUR)
    world.cycle()
    assert world.job(job).begin == at(3)
