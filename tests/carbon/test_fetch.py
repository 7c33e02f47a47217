"""The chain: who is asked, what is kept, who rests for how long; on simulated sources and a real ledger."""

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from itertools import cycle
from pathlib import Path
from typing import Any

import pytest

from carbonslurm.app.asking import Asking, Over, on_and_on, paces
from carbonslurm.app.fetch import GIVE_UP, Chain, FetchResult, fetch_all
from carbonslurm.core.forecast import Issue, Kind, Nature, Scope, Series, Step
from carbonslurm.core.interval import Interval
from carbonslurm.core.rest import Asked, QuestionKey
from carbonslurm.errors import DataError, LedgerError, RefusedError, TryLaterError, UnavailableError
from carbonslurm.ledger.writing import Ledger
from carbonslurm.ports import CarbonAnswer, Offer, Terms

DIRECT = Nature(Kind.AVERAGE, Scope.DIRECT)
LIFECYCLE = Nature(Kind.AVERAGE, Scope.LIFECYCLE)
SECOND, MINUTE, HOUR = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1)
MAX_AGE = 6 * HOUR
HOURLY = Terms(every=HOUR)
Says = Callable[[datetime], CarbonAnswer] | Exception


@dataclass
class Source:
    """A source that says what it was given, or fails as it was told; it counts who asks."""

    name: str
    zone: str
    says: Says
    question: str = "all"
    terms: Terms = HOURLY
    asked: list[datetime] = field(default_factory=list)

    def fetch(self, now: datetime) -> CarbonAnswer:
        self.asked.append(now)
        if isinstance(self.says, Exception):
            raise self.says
        return self.says(now)


def series(zone: str, source: str, window: Interval, nature: Nature = DIRECT, value: float = 100) -> Series:
    return Series.from_steps(zone, source, nature, [Step(window, value)])


def forecasts(name: str, zone: str = "GB", hours: float = 48, nature: Nature = DIRECT, **more: Any) -> Source:
    """A source of forecasts."""

    def says(now: datetime) -> CarbonAnswer:
        window = Interval(now, now + hours * HOUR)
        return CarbonAnswer(forecast=Issue(series(zone, name, window, nature), None, now))

    return Source(name, zone, says, **{"question": "forecast"} | more)


def measures(name: str, zone: str = "GB", nature: Nature = DIRECT, value: float = 100, **more: Any) -> Source:
    """A source of measured values."""

    def says(now: datetime) -> CarbonAnswer:
        return CarbonAnswer(actual=series(zone, name, Interval(now - 2 * HOUR, now), nature, value))

    return Source(name, zone, says, **{"question": "measured"} | more)


@dataclass
class Site:
    """A daemon's chain over a real ledger, at a time of its own."""

    now: datetime
    ledger: Any
    sources: list[Source]
    interval: timedelta = MINUTE
    chance: float = 0.0
    asking: Asking = field(init=False)

    def __post_init__(self) -> None:
        self.restart()

    def restart(self) -> None:
        offers = [Offer([source]) for source in self.sources]
        pace = paces(offers, self.interval)
        self.asking = Asking(self.ledger, pace, lambda: self.now, lambda: self.chance)

    def round(self, over: Over = on_and_on) -> tuple[FetchResult, ...]:
        return Chain(self.sources, self.ledger, self.asking, MAX_AGE, 2 * MINUTE).run(over)

    def live(self, length: timedelta, step: timedelta = MINUTE) -> None:
        end = self.now + length
        while self.now < end:
            self.round()
            self.now += step

    def memory(self, source: Source) -> Asked:
        return dict(self.ledger.asked())[QuestionKey(source.name, source.zone, source.question)]


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    with Ledger.open(tmp_path / "ledger.db") as opened:
        yield opened


@pytest.fixture
def site(ledger: Ledger, now: datetime) -> Callable[..., Site]:
    return lambda *sources, **more: Site(now, ledger, list(sources), **more)


def kept(ledger: Ledger, zone: str, now: datetime) -> list[str]:
    """Whose forecasts are in the archive."""
    return [issue.series.source for issue in ledger.issues(zone, Interval(now - 99 * HOUR, now + HOUR))]


def times(source: Source) -> int:
    return len(source.asked)


# --- who is asked


def test_a_later_source_is_not_asked_for_what_an_earlier_one_gives(site: Callable[..., Site]) -> None:
    """But once, to learn what it gives."""
    free, paid = forecasts("free"), forecasts("paid")
    here = site(free, paid)
    here.live(20 * HOUR, 10 * MINUTE)
    assert (times(free), times(paid)) == (20, 1)


def test_a_fallback_is_asked_as_soon_as_the_forecast_before_it_is_too_old(site: Callable[..., Site]) -> None:
    free, paid = forecasts("free"), forecasts("paid")
    here = site(free, paid)
    here.live(HOUR)
    free.says = UnavailableError("away")
    failed_at = here.now
    here.live(8 * HOUR)
    assert times(paid) > 2
    # Its last answer was an hour old when it failed: there is no gap, and no call too early.
    assert free.asked[0] + MAX_AGE - 3 * MINUTE <= paid.asked[1] <= failed_at + MAX_AGE
    newest = max(here.ledger.newest_issues("GB", here.now - HOUR), key=lambda issue: issue.published)
    assert newest.series.source == "paid"


def test_a_source_that_rests_does_not_keep_the_next_from_being_asked(site: Callable[..., Site]) -> None:
    refuses, gives = Source("a", "GB", RefusedError("no entitlement")), forecasts("b")
    here = site(refuses, gives)
    here.live(10 * MINUTE)
    assert (times(refuses), times(gives)) == (1, 1)
    assert kept(here.ledger, "GB", here.now) == ["b"]


def test_when_the_first_is_back_the_fallback_is_left_alone_again(site: Callable[..., Site]) -> None:
    free, paid = forecasts("free"), forecasts("paid")
    free.says, good = UnavailableError("away"), free.says
    here = site(free, paid)
    here.live(3 * HOUR)
    asked = times(paid)
    assert asked == 3
    free.says = good
    here.live(5 * HOUR)
    assert times(paid) <= asked + 1


def test_a_forecast_that_reaches_too_short_wants_a_fallback(site: Callable[..., Site]) -> None:
    short, far = forecasts("short", hours=3), forecasts("far")
    here = site(short, far)
    here.live(4 * HOUR)
    assert times(far) == 4


def test_measured_values_of_another_nature_are_asked_for_all_the_same(site: Callable[..., Site]) -> None:
    first, same, other = measures("a"), measures("b"), measures("c", nature=LIFECYCLE)
    here = site(first, same, other)
    here.live(5 * HOUR)
    assert (times(first), times(same), times(other)) == (5, 1, 5)
    found = {(it.source, it.nature) for it in here.ledger.sources("GB")}
    assert found == {("a", DIRECT), ("c", LIFECYCLE)}


def test_measured_values_of_a_fallback_do_not_hide_those_of_the_first(
    site: Callable[..., Site], now: datetime
) -> None:
    here = site(measures("a", value=100), measures("b", value=999))
    here.round()
    assert here.ledger.actual("GB", DIRECT, Interval(now - HOUR, now)).values.tolist() == [100]


def test_measured_values_come_from_the_next_while_the_first_is_away(site: Callable[..., Site]) -> None:
    first, second = measures("a"), measures("b")
    here = site(first, second)
    here.live(HOUR)
    first.says = UnavailableError("away")
    here.live(6 * HOUR)
    assert times(second) >= 4
    assert {it.source for it in here.ledger.sources("GB")} == {"a", "b"}


def test_zones_do_not_stand_in_for_each_other(site: Callable[..., Site]) -> None:
    sources = [forecasts("a", "GB"), forecasts("a", "FR"), forecasts("b", "FR")]
    here = site(*sources)
    here.live(3 * HOUR, 30 * MINUTE)
    assert [times(source) for source in sources] == [3, 3, 1]


def test_of_two_files_for_one_zone_the_second_stands_in(site: Callable[..., Site]) -> None:
    """They have one provider's name and one question: they are told apart all the same."""
    first, second = forecasts("file", terms=Terms(timedelta())), forecasts("file", terms=Terms(timedelta()))
    here = site(first, second)
    here.live(10 * MINUTE)
    first.says = UnavailableError("no such file")
    here.live(MAX_AGE + 10 * MINUTE)
    assert times(first) > 300
    assert 1 < times(second) < 20
    assert {key.question for key in here.ledger.asked()} == {"forecast", "forecast 2"}


def test_what_a_source_gives_is_learned_anew_each_day(site: Callable[..., Site]) -> None:
    free, paid = forecasts("free"), forecasts("paid")
    site(free, paid).live(72 * HOUR + 30 * MINUTE, 30 * MINUTE)
    assert times(paid) == 3


# --- how long they rest


def test_failures_are_retried_ever_later_and_the_count_begins_anew(site: Callable[..., Site]) -> None:
    source = Source("a", "GB", UnavailableError("away"))
    here = site(source)
    start = here.now
    here.live(4 * HOUR)
    minutes = [(at - start) / MINUTE for at in source.asked]
    assert minutes == [0, 1, 3, 7, 15, 31, 63, 123, 183]
    assert here.memory(source).failures == 9
    assert here.memory(source).reason == "away"
    source.says = forecasts("a").says
    here.live(HOUR)
    assert here.memory(source).failures == 0
    assert here.memory(source).reason is None


def test_chance_brings_a_retry_forward_by_half_at_most(site: Callable[..., Site]) -> None:
    source = Source("a", "GB", UnavailableError("away"))
    here = site(source, chance=1.0)
    here.live(4 * HOUR)
    gaps = [
        (later - earlier) / MINUTE for earlier, later in zip(source.asked, source.asked[1:], strict=False)
    ]
    assert gaps[-3:] == [30, 30, 30]


def test_a_provider_that_says_until_when_is_left_alone_by_all_zones(site: Callable[..., Site]) -> None:
    busy = [Source("a", zone, TryLaterError("429", 42 * MINUTE)) for zone in ("GB", "FR")]
    other = forecasts("b", "GB")
    here = site(*busy, other)
    here.live(42 * MINUTE)
    assert [times(source) for source in busy] == [1, 0]
    assert times(other) == 1
    here.live(2 * MINUTE)
    assert [times(source) for source in busy] == [1, 1]


def test_a_refusal_is_tried_again_after_an_hour_and_then_ever_later(site: Callable[..., Site]) -> None:
    source = Source("a", "GB", RefusedError("401: the key is wrong"))
    here = site(source)
    here.live(72 * HOUR, 10 * MINUTE)
    assert [(at - source.asked[0]) / HOUR for at in source.asked] == [0, 1, 3, 7, 15, 31, 55]


def test_the_zones_of_a_provider_do_not_come_back_together_and_never_too_early(
    site: Callable[..., Site],
) -> None:
    """After a Retry-After of two hours; chance says for each how much later."""
    busy = [Source("a", f"zone {number}", TryLaterError("429", 2 * HOUR)) for number in range(5)]
    here = site(*busy)
    numbers = cycle((0.0, 0.9, 0.3, 0.6, 0.1))
    here.asking.chance = lambda: next(numbers)
    told_at = here.now
    here.round()
    until = [here.memory(source).left_until for source in busy]
    assert all(each is not None and each >= told_at + 2 * HOUR for each in until)
    assert len(set(until)) == 5


def test_a_provider_that_is_away_costs_a_round_a_few_questions_only(site: Callable[..., Site]) -> None:
    """Each could run into a timeout of a minute."""
    away = [Source("a", f"zone {number}", UnavailableError("away")) for number in range(20)]
    here = site(*away, forecasts("b", "zone 19"))
    results = here.round()
    assert sum(times(source) for source in away) == GIVE_UP
    assert results[-1].forecast is not None
    assert "3 questions to a failed: the others wait" in str(results[-2])
    here.live(30 * MINUTE)
    assert all(times(source) for source in away)


def test_answers_in_between_do_not_hide_that_a_provider_is_slow(site: Callable[..., Site]) -> None:
    """Its forecasts time out after 20 s, its measured values come: a round is short all the same."""
    sources: list[Source] = []
    here = site()

    def times_out(_: datetime) -> CarbonAnswer:
        here.now += 20 * SECOND
        raise UnavailableError("no answer in time")

    for number in range(30):
        zone = f"zone {number}"
        sources += [measures("a", zone), Source("a", zone, times_out, "forecast")]
    here.sources = sources
    here.restart()
    begun = here.now
    here.round()
    assert here.now - begun <= GIVE_UP * 20 * SECOND
    here.live(timedelta(minutes=20))
    assert all(times(source) for source in sources)


def test_a_round_ends_when_it_has_taken_long_enough_and_the_next_goes_on(site: Callable[..., Site]) -> None:
    """30 providers, each of which needs 10 s for its answer."""
    here = site()
    good = forecasts("a").says
    assert callable(good)

    def slowly(now: datetime) -> CarbonAnswer:
        here.now += 10 * SECOND
        return good(now)

    here.sources = [Source(f"provider {number}", f"zone {number}", slowly) for number in range(30)]
    here.restart()
    begun = here.now
    results = here.round(lambda: "over" if here.now - begun >= MINUTE else None)
    assert here.now - begun == MINUTE
    assert [result.unasked for result in results] == [None] * 6 + ["over"] * 24
    here.round()
    assert [times(source) for source in here.sources] == [1] * 30


def test_calls_are_dealt_out_to_all_zones(site: Callable[..., Site]) -> None:
    """12 calls an hour for 30 zones: each is asked every two and a half hours, none is left out."""
    terms = Terms(every=5 * MINUTE, calls=12)
    sources = [forecasts("a", f"zone {number}", terms=terms) for number in range(30)]
    here = site(*sources)
    here.live(10 * HOUR)
    assert {times(source) for source in sources} == {4}
    made = sorted(at for source in sources for at in source.asked)
    assert all(later - first > HOUR for first, later in zip(made, made[12:], strict=False))


def test_a_restarted_daemon_remembers(site: Callable[..., Site]) -> None:
    refused, fine = Source("a", "GB", RefusedError("401")), forecasts("b")
    here = site(refused, fine)
    here.round()
    here.restart()
    here.now += 5 * MINUTE
    results = here.round()
    assert (times(refused), times(fine)) == (1, 1)
    assert "left alone until 2026-11-22T11:10:00Z: 401" in str(results[0])


def test_what_another_process_asked_counts(site: Callable[..., Site], now: datetime) -> None:
    source = forecasts("a", terms=Terms(every=5 * MINUTE, calls=1))
    here = site(source)
    here.ledger.keep_asked({QuestionKey("a", "FR", "history"): Asked(asked_at=now, calls=(now,))})
    (result,) = here.round()
    assert "they are used up" in str(result)
    assert times(source) == 0


def test_two_who_ask_beside_each_other_erase_no_retry_after(site: Callable[..., Site], now: datetime) -> None:
    """A command began before the provider told the daemon to wait; it asks on, and then answers."""
    first, second = Source("a", "GB", TryLaterError("429", 6 * HOUR)), measures("a", "FR")
    daemon, command = site(first, second), site(first, second)
    in_flight, late = measures("a", "FR"), QuestionKey("a", "FR", "measured")
    command.asking.begin()
    said = command.asking.ask(late, in_flight.fetch)
    daemon.round()
    command.asking.note(said, ("measured average, direct",))
    daemon.now += 10 * MINUTE
    daemon.round()
    assert (times(first), times(second)) == (1, 0)
    memory = daemon.memory(second)
    assert memory.left_until == now + 6 * HOUR
    assert memory.gave == ("measured average, direct",)


def test_a_command_hears_before_each_question_what_the_daemon_was_told(site: Callable[..., Site]) -> None:
    first, second = measures("b", "GB"), forecasts("a", "FR")
    daemon, command = site(Source("a", "GB", TryLaterError("429", 6 * HOUR)), second), site(first, second)
    command.asking.beside = True
    good = first.says
    assert callable(good)

    def meanwhile(now: datetime) -> CarbonAnswer:
        daemon.round()
        return good(now)

    first.says = meanwhile
    assert "left alone until" in str(command.round()[1].unasked)
    assert times(second) == 0


def test_calls_of_two_who_ask_beside_each_other_all_count(site: Callable[..., Site], now: datetime) -> None:
    source = measures("a", terms=Terms(every=MINUTE, calls=5))
    daemon, command = site(source), site(source)
    key = QuestionKey("a", "GB", "measured")
    said = [each.asking.ask(key, source.fetch) for each in (daemon, command)]
    command.asking.known[key] = replace(command.asking.known[key], calls=(now + SECOND,))
    for each, what in zip((daemon, command), said, strict=True):
        each.asking.note(what)
    assert daemon.memory(source).calls == (now, now + SECOND)


# --- what is kept, and said


@pytest.mark.parametrize("error", [DataError("bad"), RefusedError("no"), UnavailableError("away")])
def test_a_failure_keeps_the_last_good_issue(
    site: Callable[..., Site], error: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    source = forecasts("a")
    here = site(source)
    here.live(HOUR)
    source.says = error
    with caplog.at_level(logging.INFO, logger="carbonslurm.app.fetch"):
        (result,) = here.round()
    assert caplog.messages == [f"a: GB: {error}"] == [str(result)]
    assert caplog.records[0].levelno == logging.WARNING
    assert kept(here.ledger, "GB", here.now) == ["a"]


def test_each_answer_is_one_line_of_the_log_and_who_was_not_asked_none(
    ledger: Ledger, now: datetime, caplog: pytest.LogCaptureFixture
) -> None:
    log = logging.getLogger("site")
    issue, values = forecasts("a").says, measures("a").says
    assert callable(issue)
    assert callable(values)
    both = CarbonAnswer(issue(now).forecast, values(now).actual)
    with caplog.at_level(logging.INFO, logger="site"):
        fetch_all([Source("a", "GB", lambda _: both)], ledger, now, log)
    assert caplog.messages == ["a: GB: forecast to 2026-11-24T10:10:00Z, measured to 2026-11-22T10:10:00Z"]


def test_an_answer_that_the_archive_does_not_take_is_a_failure_of_its_source_alone(
    site: Callable[..., Site], now: datetime
) -> None:
    window = Interval(now, now + 48 * HOUR)
    empty = CarbonAnswer(forecast=Issue(series("GB", "a", window, value=float("nan")), None, now))
    bad, good = Source("a", "GB", lambda _: empty), forecasts("b")
    here = site(bad, good)
    first, second = here.round()
    assert "an issue without a value" in str(first.failure)
    assert here.memory(bad).failures == 1
    assert second.forecast is not None


@dataclass
class Broken:
    """A ledger whose table of questions, or whose archive, cannot be written."""

    ledger: Ledger
    memory: bool = False
    archive: bool = False
    bug: str = ""  # the zone whose forecasts it cannot cope with

    def asked(self) -> Mapping[QuestionKey, Asked]:
        return {}

    def keep_asked(self, news: Mapping[QuestionKey, Asked]) -> None:
        if self.memory:
            raise LedgerError("the disk is full")
        self.ledger.keep_asked(news)

    def keep_issues(self, issues: Sequence[Issue]) -> None:
        if self.archive:
            raise LedgerError("the disk is full")
        if any(issue.series.zone == self.bug for issue in issues):
            raise ZeroDivisionError
        self.ledger.keep_issues(issues)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.ledger, name)


def test_without_a_memory_in_the_ledger_fetching_goes_on(
    site: Callable[..., Site], ledger: Ledger, now: datetime
) -> None:
    source = forecasts("a")
    here = Site(now, Broken(ledger, memory=True), [source])
    here.live(3 * HOUR)
    assert times(source) == 3
    assert len(kept(ledger, "GB", here.now)) == 3


def test_an_archive_that_cannot_be_written_is_not_hidden_and_the_answer_is_asked_for_again(
    ledger: Ledger, now: datetime
) -> None:
    source, broken = forecasts("a"), Broken(ledger, archive=True)
    here = Site(now, broken, [source])
    with pytest.raises(LedgerError):
        here.round()
    here.round()
    assert times(source) == 1
    broken.archive = False
    here.now += MINUTE
    (result,) = here.round()
    assert result.forecast is not None
    assert times(source) == 2


def test_a_bug_costs_its_own_question_and_leaves_its_traceback(
    site: Callable[..., Site], caplog: pytest.LogCaptureFixture
) -> None:
    bad, good = Source("a", "GB", ZeroDivisionError()), forecasts("b", "FR")
    here = site(bad, good)
    first, second = here.round()
    assert "a bug of ours in reading it (ZeroDivisionError)" in str(first.failure)
    assert second.forecast is not None
    assert any(record.exc_info for record in caplog.records)
    here.round()
    assert times(bad) == 1
    assert here.memory(bad).failures == 1
    here.now += MINUTE
    here.round()
    assert times(bad) == 2


def test_a_bug_in_keeping_an_answer_costs_its_own_question(site: Callable[..., Site], ledger: Ledger) -> None:
    bad, good = forecasts("a"), forecasts("b", "FR")
    here = Site(site().now, Broken(ledger, bug="GB"), [bad, good])
    first, second = here.round()
    assert "a bug of ours" in str(first.failure)
    assert second.forecast is not None
