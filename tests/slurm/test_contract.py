"""One contract for two clusters, the real Slurm and the simulated one: what the use cases rely on.

Where the simulated cluster behaves otherwise than Slurm, every story told on it is worth nothing.
"""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import pytest

from carbonslurm import wiring
from carbonslurm.core.interval import from_epoch
from carbonslurm.core.job import JobState, QueuedJob
from carbonslurm.errors import CarbonslurmError
from carbonslurm.ports import Setting
from carbonslurm.sandbox.jobs import submit
from carbonslurm.sandbox.waiting import wait_until
from carbonslurm.sim.cluster import SimulatedCluster
from carbonslurm.sim.job import Submission
from carbonslurm.slurm.begin import BeginActuator
from carbonslurm.slurm.child import Child
from carbonslurm.slurm.libslurm import WORKER, LibraryBegin, LibraryQueue
from carbonslurm.slurm.queue import SlurmQueue
from carbonslurm.slurm.stops import SlurmRunControl
from carbonslurm.slurm.wire import clean_environment

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from carbonslurm.ports import Actuator, QueueReader, RunControl
    from carbonslurm.sandbox.stage import Stage

STAND_IN = Path(__file__).with_name("stand_in")
NOBODY = 4_000_000
LATER = timedelta(hours=1)
PATIENCE = timedelta(seconds=40)


class World(Protocol):
    """A cluster, its ports, and time that passes."""

    queue: QueueReader
    actuator: Actuator
    control: RunControl

    def submit(self, seconds: int, *, begin: bool = False, tasks: int = 0) -> int:
        """Submit a job that runs so long; with ``begin`` not before an hour has passed."""

    def now(self) -> datetime:
        """Return its time."""

    def until(self, condition: Callable[[], bool]) -> None:
        """Let time pass until something is so, at most PATIENCE."""


class RealWorld:
    """The sandbox."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        wire = wiring.wire(stage.config)
        self.queue: QueueReader = wiring.queue(stage.config)
        self.actuator: Actuator = BeginActuator(wire)
        self.control: RunControl = SlurmRunControl(wire)

    def submit(self, seconds: int, *, begin: bool = False, tasks: int = 0) -> int:
        words = ["--gres=gpu:1", "--output=/dev/null", f"--wrap=sleep {seconds}"]
        words += ["--begin=now+1hour"] if begin else []
        words += [f"--array=0-{tasks - 1}"] if tasks else []
        return int(submit(self.stage.sandbox, *words, user=self.stage.user))

    def now(self) -> datetime:
        return from_epoch(int(wiring.now().timestamp()))

    def until(self, condition: Callable[[], bool]) -> None:
        wait_until(condition, PATIENCE.total_seconds(), "the cluster to get there")


class LibraryWorld(RealWorld):
    """The sandbox again, read and told by pyslurm in a process of its own, or by what stands in for it."""

    def __init__(self, stage: Stage, packages: Path | None = None) -> None:
        super().__init__(stage)
        wire = wiring.wire(stage.config)
        argv = [sys.executable, "-m", WORKER]
        python = {} if packages is None else {"PYTHONPATH": str(packages)}
        self.child = Child(argv, clean_environment(wire.environment or {}) | python, wire.timeout)
        commands = SlurmQueue(wire, stage.config.cluster, wiring.now, os.geteuid())
        self.queue = LibraryQueue(self.child, commands)
        self.actuator = LibraryBegin(self.child, BeginActuator(wire))


class SimulatedWorld:
    """The simulated cluster, whose time passes as fast as it is asked to."""

    def __init__(self) -> None:
        self.cluster = SimulatedCluster(datetime(2026, 11, 22, 12, tzinfo=UTC))
        self.queue: QueueReader = self.cluster
        self.actuator: Actuator = self.cluster
        self.control: RunControl = self.cluster

    def submit(self, seconds: int, *, begin: bool = False, tasks: int = 0) -> int:
        start = self.cluster.now + LATER if begin else None
        return self.cluster.submit(Submission(timedelta(seconds=seconds), begin=start, tasks=tasks))

    def now(self) -> datetime:
        return self.cluster.now

    def until(self, condition: Callable[[], bool]) -> None:
        for _ in range(int(PATIENCE.total_seconds())):
            if condition():
                return
            self.cluster.advance(self.cluster.now + timedelta(seconds=1))
        pytest.fail("the cluster did not get there")


@pytest.fixture(params=["real", "simulated", "stand-in", "pyslurm"])
def world(request: pytest.FixtureRequest) -> Iterator[World]:
    if request.param == "simulated":
        yield SimulatedWorld()
        return
    if request.param == "pyslurm" and find_spec("pyslurm") is None:
        pytest.skip("pyslurm is not importable here (it builds against the one Slurm of its own version)")
    stage = request.getfixturevalue("stage")
    if request.param == "real":
        yield RealWorld(stage)
        return
    library = LibraryWorld(stage, STAND_IN if request.param == "stand-in" else None)
    yield library
    library.child.close()


def job(world: World, number: int) -> QueuedJob | None:
    return next((item for item in world.queue.snapshot().jobs if item.key.job_id == number), None)


def state(world: World, number: int) -> JobState | None:
    found = job(world, number)
    return found.state if found else None


def reaches(world: World, number: int, *wanted: JobState) -> None:
    world.until(lambda: state(world, number) in wanted)


def test_a_job_shows_the_begin_time_that_it_was_told(world: World) -> None:
    number = world.submit(60, begin=True)
    told = world.now() + 2 * LATER
    assert dict(world.actuator.withhold([str(number)], Setting(told))) == {str(number): None}
    shown = job(world, number)
    assert shown is not None
    assert (shown.state, shown.eligible, shown.restarts) == (JobState.PENDING, told, 0)


def test_a_job_starts_when_it_was_told_and_not_before(world: World) -> None:
    number = world.submit(60, begin=True)
    told = world.now() + timedelta(seconds=6)
    world.actuator.withhold([str(number)], Setting(told))
    reaches(world, number, JobState.RUNNING)
    shown = job(world, number)
    assert shown is not None
    assert shown.started is not None
    assert told <= shown.started <= told + timedelta(seconds=20)
    assert shown.eligible == told


def test_a_released_job_starts(world: World) -> None:
    number = world.submit(60, begin=True)
    assert dict(world.actuator.release([str(number)], Setting())) == {str(number): None}
    reaches(world, number, JobState.RUNNING)


def test_one_job_that_is_not_there_spoils_nothing_for_the_others(world: World) -> None:
    number = world.submit(60, begin=True)
    told = world.now() + 2 * LATER
    answers = world.actuator.withhold([str(NOBODY), str(number)], Setting(told))
    assert answers[str(NOBODY)] is not None
    assert answers[str(number)] is None
    shown = job(world, number)
    assert shown is not None
    assert shown.eligible == told


def test_a_running_job_cannot_be_withheld(world: World) -> None:
    number = world.submit(60)
    reaches(world, number, JobState.RUNNING)
    before = job(world, number)
    answers = world.actuator.withhold([str(number)], Setting(world.now() + LATER))
    assert answers[str(number)] is not None
    assert job(world, number) == before


def test_the_pending_tasks_of_an_array_are_one_job(world: World) -> None:
    number = world.submit(60, begin=True, tasks=4)
    told = world.now() + 2 * LATER
    shown = job(world, number)
    assert shown is not None
    assert shown.spec == f"{number}_[0-3]"
    assert dict(world.actuator.withhold([shown.spec], Setting(told))) == {shown.spec: None}
    again = job(world, number)
    assert again is not None
    assert (again.spec, again.eligible) == (shown.spec, told)


def test_a_requeue_raises_restarts_at_once_and_keeps_a_begin_time_set_then(world: World) -> None:
    number = world.submit(60)
    reaches(world, number, JobState.RUNNING)
    submitted = job(world, number)
    assert submitted is not None
    told = world.now() + LATER
    world.control.requeue(str(number))
    assert dict(world.actuator.withhold([str(number)], Setting(told))) == {str(number): None}
    sight = world.control.look([number])[number]
    assert (sight.restarts, sight.eligible) == (1, told)
    reaches(world, number, JobState.PENDING)
    shown = job(world, number)
    assert shown is not None
    assert (shown.eligible, shown.restarts, shown.held) == (told, 1, False)
    assert shown.submitted > submitted.submitted


def test_a_job_that_ended_is_not_requeued(world: World) -> None:
    number = world.submit(1)
    reaches(world, number, JobState.ENDED)
    with suppress(CarbonslurmError):  # to say no is as good as to do nothing
        world.control.requeue(str(number))
    shown = job(world, number)
    assert shown is not None
    assert (shown.state, shown.restarts) == (JobState.ENDED, 0)


def test_a_job_that_was_never_there_is_not_seen(world: World) -> None:
    assert world.control.look([NOBODY]) == {}


def test_a_running_job_is_seen_as_it_is(world: World) -> None:
    number = world.submit(60)
    reaches(world, number, JobState.RUNNING)
    sight = world.control.look([number])[number]
    assert (sight.state, sight.restarts, sight.saved) == (JobState.RUNNING, 0, False)
    assert sight.started is not None


def test_a_job_that_ended_is_seen_to_have_ended(world: World) -> None:
    number = world.submit(1)
    reaches(world, number, JobState.ENDED)
    assert world.control.look([number])[number].state is JobState.ENDED
