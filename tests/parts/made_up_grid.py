"""A site with a ledger full of a made-up grid: for docs/forecast.md, its tests, and to try the commands on.

    python tests/parts/made_up_grid.py FOLDER

makes it and prints the line that points the commands at it. GB has windy nights, DE sunny noons, FR is flat
and clean. Everything is a function of time, so that it is the same wherever and whenever it is made.
"""

import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np

from carbonslurm import wiring
from carbonslurm.config import load
from carbonslurm.core.forecast import Band, Floats, Issue, Kind, Nature, Scope, Series
from carbonslurm.core.rest import Asked, QuestionKey

DAYS = 60  # measured
HALF_HOUR = 1800.0
CONFIG = """
cluster: hpc
ledger: {folder}/ledger.sqlite
zone: GB
sources:
  - {{provider: neso, zone: GB}}
  - {{provider: energy-charts, zone: DE, country: de}}
  - {{provider: energy-charts, zone: FR, country: fr}}
"""
OPERATIONAL = Nature(Kind.AVERAGE, Scope.OPERATIONAL)
UNKNOWN = Nature(Kind.AVERAGE, Scope.UNKNOWN)
# Zone -> source, nature, level in g/kWh, cleanest hour of the day (UTC), share by which it is cleaner.
ZONES = {
    "GB": ("neso", OPERATIONAL, 180.0, 3.0, 0.3),
    "DE": ("energy-charts", UNKNOWN, 380.0, 12.0, 0.35),
    "FR": ("energy-charts", UNKNOWN, 40.0, 13.0, 0.1),
}
HOURS_AHEAD = {"neso": 48, "energy-charts": 34, "own": 96}


def made(folder: Path, now: datetime) -> Path:
    """Make the site in an empty folder; return its configuration."""
    file = folder / "carbonslurm.yaml"
    file.write_text(CONFIG.format(folder=folder))
    this, hour = now.timestamp() // HALF_HOUR * HALF_HOUR, now.timestamp() // 3600 * 3600
    with wiring.ledger(load(file)) as book:
        for zone, (source, *_) in ZONES.items():
            edges = this + HALF_HOUR * np.arange(-DAYS * 48, 1)
            book.keep_actual(_series(zone, source, edges, _truth(zone, edges[:-1])), now)
            ages = range(15 * 24, -1, -3)
            book.keep_issues([_issue(zone, each, hour, age) for age in ages for each in (source, "own")])
        book.keep_asked(dict(_asked(now)))
    return file


def _series(zone: str, source: str, edges: Floats, values: Floats, *, estimated: bool = False) -> Series:
    return Series(zone, source, ZONES[zone][1], edges, values, np.full(len(values), estimated))


def _truth(zone: str, starts: Floats) -> Floats:
    """Return g/kWh: a day, a week, and weather of a few days."""
    _, _, level, cleanest, depth = ZONES[zone]
    day = -np.cos(2 * np.pi * (starts / 3600 - cleanest) / 24) * depth
    week = np.where((starts / 86400 + 3) % 7 >= 5, -0.06, 0.0)  # 1970 began on a Thursday
    weather = 0.14 * np.sin(starts / 86400 * 1.9) + 0.08 * np.sin(starts / 86400 * 0.7)
    return np.maximum(level * (1 + day + week + weather), 1.0)


def _issue(zone: str, source: str, hour: float, age: int) -> Issue:
    """Return what a source said some hours before a full one; it errs more, the further ahead."""
    start = hour - 3600.0 * age
    edges = start + HALF_HOUR * np.arange(2 * HOURS_AHEAD[source] + 1)
    lead = np.arange(len(edges) - 1) / 48
    drift = {"neso": 0.05, "energy-charts": 0.06, "own": 0.08}[source]
    wrong = drift * np.sqrt(lead) * np.sin(start / 7000 + 2 * lead)
    series = _series(zone, source, edges, _truth(zone, edges[:-1]) * (1 + wrong), estimated=True)
    width = series.values * (0.02 + 0.06 * np.sqrt(lead))
    band = Band(series.values - width, series.values + width) if source == "own" else None
    at = datetime.fromtimestamp(start, tz=UTC)
    return Issue(series, at, at, band)


def _asked(now: datetime) -> list[tuple[QuestionKey, Asked]]:
    minutes = timedelta(minutes=1)
    ago, later = now - 12 * minutes, now + 18 * minutes
    measured = "measured average, operational"
    why = "/co2eq?country=fr: HTTP 429: asks to be left alone, it does not say when"
    return [
        (QuestionKey("neso", "GB", "fw48h"), Asked(ago, ago, ("forecast",), 0, later)),
        (QuestionKey("neso", "GB", "pt24h"), Asked(ago, ago, (measured,), 0, later)),
        (QuestionKey("energy-charts", "DE", "co2eq"), Asked(ago, ago, ("forecast",), 0, now + 3 * minutes)),
        (QuestionKey("energy-charts", "FR", "co2eq"), Asked(ago, now - 27 * minutes, (), 1, later, why)),
    ]


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("made_up_grid.py: name a folder that does not exist yet")
    target = Path(sys.argv[1]).absolute()
    target.mkdir(parents=True)
    sys.stdout.write(f"export CARBONSLURM_CONFIG={made(target, datetime.now(UTC))}\n")
