"""Fetching: the order of the sources, what is kept, and when a forecast can be planned by."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import numpy as np
import pytest

from carbonslurm.app.fetch import fetch_all, usable_forecasts
from carbonslurm.core.forecast import Issue, Kind, Nature, Scope, Series, Step
from carbonslurm.core.interval import Interval
from carbonslurm.errors import DataError, LedgerError, RefusedError, UnavailableError
from carbonslurm.ports import CarbonAnswer, Terms

DIRECT = Nature(Kind.AVERAGE, Scope.DIRECT)
LIFECYCLE = Nature(Kind.AVERAGE, Scope.LIFECYCLE)
HOUR = timedelta(hours=1)
MAX_AGE = 6 * HOUR


@dataclass
class MemoryArchive:
    """An archive that behaves, in memory."""

    issues: list[Issue] = field(default_factory=list)
    actuals: list[tuple[Series, datetime]] = field(default_factory=list)
    broken: bool = False

    def keep_issues(self, issues: Sequence[Issue]) -> None:
        if self.broken:
            raise LedgerError("the disk is full")
        self.issues += issues

    def keep_actual(self, series: Series, recorded_at: datetime) -> None:
        self.actuals.append((series, recorded_at))

    def newest_issues(self, zone: str, since: datetime) -> Sequence[Issue]:
        of_zone = [it for it in self.issues if it.series.zone == zone and it.fetched_at >= since]
        newest: dict[tuple[str, Nature], Issue] = {}
        for issue in sorted(of_zone, key=lambda issue: issue.published):
            newest[issue.series.source, issue.series.nature] = issue
        return list(newest.values())

    def actual(self, zone: str, nature: Nature, window: Interval) -> Series | None:
        raise NotImplementedError

    def intensity(self, zone: str, nature: Nature, window: Interval) -> Series | None:
        raise NotImplementedError

    def natures(self, zone: str, window: Interval) -> Sequence[Nature]:
        raise NotImplementedError


ANY_TIME = Terms(every=timedelta())


@dataclass
class Source:
    """A source that says what it was given, or fails as it was told."""

    name: str
    zone: str
    said: CarbonAnswer | Exception
    question: str = "all"
    terms: Terms = ANY_TIME

    def fetch(self, now: datetime) -> CarbonAnswer:  # noqa: ARG002  # it says the same at any time
        if isinstance(self.said, Exception):
            raise self.said
        return self.said


def series(zone: str, source: str, start: datetime, value: float, nature: Nature = DIRECT) -> Series:
    step = Step(Interval(start, start + 2 * HOUR), value)
    return Series.from_steps(zone, source, nature, [step])


def forecast(zone: str, source: str, now: datetime, value: float = 100) -> CarbonAnswer:
    return CarbonAnswer(forecast=Issue(series(zone, source, now, value), None, now))


def measured(zone: str, source: str, now: datetime, nature: Nature = DIRECT) -> CarbonAnswer:
    return CarbonAnswer(actual=series(zone, source, now - 2 * HOUR, 100, nature))


def test_the_first_that_answers_wins_for_its_zone(now: datetime) -> None:
    archive = MemoryArchive()
    sources = [
        Source("a", "GB", UnavailableError("down")),
        Source("b", "GB", forecast("GB", "b", now)),
        Source("c", "GB", forecast("GB", "c", now)),
        Source("c", "FR", forecast("FR", "c", now)),
    ]
    results = fetch_all(sources, archive, now)
    assert [(issue.series.zone, issue.series.source) for issue in archive.issues] == [
        ("GB", "b"),
        ("FR", "c"),
    ]
    assert [result.failure for result in results] == ["down", None, None, None]
    assert [result.forecast is not None for result in results] == [False, True, False, True]


def test_measured_values_are_taken_wherever_they_come_from(now: datetime) -> None:
    """But a fallback does not overwrite the values, of the same nature, of the source before it."""
    archive = MemoryArchive()
    sources = [
        Source("a", "GB", forecast("GB", "a", now)),
        Source("b", "GB", measured("GB", "b", now)),
        Source("c", "GB", measured("GB", "c", now)),
        Source("d", "GB", measured("GB", "d", now, LIFECYCLE)),
    ]
    fetch_all(sources, archive, now)
    assert [(kept.source, kept.nature) for kept, _ in archive.actuals] == [("b", DIRECT), ("d", LIFECYCLE)]
    assert {recorded_at for _, recorded_at in archive.actuals} == {now}


@pytest.mark.parametrize("error", [DataError("bad"), RefusedError("no"), UnavailableError("away")])
def test_a_failure_keeps_the_last_good_issue(
    now: datetime, error: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    archive = MemoryArchive()
    fetch_all([Source("a", "GB", forecast("GB", "a", now, 100))], archive, now)
    later = now + HOUR
    with caplog.at_level(logging.INFO, logger="carbonslurm.app.fetch"):
        (result,) = fetch_all([Source("a", "GB", error)], archive, later)
    assert caplog.messages == [f"a: GB: {error}"] == [str(result)]
    assert caplog.records[0].levelno == logging.WARNING
    state = usable_forecasts(archive, ["GB"], later, MAX_AGE)["GB"]
    assert (state.age, state.source, state.reason) == (HOUR, "a", None)
    assert state.series is not None
    assert state.series.at(later) == 100


def test_each_answer_is_one_line_of_the_log(now: datetime, caplog: pytest.LogCaptureFixture) -> None:
    log = logging.getLogger("site")
    both = CarbonAnswer(forecast("GB", "a", now).forecast, measured("GB", "a", now).actual)
    with caplog.at_level(logging.INFO, logger="site"):
        fetch_all([Source("a", "GB", both), Source("b", "GB", both)], MemoryArchive(), now, log)
    assert caplog.messages == [
        "a: GB: forecast to 2026-11-22T12:10:00Z, measured to 2026-11-22T10:10:00Z",
        "b: GB: nothing that an earlier source had not given",
    ]


def test_a_ledger_that_cannot_be_written_is_not_hidden(now: datetime) -> None:
    with pytest.raises(LedgerError):
        fetch_all([Source("a", "GB", forecast("GB", "a", now))], MemoryArchive(broken=True), now)


def test_a_bug_keeps_its_traceback(now: datetime) -> None:
    with pytest.raises(ZeroDivisionError):
        fetch_all([Source("a", "GB", ZeroDivisionError())], MemoryArchive(), now)


def reason(issue: Issue | None, now: datetime, max_age: timedelta = MAX_AGE) -> str | None:
    archive = MemoryArchive([] if issue is None else [issue])
    state = usable_forecasts(archive, ["GB"], now, max_age)["GB"]
    assert (state.series is None) == (state.reason is not None)
    return state.reason


def test_a_forecast_is_usable_up_to_its_age_limit(now: datetime) -> None:
    long = Series.from_steps("GB", "a", DIRECT, [Step(Interval(now, now + 48 * HOUR), 1)])
    issue = Issue(long, generated_at=None, fetched_at=now)
    assert reason(issue, now + MAX_AGE) is None
    assert "stale" in str(reason(issue, now + MAX_AGE + timedelta(seconds=1)))
    older = Issue(long, generated_at=now - MAX_AGE, fetched_at=now)
    assert "stale" in str(reason(older, now + timedelta(seconds=1)))


def test_a_forecast_must_cover_now(now: datetime) -> None:
    issue = Issue(series("GB", "a", now, 1), None, now)
    assert "does not cover now" in str(reason(issue, now + 2 * HOUR))
    gap = Series(
        "GB", "a", DIRECT, np.array([0, 1, 2]) + now.timestamp(), np.array([np.nan, 1]), np.array([False] * 2)
    )
    assert "does not cover now" in str(reason(Issue(gap, None, now), now))


def test_a_forecast_from_the_future_means_a_wrong_clock(now: datetime) -> None:
    early = Issue(series("GB", "a", now - HOUR, 1), now + timedelta(minutes=4), now)
    assert reason(early, now) is None
    wrong = Issue(series("GB", "a", now - HOUR, 1), now + timedelta(minutes=6), now)
    assert "from the future" in str(reason(wrong, now))


def test_no_forecast_yet(now: datetime) -> None:
    assert reason(None, now) == "no forecast yet"
