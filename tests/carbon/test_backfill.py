"""Backfill: what a provider has kept comes into the archive, the newest piece first, within its terms."""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carbonslurm.app.asking import Asking, history_keys, paces
from carbonslurm.app.backfill import CALLS_A_ROUND, LEAST, TRIES, Backfill, Progress, cut
from carbonslurm.core.forecast import Kind, Nature, Scope, Series, Step
from carbonslurm.core.interval import Interval
from carbonslurm.core.rest import Asked, QuestionKey
from carbonslurm.errors import DataError, LedgerError, RefusedError, TryLaterError, UnavailableError
from carbonslurm.ledger.writing import Ledger
from carbonslurm.ports import Offer, Terms

NATURE = Nature(Kind.AVERAGE, Scope.DIRECT)
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
TERMS = Terms(every=30 * MINUTE)


@dataclass
class History:
    """A provider that kept every hour since a moment, and fails as it is told."""

    since: datetime
    zone: str = "GB"
    longest: timedelta = 2 * DAY
    terms: Terms = TERMS
    name: str = "a"
    nature: Nature = NATURE
    value: float | None = None  # of each hour; None for the hour of the day
    fails_before: datetime | None = None
    error: Exception | None = None
    asked: list[Interval] = field(default_factory=list)

    def history(self, window: Interval, now: datetime) -> Series | None:
        assert window.length <= self.longest
        assert window.end <= now
        self.asked.append(window)
        if self.error is not None:
            raise self.error
        if self.fails_before is not None and window.start < self.fails_before:
            raise UnavailableError("HTTP 500")
        first = window.start.replace(minute=0)
        hours = [first + number * HOUR for number in range(int((window.end - first) / HOUR))]
        steps = [
            Step(Interval(each, each + HOUR), self.value or each.hour + 1)
            for each in hours
            if each >= self.since
        ]
        return Series.from_steps(self.zone, self.name, self.nature, steps) if steps else None


@dataclass
class Site:
    """A daemon's backfill of six days, over a real ledger."""

    now: datetime
    ledger: Any
    sources: list[History]
    asking: Asking = field(init=False)
    backfill: Backfill = field(init=False)

    def __post_init__(self) -> None:
        offers = [Offer([], history=source) for source in self.sources]
        self.asking = Asking(self.ledger, paces(offers, HOUR), lambda: self.now, lambda: 0.0)
        self.backfill = Backfill(self.sources, self.ledger, self.asking, 6 * DAY)

    def live(self, length: timedelta) -> list[Progress]:
        found: list[Progress] = []
        for _ in range(int(length / MINUTE)):
            found += self.backfill.run()
            self.now += MINUTE
        return found


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    with Ledger.open(tmp_path / "ledger.db") as opened:
        yield opened


@pytest.fixture
def site(ledger: Ledger, now: datetime) -> Callable[..., Site]:
    return lambda *sources: Site(now, ledger, list(sources))


def missing(site: Site, zone: str = "GB") -> timedelta:
    window = Interval(site.now - 6 * DAY, site.now)
    return sum((gap.length for gap in site.ledger.unmeasured(zone, "a", window)), timedelta())


def test_the_newest_piece_comes_first_one_call_a_minute(site: Callable[..., Site], now: datetime) -> None:
    source = History(now - 99 * DAY)
    here = site(source)
    told = here.live(5 * MINUTE)
    assert source.asked == [
        Interval(now - 2 * DAY, now),
        Interval(now - 4 * DAY, now - 2 * DAY),
        Interval(now - 6 * DAY, now - 4 * DAY),
    ]
    assert [(it.kept, it.left) for it in told] == [(48, 4 * DAY), (48, 2 * DAY), (48, timedelta())]
    assert str(told[0]) == "a: GB: 2026-11-20T10:10:00Z to 2026-11-22T10:10:00Z: 48 values"
    assert missing(here) < LEAST


def test_only_what_is_missing_is_asked_for(site: Callable[..., Site], now: datetime) -> None:
    source = History(now - 99 * DAY)
    here = site(source)
    here.live(5 * MINUTE)
    another = Site(here.now, here.ledger, [source])
    assert another.live(5 * MINUTE) == []
    another.now += DAY
    assert len(another.live(3 * MINUTE)) == 1
    assert DAY <= source.asked[-1].length < DAY + HOUR


def test_a_hole_at_the_provider_is_asked_for_once_a_day(site: Callable[..., Site], now: datetime) -> None:
    source = History(now - 3 * DAY)
    here = site(source)
    here.live(HOUR)
    assert [it.length for it in source.asked] == [2 * DAY] * 3
    here.live(DAY)
    assert len(source.asked) <= 3 + 3


def test_no_answer_is_asked_for_again(site: Callable[..., Site], now: datetime) -> None:
    source = History(now - 99 * DAY, error=UnavailableError("away"))
    here = site(source)
    here.live(8 * MINUTE)
    assert (len(source.asked), len(set(source.asked))) == (4, 2)
    source.error = None
    assert [it.kept for it in here.live(HOUR)] == [48, 48, 48]


def test_a_refusal_ends_it_for_a_day(site: Callable[..., Site], now: datetime) -> None:
    """A plan that allows no history costs a call a day, not one for each month."""
    source = History(now - 99 * DAY, error=RefusedError("403: not in your plan"))
    here = site(source)
    here.live(23 * HOUR)
    assert len(source.asked) == 1
    here.live(2 * HOUR)
    assert len(source.asked) == 2


def test_an_answer_that_cannot_be_believed_costs_its_piece_only(
    site: Callable[..., Site], now: datetime
) -> None:
    source = History(now - 99 * DAY, error=DataError("0 g/kWh throughout"))
    here = site(source)
    (first,) = here.live(MINUTE)
    assert first.failure == "0 g/kWh throughout"
    source.error = None
    here.live(10 * MINUTE)
    assert timedelta(days=1.9) < missing(here) < 2 * DAY + 2 * HOUR


def test_history_leaves_half_of_the_calls_to_forecasts(site: Callable[..., Site], now: datetime) -> None:
    source = History(now - 99 * DAY, longest=6 * HOUR, terms=Terms(every=MINUTE, calls=6))
    here = site(source)
    here.live(HOUR)
    assert len(source.asked) == 3


def test_history_has_its_half_of_the_calls_whatever_todays_questions_use(
    site: Callable[..., Site], now: datetime
) -> None:
    """Today's have used four of six: history may have the other two, and three in an hour at most."""
    source = History(now - 99 * DAY, longest=6 * HOUR, terms=Terms(every=MINUTE, calls=6))
    here = site(source)
    today = QuestionKey("a", "FR", "history24")
    here.ledger.keep_asked(
        {today: Asked(asked_at=now, calls=tuple(now - timedelta(seconds=each) for each in range(4)))}
    )
    here.live(HOUR)
    assert len(source.asked) == 2
    here.live(HOUR)
    assert len(source.asked) == 5


def test_a_provider_that_wants_rest_gets_it(site: Callable[..., Site], now: datetime) -> None:
    source = History(now - 99 * DAY, error=TryLaterError("429", 20 * MINUTE))
    here = site(source)
    here.live(20 * MINUTE)
    assert len(source.asked) == 1


def test_a_round_takes_a_few_calls_and_all_zones_have_their_turn(
    site: Callable[..., Site], now: datetime
) -> None:
    zones = [History(now - 99 * DAY, zone=f"zone {number}", longest=6 * DAY) for number in range(10)]
    here = site(*zones)
    assert len(here.live(MINUTE)) == CALLS_A_ROUND
    here.live(3 * MINUTE)
    assert [len(zone.asked) for zone in zones] == [1] * 10


def test_a_command_sees_why_it_waits(site: Callable[..., Site], now: datetime) -> None:
    source = History(now - 99 * DAY)
    here = site(source)
    (key,) = history_keys(here.sources)
    walk = here.backfill.walk(key, source, Interval(now - 4 * DAY, now))
    assert next(walk).kept == 48
    waits = next(walk)
    assert (waits.wait, waits.left) == ("left alone until 2026-11-22T10:10:55Z", timedelta())
    here.now += MINUTE
    assert next(walk).kept == 48
    assert next(walk, None) is None


@dataclass
class Locked:
    """An archive that is locked at the first attempt to write to it."""

    ledger: Ledger
    locked: bool = True

    def keep_actual(self, series: Series, recorded_at: datetime) -> None:
        if self.locked:
            self.locked = False
            raise LedgerError("database is locked")
        self.ledger.keep_actual(series, recorded_at)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.ledger, name)


def test_a_piece_that_the_ledger_did_not_take_is_asked_for_again_soon(ledger: Ledger, now: datetime) -> None:
    source = History(now - 99 * DAY)
    here = Site(now, Locked(ledger), [source])
    with pytest.raises(LedgerError):
        here.live(MINUTE)
    assert [it.kept for it in here.live(5 * MINUTE)] == [48, 48, 48]
    assert source.asked[0].start == source.asked[1].start - (source.asked[1].end - source.asked[0].end)


def test_a_bug_in_one_history_costs_its_piece_only(site: Callable[..., Site], now: datetime) -> None:
    bad, good = History(now - 99 * DAY, zone="FR", error=ZeroDivisionError()), History(now - 99 * DAY)
    here = site(bad, good)
    told = here.live(MINUTE)
    assert [it.kept for it in told] == [None, 48]
    assert "a bug of ours" in str(told[0].failure)


def test_a_piece_that_always_fails_is_passed_over_and_what_lies_before_it_is_had(
    site: Callable[..., Site], now: datetime
) -> None:
    """The newest two days cannot be had; the next day they are tried anew."""

    @dataclass
    class Half(History):
        until: datetime | None = now - DAY

        def history(self, window: Interval, now: datetime) -> Series | None:
            if self.until is not None and window.end > self.until:
                self.asked.append(window)
                raise UnavailableError("HTTP 500")
            return super().history(window, now)

    source = Half(now - 99 * DAY)
    here = site(source)
    told = here.live(2 * HOUR)
    assert [it.kept for it in told] == [None] * TRIES + [48, 48] + [None] * TRIES
    here.live(DAY - 3 * HOUR)
    assert len(source.asked) == 2 + 2 * TRIES
    source.until = None
    here.live(3 * HOUR)
    assert missing(here) < 3 * HOUR


def test_a_walk_that_is_stuck_begins_anew_each_day_with_the_newest(
    site: Callable[..., Site], now: datetime
) -> None:
    source = History(now - 99 * DAY, fails_before=now - 3 * DAY)
    here = site(source)
    here.live(DAY - HOUR)
    newest = max(piece.end for piece in source.asked)
    here.live(3 * HOUR)
    assert max(piece.end for piece in source.asked) >= newest + DAY


def measured(here: Site, nature: Nature = NATURE) -> dict[str, int]:
    """How many hours of the last six days count by which source."""
    series = here.ledger.actual("GB", nature, Interval(here.now - 6 * DAY, here.now))
    return Counter({100: "a", 400: "b"}[int(step.g_per_kwh)] for step in series.steps()) if series else {}


def test_a_fallbacks_history_does_not_hide_what_the_first_has(
    site: Callable[..., Site], now: datetime
) -> None:
    """It is asked once, to learn its nature, and for what the first one lacks."""
    first = History(now - 3 * DAY, value=100)
    second = History(now - 99 * DAY, name="b", value=400)
    here = site(first, second)
    here.live(2 * HOUR)
    assert measured(here) == {"a": 71, "b": 71}
    assert all(piece.end <= first.since + HOUR for piece in second.asked[1:])


def test_a_fallbacks_history_of_another_nature_is_fetched_whole(
    site: Callable[..., Site], now: datetime
) -> None:
    other = Nature(Kind.AVERAGE, Scope.LIFECYCLE)
    here = site(
        History(now - 99 * DAY, value=100), History(now - 99 * DAY, name="b", nature=other, value=400)
    )
    here.live(10 * MINUTE)
    assert measured(here) == {"a": 144}
    assert measured(here, other) == {"b": 144}


def test_what_the_first_gives_later_counts_though_the_fallback_came_before(
    site: Callable[..., Site], now: datetime
) -> None:
    first = History(now - 99 * DAY, value=100, error=UnavailableError("away"))
    here = site(first, History(now - 99 * DAY, name="b", value=400))
    here.live(10 * MINUTE)
    assert set(measured(here)) == {"b"}
    first.error = None
    here.live(DAY)
    assert measured(here)["b"] <= 1


hours = st.lists(st.integers(0, 200), min_size=2, max_size=20, unique=True).map(sorted)


@given(edges=hours, longest=st.integers(1, 90))
def test_pieces_cover_what_is_missing_and_none_is_too_long(edges: list[int], longest: int) -> None:
    start = datetime.fromisoformat("2026-11-01T00:00Z")
    moments = [start + hour * HOUR for hour in edges]
    gaps = [Interval(left, right) for left, right in zip(moments[::2], moments[1::2], strict=False)]
    pieces = cut(gaps, longest * HOUR)
    assert all(timedelta() < piece.length <= longest * HOUR for piece in pieces)
    assert all(later.start >= earlier.end for later, earlier in pairwise(pieces))
    for gap in gaps:
        inside = [min(gap.end, it.end) - max(gap.start, it.start) for it in pieces]
        covered = sum((length for length in inside if length > timedelta()), timedelta())
        assert covered == gap.length or (gap.length < LEAST and covered < gap.length)
