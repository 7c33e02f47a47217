"""Age that waiting costs is given back, and nobody keeps what he has not lost.

The simulated owner is as one of an array: Slurm lets no hook take a site factor back from him.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from failpoints import places

from carbonslurm.app.letting_go import LettingGo
from carbonslurm.app.rescue import Rescue
from carbonslurm.core.means import GateRules, MarkedHold, Means, MeansRules
from carbonslurm.core.priority import AgeWeight
from carbonslurm.sim.actuators import SimulatedGate, SimulatedHold

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
MINUTE = timedelta(minutes=1)
INTERVAL = timedelta(minutes=5)
DIRTY_UNTIL_THREE = (300, 300, 300, 50)
AN_HOUR = 60  # of age: the site counts one for each minute
WHOLE = 3 * AN_HOUR
BOTH = pytest.mark.parametrize("means", [Means.BEGIN, Means.HOLD])


def site(world: Any, means: Means = Means.BEGIN) -> None:
    """Dirty until three, one age a minute, and no room: what is let go waits in the queue."""
    world.owner.age = AgeWeight(100 * AN_HOUR, 100 * HOUR)
    rules = MeansRules(means, {}, GateRules() if means is Means.GATE else None)
    world.with_rules(compensate=True, plan=replace(world.rules.plan, means=rules))
    world.forecast(*DIRTY_UNTIL_THREE)
    world.fill()


def factor(world: Any, job: int) -> int:
    return int(world.job(job).site_factor)


def start_it(world: Any, job: int, means: Means) -> None:
    """The owner's way out."""
    if means is Means.HOLD:
        world.owner.update_hold(str(job), held=False)
    else:
        world.owner.update_begin(str(job), world.now)


@BOTH
def test_what_waiting_will_cost_is_given_in_the_call_that_withholds(world: Any, means: Means) -> None:
    site(world, means)
    job = world.submit(tasks=2)
    world.cycle()
    assert factor(world, job) == WHOLE
    world.live(4 * HOUR)
    assert factor(world, job) in range(WHOLE - 5, WHOLE + 1)  # a hold ends up to a cycle early


@BOTH
@pytest.mark.parametrize("tasks", [0, 2])
def test_an_owner_who_starts_his_job_keeps_only_what_it_has_lost(
    world: Any, means: Means, tasks: int
) -> None:
    site(world, means)
    job = world.submit(tasks=tasks)
    world.live(20 * MINUTE)
    start_it(world, job, means)
    assert factor(world, job) == WHOLE
    world.live(3 * INTERVAL)
    assert factor(world, job) == 20
    assert world.verbs(job)[-1] == "leave"


@BOTH
def test_what_was_let_go_earlier_than_planned_keeps_what_it_has_lost(world: Any, means: Means) -> None:
    site(world, means)
    job = world.submit()
    world.live(20 * MINUTE)
    world.forecast(20)
    world.live(INTERVAL)
    assert factor(world, job) == 20
    start_it(world, job, means)  # as good as nothing: it is free already
    world.live(INTERVAL)
    assert factor(world, job) == 20


@BOTH
@pytest.mark.parametrize("hands_off", [False, True])
def test_a_later_run_has_none_of_what_was_given_to_the_first(
    world: Any, means: Means, hands_off: bool
) -> None:
    site(world, means)
    job = world.submit(5 * HOUR)
    world.live(20 * MINUTE)
    if hands_off:
        start_it(world, job, means)
    world.forecast(20)
    world.cycle()
    world.owner.cancel(1)
    world.without_us(HOUR)
    assert factor(world, job) == 20
    world.fill()
    world.owner.requeue(str(job))
    world.live(2 * INTERVAL)
    assert world.job(job).restarts == 1
    assert factor(world, job) == 0


def test_a_later_run_is_given_back_what_it_loses_itself(world: Any) -> None:
    site(world)
    world.owner.cancel(1)
    job = world.submit(5 * HOUR)
    world.live(4 * HOUR)
    assert factor(world, job) == WHOLE
    world.forecast(300, 50)
    world.fill()
    world.owner.requeue(str(job))
    world.live(2 * INTERVAL)
    assert world.job(job).begin == NOON + 5 * HOUR
    assert factor(world, job) == AN_HOUR


def test_a_hold_that_is_refused_gives_nothing(world: Any) -> None:
    site(world, Means.HOLD)
    world.owner.hold_refusal = "nobody is held in partition gpu"
    job = world.submit()
    world.live(2 * INTERVAL)
    assert world.verbs(job) == ["withhold"] * 2
    assert factor(world, job) == 0


def test_a_hold_that_is_refused_takes_nothing_from_one_that_waits_by_its_begin_time(world: Any) -> None:
    site(world)
    job = world.submit()
    world.live(20 * MINUTE)
    world.owner.hold_refusal = "no"
    plan = replace(world.rules.plan, means=MeansRules(Means.HOLD))
    world.with_rules(plan=plan)
    world.forecast(300, 300, 300, 300, 20)  # so that it is told anew
    world.live(INTERVAL)
    assert world.job(job).begin == NOON + 3 * HOUR
    assert 20 <= factor(world, job) <= WHOLE


@BOTH
def test_an_admins_release_leaves_what_was_lost(world: Any, means: Means) -> None:
    site(world, means)
    job = world.submit()
    world.live(20 * MINUTE)
    gate = SimulatedGate(world.owner)
    actuators = {Means.BEGIN: world.owner, Means.HOLD: SimulatedHold(world.owner), Means.GATE: gate}
    parts = LettingGo(
        queue=world.owner,
        actuators=actuators,
        gate=False,
        factors=world.owner,
        compensate=True,
        known=world.ledger.known,
        actions=world.ledger,
        clock=world.clock,
    )
    assert parts.run(None).lines == [f"job {job}: released"]
    assert factor(world, job) == 20
    world.live(INTERVAL)
    assert factor(world, job) == 20


def test_the_rescue_leaves_what_was_lost_where_the_job_shows_it(world: Any) -> None:
    site(world, Means.HOLD)
    jobs = [world.submit(), world.submit()]
    world.live(20 * MINUTE)

    class OtherHost:
        def marked(self) -> list[MarkedHold]:
            since = dict(zip(jobs, (NOON, None), strict=True))
            return [MarkedHold(str(job), NOON + 12 * HOUR, since[job]) for job in jobs]

        def calls_of(self, _: int) -> int:
            return 0

    Rescue(
        holds=OtherHost(),
        hold=SimulatedHold(world.owner),
        factors=world.owner,
        age=lambda: world.owner.age,
        compensate=True,
        uid=None,
        own_uid=0,
        listen=INTERVAL,
        updates=500,
        wait=world.without_us,
        clock=lambda: world.now,
    ).run()
    assert [factor(world, job) for job in jobs] == [20, 0]


def test_behind_a_gate_nothing_is_given(world: Any) -> None:
    site(world, Means.GATE)
    job = world.submit(gated=True)
    world.live(HOUR)
    assert factor(world, job) == 0


def test_where_few_may_age_nothing_is_given_and_what_was_is_taken_back(world: Any) -> None:
    site(world)
    given = world.submit()
    world.live(INTERVAL)
    world.owner.accrue_limit = "MaxJobsAccrue=1 of user ada"
    world.restart()
    job = world.submit()
    world.live(INTERVAL)
    assert world.job(job).begin == NOON + 3 * HOUR
    assert (factor(world, given), factor(world, job)) == (WHOLE, 0)
    start_it(world, given, Means.BEGIN)
    world.live(INTERVAL)
    assert factor(world, given) == 0


def test_until_slurmdbd_has_said_that_all_may_age_nothing_is_given(world: Any) -> None:
    site(world)

    world.owner.slurmdbd_away = True
    job = world.submit()
    assert world.cycle().error is None
    assert (world.job(job).begin, factor(world, job)) == (NOON + 3 * HOUR, 0)
    world.owner.slurmdbd_away = False
    world.step(INTERVAL)
    world.cycle()
    assert factor(world, job) == WHOLE


@BOTH
def test_killed_after_any_call_no_job_keeps_more_than_it_has_lost(
    new_world: Any, killed: Any, means: Means
) -> None:
    """Its owner starts one after 20 minutes, the other is let go after 40; a daemon comes a cycle later."""

    def told(at: int | None) -> tuple[Any, list[int], bool]:
        world = new_world()
        site(world, means)
        jobs = [world.submit(), world.submit()]
        world.fuse.at, world.fuse.after = at, True
        died = False
        for turn in (20 * MINUTE, 20 * MINUTE, 15 * MINUTE):
            until = world.now + turn
            try:
                world.live(turn)
            except killed:
                died = True
                world.restart()
                world.without_us(INTERVAL)
                world.live(until - world.now)
            if turn == 20 * MINUTE and world.now <= NOON + 20 * MINUTE:
                start_it(world, jobs[0], means)
            elif world.now <= NOON + 40 * MINUTE:
                world.forecast(20)
        return world, [factor(world, job) for job in jobs], died

    whole, (started, let_go), _ = told(None)
    assert (started, let_go) == (20, 40)
    for number in places(whole.fuse.passed)[1:]:
        _, (started, let_go), died = told(number)
        assert died
        assert (started <= 25, let_go <= 45) == (True, True), (number, whole.fuse.passed[number - 1])
        assert min(started, let_go) >= 20, (number, whole.fuse.passed[number - 1])
