"""Jobs that wait by a hold or behind the gate: the same promises, kept by other means."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from carbonslurm.core.job import JobState
from carbonslurm.core.means import GateRules, Means, MeansRules

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
INTERVAL = timedelta(minutes=5)
MINUTE = timedelta(minutes=1)
DIRTY_UNTIL_THREE = (300, 300, 300, 50)
EARLY = 2 * INTERVAL


def at(hour: float) -> datetime:
    return NOON + hour * HOUR


def by(world: Any, means: Means, **partitions: Means) -> None:
    used = {means, *partitions.values()}
    rules = MeansRules(means, partitions, GateRules() if Means.GATE in used else None)
    world.with_rules(plan=replace(world.rules.plan, means=rules))


def rows(world: Any, job: int) -> list[tuple[str, str]]:
    return [(str(row.verb), str(row.state)) for row in world.actions() if row.key.job_id == job]


# --- hold ---


def test_a_held_job_is_released_at_its_hour(world: Any) -> None:
    by(world, Means.HOLD)
    world.forecast(*DIRTY_UNTIL_THREE)
    job = world.submit()
    world.live(5 * MINUTE)
    assert world.job(job).held
    world.live(5 * HOUR)
    started = world.job(job).started
    assert at(3) - INTERVAL <= started <= at(3)
    assert rows(world, job) == [("withhold", "confirmed"), ("release", "applied")]


def test_a_held_job_is_released_before_its_bound(world: Any) -> None:
    by(world, Means.HOLD)
    world.forecast(300, 200, 100, 90, 80, 70, 60, 50)
    job = world.submit(flex=2 * HOUR)
    world.live(4 * HOUR)
    assert at(2) - 2 * EARLY <= world.job(job).started <= at(2)


def test_an_owner_who_releases_his_job_is_obeyed(world: Any) -> None:
    by(world, Means.HOLD)
    world.forecast(*DIRTY_UNTIL_THREE)
    job = world.submit(flex=6 * HOUR)
    world.live(20 * MINUTE)
    world.owner.hold(job, held=False)
    world.live(HOUR)
    assert world.job(job).started == at(1 / 3)
    assert world.verbs(job) == ["withhold", "leave"]


def test_a_job_that_its_owner_holds_is_never_released(world: Any) -> None:
    by(world, Means.HOLD)
    world.forecast(*DIRTY_UNTIL_THREE)
    job = world.submit(flex=2 * HOUR)
    world.owner.hold(job)
    world.live(6 * HOUR)
    assert world.job(job).held
    assert world.verbs(job) == []


def test_a_job_that_its_owner_holds_again_after_our_release_stays_held(world: Any) -> None:
    by(world, Means.HOLD)
    world.forecast(*DIRTY_UNTIL_THREE)
    world.fill()
    job = world.submit(flex=6 * HOUR)
    world.live(4 * HOUR)
    assert not world.job(job).held
    world.owner.hold(job)
    world.live(4 * HOUR)
    assert world.job(job).held


def test_a_hold_that_no_rescue_could_tell_is_taken_back_at_once_and_begin_times_take_its_place(
    world: Any,
) -> None:
    """The hook's modify part is not loaded: a daemon that died now would leave the job held for good."""
    by(world, Means.HOLD)
    world.holds.hook = False
    world.forecast(*DIRTY_UNTIL_THREE)
    job = world.submit()
    world.cycle()
    assert not world.job(job).held
    assert rows(world, job) == [("withhold", "refused")]
    world.live(10 * MINUTE)
    assert world.job(job).begin == at(3)
    world.live(5 * HOUR)
    assert at(3) - INTERVAL <= world.job(job).started <= at(3)


def test_what_was_held_without_a_mark_before_this_daemon_is_let_out_into_a_begin_time(world: Any) -> None:
    by(world, Means.HOLD)
    world.forecast(*DIRTY_UNTIL_THREE)
    job = world.submit()
    world.live(10 * MINUTE)
    assert world.job(job).held
    world.holds.hook = False
    world.restart()
    world.live(10 * MINUTE)
    assert not world.job(job).held
    world.without_us(12 * HOUR)
    assert world.job(job).started == at(3)


def test_holds_are_tried_again_after_an_hour(world: Any) -> None:
    by(world, Means.HOLD)
    world.holds.hook = False
    world.forecast(*DIRTY_UNTIL_THREE)
    world.submit()
    world.cycle()
    world.holds.hook = True
    world.without_us(HOUR)
    job = world.submit()
    world.live(5 * MINUTE)
    assert world.job(job).held


def test_a_hold_that_slurmctld_forgot_is_set_again(world: Any) -> None:
    by(world, Means.HOLD)
    world.forecast(*DIRTY_UNTIL_THREE)
    world.fill()
    job = world.submit()
    world.cycle()
    world.owner.crash()
    world.without_us(MINUTE)
    world.owner.come_back(forget=timedelta(seconds=70))
    assert not world.job(job).held
    world.live(10 * MINUTE)
    assert world.job(job).held
    assert "leave" not in world.verbs(job)


def test_a_release_that_slurmctld_forgot_is_made_again(world: Any) -> None:
    by(world, Means.HOLD)
    world.forecast(*DIRTY_UNTIL_THREE)
    world.fill()
    job = world.submit()
    world.live(10 * MINUTE)
    world.forecast(20)
    world.cycle()
    assert not world.job(job).held
    world.owner.crash()
    world.without_us(timedelta(seconds=5))
    world.owner.come_back(forget=timedelta(seconds=10))
    assert world.job(job).held
    world.live(10 * MINUTE)
    assert not world.job(job).held


def test_a_job_with_unmet_dependencies_waits_by_its_begin_time(world: Any) -> None:
    """Slurm would turn the hold into an admin's, which its owner could not release."""
    by(world, Means.HOLD)
    world.forecast(*DIRTY_UNTIL_THREE)
    first = world.submit(HOUR, flex=None)
    job = world.submit(needs=(first,))
    world.live(10 * MINUTE)
    assert not world.job(job).held
    assert world.job(job).begin == at(3)


# --- gate ---


def test_the_gate_is_shut_once_and_opens_for_all(world: Any) -> None:
    by(world, Means.GATE)
    world.forecast(*DIRTY_UNTIL_THREE)
    jobs = [world.submit(gated=True) for _ in range(5)]
    world.live(at(4) - NOON)
    assert {world.job(job).started for job in jobs} <= {at(3) - INTERVAL, at(3)}
    assert {verb for verb, _ in world.owner.commands} == {"shut", "open"}
    # Once is enough, but a slurmctld that dies may forget it: until it had opened by itself.
    assert 1 <= [verb for verb, _ in world.owner.commands].count("open") <= 3
    assert rows(world, jobs[0]) == [("withhold", "confirmed"), ("release", "applied")]


def test_a_shut_gate_opens_by_itself_when_the_daemon_dies(world: Any) -> None:
    by(world, Means.GATE)
    world.forecast(*DIRTY_UNTIL_THREE)
    job = world.submit(gated=True)
    world.live(20 * MINUTE)
    assert world.job(job).state is JobState.PENDING
    world.without_us(HOUR)
    assert at(1 / 4) < world.job(job).started <= at(1 / 4) + 3 * INTERVAL


def test_one_user_with_many_jobs_does_not_turn_the_gate_for_all(world: Any) -> None:
    """Each user has one voice: his jobs at their bounds lose their licences, and the gate stays shut."""
    by(world, Means.GATE)
    world.forecast(*DIRTY_UNTIL_THREE)
    world.fill()
    pressed = [world.submit(gated=True, user="eve", flex=25 * MINUTE) for _ in range(20)]
    patient = [world.submit(gated=True, user=name) for name in ("ada", "bob")]
    world.live(30 * MINUTE)
    assert world.owner.gate_shut_until > world.now
    assert not any(world.job(job).gated for job in pressed)
    assert all(world.job(job).gated for job in patient)


def test_at_its_bound_a_job_loses_the_licence_and_the_gate_stays_shut(world: Any) -> None:
    by(world, Means.GATE)
    world.forecast(300, 290, 280, 270, 260, 50)
    patient = [world.submit(gated=True) for _ in range(3)]
    pressed = world.submit(gated=True, flex=HOUR)
    world.live(90 * MINUTE)
    assert at(1) - 2 * EARLY <= world.job(pressed).started <= at(1)
    assert not world.job(pressed).gated
    assert {world.job(job).state for job in patient} == {JobState.PENDING}


def test_an_owner_who_takes_the_licence_off_is_obeyed(world: Any) -> None:
    by(world, Means.GATE)
    world.forecast(*DIRTY_UNTIL_THREE)
    others = [world.submit(gated=True) for _ in range(2)]
    job = world.submit(gated=True)
    world.live(20 * MINUTE)
    world.owner.update_licence(str(job), gated=False)
    world.live(HOUR)
    assert world.job(job).started == at(1 / 3)
    assert world.verbs(job) == ["withhold", "leave"]
    assert {world.job(other).state for other in others} == {JobState.PENDING}


def test_a_gate_that_slurmctld_forgot_was_opened_is_opened_again(world: Any) -> None:
    """It had been moved on just before: it would stay shut for three cycles, and a job pass its bound."""
    by(world, Means.GATE)
    world.forecast(*DIRTY_UNTIL_THREE)
    job = world.submit(gated=True)
    world.live(10 * MINUTE)
    world.forecast(20)
    world.fill()  # what opens at once starts at once: this job must still be there
    world.cycle()
    world.owner.crash()
    world.owner.come_back(forget=timedelta(seconds=10))
    assert world.owner.gate_shut_until > world.now
    world.step(INTERVAL)
    world.cycle()
    assert world.owner.gate_shut_until == world.now
    assert "leave" not in world.verbs(job)


def test_a_daemon_that_was_just_started_opens_a_gate_that_is_forgotten_again(world: Any) -> None:
    by(world, Means.GATE)
    world.forecast(*DIRTY_UNTIL_THREE)
    world.submit(gated=True)
    world.live(10 * MINUTE)
    world.forecast(20)
    world.fill()
    world.restart()
    world.cycle()
    world.owner.crash()
    world.owner.come_back(forget=timedelta(seconds=10))
    assert world.owner.gate_shut_until > world.now
    world.step(INTERVAL)
    world.cycle()
    assert world.owner.gate_shut_until == world.now


def test_a_gate_that_slurmctld_forgot_was_shut_is_shut_again(world: Any) -> None:
    by(world, Means.GATE)
    world.forecast(*DIRTY_UNTIL_THREE)
    world.fill(7 * MINUTE)
    job = world.submit(gated=True)
    world.cycle()
    world.owner.crash()
    world.owner.come_back(forget=timedelta(seconds=10))
    assert world.owner.gate_shut_until <= world.now
    world.step(INTERVAL)
    world.cycle()
    assert world.owner.gate_shut_until > world.now
    world.step(INTERVAL)
    assert world.job(job).state is JobState.PENDING
    assert "leave" not in world.verbs(job)


def test_a_licence_that_slurmctld_forgot_was_taken_off_is_taken_off_again(world: Any) -> None:
    by(world, Means.GATE)
    world.forecast(300, 290, 280, 270, 260, 50)
    for _ in range(2):
        world.submit(gated=True)
    world.fill(3 * HOUR)
    pressed = world.submit(gated=True, flex=HOUR)
    world.live(50 * MINUTE)
    assert not world.job(pressed).gated
    world.owner.crash()
    world.owner.come_back(forget=INTERVAL + timedelta(seconds=10))
    assert world.job(pressed).gated
    world.live(INTERVAL)
    assert not world.job(pressed).gated
    assert "leave" not in world.verbs(pressed)


def test_without_a_forecast_the_gate_is_open(world: Any) -> None:
    by(world, Means.GATE)
    job = world.submit(gated=True)
    world.live(30 * MINUTE)
    assert world.job(job).started is not None


def test_while_the_ledger_cannot_be_written_the_gate_is_not_shut(world: Any) -> None:
    by(world, Means.GATE)
    world.forecast(*DIRTY_UNTIL_THREE)
    job = world.submit(gated=True)
    with world.locked():
        world.live(30 * MINUTE)
    assert world.job(job).started is not None
    assert "shut" not in {verb for verb, _ in world.owner.commands}


# --- changing the means ---


@pytest.mark.parametrize(("old", "new"), [(a, b) for a in Means for b in Means if a is not b])
def test_a_change_of_means_lets_no_job_slip_through(world: Any, old: Means, new: Means) -> None:
    by(world, old)
    world.forecast(*DIRTY_UNTIL_THREE)
    job = world.submit(gated=old is Means.GATE)
    world.live(20 * MINUTE)
    rules = MeansRules(new, {}, GateRules())
    world.with_rules(plan=replace(world.rules.plan, means=rules))
    world.restart()
    world.live(20 * MINUTE)
    assert world.job(job).state is JobState.PENDING
    assert world.job(job).held is (new is Means.HOLD and old is Means.GATE)
    world.live(4 * HOUR)
    assert at(3) - 2 * INTERVAL <= world.job(job).started <= at(3) + INTERVAL
    assert "leave" not in world.verbs(job)


@pytest.mark.parametrize("means", Means)
def test_what_is_claimed_is_the_delay_and_no_more(world: Any, means: Means) -> None:
    by(world, means)
    world.forecast(*DIRTY_UNTIL_THREE)
    world.measured(*DIRTY_UNTIL_THREE, 50, 50)
    job = world.submit(HOUR, gated=means is Means.GATE)
    world.live(5 * HOUR)
    world.reconcile()
    (row,) = world.rows()
    assert row.withheld
    assert row.figure is not None
    delay = world.job(job).started - row.figure.baseline.start
    assert timedelta(hours=2, minutes=40) <= delay <= 3 * HOUR


# --- the admin's switch ---


@pytest.mark.parametrize("means", Means)
def test_a_pause_lets_go_of_all_that_is_ours_and_of_nothing_else(world: Any, means: Means) -> None:
    by(world, means)
    world.forecast(*DIRTY_UNTIL_THREE)
    gated = means is Means.GATE
    ours, held = world.submit(gated=gated), world.submit(gated=gated)
    world.owner.hold(held)
    world.live(20 * MINUTE)
    world.ledger.turn("toy", world.now, "an admin", "a test", paused=True)
    world.live(5 * MINUTE)
    assert world.job(ours).started == at(1 / 3)
    assert world.job(held).held
    new = world.submit(gated=gated)
    world.live(30 * MINUTE)
    assert world.job(new).started == at(1 / 3) + 5 * MINUTE + EARLY  # after the hook's window, by itself
    assert world.verbs(new) == []


def test_after_a_pause_we_go_on(world: Any) -> None:
    world.forecast(*DIRTY_UNTIL_THREE)
    world.ledger.turn("toy", world.now, "an admin", "a test", paused=True)
    world.live(10 * MINUTE)
    world.ledger.turn("toy", world.now, "an admin", "", paused=False)
    job = world.submit()
    world.live(10 * MINUTE)
    assert world.job(job).begin == at(3)


def test_while_paused_nothing_is_stopped_and_a_stop_begun_is_left(world: Any) -> None:
    world.forecast(50)
    job, begun = world.submit(6 * HOUR, grace=10 * MINUTE), world.submit(6 * HOUR, grace=10 * MINUTE)
    world.live(HOUR)
    world.forecast(600, 600, 600, 20)
    world.with_rules(updates=1)
    world.cycle()
    world.stops()
    world.ledger.turn("toy", world.now, "an admin", "a test", paused=True)
    world.with_rules(updates=500)
    world.live(2 * HOUR)
    assert {world.job(number).restarts for number in (job, begun)} == {0}
    assert world.ledger.stops_in_flight("toy") == []


def test_where_slurm_refuses_the_gate_jobs_wait_by_their_begin_times(world: Any) -> None:
    by(world, Means.GATE)
    world.forecast(*DIRTY_UNTIL_THREE)
    world.owner.gate_refusal = "bf_licenses"
    job = world.submit(gated=True)
    report = world.cycle()
    assert report.notes == ("the gate cannot be shut: bf_licenses",)
    assert rows(world, job) == [("withhold", "refused")]
    world.live(4 * HOUR)
    assert world.job(job).started == at(3)
