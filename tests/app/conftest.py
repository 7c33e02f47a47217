"""A small world to tell stories in: the simulated cluster, a real ledger, a forecast, and our daemon.

Time passes only in ``World.live``: a cycle each five minutes, and, while a stop is in flight, its step each
five seconds. ``owner`` is the cluster itself: what a story calls there, a person did.
"""

import shutil
import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from failpoints import Call, Watch, behind

from carbonslurm.app.cycle import Cycle
from carbonslurm.app.cycle_rules import CycleRules
from carbonslurm.app.figuring import FigureRules
from carbonslurm.app.ingest import Ingest, IngestReport
from carbonslurm.app.measuring import Measuring
from carbonslurm.app.queueing import Machines, WithoutUs
from carbonslurm.app.stopping import Stopping
from carbonslurm.app.telling import Memory, Telling
from carbonslurm.app.vanished import Vanished
from carbonslurm.core.allowance import Standing
from carbonslurm.core.capacity import Node
from carbonslurm.core.forecast import Issue, Kind, Nature, Scope, Series, Step
from carbonslurm.core.interval import Interval
from carbonslurm.core.job import Queue
from carbonslurm.core.means import Means
from carbonslurm.core.power import PowerModel
from carbonslurm.core.pue import Pue
from carbonslurm.core.situation import PlanRules, Zones
from carbonslurm.core.stop import ControllerFacts, StopRules
from carbonslurm.core.tag import Checkpoint, FlexibleBy, Tag
from carbonslurm.errors import CarbonslurmError
from carbonslurm.ledger.writing import Ledger
from carbonslurm.ports import ActionRow, CycleReport, EnergySource, RunFilter, RunRow
from carbonslurm.sim.actuators import SimulatedGate, SimulatedHold, SimulatedHolds
from carbonslurm.sim.cluster import SimulatedCluster
from carbonslurm.sim.job import SimulatedJob, Submission
from carbonslurm.sim.pools import PartitionSize
from carbonslurm.sim.queue_model import in_words, queueing_on

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
INTERVAL = timedelta(minutes=5)
STOP_STEP = timedelta(seconds=5)
NATURE = Nature(Kind.AVERAGE, Scope.LIFECYCLE)
GRACE = timedelta(minutes=1)


class KilledError(BaseException):
    """The daemon is no more; nothing of ours may catch it."""


@dataclass
class Fuse:
    """Kills the daemon at its nth call of a port, before or after the call is done; None never does.

    Attributes:
        passed: every call up to now.
    """

    at: int | None = None
    after: bool = False
    calls: int = 0
    passed: list[str] = field(default_factory=list)

    def __call__(self, call: Call, *, done: bool) -> None:
        if not done:
            self.calls += 1
            self.passed.append(str(call))
        if self.calls == self.at and done is self.after:
            self.at = None
            raise KilledError


@dataclass
class _Dated:
    """The queue, as our daemon's clock dates it."""

    world: "World"

    def snapshot(self) -> Queue:
        return replace(self.world.owner.snapshot(), taken_at=self.world.clock())

    def controller(self) -> ControllerFacts:
        return self.world.owner.controller()

    def outages(self) -> Mapping[str, datetime]:
        return self.world.owner.outages()

    def capacity(self) -> Sequence[Node]:
        return self.world.owner.capacity()

    def limit_of_ageing(self) -> str | None:
        return self.world.owner.limit_of_ageing()


@dataclass
class World:
    """The cluster ``toy``, with our daemon beside it.

    Attributes:
        owner: the cluster, for what people and fate do to it.
        rules: the site's; a story may replace them.
        fuse: see Fuse.
        off: how far our daemon's clock is ahead of Slurm's.
        budgets: how the site's stand; the daemon asks in each cycle.
        holds: what a rescue sees; a story may take the hook away.
        watch: told of each call of a port; the fuse, unless a story puts another in its place.
        figures: how figures are made, as ``figure_rules`` says unless a story has others.
        meters: who measures energy.
        complaints: what accounting logged.
    """

    path: Path
    ledger: Ledger
    owner: SimulatedCluster
    rules: CycleRules
    memory: Memory = field(default_factory=Memory)
    fuse: Fuse = field(default_factory=Fuse)
    off: timedelta = timedelta()
    figures: FigureRules | None = None
    meters: list[EnergySource] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)
    budgets: list[Standing] = field(default_factory=list)
    vanished: Vanished = field(default_factory=Vanished)
    watch: Watch = field(init=False)
    holds: SimulatedHolds = field(init=False)

    def __post_init__(self) -> None:
        self.holds = SimulatedHolds(self.owner)
        self.watch = self.fuse

    @property
    def now(self) -> datetime:
        return self.owner.now

    def clock(self) -> datetime:
        """Our daemon's."""
        return self.now + self.off

    # --- people ---

    def submit(
        self,
        run_time: timedelta = HOUR,
        *,
        flex: timedelta | None = 12 * HOUR,
        grace: timedelta | None = None,
        by: FlexibleBy = FlexibleBy.OWNER,
        **wanted: Any,
    ) -> int:
        """Submit a job as sbatch and our hook do: tagged, with a window of two cycles."""
        if flex is None:
            return self.owner.submit(Submission(run_time, **wanted))
        own = wanted.pop("begin", None)
        window = self.now + 2 * INTERVAL
        tag = Tag(
            flex=flex,
            by=by,
            latest=None if wanted.get("needs") else max(self.now, own or self.now) + flex,
            begin=own,
            window=window,
            checkpoint=None if grace is None else Checkpoint("USR1", grace, full=False, restart=None),
        )
        wanted.setdefault("time_limit", run_time)
        return self.owner.submit(Submission(run_time, tag=tag, begin=max(own or window, window), **wanted))

    def fill(self, length: timedelta = 48 * HOUR) -> int:
        """Take all GPUs with a job that is not flexible."""
        return self.submit(length, flex=None, gpus=16, time_limit=length)

    def job(self, job_id: int) -> SimulatedJob:
        return self.owner.job(job_id)

    # --- the grid ---

    def forecast(self, *values: float, start: datetime | None = None) -> None:
        """Publish a forecast now: one value for each hour from now on, the last for two more days."""
        first = start or self.now
        hours = [*values, *[values[-1]] * 48]
        self.ledger.keep_issue(Issue(self.series(hours, first), self.now, self.now))

    def measured(self, *values: float, start: datetime = NOON) -> None:
        """Publish what was: one value for each hour."""
        self.ledger.keep_actual(self.series(list(values), start), self.now)

    @staticmethod
    def series(values: list[float], first: datetime) -> Series:
        steps = [
            Step(Interval(first + number * HOUR, first + (number + 1) * HOUR), value)
            for number, value in enumerate(values)
        ]
        return Series.from_steps("GB", "toy", NATURE, steps)

    # --- our daemon ---

    def cycle(self, actuator: Any = None) -> CycleReport:
        gate = SimulatedGate(self.owner)
        telling = Telling(
            actuators={
                Means.BEGIN: actuator or self.owner,
                Means.HOLD: SimulatedHold(self.owner),
                Means.GATE: gate,
            },
            gate=gate,
            holds=self.holds,
            factors=self.owner,
            life=3 * INTERVAL,
            timeout=timedelta(seconds=30),
            actions=self.ledger,
            memory=self.memory,
            clock=self.clock,
        )
        cycle = Cycle(
            queue=_Dated(self),
            telling=telling,
            archive=self.ledger,
            actions=self.ledger,
            jobs=self.ledger,
            cycles=self.ledger,
            past=self.ledger,
            rules=self.rules,
            clock=self.clock,
            memory=self.memory,
            budgets=lambda _: self.budgets,
        )
        return behind(cycle, self.watch).run()

    def stops(self) -> int:
        stopping = Stopping(
            cluster="toy",
            queue=self.owner,
            control=self.owner,
            begin=self.owner,
            actions=self.ledger,
            memory=self.memory,
            clock=self.clock,
        )
        try:
            return behind(stopping, self.watch).run()
        except CarbonslurmError:  # as the daemon: the next step may do better
            return 1

    def restart(self) -> None:
        """Start a new daemon: it remembers nothing but the ledger."""
        self.memory = Memory()
        self.vanished = Vanished()

    def reconcile(self, accounting: Any = None, nodes: int = 0) -> IngestReport:
        """Read sacct and work out figures; with a number of nodes, the queue without us, too."""
        size = PartitionSize(nodes=nodes, cpus=64, gpus=4)
        machines = [Machines(("gpu",), partial(queueing_on, size), in_words(size))] if nodes else []
        return Ingest(
            cluster="toy",
            accounting=accounting or self.owner,
            runs=self.ledger,
            archive=self.ledger,
            rules=self.figures or self.figure_rules(),
            without_us=WithoutUs("toy", machines, self.ledger, timedelta(), lambda: self.now),
            measuring=Measuring("toy", self.meters, self.ledger, lambda: self.now, self.complaints.append),
            clock=self.clock,
            vanished=self.vanished,
        ).run()

    def figure_rules(self, **more: Any) -> FigureRules:
        power = self.rules.plan.power
        return FigureRules(lambda _: "GB", lambda _: power, timedelta(), Pue.constant(power.pue), **more)

    def live(self, length: timedelta) -> list[CycleReport]:
        """Let time pass with the daemon alive."""
        end = self.now + length
        reports = []
        while self.now < end:
            reports.append(self.cycle())
            self.step(min(end, self.now + INTERVAL) - self.now)
        return reports

    def step(self, length: timedelta) -> None:
        """Let time pass between two cycles."""
        moment = self.now + length
        while self.now < moment:
            in_flight = self.stops()
            self.owner.advance(min(moment, self.now + STOP_STEP) if in_flight else moment)

    def without_us(self, length: timedelta) -> None:
        """Let time pass with the daemon dead."""
        self.owner.advance(self.now + length)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Make the ledger unwritable: somebody else holds the one lock that a writer needs."""
        other = sqlite3.connect(self.path, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        try:
            yield
        finally:
            other.execute("ROLLBACK")
            other.close()

    # --- what is written ---

    def actions(self) -> list[ActionRow]:
        return list(self.ledger.actions("toy", NOON - 999 * HOUR))

    def verbs(self, job_id: int | None = None) -> list[str]:
        return [str(row.verb) for row in self.actions() if job_id in {None, row.key.job_id}]

    def rows(self) -> list[RunRow]:
        return list(self.ledger.runs(RunFilter()))

    def with_rules(self, **changes: Any) -> None:
        self.rules = replace(self.rules, **changes)


@pytest.fixture(scope="session")
def empty_ledger(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated ledger to copy: migrating takes longer than most stories."""
    path = tmp_path_factory.mktemp("ledger") / "empty.db"
    Ledger.open(path, cluster="toy").close()
    return path


@pytest.fixture
def new_world(tmp_path: Path, empty_ledger: Path) -> Iterator[Callable[[], World]]:
    """Make worlds, each with a ledger of its own."""
    opened: list[Ledger] = []

    def make() -> World:
        path = tmp_path / f"ledger{len(opened)}.db"
        shutil.copy(empty_ledger, path)
        opened.append(Ledger.open(path, cluster="toy", patience=timedelta(milliseconds=20)))
        plan = PlanRules(
            zones=Zones("GB"),
            lead=INTERVAL,
            power=PowerModel(gpu_watts={"a100": 1000}, gpu_utilisation=1, cpu_watts=0, node_watts=0, pue=1),
            stop=StopRules(restart=timedelta(minutes=1)),
        )
        return World(path, opened[-1], SimulatedCluster(NOON), CycleRules(plan, cluster="toy"))

    yield make
    for ledger in opened:
        ledger.close()


@pytest.fixture
def world(new_world: Callable[[], World]) -> World:
    return new_world()


@pytest.fixture(scope="session")
def killed() -> type[BaseException]:
    return KilledError


@pytest.fixture
def marginal() -> Callable[[World, list[float], datetime], Series]:
    """Make the same series as a world's, of marginal intensities."""

    def make(world: World, values: list[float], first: datetime) -> Series:
        return replace(world.series(values, first), source="moer", nature=Nature(Kind.MARGINAL, Scope.DIRECT))

    return make
