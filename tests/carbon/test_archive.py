"""Fetching from files into a real ledger: one issue an hour, and the hours of every run known."""

import os
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from carbonslurm import carbon
from carbonslurm.app.fetch import fetch_all
from carbonslurm.app.forecasts import usable_forecasts
from carbonslurm.core.choice import ForecastRules
from carbonslurm.core.forecast import Kind, Nature, Scope, Series
from carbonslurm.core.interval import Interval
from carbonslurm.ledger.writing import Ledger

NATURE = Nature(Kind.AVERAGE, Scope.UNKNOWN)
HOUR = timedelta(hours=1)


def _known(ledger: Ledger, window: Interval) -> Series | None:
    (known,) = ledger.intensities("site", window)
    assert known.nature == NATURE
    return known.within(window)


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    with Ledger.open(tmp_path / "ledger.db") as opened:
        yield opened


def test_a_constant_is_an_estimate_from_a_day_ago_on(ledger: Ledger, tmp_path: Path, now: datetime) -> None:
    (tmp_path / "a.yaml").write_text("constant: 350\n")
    sources = carbon.offer("file", {"zone": "site", "path": str(tmp_path / "a.yaml")}).sources
    fetch_all(sources, ledger, now)
    state = usable_forecasts(ledger, ["site"], now + HOUR, ForecastRules(max_age=6 * HOUR))["site"]
    assert state.series is not None
    assert state.reason is None
    known = _known(ledger, Interval(now - 20 * HOUR, now))
    assert known is not None
    assert known.mean(Interval(now - 20 * HOUR, now)) == 350
    assert bool(known.estimated.all())


def test_a_series_is_measured_behind_now_and_stored_once_an_hour(
    ledger: Ledger, tmp_path: Path, now: datetime
) -> None:
    first = now.replace(minute=0) - 24 * HOUR
    rows = [f"{(first + number * HOUR).isoformat()},{number}" for number in range(72)]
    (tmp_path / "a.csv").write_text("\n".join(["timestamp,g_per_kwh", *rows]))
    os.utime(tmp_path / "a.csv", (first.timestamp(), first.timestamp()))
    sources = carbon.offer("file", {"zone": "site", "path": str(tmp_path / "a.csv")}).sources
    published = set()
    for minutes in (0, 10, 49, 50, 60):
        fetch_all(sources, ledger, now + timedelta(minutes=minutes))
        issue = ledger.newest_issue("site")
        assert issue is not None
        published.add(issue.published)
    assert published == {now.replace(minute=0), now.replace(minute=0) + HOUR}
    known = _known(ledger, Interval(first, now + 24 * HOUR))
    assert known is not None
    steps = {step.interval.start: step for step in known.steps()}
    assert [steps[first + number * HOUR].g_per_kwh for number in range(48)] == list(range(48))
    assert [steps[first + number * HOUR].estimated for number in (0, 23, 24, 25, 26)] == [False] * 3 + [
        True
    ] * 2
