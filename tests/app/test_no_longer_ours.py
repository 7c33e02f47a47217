"""Jobs that we hold, or keep behind the gate, when they are not ours to plan any more: nobody is stranded."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from carbonslurm.app.letting_go import LettingGo
from carbonslurm.core.job import JobState
from carbonslurm.core.means import GateRules, Means, MeansRules
from carbonslurm.errors import UnavailableError
from carbonslurm.sim.actuators import SimulatedHold
from carbonslurm.sim.cluster import SimulatedCluster

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from carbonslurm.app.letting_go import Released
    from carbonslurm.ports import Setting

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
MINUTE = timedelta(minutes=1)
DIRTY_UNTIL_THREE = (300, 300, 300, 50)


def at(hour: float) -> datetime:
    return NOON + hour * HOUR


def by(world: Any, means: Means) -> None:
    rules = MeansRules(means, {}, GateRules() if means is Means.GATE else None)
    world.with_rules(plan=replace(world.rules.plan, means=rules))


def rows(world: Any, job: int) -> list[tuple[str, str]]:
    return [(str(row.verb), str(row.state)) for row in world.actions() if row.key.job_id == job]


@dataclass
class Deaf:
    """ports.Actuator of a Slurm that does not do it: it is away, or says why not."""

    words: str | None = None

    def withhold(self, specs: Sequence[str], setting: Setting) -> Mapping[str, str | None]:
        return self.release(specs, setting)

    def release(self, specs: Sequence[str], setting: Setting) -> Mapping[str, str | None]:  # noqa: ARG002 - port
        if self.words is None:
            raise UnavailableError("away")
        return dict.fromkeys(specs, self.words)


def release_all(world: Any, hold: Any) -> Released:
    means: dict[Means, Any] = {Means.BEGIN: world.owner, Means.HOLD: hold}
    return LettingGo(
        queue=world.owner,
        actuators=means,
        gate=False,
        factors=world.owner,
        compensate=world.rules.compensate,
        known=world.ledger.known,
        actions=world.ledger,
        clock=world.clock,
    ).run(None)


# --- watched partitions ---


@pytest.mark.parametrize("means", Means)
def test_who_only_observes_turns_no_gate_and_changes_nothing(world: Any, means: Means) -> None:
    by(world, means)
    world.with_rules(observe=frozenset({"*"}))
    world.forecast(*DIRTY_UNTIL_THREE)
    job = world.submit(gated=means is Means.GATE)
    world.live(HOUR)
    assert world.owner.commands == []
    assert rows(world, job)[0] == ("withhold", "observed")


def test_the_gate_is_not_shut_for_jobs_that_are_only_watched(world: Any) -> None:
    world.owner = SimulatedCluster(NOON, {"gpu": 16, "old": 16})
    by(world, Means.GATE)
    world.with_rules(observe=frozenset({"old"}))
    world.forecast(*DIRTY_UNTIL_THREE)
    watched = [world.submit(gated=True, partition="old") for _ in range(3)]
    world.live(HOUR)
    assert world.owner.commands == []
    assert {world.job(job).started for job in watched} == {at(1 / 6)}  # when the hook's window is over


def test_a_job_that_we_held_before_its_partition_was_only_watched_is_released_in_its_hour(world: Any) -> None:
    by(world, Means.HOLD)
    world.forecast(*DIRTY_UNTIL_THREE)
    job = world.submit()
    world.live(20 * MINUTE)
    world.with_rules(observe=frozenset({"gpu"}))
    world.live(4 * HOUR)
    assert at(3) - 5 * MINUTE <= world.job(job).started <= at(3)


def test_a_watched_job_does_not_stay_behind_the_gate_of_others_past_its_bound(world: Any) -> None:
    world.owner = SimulatedCluster(NOON, {"gpu": 16, "old": 16})
    by(world, Means.GATE)
    world.forecast(*range(300, 280, -1), 50)
    job = world.submit(gated=True, partition="old", flex=HOUR)
    others = [world.submit(gated=True) for _ in range(3)]
    world.live(20 * MINUTE)
    world.with_rules(observe=frozenset({"old"}))
    world.live(HOUR)
    assert world.job(job).started <= at(1)
    assert {world.job(other).state for other in others} == {JobState.PENDING}


# --- jobs that we may not plan any more ---


def test_a_job_that_we_hold_is_released_at_its_bound_whatever_came_in_the_way(world: Any) -> None:
    by(world, Means.HOLD)
    world.forecast(*range(300, 280, -1), 50)
    job = world.submit(flex=2 * HOUR)
    world.live(20 * MINUTE)
    world.job(job).wants = replace(world.job(job).wants, obstacle="in a reservation")
    world.live(2 * HOUR)
    assert world.job(job).started <= at(2)
    assert rows(world, job) == [("withhold", "confirmed"), ("release", "applied")]


def test_an_admins_release_that_slurm_never_heard_of_is_made_by_the_daemon(world: Any) -> None:
    by(world, Means.HOLD)
    world.forecast(*DIRTY_UNTIL_THREE)
    job = world.submit()
    world.live(20 * MINUTE)
    with pytest.raises(UnavailableError):
        release_all(world, Deaf())
    world.live(5 * MINUTE)
    assert world.job(job).started == at(1 / 3)


def test_an_admins_release_that_slurm_refuses_leaves_the_job_ours_to_let_go(world: Any) -> None:
    by(world, Means.HOLD)
    world.forecast(*DIRTY_UNTIL_THREE)
    job = world.submit()
    world.live(20 * MINUTE)
    assert release_all(world, Deaf("no")).failures == [f"job {job}: no"]
    world.live(3 * HOUR)
    assert world.job(job).started is not None


def test_a_job_that_an_admin_released_is_not_touched_when_its_owner_holds_it(world: Any) -> None:
    by(world, Means.HOLD)
    world.forecast(*DIRTY_UNTIL_THREE)
    world.fill()
    job = world.submit()
    world.live(20 * MINUTE)
    assert release_all(world, SimulatedHold(world.owner)).failures == []
    world.owner.hold(job)
    world.live(14 * HOUR)
    assert world.job(job).held


def test_a_job_that_its_owner_released_and_holds_again_stays_held(world: Any) -> None:
    by(world, Means.HOLD)
    world.forecast(*DIRTY_UNTIL_THREE)
    world.fill()
    job = world.submit()
    world.live(20 * MINUTE)
    world.owner.hold(job, held=False)
    world.live(10 * MINUTE)
    world.owner.hold(job)
    world.live(14 * HOUR)
    assert world.job(job).held


# --- no more words than needed ---


def test_a_held_job_gets_another_hour_without_a_word_to_slurm(world: Any) -> None:
    """The hook refuses to hold what is held; each cycle would ask again."""
    by(world, Means.HOLD)
    world.forecast(*DIRTY_UNTIL_THREE)
    job = world.submit()
    world.live(20 * MINUTE)
    world.forecast(300, 300, 10, 50)
    world.live(20 * MINUTE)
    assert world.owner.commands == [("hold", str(job))]
    assert rows(world, job) == [("withhold", "confirmed"), ("withhold", "confirmed")]


def test_a_gate_that_opened_is_not_taken_for_a_release_that_slurmctld_forgot(world: Any) -> None:
    by(world, Means.GATE)
    world.forecast(*DIRTY_UNTIL_THREE)
    world.fill()
    job = world.submit(gated=True)
    world.live(20 * MINUTE)
    world.forecast(20)
    world.live(HOUR)
    world.forecast(*DIRTY_UNTIL_THREE)
    world.live(HOUR)
    assert rows(world, job) == [("withhold", "confirmed"), ("release", "applied"), ("withhold", "confirmed")]
