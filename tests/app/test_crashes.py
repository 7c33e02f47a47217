"""Killed at any call, and worse: every job comes to the end that one uninterrupted life gives.

The story has a job of every kind that we do something to: made to wait, planned anew, let go, an array, one
that waits for another, one with its own begin time, one whose bound is near, and a running job for each way
of taking a checkpoint signal. What a daemon does after one call and before the next is in its memory only,
and some calls only read: so just after each of the others, and before the first, is everywhere.
"""

from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any

from failpoints import READS, Call, calls, places
from hypothesis import HealthCheck, Phase, example, given, settings
from hypothesis import strategies as st

from carbonslurm.core.job import JobKey
from carbonslurm.sim.job import OnSignal

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
MINUTE = timedelta(minutes=1)
SECOND = timedelta(seconds=1)
TASKS = 3  # of the array
# The gate, holds, watching and ageing (test_ageing.py), which no partition of this story has; and what only
# joint asks (test_joint.py, test_judging.py).
NOT_CALLED = {"shut", "open", "observe", "marked", "calls_of", "set_factor", "limit_of_ageing"}
NOT_CALLED |= {"capacity", "past_runs", "issues"}
# (state in words, held, times it came to its own end, restarts, last start)
End = tuple[str, bool, int, int, datetime]


@dataclass
class Story:
    """The jobs by what they are, and what happens to them from one in the afternoon.

    Attributes:
        forgotten: jobs whose release only a daemon knew that died before it could write it down.
    """

    world: Any
    jobs: dict[str, int] = field(default_factory=dict)
    forgotten: set[str] = field(default_factory=set)

    @property
    def bounds(self) -> dict[str, datetime]:
        """How late each may start, with what the story knows of slurmctld's absence."""
        own = {"bound is near": 90 * MINUTE, "dependent": 12.5 * HOUR, "own begin": 14 * HOUR}
        since = NOON + HOUR
        return {name: since + own.get(name, 12 * HOUR) + 16 * MINUTE for name in self.jobs}

    def begin(self) -> None:
        """Five jobs run on a clean grid, which turns dirty for three hours; others are submitted then."""
        self.world.forecast(100)
        quick = {"grace": 15 * SECOND, "saves_in": 5 * SECOND, "time_limit": 6 * HOUR}
        for kind in OnSignal:
            self.jobs[kind.name] = self.world.submit(4 * HOUR, on_signal=kind, **quick)
        self.world.cycle()
        self.world.without_us(HOUR)
        self.world.forecast(600, 590, 580, 50)
        first = self.world.submit(30 * MINUTE, flex=None)
        self.jobs |= {
            "plain": self.world.submit(),
            "array": self.world.submit(tasks=TASKS),
            "dependent": self.world.submit(needs=(first,)),
            "own begin": self.world.submit(begin=self.world.now + 2 * HOUR),
            "bound is near": self.world.submit(flex=90 * MINUTE),
        }
        self.world.fuse.calls = 0
        self.world.fuse.passed.clear()

    def turns(self) -> Iterator[timedelta]:
        """Let things happen; each time our daemon then lives for so long."""
        yield 7 * MINUTE
        self.gap(40 * MINUTE)
        self.world.forecast(600, 500, 40)
        yield 6 * MINUTE
        self.gap(50 * MINUTE)
        self.world.forecast(30, 400)
        yield 6 * MINUTE

    def names(self, keys: Iterable[JobKey]) -> set[str]:
        """What these jobs are; a task of the array is the array."""
        known = {number: name for name, number in self.jobs.items()}
        known |= {self.jobs["array"] + task: "array" for task in range(TASKS)}
        return {known[key.job_id] for key in keys}

    def gap(self, length: timedelta) -> None:
        """Nobody of ours is there, and nothing else goes wrong."""
        getattr(self.world.watch, "relent", int)()
        self.world.without_us(length)

    def end(self) -> dict[tuple[str, int], End]:
        """What became of each job; no daemon of ours helps any more."""
        self.world.watch = self.world.fuse = type(self.world.fuse)()
        self.world.without_us(24 * HOUR)
        return {
            (name, task): self._end(number + task)
            for name, number in self.jobs.items()
            for task in range(TASKS if name == "array" else 1)
        }

    def _end(self, number: int) -> End:
        job = self.world.job(number)
        return job.word, job.held, job.finished, job.restarts, job.started


def tell(story: Story, killed: type[BaseException], dead_for: timedelta = timedelta()) -> None:
    """Tell it all; where our daemon dies the next one, after a while, goes on with a cycle at once."""
    for length in story.turns():
        until = story.world.now + length
        while story.world.now < until:
            try:
                story.world.live(until - story.world.now)
            except killed:
                story.forgotten |= story.names(action.job.key for action, _ in story.world.memory.unwritten)
                story.world.restart()
                story.world.without_us(dead_for)


def told(new_world: Any, killed: Any, at: int | None) -> tuple[list[str], dict[tuple[str, int], End]]:
    """Tell it with a daemon that dies after its nth call (0: before the first); the calls, and the ends."""
    story = Story(new_world())
    story.begin()
    fuse = story.world.fuse
    fuse.at, fuse.after = (1, False) if at == 0 else (at, True)
    tell(story, killed)
    assert fuse.at is None, f"call {at} is never made"
    return fuse.passed, story.end()


def test_one_uninterrupted_life_does_all_that_can_be_done(new_world: Any, killed: Any) -> None:
    passed, ends = told(new_world, killed, None)
    assert {word.partition("(")[0] for word in passed} == calls() - NOT_CALLED
    assert calls() >= READS
    assert {"intend(stop, withhold)", "advance_stop(done)", "settle(confirmed)"} <= set(passed)
    assert {end[:3] for end in ends.values()} == {("COMPLETED", False, 1)}
    stopped = {kind.name for kind in OnSignal if kind is not OnSignal.EXIT}
    assert {name for (name, _), end in ends.items() if end[3]} == stopped
    assert ends["bound is near", 0][-1] == NOON + HOUR + 90 * MINUTE
    assert ends["own begin", 0][-1] == NOON + 3 * HOUR
    assert ends["plain", 0][-1] == NOON + HOUR + 103 * MINUTE  # let go


def test_killed_after_any_call_every_job_comes_to_the_same_end(new_world: Any, killed: Any) -> None:
    passed, ends = told(new_world, killed, None)
    for number in places(passed):
        _, other = told(new_world, killed, number)
        assert other == ends, f"killed after call {number}: {passed[number - 1]}"


# --- whatever may happen, and in any order ---


class Kind(StrEnum):
    DIES = "our daemon dies"
    FORGETS = "slurmctld dies, and is back at once without its last seconds"
    AWAY = "slurmctld is away for some minutes, and then back without its last seconds"
    LOCKED = "the ledger cannot be written for some calls"


@dataclass(frozen=True)
class Blow:
    """One misfortune, so many calls after the one before; of a size: minutes, or calls."""

    after: int
    kind: Kind
    size: int


POLICIES = ("lowest-window", "joint")
BLOWS = st.builds(Blow, after=st.integers(1, 40), kind=st.sampled_from(list(Kind)), size=st.integers(0, 15))


class Fate:
    """Deals the blows as the calls pass, and takes each back when its time is over."""

    def __init__(self, world: Any, killed: type[BaseException], blows: list[Blow]) -> None:
        self._world, self._killed = world, killed
        self._blows = list(blows)
        self._passed = 0
        self._back_at: datetime | None = None
        self._locked_for = 0
        self._lock = ExitStack()

    def __call__(self, _call: Call, *, done: bool) -> None:
        if done:
            return
        if self._back_at is not None and self._world.now >= self._back_at:
            self._bring_back()
        if self._locked_for == 1:
            self._lock.close()
        self._locked_for = max(0, self._locked_for - 1)
        self._passed += 1
        if self._blows and self._passed == self._blows[0].after:
            self._passed = 0
            self._deal(self._blows.pop(0))

    def relent(self) -> None:
        """Take everything back."""
        if self._back_at is not None:
            self._bring_back()
        self._lock.close()
        self._locked_for = 0

    def _deal(self, blow: Blow) -> None:
        if blow.kind is Kind.DIES:
            raise self._killed
        if blow.kind is Kind.LOCKED and not self._locked_for:
            self._locked_for = blow.size + 1
            self._lock.enter_context(self._world.locked())
        if blow.kind in (Kind.FORGETS, Kind.AWAY) and self._back_at is None:
            self._world.owner.crash()
            self._back_at = self._world.now + (blow.size * MINUTE if blow.kind is Kind.AWAY else 0 * MINUTE)

    def _bring_back(self) -> None:
        self._world.owner.come_back(forget=10 * SECOND)
        self._back_at = None


@settings(
    max_examples=60,
    deadline=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture],
    database=None,
)
@given(blows=st.lists(BLOWS, max_size=5), dead_for=st.integers(0, 20), policy=st.sampled_from(POLICIES))
@example(
    blows=[*[Blow(36, Kind.LOCKED, 10)] * 3, Blow(19, Kind.DIES, 12)], dead_for=0, policy="lowest-window"
)
def test_no_misfortune_strands_a_job_or_runs_it_twice_or_past_its_bound(
    new_world: Any, killed: Any, blows: list[Blow], dead_for: int, policy: str
) -> None:
    story = Story(new_world())
    rules = story.world.rules.plan
    story.world.with_rules(plan=replace(rules, policy=policy), learn=policy == "joint")
    story.begin()
    fate = story.world.watch = Fate(story.world, killed, blows)
    tell(story, killed, dead_for * MINUTE)
    fate.relent()
    for (name, _), (word, held, finished, restarts, started) in story.end().items():
        assert (word, held, finished) == ("COMPLETED", False, 1), name
        assert restarts <= story.world.rules.plan.stop.max_stops, name
        assert started <= story.bounds[name], name
    # A release that nobody wrote down looks like the owner's word: that job, and no other, is left alone.
    left = story.names(row.key for row in story.world.actions() if str(row.verb) == "leave")
    assert left <= story.forgotten
