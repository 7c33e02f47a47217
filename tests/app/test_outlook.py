"""Looking at zones: the ledger and the shelf answer alike, and natures never meet."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from carbonslurm.app.outlook import candidate, next_day_of, outlook, ranked
from carbonslurm.app.shelf import Shelf
from carbonslurm.core.choice import ForecastRules
from carbonslurm.core.forecast import Band, Issue, Kind, Nature, Scope, Series, Step
from carbonslurm.core.interval import Interval
from carbonslurm.ledger.writing import Ledger

NOW = datetime(2026, 11, 22, 10, 10, tzinfo=UTC)
FULL = NOW.replace(minute=0)
HOUR = timedelta(hours=1)
LIFECYCLE = Nature(Kind.AVERAGE, Scope.LIFECYCLE)
MARGINAL = Nature(Kind.MARGINAL, Scope.OPERATIONAL)
WINDOW = Interval(NOW - 24 * HOUR, NOW + 24 * HOUR)
RULES = ForecastRules(timedelta(hours=12))


@pytest.fixture(params=["shelf", "ledger"])
def archive(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Shelf | Ledger]:
    """Each of the archives that can be looked at, empty."""
    if request.param == "shelf":
        yield Shelf()
        return
    with Ledger.open(tmp_path / "ledger.db", cluster="green") as book:
        yield book


def hourly(
    start: datetime, *levels: float, zone: str = "GB", source: str = "a", nature: Nature = LIFECYCLE
) -> Series:
    steps = [
        Step(Interval(start + place * HOUR, start + (place + 1) * HOUR), level)
        for place, level in enumerate(levels)
    ]
    return Series.from_steps(zone, source, nature, steps)


def issued(series: Series, at: datetime = FULL, band: Band | None = None) -> Issue:
    return Issue(series, at, at, band)


def test_nothing_is_known(archive: Shelf | Ledger) -> None:
    look = outlook(archive, "GB", NOW, WINDOW, RULES)
    assert (look.nature, look.measured, look.issue, look.current) == (None, None, None, None)
    assert look.trouble == "no forecast yet"


def test_measured_and_expected_of_one_zone(archive: Shelf | Ledger) -> None:
    archive.keep_actual(hourly(FULL - 3 * HOUR, 100, 110, 130), NOW)
    series = hourly(FULL, 130, 140, 150)
    archive.keep_issues([issued(series, band=Band(series.values - 10, series.values + 20))])
    archive.keep_actual(hourly(FULL - HOUR, 999, zone="FR"), NOW)
    look = outlook(archive, "GB", NOW, WINDOW, RULES)
    assert look.measured is not None
    assert look.measured.values.tolist() == [100, 110, 130]
    assert look.issue is not None
    assert look.issue.band is not None
    assert look.issue.band.low.tolist() == [120, 130, 140]
    assert look.current is not None
    assert (look.current.step.g_per_kwh, look.current.expected) == (130, True)
    assert (look.trouble, look.others) == (None, ())


def test_a_forecast_goes_on_where_the_measurement_ended(archive: Shelf | Ledger) -> None:
    archive.keep_actual(hourly(FULL - HOUR, 100), NOW)
    archive.keep_issues([issued(hourly(FULL, *[140] * 24))])
    look = outlook(archive, "GB", NOW, WINDOW, RULES)
    assert look.issue is not None
    assert look.issue.series.values[0] == pytest.approx(100)
    assert look.issue.series.values[-1] == pytest.approx(140, abs=1)


def test_a_revision_counts_and_gaps_stay_unknown(archive: Shelf | Ledger) -> None:
    archive.keep_actual(hourly(FULL - 4 * HOUR, 100, 110), NOW - HOUR)
    archive.keep_actual(hourly(FULL - 3 * HOUR, 111), NOW)
    archive.keep_actual(hourly(FULL - HOUR, 120), NOW)
    look = outlook(archive, "GB", NOW, WINDOW, RULES)
    assert look.measured is not None
    assert [step.g_per_kwh for step in look.measured.steps()] == [100, 111, 120]
    assert look.measured.mean(Interval(FULL - 4 * HOUR, FULL)) is None


def test_natures_never_meet(archive: Shelf | Ledger) -> None:
    archive.keep_actual(hourly(FULL - 2 * HOUR, 700, 710, source="m", nature=MARGINAL), NOW)
    archive.keep_actual(hourly(FULL - HOUR, 100), NOW)
    archive.keep_issues([issued(hourly(FULL, 130, 140))])
    look = outlook(archive, "GB", NOW, WINDOW, RULES)
    assert look.nature == LIFECYCLE
    assert look.measured is not None
    assert look.measured.values.tolist() == [100]
    assert look.others == (MARGINAL,)


def test_without_a_forecast_the_nature_is_the_one_best_measured(archive: Shelf | Ledger) -> None:
    archive.keep_actual(hourly(FULL - 2 * HOUR, 700, 710, source="m", nature=MARGINAL), NOW)
    archive.keep_actual(hourly(FULL - HOUR, 100), NOW)
    look = outlook(archive, "GB", NOW, WINDOW, RULES)
    assert look.nature == MARGINAL
    assert look.current is not None
    assert (look.current.step.g_per_kwh, look.current.age) == (710, timedelta(minutes=10))


def test_a_value_of_long_ago_is_not_now(archive: Shelf | Ledger) -> None:
    archive.keep_actual(hourly(FULL - 6 * HOUR, 100, 110), NOW)
    look = outlook(archive, "GB", NOW, WINDOW, RULES)
    assert look.measured is not None
    assert look.current is None


def test_a_stale_forecast_is_shown_and_not_decided_by(archive: Shelf | Ledger) -> None:
    archive.keep_issues([issued(hourly(FULL - 13 * HOUR, *[100] * 48), FULL - 13 * HOUR)])
    look = outlook(archive, "GB", NOW, WINDOW, RULES)
    assert look.issue is not None
    assert look.trouble is not None
    assert "stale" in look.trouble
    found = candidate(look, HOUR)
    assert (found.best, found.trouble) == (None, look.trouble)
    assert next_day_of(look) is None


def test_the_order_decides_and_a_source_can_be_named(archive: Shelf | Ledger) -> None:
    archive.keep_issues([issued(hourly(FULL, *[100] * 24)), issued(hourly(FULL, *[200] * 24, source="b"))])
    for order, source, expected in ((["b", "a"], None, "b"), (["a", "b"], None, "a"), (["a"], "b", "b")):
        rules = ForecastRules(timedelta(hours=12), {"GB": order})
        look = outlook(archive, "GB", NOW, WINDOW, rules, source)
        assert look.issue is not None
        assert look.issue.series.source == expected
    assert outlook(archive, "GB", NOW, WINDOW, RULES, "c").issue is None


def test_zones_of_different_natures_are_not_ranked_together(archive: Shelf | Ledger) -> None:
    for zone, level, nature in (("GB", 200, LIFECYCLE), ("FR", 50, LIFECYCLE), ("US", 1, MARGINAL)):
        archive.keep_issues([issued(hourly(FULL, *[level] * 24, zone=zone, nature=nature))])
    looks = [outlook(archive, zone, NOW, WINDOW, RULES) for zone in ("GB", "XX", "FR", "US")]
    groups = ranked(candidate(look, HOUR) for look in looks)
    shown = {nature: [each.look.zone for each in group] for nature, group in groups.items()}
    assert shown == {LIFECYCLE: ["FR", "GB"], MARGINAL: ["US"], None: ["XX"]}


@pytest.mark.parametrize(
    ("hours", "before", "words"),
    [
        (30, None, "it covers no whole window"),
        (3, NOW + 2 * HOUR, "no window of this length ends before"),
    ],
)
def test_why_there_is_no_window(hours: int, before: datetime | None, words: str) -> None:
    shelf = Shelf()
    shelf.keep_issues([issued(hourly(FULL, *[100] * 24))])
    found = candidate(outlook(shelf, "GB", NOW, WINDOW, RULES), hours * HOUR, before)
    assert found.best is None
    assert found.trouble is not None
    assert words in found.trouble


def test_the_next_day_and_the_trend() -> None:
    shelf = Shelf()
    shelf.keep_issues([issued(hourly(FULL, *[100, 200, 200, 200, 200, 200, 200], *[300] * 30))])
    day = next_day_of(outlook(shelf, "GB", NOW, WINDOW, RULES))
    assert day is not None
    assert (day.least, day.most, day.covered) == (100, 300, timedelta(hours=24))
    minutes = np.array([50 * 100, 360 * 200, 1030 * 300])
    assert day.mean == pytest.approx(minutes.sum() / 1440)
    assert day.trend == "rising"


def test_a_short_forecast_says_how_much_of_the_day_it_covers() -> None:
    shelf = Shelf()
    shelf.keep_issues([issued(hourly(FULL, 100, 100))])
    day = next_day_of(outlook(shelf, "GB", NOW, WINDOW, RULES))
    assert day is not None
    assert (day.covered, day.trend) == (timedelta(hours=1, minutes=50), "steady")


def test_what_is_missing_of_a_window(archive: Shelf | Ledger) -> None:
    archive.keep_actual(hourly(FULL - 5 * HOUR, 100), NOW)
    archive.keep_actual(hourly(FULL - 2 * HOUR, 100), NOW)
    window = Interval(FULL - 6 * HOUR, FULL)
    spans = [(6, 5), (4, 2), (1, 0)]
    expected = [Interval(FULL - start * HOUR, FULL - end * HOUR) for start, end in spans]
    assert list(archive.unmeasured("GB", "a", window)) == expected
    assert list(archive.unmeasured("GB", "b", window)) == [window]
    assert list(archive.unmeasured("GB", "a", Interval(FULL - 2 * HOUR, FULL - HOUR))) == []


def test_of_overlapping_values_on_the_shelf_the_one_kept_first_counts() -> None:
    shelf = Shelf()
    shelf.keep_actual(hourly(FULL - 2 * HOUR, 100, 110), NOW)
    half = Step(Interval(FULL - HOUR, FULL - HOUR / 2), 5.0)
    shelf.keep_actual(Series.from_steps("GB", "a", LIFECYCLE, [half]), NOW)
    found = shelf.actual("GB", LIFECYCLE, WINDOW)
    assert found is not None
    assert found.values.tolist() == [100, 110]


def test_a_forecast_from_the_future_hides_none(archive: Shelf | Ledger) -> None:
    ahead = FULL + 400 * 24 * HOUR
    archive.keep_issues([issued(hourly(FULL, *[100] * 24)), issued(hourly(ahead, *[900] * 24), ahead)])
    look = outlook(archive, "GB", NOW, WINDOW, RULES)
    assert look.trouble is None
    assert look.issue is not None
    assert look.issue.published == FULL
