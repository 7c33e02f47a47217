"""Scores: each source is held against what was measured in its own nature, by when it was published."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from carbonslurm.app.scoring import Job, scored
from carbonslurm.core.forecast import Band, Issue, Kind, Nature, Scope, Series
from carbonslurm.core.interval import Interval
from carbonslurm.errors import UsageError
from carbonslurm.ledger.writing import Ledger

START = datetime(2026, 11, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)
LIFECYCLE = Nature(Kind.AVERAGE, Scope.LIFECYCLE)
MARGINAL = Nature(Kind.MARGINAL, Scope.OPERATIONAL)
WEEK = Interval(START, START + timedelta(days=7))
JOB = Job(4, 24)


@pytest.fixture
def book(tmp_path: Path) -> Iterator[Ledger]:
    with Ledger.open(tmp_path / "ledger.db", cluster="green") as opened:
        yield opened


def truth(hours: int, first: int = 0) -> list[float]:
    """By day 200 g/kWh, from midnight to six 100."""
    return [100.0 if hour % 24 < 6 else 200.0 for hour in range(first, first + hours)]


def series(source: str, start: datetime, values: list[float], nature: Nature = LIFECYCLE) -> Series:
    edges = start.timestamp() + 3600.0 * np.arange(len(values) + 1)
    return Series("GB", source, nature, edges, np.array(values), np.zeros(len(values), dtype=bool))


def issue(source: str, hour: int, values: list[float], nature: Nature = LIFECYCLE, late: float = 0) -> Issue:
    at = START + hour * HOUR
    made = series(source, at, values, nature)
    return Issue(made, at + timedelta(minutes=late), at + timedelta(minutes=late))


def test_a_perfect_source_beside_one_that_knows_nothing(book: Ledger) -> None:
    book.keep_actual(series("grid", START, truth(240)), START)
    book.keep_issues([issue("good", hour, truth(48, hour)) for hour in range(0, 96, 6)])
    book.keep_issues([issue("flat", hour, [150.0] * 48) for hour in range(0, 96, 6)])
    flat, good = scored(book, "GB", WEEK, JOB)
    assert (flat.source, good.source) == ("flat", "good")
    assert (good.issues, good.overall.hours, good.overall.mae) == (16, 16 * 48, 0)
    assert good.realised is not None
    assert (good.realised.releases, good.realised.share) == (16, 1)
    assert flat.overall.mae == pytest.approx(50)
    assert flat.overall.bias == pytest.approx(150 - 175)
    assert flat.realised is not None
    assert flat.realised.share == 0  # it never waits
    assert [span for span, _ in flat.by_lead] == [(0, 24), (24, 48), (48, 72), (72, 96)]
    assert [part.hours for _, part in flat.by_lead] == [16 * 24, 16 * 24, 0, 0]


def test_one_source_and_one_week_can_be_asked_for(book: Ledger) -> None:
    book.keep_actual(series("grid", START, truth(240)), START)
    book.keep_issues([issue(name, hour, truth(48, hour)) for name in ("a", "b") for hour in (0, 24)])
    assert [each.source for each in scored(book, "GB", WEEK, JOB, "b")] == ["b"]
    (later,) = scored(book, "GB", Interval(START + HOUR, WEEK.end), JOB, "a")
    assert later.issues == 1
    assert scored(book, "GB", WEEK, JOB, "c") == []
    assert scored(book, "FR", WEEK, JOB) == []


def test_natures_are_not_held_against_each_other(book: Ledger) -> None:
    book.keep_actual(series("grid", START, truth(240)), START)
    book.keep_issues([issue("a", 0, truth(48)), issue("m", 0, [700.0] * 48, MARGINAL)])
    assert [each.source for each in scored(book, "GB", WEEK, JOB)] == ["a"]


def test_of_several_in_one_hour_the_last_counts(book: Ledger) -> None:
    book.keep_actual(series("grid", START, truth(240)), START)
    book.keep_issues([issue("a", 0, [500.0] * 48, late=5), issue("a", 0, truth(48), late=35)])
    (only,) = scored(book, "GB", WEEK, JOB)
    assert (only.issues, only.overall.mae) == (1, 0)


def test_the_band_counts(book: Ledger) -> None:
    book.keep_actual(series("grid", START, truth(240)), START)
    made = issue("a", 0, [150.0] * 24)
    band = Band(made.series.values - 10, made.series.values + 60)
    book.keep_issues([Issue(made.series, made.generated_at, made.fetched_at, band)])
    (only,) = scored(book, "GB", WEEK, JOB)
    assert only.overall.inside == pytest.approx(18 / 24)


def test_a_job_that_does_not_fit_is_refused(book: Ledger) -> None:
    book.keep_actual(series("grid", START, truth(240)), START)
    book.keep_issues([issue("a", 0, truth(48))])
    with pytest.raises(UsageError, match="a job of 30 h"):
        scored(book, "GB", WEEK, Job(30, 24))
