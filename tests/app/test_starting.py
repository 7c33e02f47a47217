"""The daemon's beginning, on a clock that waiting moves: who waits for whom, and for how long."""

import heapq
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta

import pytest

from carbonslurm.app.starting import FIRST_WAIT, LOOK_AGAIN, Start
from carbonslurm.errors import LedgerError

SECOND = timedelta(seconds=1)
NONE = timedelta()
START_TIMEOUT = timedelta(seconds=300)  # TimeoutStartSec of the unit


@dataclass
class Morning:
    """A daemon that begins: its first round takes a while, and then there is a forecast, or is none."""

    round_takes: timedelta
    forecast_at: timedelta | None = None
    told_to_end_at: timedelta | None = None
    error: Exception | None = None
    now: timedelta = NONE
    cycles: list[timedelta] = field(default_factory=list)
    later: list[tuple[timedelta, int, Callable[[], None]]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.start = Start(self.fetch, self.cycle, self.foresees, self.wait)

    def live(self) -> None:
        """Begin, with the round beside it, and go on until the round has ended."""
        heapq.heappush(self.later, (self.round_takes, 0, self.start.feed))
        self.start.begin()
        self.wait(max(self.round_takes - self.now, NONE))

    def fetch(self) -> None:
        if self.error is not None:
            raise self.error

    def cycle(self) -> None:
        self.cycles.append(self.now)

    def foresees(self) -> bool:
        return self.forecast_at is not None and self.now >= self.forecast_at

    def wait(self, length: timedelta) -> bool:
        end = self.now + length
        while self.later and self.later[0][0] <= end:
            self.now, _, happen = heapq.heappop(self.later)
            happen()
        self.now = max(self.now, end)
        return self.told_to_end_at is not None and self.now >= self.told_to_end_at


def test_with_a_forecast_from_before_the_first_cycle_waits_for_no_provider() -> None:
    morning = Morning(round_takes=200 * SECOND, forecast_at=NONE)
    morning.live()
    assert morning.cycles == [NONE, 200 * SECOND]


def test_without_a_forecast_the_first_cycle_waits_for_the_first_round() -> None:
    """Else it would let go of jobs for which there is a forecast a moment later."""
    morning = Morning(round_takes=20 * SECOND)
    morning.live()
    assert len(morning.cycles) == 1
    assert 20 * SECOND <= morning.cycles[0] <= 20 * SECOND + LOOK_AGAIN


def test_the_first_cycle_begins_as_soon_as_there_is_a_forecast() -> None:
    morning = Morning(round_takes=100 * SECOND, forecast_at=5 * SECOND)
    morning.live()
    assert morning.cycles == [5 * SECOND, 100 * SECOND]


def test_a_provider_that_keeps_us_waiting_does_not_keep_the_daemon_from_its_first_cycle() -> None:
    """systemd would kill it before that, each time anew."""
    morning = Morning(round_takes=timedelta(minutes=10))
    morning.live()
    assert morning.cycles == [FIRST_WAIT, timedelta(minutes=10)]
    assert FIRST_WAIT <= START_TIMEOUT / 2


def test_told_to_end_meanwhile_it_ends() -> None:
    morning = Morning(round_takes=timedelta(minutes=10), told_to_end_at=7 * SECOND)
    morning.start.begin()
    assert (morning.now, morning.cycles) == (7 * SECOND, [])
    morning.start.cycles = True
    morning.start.feed()
    assert morning.cycles == []


def test_a_bug_in_the_first_round_ends_the_waiting_for_it() -> None:
    morning = Morning(round_takes=NONE, error=ZeroDivisionError())
    with pytest.raises(ZeroDivisionError):
        morning.start.feed()
    morning.start.begin()
    assert morning.cycles == [NONE]


def test_only_the_first_round_is_followed_by_a_cycle_of_its_own() -> None:
    morning = Morning(round_takes=NONE, forecast_at=NONE)
    morning.start.begin()
    morning.start.feed()
    morning.start.feed()
    assert morning.cycles == [NONE, NONE]


def test_a_ledger_that_cannot_be_read_is_the_cycles_to_tell() -> None:
    morning = Morning(round_takes=timedelta(minutes=10))

    def broken() -> bool:
        raise LedgerError("it is gone")

    morning.start.foresees = broken
    morning.start.begin()
    assert morning.cycles == [NONE]
