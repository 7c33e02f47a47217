"""core/patterns.py: means by hour, weekday and month, on the clocks of a zone."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from carbonslurm.core.forecast import Kind, Nature, Scope, Series, Step
from carbonslurm.core.interval import Interval
from carbonslurm.core.patterns import patterns

MONDAY = datetime(2026, 11, 23, tzinfo=UTC)
HOUR = timedelta(hours=1)
NATURE = Nature(Kind.AVERAGE, Scope.LIFECYCLE)


def hourly(start: datetime, levels: list[float]) -> Series:
    steps = [
        Step(Interval(start + place * HOUR, start + (place + 1) * HOUR), level)
        for place, level in enumerate(levels)
    ]
    return Series.from_steps("GB", "toy", NATURE, steps)


def test_by_hand_over_two_days() -> None:
    series = hourly(MONDAY, [float(hour) for hour in range(24)] + [100.0 + hour for hour in range(24)])
    found = patterns(series, Interval(MONDAY, MONDAY + timedelta(days=7)), UTC)
    assert found is not None
    assert found.known == timedelta(hours=48)
    assert found.by_hour[5] == pytest.approx(55)
    assert found.by_weekday_and_hour[0, 5] == 5
    assert found.by_weekday_and_hour[1, 5] == 105
    assert np.isnan(found.by_weekday_and_hour[2:]).all()
    assert found.by_month[10] == pytest.approx(found.mean) == pytest.approx(61.5)
    assert np.isnan(np.delete(found.by_month, 10)).all()
    assert found.hours_by_month[10] == 48
    assert found.best_hours(3) == (0, 1, 2)
    assert found.best_months(3) == (11,)


def test_hours_are_those_of_the_zone_s_clocks() -> None:
    """Chatham is 13:45 ahead of UTC in November."""
    series = hourly(MONDAY, [100.0] * 10 + [0.0] + [100.0] * 13)
    found = patterns(series, Interval(MONDAY, MONDAY + HOUR * 24), ZoneInfo("Pacific/Chatham"))
    assert found is not None
    assert found.by_hour[23] == pytest.approx(75)  # 10:00 UTC is 23:45 there: a quarter of an hour
    assert found.by_weekday_and_hour[1, 0] == pytest.approx(25)


def test_both_hours_that_a_clock_shows_twice_count() -> None:
    night = datetime(2026, 10, 25, tzinfo=UTC)  # 02:00 CEST and 02:00 CET
    found = patterns(
        hourly(night, [10.0, 20.0]), Interval(night, night + 2 * HOUR), ZoneInfo("Europe/Berlin")
    )
    assert found is not None
    assert found.by_hour[2] == pytest.approx(15)
    assert np.isnan(np.delete(found.by_hour, 2)).all()


def test_what_is_not_known_counts_nowhere() -> None:
    series = Series.from_steps(
        "GB",
        "toy",
        NATURE,
        [
            Step(Interval(MONDAY, MONDAY + HOUR), 100.0),
            Step(Interval(MONDAY + 2 * HOUR, MONDAY + 3 * HOUR), 200.0),
        ],
    )
    found = patterns(series, Interval(MONDAY, MONDAY + timedelta(days=1)), UTC)
    assert found is not None
    assert (found.mean, found.known) == (150, 2 * HOUR)
    assert np.isnan(found.by_hour[1])
    later = Interval(MONDAY + timedelta(days=1), MONDAY + timedelta(days=2))
    assert patterns(series, later, UTC) is None
