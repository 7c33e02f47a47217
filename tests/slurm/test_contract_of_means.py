"""One contract for two clusters, as test_contract.py: holds, the gate, licences, and what a crash forgets.

The real one is told by the daemon's account, through the hook, as in production.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Protocol

import pytest
from lives import wait_until_saved

from carbonslurm import wiring
from carbonslurm.core.interval import from_epoch
from carbonslurm.core.job import JobState, QueuedJob
from carbonslurm.core.tag import FlexibleBy, Tag
from carbonslurm.ports import Setting
from carbonslurm.sandbox.jobs import submit, wait_for_state
from carbonslurm.sandbox.waiting import wait_until
from carbonslurm.sim.actuators import SimulatedGate, SimulatedHold
from carbonslurm.sim.cluster import SimulatedCluster
from carbonslurm.sim.job import Submission
from carbonslurm.slurm.gate import GateActuator, SlurmGate
from carbonslurm.slurm.hold import HoldActuator
from carbonslurm.slurm.wire import Answer, Wire

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from carbonslurm.ports import Actuator, Gate, QueueReader
    from carbonslurm.sandbox.stage import Stage

PATIENCE = timedelta(seconds=100)
WHILE = timedelta(seconds=8)  # a job that may start does so within this time
NOTHING = Setting()


class World(Protocol):
    """A cluster, its ports, and time that passes."""

    queue: QueueReader
    hold: Actuator
    gate: Gate
    licences: Actuator

    def submit(self, *, gated: bool = False, tasks: int = 0) -> int:
        """Submit a flexible job that runs for a minute; with ``gated`` one behind the gate."""

    def now(self) -> datetime:
        """Return its time."""

    def until(self, condition: Callable[[], bool]) -> None:
        """Let time pass until something is so, at most PATIENCE."""

    def fill(self) -> None:
        """Let another job take all nodes."""

    def empty(self) -> None:
        """End that job."""

    def saved(self) -> None:
        """Let time pass until slurmctld has written down what it knows."""

    def crash(self) -> None:
        """Kill slurmctld, and start it again: it may have forgotten what it has just said yes to."""


@dataclass(frozen=True, slots=True)
class WireOf(Wire):
    """Calls Slurm's commands as another account."""

    account: str | None = None

    def ask(self, argv: Sequence[str]) -> Answer:
        """Run a command and return its answer, whatever its exit code."""
        given = self.environment or {}
        path = next(folder for folder in given["PATH"].split(":") if folder)
        words = ["runuser", "-u", self.account, "--", f"{path}/{argv[0]}"] if self.account else [argv[0]]
        return Wire(self.timeout, self.environment).ask([*words, *argv[1:]])


class RealWorld:
    """The sandbox."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        plain = wiring.wire(stage.config)
        account = stage.sandbox.operator if os.geteuid() == 0 else None
        wire = WireOf(plain.timeout, plain.environment, account)
        rules = wiring.means(stage.config).gate
        assert rules is not None
        self.queue: QueueReader = wiring.queue(stage.config)
        self.hold: Actuator = HoldActuator(wire)
        self.gate: Gate = SlurmGate(wire, rules, stage.sandbox.operator)
        self.licences: Actuator = GateActuator(wire, rules.licence)
        self.filling = ""

    def submit(self, *, gated: bool = False, tasks: int = 0) -> int:
        words = ["--gres=gpu:1", "--output=/dev/null", "--comment=carbon:flex=1h", "--time=5"]
        words += ["--partition=debug"] if gated else []
        words += [f"--array=0-{tasks - 1}"] if tasks else []
        return int(submit(self.stage.sandbox, *words, "--wrap=sleep 60", user=self.stage.user))

    def now(self) -> datetime:
        return from_epoch(int(wiring.now().timestamp()))

    def until(self, condition: Callable[[], bool]) -> None:
        wait_until(condition, PATIENCE.total_seconds(), "the cluster to get there")

    def fill(self) -> None:
        words = ("--exclusive", "--nodes=4", "--time=20", "--output=/dev/null", "--wrap=sleep 300")
        self.filling = submit(self.stage.sandbox, *words, user=self.stage.user)
        wait_for_state(self.stage.sandbox, self.filling, "RUNNING")
        self.saved()

    def empty(self) -> None:
        self.stage.sandbox.run(["scancel", self.filling])

    def saved(self) -> None:
        wait_until_saved(self.stage)

    def crash(self) -> None:
        self.stage.sandbox.kill_slurmctld()
        self.stage.sandbox.start_slurmctld()


class SimulatedWorld:
    """The simulated cluster, whose time passes as fast as it is asked to."""

    def __init__(self) -> None:
        self.cluster = SimulatedCluster(datetime(2026, 11, 22, 12, tzinfo=UTC))
        self.queue: QueueReader = self.cluster
        self.hold: Actuator = SimulatedHold(self.cluster)
        self.gate = self.licences = SimulatedGate(self.cluster)
        self.filling = 0

    def submit(self, *, gated: bool = False, tasks: int = 0) -> int:
        window = self.cluster.now + timedelta(seconds=4)
        tag = Tag(flex=timedelta(hours=1), by=FlexibleBy.OWNER, window=window)
        wants = Submission(timedelta(minutes=1), begin=window, tasks=tasks, tag=tag)
        return self.cluster.submit(replace(wants, gated=gated))

    def now(self) -> datetime:
        return self.cluster.now

    def until(self, condition: Callable[[], bool]) -> None:
        for _ in range(int(PATIENCE.total_seconds())):
            if condition():
                return
            self.cluster.advance(self.cluster.now + timedelta(seconds=1))
        pytest.fail("the cluster did not get there")

    def fill(self) -> None:
        self.filling = self.cluster.submit(Submission(timedelta(minutes=5), gpus=16))

    def empty(self) -> None:
        self.cluster.cancel(self.filling)

    def saved(self) -> None:
        let_pass(self)

    def crash(self) -> None:
        self.cluster.crash()
        self.cluster.come_back(forget=timedelta(seconds=1))


@pytest.fixture(params=["real", "simulated"])
def world(request: pytest.FixtureRequest) -> Iterator[World]:
    if request.param == "simulated":
        yield SimulatedWorld()
        return
    stage: Stage = request.getfixturevalue("stage")
    stage.changes = {**stage.changes, "withhold": {"by": "hold", "partitions": {"debug": "gate"}}}
    stage.write_site()
    found = RealWorld(stage)
    yield found
    found.gate.open()


def job(world: World, number: int) -> QueuedJob:
    return next(item for item in world.queue.snapshot().jobs if item.key.job_id == number)


def tell(world: World, actuator: Actuator, number: int, *, wait: bool) -> str | None:
    spec = job(world, number).spec
    return dict((actuator.withhold if wait else actuator.release)([spec], NOTHING))[spec]


def runs(world: World, number: int) -> None:
    world.until(lambda: job(world, number).state is JobState.RUNNING)


def let_pass(world: World, length: timedelta = WHILE) -> None:
    end = world.now() + length
    world.until(lambda: world.now() >= end)


def test_a_held_job_waits_and_starts_once_it_is_released(world: World) -> None:
    number, other = world.submit(), world.submit()
    assert tell(world, world.hold, number, wait=True) is None
    runs(world, other)
    assert job(world, number).held_by_user
    assert job(world, number).state is JobState.PENDING
    assert tell(world, world.hold, number, wait=False) is None
    runs(world, number)
    assert not job(world, number).held


def test_what_is_held_is_not_held_again_and_what_is_not_is_not_released(world: World) -> None:
    held, free = world.submit(), world.submit()
    tell(world, world.hold, held, wait=True)
    assert tell(world, world.hold, held, wait=True) is not None
    assert tell(world, world.hold, free, wait=False) is not None
    assert job(world, held).held_by_user
    runs(world, free)
    assert tell(world, world.hold, free, wait=True) is not None
    assert not job(world, free).held


def test_the_pending_tasks_of_an_array_are_held_and_released_as_one(world: World) -> None:
    number = world.submit(tasks=3)
    spec = job(world, number).spec
    assert tell(world, world.hold, number, wait=True) is None
    assert (job(world, number).spec, job(world, number).held_by_user) == (spec, True)
    assert tell(world, world.hold, number, wait=False) is None
    assert (job(world, number).spec, job(world, number).held) == (spec, False)


def test_a_shut_gate_keeps_those_behind_it_until_it_is_opened(world: World) -> None:
    world.gate.shut(world.now() + timedelta(minutes=5))
    number, let_through, other = world.submit(gated=True), world.submit(gated=True), world.submit()
    assert job(world, number).gated
    assert tell(world, world.licences, let_through, wait=False) is None
    for free in (other, let_through):
        runs(world, free)
    let_pass(world)
    assert job(world, number).state is JobState.PENDING
    assert not job(world, let_through).gated
    world.gate.open()
    world.gate.open()
    runs(world, number)
    assert job(world, number).gated


def test_a_gate_that_is_not_moved_on_opens_by_itself(world: World) -> None:
    world.gate.shut(world.now() + timedelta(minutes=5))
    until = world.now() + timedelta(seconds=65)  # no reservation of Slurm's is shorter than a minute
    world.gate.shut(until)
    number = world.submit(gated=True)
    runs(world, number)
    started = job(world, number).started
    assert started is not None
    assert started >= until


def test_what_keeps_jobs_waiting_can_be_said_again_after_a_crash(world: World) -> None:
    """It may have been forgotten, or not. Until then nothing starts: that could be forgotten, too."""
    world.fill()
    held, gated, let_through = world.submit(), world.submit(gated=True), world.submit(gated=True)
    world.saved()
    until = world.now() + timedelta(minutes=5)
    world.gate.shut(until)
    tell(world, world.hold, held, wait=True)
    tell(world, world.licences, let_through, wait=False)
    world.crash()
    world.gate.shut(until)
    tell(world, world.licences, let_through, wait=False)
    if not job(world, held).held:
        assert tell(world, world.hold, held, wait=True) is None
    world.empty()
    runs(world, let_through)
    let_pass(world)
    assert job(world, held).held_by_user
    assert {job(world, number).state for number in (held, gated)} == {JobState.PENDING}


def test_what_lets_jobs_go_can_be_said_again_after_a_crash(world: World) -> None:
    world.fill()
    held, gated = world.submit(), world.submit(gated=True)
    world.gate.shut(world.now() + timedelta(minutes=5))
    tell(world, world.hold, held, wait=True)
    world.saved()
    tell(world, world.hold, held, wait=False)
    world.gate.open()
    world.crash()
    world.gate.open()
    if job(world, held).held:
        assert tell(world, world.hold, held, wait=False) is None
    world.empty()
    for number in (held, gated):
        runs(world, number)


def test_a_simulated_crash_forgets_the_last_word_of_each_kind() -> None:
    """Else the two tests before this one would show nothing of it."""
    world = SimulatedWorld()
    world.fill()
    held, gated = world.submit(), world.submit(gated=True)
    let_pass(world)
    world.gate.shut(world.now() + timedelta(minutes=5))
    tell(world, world.hold, held, wait=True)
    tell(world, world.licences, gated, wait=False)
    world.crash()
    assert not job(world, held).held
    assert job(world, gated).gated
    assert world.cluster.gate_shut_until <= world.now()
