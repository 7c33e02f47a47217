"""Reads the folder of histories and forecasts: carbon/SET/ZONE-*.csv.gz, forecasts/SET/ZONE-*.csv.gz."""

import csv
import gzip
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import numpy as np

from carbonslurm.core.forecast import Floats
from carbonslurm.core.hourly import Hourly, hour_of

COLUMN = "gCO2eq_per_kWh"
AHEAD = 96


def rows(path: Path) -> Iterator[dict[str, str]]:
    """Yield the rows of a gzipped CSV."""
    with gzip.open(path, "rt", encoding="utf-8", newline="") as stream:
        yield from csv.DictReader(stream)


def moment(text: str) -> datetime:
    """Read a time, Z or not at its end."""
    return datetime.fromisoformat(text)


def zones(folder: Path) -> list[str]:
    """Return the zones of which a folder has files, in order."""
    return sorted({path.name.rsplit("-20", 1)[0] for path in folder.glob("*-20*.csv.gz")})


def history(folder: Path, zone: str) -> Hourly:
    """Join a zone's years."""
    found = {
        hour_of(moment(row["timestamp"])): float(row[COLUMN])
        for path in sorted(folder.glob(f"{zone}-20*.csv.gz"))
        for row in rows(path)
        if row[COLUMN]
    }
    return grid(found)


def grid(found: dict[int, float]) -> Hourly:
    """Lay values out by hour."""
    first = min(found)
    values = np.full(max(found) - first + 1, np.nan)
    values[np.array(list(found)) - first] = list(found.values())
    return Hourly(first, values)


def shipped(path: Path) -> dict[int, Floats]:
    """Return shape (96,) for each hour of issue."""
    found: dict[int, Floats] = {}
    for row in rows(path):
        issue = found.setdefault(hour_of(moment(row["issue_time"])), np.full(AHEAD, np.nan))
        issue[int(row["lead_h"])] = float(row["forecast"])
    return found


def polls(path: Path) -> list[tuple[datetime, int, float]]:
    """Return when each value was read, of which hour it speaks, and the value; in order of reading."""
    found = [
        (moment(row["poll_time"]), hour_of(moment(row["value_time"])), float(row[COLUMN]))
        for row in rows(path)
        if row[COLUMN]
    ]
    return sorted(found)
