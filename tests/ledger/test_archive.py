"""Issues and measured values: kept as published, and the picture they make."""

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import func, select

from carbonslurm.core.forecast import Band, Issue, Kind, Nature, Scope, Series
from carbonslurm.core.interval import Interval
from carbonslurm.errors import DataError
from carbonslurm.ledger.tables import INTENSITY, ISSUE, ISSUE_POINT
from carbonslurm.ledger.writing import Ledger
from carbonslurm.ports import ArchivedSource

Hours = Callable[[float], datetime]


def _count(ledger: Ledger, table: Any) -> int:
    with ledger._database.reading() as connection:  # noqa: SLF001  # rows are what this is about
        return int(connection.execute(select(func.count()).select_from(table)).scalar_one())


def _known(ledger: Ledger, nature: Nature, window: Interval) -> Series | None:
    """What is known of GB in one nature."""
    return next(
        (each.within(window) for each in ledger.intensities("gb", window) if each.nature == nature), None
    )


def _pieces(series: Series | None) -> list[tuple[float, float, float, bool]]:
    """Hours of the day, g/kWh, estimated."""
    assert series is not None
    start = datetime(2026, 11, 22, tzinfo=series.start.tzinfo)
    hour = timedelta(hours=1)
    return [
        (
            (step.interval.start - start) / hour,
            (step.interval.end - start) / hour,
            step.g_per_kwh,
            step.estimated,
        )
        for step in series.steps()
    ]


def test_measured_values_win_over_newer_forecasts(
    ledger: Ledger, make_series: Any, make_issue: Any, clock: Hours, nature: Nature
) -> None:
    ledger.keep_actual(make_series((0, 1, 100)), clock(1))
    ledger.keep_issue(make_issue(2, (0, 1, 999), (1, 2, 200)))
    series = _known(ledger, nature, Interval(clock(0), clock(2)))
    assert _pieces(series) == [(0, 1, 100, False), (1, 2, 200, True)]


def test_holes_are_filled_from_the_newest_issue_that_covers_them(
    ledger: Ledger, make_issue: Any, clock: Hours, nature: Nature
) -> None:
    ledger.keep_issue(make_issue(2, (1, 2, 210)))
    ledger.keep_issue(make_issue(1, (0, 1, 110), (1, 2, 120), (2, 3, 130)))
    series = _known(ledger, nature, Interval(clock(0), clock(3)))
    assert _pieces(series) == [(0, 1, 110, True), (1, 2, 210, True), (2, 3, 130, True)]


def test_steps_of_different_length_are_cut_at_every_edge(
    ledger: Ledger, make_series: Any, make_issue: Any, clock: Hours, nature: Nature
) -> None:
    ledger.keep_issue(make_issue(0, (0, 0.5, 10), (0.5, 1, 20), (1, 1.5, 30), (1.5, 2, 40)))
    ledger.keep_actual(make_series((0.5, 1.5, 100), source="meter"), clock(3))
    series = _known(ledger, nature, Interval(clock(0), clock(2)))
    assert _pieces(series) == [
        (0, 0.5, 10, True),
        (0.5, 1, 100, False),
        (1, 1.5, 100, False),
        (1.5, 2, 40, True),
    ]
    assert series is not None
    assert series.source == "meter, neso"


def test_what_nobody_knows_stays_unknown(
    ledger: Ledger, make_series: Any, clock: Hours, nature: Nature
) -> None:
    assert _known(ledger, nature, Interval(clock(0), clock(3))) is None
    ledger.keep_actual(make_series((0, 1, 100), (2, 3, 120)), clock(3))
    series = _known(ledger, nature, Interval(clock(0), clock(3)))
    assert series is not None
    assert series.has_gaps
    assert series.mean(Interval(clock(0), clock(3))) is None


def test_a_revision_is_added_and_the_old_value_stays(
    ledger: Ledger, make_series: Any, clock: Hours, nature: Nature
) -> None:
    for value in (100, 100, 110, 110, 100):
        ledger.keep_actual(make_series((0, 1, value)), clock(2))
    assert _count(ledger, INTENSITY) == 3
    assert _pieces(_known(ledger, nature, Interval(clock(0), clock(1)))) == [(0, 1, 100, False)]


def test_natures_and_zones_are_never_mixed(
    ledger: Ledger, make_series: Any, clock: Hours, nature: Nature
) -> None:
    marginal = Nature(Kind.MARGINAL, Scope.DIRECT)
    window = Interval(clock(0), clock(2))
    ledger.keep_actual(make_series((0, 1, 100)), clock(2))
    ledger.keep_actual(make_series((0, 2, 500), nature=marginal), clock(2))
    ledger.keep_actual(make_series((0, 2, 900), zone="fr"), clock(2))
    assert _pieces(_known(ledger, nature, window)) == [(0, 1, 100, False)]
    assert [known.nature for known in ledger.intensities("gb", window)] == [nature, marginal]
    assert ledger.intensities("gb", Interval(clock(5), clock(6))) == []


def test_an_issue_offered_twice_is_stored_once_and_read_back_whole(
    ledger: Ledger, make_issue: Any, clock: Hours
) -> None:
    issue = make_issue(1, (1, 2, 100), (3, 4, 110))
    for _ in range(3):
        ledger.keep_issue(issue)
    assert (_count(ledger, ISSUE), _count(ledger, ISSUE_POINT)) == (1, 2)
    read = ledger.newest_issue("gb")
    assert read is not None
    assert (read.generated_at, read.fetched_at) == (issue.generated_at, issue.fetched_at)
    assert _pieces(read.series) == _pieces(issue.series)
    assert ledger.newest_issue("fr") is None


def test_the_newest_issue_is_the_last_published_not_the_last_read(
    ledger: Ledger, make_issue: Any, clock: Hours
) -> None:
    ledger.keep_issue(make_issue(2, (2, 3, 100)))
    ledger.keep_issue(make_issue(1, (1, 2, 100)))
    newest = ledger.newest_issue("gb")
    assert newest is not None
    assert newest.published == clock(2)


def test_a_source_that_names_no_time_ages_from_the_last_time_it_said_so(
    ledger: Ledger, make_series: Any, clock: Hours
) -> None:
    for hour in (1, 5, 3):
        ledger.keep_issue(Issue(make_series((0, 24, 100)), None, clock(hour)))
    newest = ledger.newest_issue("gb")
    assert newest is not None
    assert newest.published == clock(5)
    assert _count(ledger, ISSUE) == 1


def test_an_issue_without_a_value_is_refused(ledger: Ledger, make_issue: Any) -> None:
    with pytest.raises(DataError, match="an issue without a value"):
        ledger.keep_issue(make_issue(1, (1, 2, float("nan"))))


def test_a_band_is_read_back_as_it_was_given(ledger: Ledger, make_issue: Any, clock: Hours) -> None:
    plain = make_issue(1, (1, 2, 100), (3, 4, 110))
    gap = float("nan")
    band = Band(np.array([90, gap, 95.0]), np.array([110, gap, 130.0]), share=0.9)
    ledger.keep_issues([replace(plain, band=band), replace(plain, band=band), plain])
    assert _count(ledger, ISSUE) == 2
    read, without = ledger.issues("gb", Interval(clock(0), clock(2)))
    assert read.band is not None
    assert read.band.share == 0.9
    np.testing.assert_array_equal(read.band.low, band.low)
    np.testing.assert_array_equal(read.band.high, band.high)
    assert without.band is None
    for issue in (read, without):
        np.testing.assert_array_equal(issue.series.edges, plain.series.edges)
        np.testing.assert_array_equal(issue.series.values, plain.series.values)
        np.testing.assert_array_equal(issue.series.estimated, plain.series.estimated)


def test_it_is_kept_up_to_when_a_forecast_knew_measured_values(
    ledger: Ledger, make_issue: Any, clock: Hours
) -> None:
    plain = make_issue(1, (1, 2, 100))
    ledger.keep_issues([replace(plain, measured_until=clock(0.5)), make_issue(2, (2, 3, 100))])
    read = ledger.issues("gb", Interval(clock(0), clock(3)))
    assert [issue.measured_until for issue in read] == [clock(0.5), None]


def test_of_several_issues_all_are_stored_or_none(ledger: Ledger, make_issue: Any) -> None:
    with pytest.raises(DataError):
        ledger.keep_issues([make_issue(1, (1, 2, 100)), make_issue(2, (1, 2, float("nan")))])
    assert _count(ledger, ISSUE) == 0


def test_the_newest_issue_of_each_source_and_nature(ledger: Ledger, make_issue: Any, clock: Hours) -> None:
    marginal = Nature(Kind.MARGINAL, Scope.DIRECT)
    ledger.keep_issues(
        [
            make_issue(3, (3, 4, 130)),
            make_issue(2, (2, 3, 120)),
            make_issue(1, (1, 2, 110), source="own"),
            make_issue(1, (1, 2, 500), nature=marginal),
            make_issue(0, (0, 1, 900), source="old"),
            make_issue(3, (3, 4, 700), zone="fr"),
        ]
    )
    found = {(it.series.source, it.series.nature.kind): it for it in ledger.newest_issues("gb", clock(0.5))}
    assert {key: it.published for key, it in found.items()} == {
        ("neso", Kind.AVERAGE): clock(3),
        ("own", Kind.AVERAGE): clock(1),
        ("neso", Kind.MARGINAL): clock(1),
    }
    assert _pieces(found["own", Kind.AVERAGE].series) == [(1, 2, 110, False)]


def test_issues_are_found_by_when_they_were_published(ledger: Ledger, make_issue: Any, clock: Hours) -> None:
    ledger.keep_issues([make_issue(hour, (hour, hour + 1, 100)) for hour in (3, 1, 2)])
    ledger.keep_issue(make_issue(2, (2, 3, 50), source="own"))

    def found(start: float, end: float, source: str | None = None) -> list[datetime]:
        window = Interval(clock(start), clock(end))
        return [issue.published for issue in ledger.issues("gb", window, source)]

    assert found(1, 3, "neso") == [clock(1), clock(2)]
    assert found(0, 9) == [clock(1), clock(2), clock(2), clock(3)]
    assert found(0, 9, "own") == [clock(2)]
    assert found(4, 9) == []


def test_a_thousand_issues_are_read_in_their_order(ledger: Ledger, make_issue: Any, clock: Hours) -> None:
    ledger.keep_issues(
        [make_issue(hour, (hour, hour + 1, hour), (hour + 2, hour + 3, 1)) for hour in range(1000)]
    )
    read = ledger.issues("gb", Interval(clock(0), clock(1000)))
    assert [issue.series.at(issue.published) for issue in read] == list(range(1000))
    assert all(issue.series.has_gaps for issue in read)


def test_actual_values_have_no_forecast_among_them(
    ledger: Ledger, make_series: Any, make_issue: Any, clock: Hours, nature: Nature
) -> None:
    window = Interval(clock(0), clock(4))
    ledger.keep_issue(make_issue(0, (0, 4, 999)))
    assert ledger.actual("gb", nature, window) is None
    ledger.keep_actual(make_series((0, 1, 100), (2, 3, 120)), clock(3))
    ledger.keep_actual(make_series((0, 1, 105)), clock(4))
    assert _pieces(ledger.actual("gb", nature, window)) == [(0, 1, 105, False), (2, 3, 120, False)]
    ledger.keep_actual(make_series((2, 3, 700), source="other"), clock(5))
    assert _pieces(ledger.actual("gb", nature, window, "neso")) == [(0, 1, 105, False), (2, 3, 120, False)]
    assert ledger.actual("gb", nature, window, "nobody") is None


def test_revisions_are_told_in_order(ledger: Ledger, make_series: Any, clock: Hours, nature: Nature) -> None:
    for hour, value in ((2, 100), (3, 110), (4, 110)):
        ledger.keep_actual(make_series((0, 1, value)), clock(hour))
    found = ledger.revisions("gb", nature, Interval(clock(0), clock(1)))
    assert [(each.source, each.step.g_per_kwh, each.recorded_at) for each in found] == [
        ("neso", 100, clock(2)),
        ("neso", 110, clock(3)),
    ]
    assert ledger.revisions("gb", nature, Interval(clock(1), clock(2))) == []


def test_what_is_not_measured_is_told(ledger: Ledger, make_series: Any, clock: Hours) -> None:
    def missing(source: str = "neso") -> list[tuple[datetime, datetime]]:
        return [(it.start, it.end) for it in ledger.unmeasured("gb", source, Interval(clock(0), clock(9)))]

    assert missing() == [(clock(0), clock(9))]
    ledger.keep_actual(make_series((-1, 1, 1), (2, 3, 1), (3, 4, 1), (8, 10, 1)), clock(9))
    ledger.keep_actual(make_series((2, 3, 2)), clock(9))
    assert missing() == [(clock(1), clock(2)), (clock(4), clock(8))]
    assert missing("other") == [(clock(0), clock(9))]


def test_who_said_what(
    ledger: Ledger, make_series: Any, make_issue: Any, clock: Hours, nature: Nature
) -> None:
    marginal = Nature(Kind.MARGINAL, Scope.DIRECT)
    ledger.keep_issues([make_issue(2, (2, 3, 120)), make_issue(1, (1, 2, 110))])
    ledger.keep_issue(make_issue(1, (1, 2, 110), source="own"))
    ledger.keep_actual(make_series((0, 1, 1), (2, 3, 1)), clock(9))
    ledger.keep_actual(make_series((0, 1, 1), nature=marginal), clock(9))
    assert ledger.sources("gb") == [
        ArchivedSource("neso", nature, 2, clock(2), Interval(clock(0), clock(3))),
        ArchivedSource("neso", marginal, 0, None, Interval(clock(0), clock(1))),
        ArchivedSource("own", nature, 1, clock(1), None),
    ]
    assert ledger.sources("fr") == []


offers = st.lists(st.tuples(st.sampled_from(["issue", "actual"]), st.integers(0, 3)), max_size=12)


@settings(max_examples=25, deadline=None)
@given(offers=offers)
def test_offers_in_any_order_and_number_make_the_same_archive(
    offers: Sequence[tuple[str, int]], make_series: Any, make_issue: Any, clock: Hours, nature: Nature
) -> None:
    def archive(order: Sequence[tuple[str, int]]) -> Any:
        with tempfile.TemporaryDirectory() as folder, Ledger.open(Path(folder) / "ledger.db") as ledger:
            for what, hour in order:
                if what == "issue":
                    ledger.keep_issue(
                        make_issue(hour, (hour, hour + 1, hour), (hour + 1, hour + 2, 50 + hour))
                    )
                else:
                    ledger.keep_actual(make_series((hour, hour + 0.5, 100 + hour)), clock(9))
            series = _known(ledger, nature, Interval(clock(0), clock(9)))
            counts = [_count(ledger, table) for table in (ISSUE, ISSUE_POINT, INTENSITY)]
            return counts, _pieces(series) if series else None

    assert archive(offers) == archive(sorted(set(offers)))


def test_an_issue_from_the_future_hides_none_that_can_be_used(
    ledger: Ledger, make_issue: Any, clock: Hours
) -> None:
    """A clock that was wrong for an hour would shut a source out until then."""
    ledger.keep_issues(
        [
            make_issue(1, (1, 9, 110)),
            make_issue(2, (2, 9, 120)),
            make_issue(999, (999, 1001, 900)),
            make_issue(998, (998, 999, 800), source="own"),
        ]
    )

    def found(until: float | None) -> dict[str, datetime]:
        newest = ledger.newest_issues("gb", clock(0), None if until is None else clock(until))
        return {issue.series.source: issue.published for issue in newest}

    assert found(2) == {"neso": clock(2), "own": clock(998)}
    assert found(1.5) == {"neso": clock(1), "own": clock(998)}
    assert found(None) == found(999) == {"neso": clock(999), "own": clock(998)}


def test_our_own_issues_fill_only_what_no_provider_forecast(
    ledger: Ledger, make_issue: Any, clock: Hours, nature: Nature
) -> None:
    """Ours may be the newest: it is made each hour, and knows less. Steps may be of different length."""
    ledger.keep_issue(make_issue(0, (0, 1, 150), (1, 3, 160)))
    ledger.keep_issue(make_issue(1, (0, 1, 60), (1, 2, 60), (2, 3, 60), (3, 4, 60), source="own"))
    series = _known(ledger, nature, Interval(clock(0), clock(4)))
    assert [(end, value) for _, end, value, _ in _pieces(series)] == [(1, 150), (2, 160), (3, 160), (4, 60)]
