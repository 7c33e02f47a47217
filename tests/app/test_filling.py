"""History on demand: waiting where a provider wants that, and giving up where it wants too much."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from carbonslurm.app.asking import Asking, NoBook, paces
from carbonslurm.app.backfill import Backfill
from carbonslurm.app.filling import PATIENCE, Filled, Filling, in_person
from carbonslurm.app.shelf import Shelf
from carbonslurm.core.forecast import Kind, Nature, Scope, Series, Step
from carbonslurm.core.interval import Interval
from carbonslurm.errors import DataError, RefusedError, TryLaterError, UnavailableError
from carbonslurm.ports import Offer, Terms

NOW = datetime(2026, 11, 22, 10, tzinfo=UTC)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
NATURE = Nature(Kind.AVERAGE, Scope.LIFECYCLE)
WINDOW = Interval(NOW - 10 * DAY, NOW)


@dataclass
class Grid:
    """A provider that keeps history of a value an hour; it raises what it has in store first."""

    troubles: list[Exception] = field(default_factory=list)
    terms: Terms = field(default_factory=lambda: Terms(every=timedelta(minutes=30)))
    name: str = "grid"
    zone: str = "GB"
    longest: timedelta = 4 * DAY
    calls: list[datetime] = field(default_factory=list)

    def history(self, window: Interval, now: datetime) -> Series | None:
        self.calls.append(now)
        if self.troubles:
            raise self.troubles.pop(0)
        count = window.length // HOUR
        steps = [
            Step(Interval(window.start + k * HOUR, window.start + (k + 1) * HOUR), 100) for k in range(count)
        ]
        return Series.from_steps("GB", "grid", NATURE, steps)


@dataclass
class Clock:
    """A clock that only waiting turns on."""

    time: datetime = NOW

    def __call__(self) -> datetime:
        return self.time

    def wait(self, length: timedelta) -> None:
        self.time += length


def fill(grid: Grid, clock: Clock, shelf: Shelf | None = None) -> Filled:
    asking = Asking(NoBook(), in_person(paces([Offer((), history=grid)], timedelta())), clock, lambda: 0.0)
    filling = Filling(Backfill([grid], shelf or Shelf(), asking, 10 * DAY), ["GB"], clock.wait)
    ((key, source),) = filling.histories()
    return filling.result(key, WINDOW, list(filling.walk(key, source, WINDOW)))


def test_all_of_it_comes_the_newest_first_and_once() -> None:
    grid, clock, shelf = Grid(), Clock(), Shelf()
    assert fill(grid, clock, shelf) == Filled("grid", "GB", 240, timedelta(), None)
    assert len(grid.calls) == 3
    assert clock.time - NOW < timedelta(seconds=10)
    assert fill(grid, clock, shelf) == Filled("grid", "GB", 0, timedelta(), None)
    assert len(grid.calls) == 3


def test_a_provider_that_asks_for_a_moment_gets_it() -> None:
    grid, clock = Grid([TryLaterError("/history: HTTP 429", timedelta(seconds=90))]), Clock()
    done = fill(grid, clock)
    assert (done.kept, done.missing) == (240, timedelta())
    assert grid.calls[1] - grid.calls[0] >= timedelta(seconds=90)


def test_a_provider_that_asks_for_an_hour_is_left_alone() -> None:
    grid, clock = Grid([TryLaterError("/history: HTTP 429", HOUR)]), Clock()
    done = fill(grid, clock)
    assert (done.kept, done.missing, clock.time) == (0, 10 * DAY, NOW)
    assert done.trouble is not None
    assert done.trouble.startswith("left alone until ")


def test_a_provider_that_is_away_is_soon_given_up() -> None:
    grid, clock = Grid([UnavailableError("/history: HTTP 500") for _ in range(9)]), Clock()
    done = fill(grid, clock)
    assert len(grid.calls) <= 3
    assert (done.kept, done.trouble is not None) == (0, True)
    assert clock.time - NOW < timedelta(minutes=10)


def test_a_piece_that_cannot_be_believed_costs_no_other() -> None:
    grid = Grid([DataError("/history: 0 g/kWh")])
    assert fill(grid, Clock()) == Filled("grid", "GB", 144, 4 * DAY, "/history: 0 g/kWh")


def test_a_refusal_is_not_tried_again_at_once() -> None:
    grid, clock = Grid([RefusedError("/history: HTTP 403")]), Clock()
    done = fill(grid, clock)
    assert (done.kept, len(grid.calls), clock.time) == (0, 1, NOW)
    assert done.trouble is not None
    assert done.trouble.endswith("/history: HTTP 403")


def test_calls_that_are_used_up_are_not_waited_for_for_ever() -> None:
    grid, clock = Grid(terms=Terms(every=timedelta(), calls=2, per=timedelta(hours=12))), Clock()
    done = fill(grid, clock)
    assert len(grid.calls) == 1  # half of them are history's
    assert clock.time - NOW <= PATIENCE + timedelta(minutes=1)
    assert done.missing == 6 * DAY
    assert done.trouble is not None
