"""Killed at any call while jobs wait by a hold, behind the gate, or by their begin time.

Another daemon brings every job to the same end; with none, the gate opens by itself, begin times come, and
the rescue, which runs every ten minutes on another host, lets go of what is held.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from failpoints import places

from carbonslurm.app.rescue import LATE, Rescue
from carbonslurm.core.job import JobState
from carbonslurm.core.means import GateRules, MarkedHold, Means, MeansRules
from carbonslurm.sim.actuators import SimulatedHold

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
MINUTE = timedelta(minutes=1)
RESCUES = 10 * MINUTE
OURS, THEIRS = 1, 2

Ends = dict[int, tuple[str, bool, int, datetime]]


@dataclass
class Story:
    """It is clean from 12:30 on; two jobs wait for that, one's bound comes before."""

    world: Any
    means: Means
    bounds: dict[int, datetime] = field(default_factory=dict)

    def begin(self) -> None:
        gate = GateRules() if self.means is Means.GATE else None
        rules = replace(self.world.rules.plan, means=MeansRules(self.means, {}, gate))
        self.world.with_rules(plan=rules)
        self.world.forecast(300, 50, start=NOON - 30 * MINUTE)
        for flex, tasks in ((12 * HOUR, 0), (12 * HOUR, 2), (25 * MINUTE, 0)):
            job = self.world.submit(30 * MINUTE, flex=flex, tasks=tasks, gated=self.means is Means.GATE)
            for number in range(job, job + max(tasks, 1)):
                self.bounds[number] = NOON + flex

    def ends(self) -> Ends:
        found = {number: self.world.job(number) for number in self.bounds}
        return {number: (job.word, job.held, job.finished, job.started) for number, job in found.items()}


@dataclass
class OtherHost:
    """What the rescue sees: jobs marked by the hook, and slurmctld's count of the daemon's calls."""

    story: Story

    def marked(self) -> Sequence[MarkedHold]:
        jobs = {number: self.story.world.job(number) for number in self.story.bounds}
        held = {number: job for number, job in jobs.items() if job.held and job.state is JobState.PENDING}
        return [MarkedHold(job.spec, self.story.bounds[number]) for number, job in held.items()]

    def calls_of(self, uid: int) -> int:
        assert uid == OURS
        return int(self.story.world.fuse.calls)

    def rescue(self) -> None:
        world = self.story.world
        hold = SimulatedHold(world.owner)
        Rescue(
            holds=self,
            hold=hold,
            factors=world.owner,
            age=lambda: world.owner.age,
            compensate=world.owner.age is not None,
            uid=OURS,
            own_uid=THEIRS,
            listen=3 * MINUTE,
            updates=500,
            wait=world.without_us,
            clock=lambda: world.now,
        ).run()


def told(new_world: Any, killed: Any, means: Means, at: int | None) -> tuple[Story, bool]:
    """Tell it with a daemon that dies after its nth call; whether it died."""
    story = Story(new_world(), means)
    story.begin()
    story.world.fuse.at, story.world.fuse.after = at, True
    try:
        story.world.live(35 * MINUTE)
    except killed:
        return story, True
    return story, False


@pytest.mark.parametrize("means", [Means.HOLD, Means.GATE])
def test_killed_after_any_call_jobs_that_wait_by_it_come_to_the_same_end(
    new_world: Any, killed: Any, means: Means
) -> None:
    whole, _ = told(new_world, killed, means, None)
    whole.world.without_us(2 * HOUR)
    for number in places(whole.world.fuse.passed)[1:]:
        story, died = told(new_world, killed, means, number)
        assert died
        story.world.restart()
        story.world.live(NOON + 35 * MINUTE - story.world.now)
        story.world.without_us(2 * HOUR)
        for job, (word, held, finished, started) in story.ends().items():
            at = f"job {job}, killed after call {number}: {story.world.fuse.passed[number - 1]}"
            assert (word, held, finished) == ("COMPLETED", False, 1), at
            # A new daemon's cycles come at other minutes.
            assert abs(started - whole.ends()[job][-1]) <= 5 * MINUTE, at
            assert started <= story.bounds[job], at


@pytest.mark.parametrize("means", list(Means))
def test_with_no_daemon_after_any_call_no_job_waits_past_its_bound(
    new_world: Any, killed: Any, means: Means
) -> None:
    whole, _ = told(new_world, killed, means, None)
    for number in places(whole.world.fuse.passed)[1:]:
        story, _ = told(new_world, killed, means, number)
        while story.world.now < NOON + 13 * HOUR:
            story.world.without_us(RESCUES)
            OtherHost(story).rescue()
        for job, (word, held, finished, started) in story.ends().items():
            at = f"job {job}, gone after call {number}"
            assert (word, held, finished) == ("COMPLETED", False, 1), at
            latest = story.bounds[job]
            assert started <= (latest if means is Means.BEGIN else latest + LATE + RESCUES), at
