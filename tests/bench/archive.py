"""What the archive of forecasts costs: bin/bench archive. On a SQLite file in a temporary folder.

Each figure is wall time beside the CPU time of this process: on a busy machine the second is the truer one.
"""

import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np

from carbonslurm.app.asking import Asking, paces
from carbonslurm.app.fetch import Chain
from carbonslurm.app.forecasting import LEARN, RECENT, Forecasting
from carbonslurm.app.forecasts import usable_forecasts
from carbonslurm.core.choice import OWN, ForecastRules, OwnForecast, order_of
from carbonslurm.core.forecast import Band, Issue, Kind, Nature, Scope, Series
from carbonslurm.core.interval import Interval
from carbonslurm.ledger.writing import Ledger
from carbonslurm.ports import CarbonAnswer, Offer, Terms

ZONES = 350
OURS = 20  # zones for which we forecast; each is by itself
HOURS = 96  # of a forecast
ISSUES = 24 * 30  # of one zone
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
NATURE = Nature(Kind.AVERAGE, Scope.LIFECYCLE)
TERMS = Terms(every=HOUR)
Figures = dict[str, tuple[float, float]]


def hourly(zone: str, source: str, start: datetime, hours: int) -> Series:
    """Make hours that go up and down with the day, and wander a little."""
    numbers = int(start.timestamp() // 3600) + np.arange(hours + 1)
    wander = np.random.default_rng(hash(zone) % 1000).normal(0, 10, hours)
    values = 300 + 100 * np.cos(numbers[:-1] % 24 / 24 * 2 * np.pi) + wander
    return Series(zone, source, NATURE, numbers * 3600.0, np.round(values, 1), np.zeros(hours, dtype=bool))


def issue(zone: str, made: datetime) -> Issue:
    """Make an issue of 96 hours with a band."""
    series = hourly(zone, "provider", made, HOURS)
    return Issue(series, made, made, Band(series.values * 0.9, series.values * 1.1))


class Source:
    """A source that answers at once: a forecast and the last day."""

    name, question, terms = "provider", "all", TERMS

    def __init__(self, zone: str) -> None:
        self.zone = zone

    def fetch(self, now: datetime) -> CarbonAnswer:
        """Answer."""
        return CarbonAnswer(issue(self.zone, now), hourly(self.zone, "provider", now - DAY, 24))


def timed(figures: Figures, name: str, work: Callable[[], object]) -> None:
    """Do some work once, and note how long it took."""
    wall, processor = time.perf_counter(), time.process_time()
    work()
    figures[name] = time.perf_counter() - wall, time.process_time() - processor
    print(f"{name:<58} {figures[name][0]:8.3f} s   CPU {figures[name][1]:8.3f} s", flush=True)


def write(figures: Figures, ledger: Ledger, zones: list[str]) -> None:
    """Measure writing."""
    made = [issue(zone, NOW - HOUR) for zone in zones]
    timed(figures, f"{ZONES} issues, a transaction each", lambda: [ledger.keep_issue(each) for each in made])
    made = [issue(zone, NOW) for zone in zones]
    timed(figures, f"{ZONES} issues, one transaction", lambda: ledger.keep_issues(made))
    timed(figures, f"{ZONES} issues that are there already", lambda: ledger.keep_issues(made))
    year = hourly("zone 0", "provider", NOW - LEARN, LEARN // HOUR)
    timed(figures, "a year of measured hours, new", lambda: ledger.keep_actual(year, NOW))
    timed(figures, "a year of measured hours, known", lambda: ledger.keep_actual(year, NOW))
    for zone in zones[1:]:
        ledger.keep_actual(hourly(zone, "provider", NOW - RECENT, RECENT // HOUR), NOW)
    month = [issue("zone 0", NOW - number * HOUR) for number in range(1, ISSUES)]
    ledger.keep_issues(month)


def read(figures: Figures, ledger: Ledger) -> None:
    """Measure reading, of a zone with a month of hourly issues and a year of measured hours."""
    window, month = Interval(NOW - LEARN, NOW), Interval(NOW - 31 * DAY, NOW)
    rules = ForecastRules(order={"zone 0": ("provider", OWN)})
    timed(
        figures,
        "the forecast that counts, of one zone",
        lambda: usable_forecasts(ledger, ["zone 0"], NOW, rules),
    )
    timed(figures, "a year of measured hours", lambda: ledger.actual("zone 0", NATURE, window))
    timed(figures, f"{ISSUES} issues of a zone", lambda: ledger.issues("zone 0", month))
    timed(figures, "who said what of a zone", lambda: ledger.sources("zone 0"))


def rounds(figures: Figures, ledger: Ledger, zones: list[str]) -> None:
    """Measure what the daemon does for all zones."""
    sources = [Source(zone) for zone in zones]
    at = NOW + HOUR
    pace = paces([Offer([source]) for source in sources], HOUR)
    chain = Chain(sources, ledger, Asking(ledger, pace, lambda: at, lambda: 0.0), 12 * HOUR)
    timed(figures, f"a round that asks {ZONES} zones", chain.run)
    timed(figures, f"a round in which {ZONES} zones rest", chain.run)
    order = {zone: order_of(["provider"], OwnForecast.ALWAYS) for zone in zones[1 : OURS + 1]}
    ours = Forecasting(ledger, ForecastRules(order=order), OwnForecast.ALWAYS, lambda: at)
    timed(figures, f"our own forecasts of {OURS} zones, models trained", ours.run)
    at = NOW + 2 * HOUR
    timed(figures, f"our own forecasts of {OURS} zones, an hour later", ours.run)


def main() -> None:
    """Measure."""
    zones, figures = [f"zone {number}" for number in range(ZONES)], Figures()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "ledger.db"
        with Ledger.open(path) as ledger:
            empty = path.stat().st_size
            ledger.keep_issues([issue(zone, NOW - number * HOUR) for zone in zones for number in range(2, 6)])
        size = (path.stat().st_size - empty) / (4 * ZONES)
        with Ledger.open(path) as ledger:
            write(figures, ledger, zones)
            read(figures, ledger)
            rounds(figures, ledger, zones)
    print(f"{'one issue of 96 hours with a band':<58} {size:8.0f} bytes")


if __name__ == "__main__":
    main()
