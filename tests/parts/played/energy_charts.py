"""Energy-Charts as the conformance suite plays it: arrays of Unix seconds, measured values and forecast."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from carbonslurm.carbon import checks
from carbonslurm.carbon.energy_charts import NATURE, EnergyChartsOptions, answer, offer
from carbonslurm.carbon.energy_charts_reading import read, read_mix
from carbonslurm.core.forecast import Series
from carbonslurm.core.interval import Interval
from carbonslurm.ports import CarbonSource, HistorySource
from played.shape import FULL_HOUR, HISTORY, NOW, Lie, Played, Point, Reading, Role

STEP = timedelta(minutes=15)
Arrays = dict[str, Any]


def seconds(moment: object) -> object:
    return int(moment.timestamp()) if isinstance(moment, datetime) else moment


def arrays(measured: Sequence[Point], ahead: Sequence[Point]) -> Arrays:
    """Both, each with null where the other is."""
    return {
        "unix_seconds": [seconds(point.start) for point in (*measured, *ahead)],
        "co2eq": [*(point.value for point in measured), *(None for _ in ahead)],
        "co2eq_forecast": [*(None for _ in measured), *(point.value for point in ahead)],
        "deprecated": False,
    }


def said(content: Arrays) -> bytes:
    return json.dumps(content).encode()


def past(points: Sequence[Point]) -> Arrays:
    """Measured values as they come: with eight steps of forecast behind them."""
    starts = [point.start for point in points if isinstance(point.start, datetime)]
    first = max(starts, default=FULL_HOUR - STEP) + STEP
    return arrays(points, [Point(first + n * STEP, None, 150) for n in range(8)])


def make(url: str, read_timeout: timedelta) -> CarbonSource:
    (source,) = offer(EnergyChartsOptions("DE", "de", url, read_timeout)).sources
    return source


def _history(url: str, read_timeout: timedelta) -> HistorySource:
    made = offer(EnergyChartsOptions("DE", "de", url, read_timeout)).history
    assert made is not None
    return made


def _forecast(body: bytes) -> Series | None:
    issue = answer("DE", read(body), NOW).forecast
    return None if issue is None else issue.series


def _yesterday(points: Sequence[Point]) -> bytes:
    """What a cache heard a day ago, with a forecast that still covers now."""
    day = timedelta(days=1)
    older = [replace(point, start=FULL_HOUR - day + n * STEP) for n, point in enumerate(points)]
    newer = [Point(FULL_HOUR - day + n * STEP, None, 90) for n in range(len(older), len(older) + 4 * 40)]
    return said(arrays(older, newer))


BAD_TIMES: Sequence[tuple[object, str]] = (
    ("2026-11-22T10:15Z", "Expected `int"),
    (None, "Expected `int"),
    (True, "Expected `int"),
    (1_795_342_500.5, "Expected `int"),
    (1_795_342_500_000, "not a time of this age"),
    (10**18, "not a time of this age"),
    (10**30, ""),
    (0, "not a time of this age"),
    (-1, "not a time of this age"),
)
ENDS = "steps have starts only, and their length is that of the distances"


def _shorter(change: Callable[[Arrays], object], points: Sequence[Point]) -> bytes:
    content = arrays([], points)
    change(content)
    return said(content)


FORECAST = Played(
    name="energy-charts forecast",
    role=Role.FORECAST,
    make=make,
    body=lambda points: said(arrays([], points)),
    read=_forecast,
    step=STEP,
    bad_times=BAD_TIMES,
    shapes=(
        (b"{}", "missing required field"),
        (b'{"unix_seconds": null, "co2eq": [], "co2eq_forecast": []}', "Expected `array`"),
        (b'{"unix_seconds": [], "co2eq": []}', "missing required field"),
        (b'{"detail": "unknown country"}', "missing required field"),
    ),
    lies=(
        Lie(
            "a time too few",
            lambda points: _shorter(lambda it: it["unix_seconds"].pop(), points),
            "8 values for 7 times",
        ),
        Lie(
            "a forecast too few",
            lambda points: _shorter(lambda it: it["co2eq_forecast"].pop(), points),
            "7 values for 8 times",
        ),
        Lie("yesterday's answer", _yesterday, "an old answer: measured to"),
        Lie(
            "a forecast that begins long after the measured values",
            lambda points: said(
                arrays(
                    [Point(FULL_HOUR - 9 * STEP, None, 100)],
                    [replace(point, start=FULL_HOUR + (4 + n) * STEP) for n, point in enumerate(points)],
                )
            ),
            "not an answer to that",
        ),
        Lie(
            "uneven times",
            lambda points: said(
                arrays([], [*points, Point(FULL_HOUR + 8 * STEP + timedelta(minutes=1), None, 1)])
            ),
            "uneven times",
        ),
    ),
    exempt={"ends": ENDS, "null": "a null is where the other array has the value; a gap has its own test"},
)
WINDOW = Interval(FULL_HOUR - HISTORY, FULL_HOUR)
MEASURED = replace(
    FORECAST,
    name="energy-charts measured",
    role=Role.MEASURED,
    body=lambda points: said(past(points)),
    read=lambda body: answer("DE", read(body), NOW).actual,
    lies=(
        Lie(
            "a value too many",
            lambda points: said({**past(points), "co2eq": [1] * (len(points) + 9)}),
            "17 values for 16 times",
        ),
        Lie("yesterday's answer", _yesterday, "an old answer: measured to"),
    ),
    exempt={"ends": ENDS},
)
PLAYED = (
    FORECAST,
    MEASURED,
    replace(
        MEASURED,
        name="energy-charts history",
        role=Role.HISTORY,
        make=_history,
        read=lambda body: checks.history("DE", "energy-charts", NATURE, read(body).measured, WINDOW, NOW),
        lies=MEASURED.lies[:1],
    ),
)

# --- the mix

MIX: Mapping[str, Any] = {
    "unix_seconds": [seconds(FULL_HOUR - n * STEP) for n in (3, 2, 1)],
    "production_types": [
        {"name": "Hydro pumped storage consumption", "data": [-500, -400, None]},
        {"name": "Cross border electricity trading", "data": [-1000, 2000, None]},
        {"name": "Nuclear", "data": [None, None, None]},
        {"name": "Fossil hard coal", "data": [3000, 2500, 2400.5]},
        {"name": "Fossil brown coal / lignite", "data": [3000, 2500, 2400.5]},
        {"name": "Wind onshore", "data": [8000, 8000, 8000.1]},
        {"name": "Load", "data": [15000, 15000, None]},
        {"name": "Renewable share of load", "data": [50, 50, None]},
    ],
    "deprecated": False,
}
READINGS = (Reading("energy-charts mix", json.dumps(MIX).encode(), lambda body: read_mix(body, "DE", NOW)),)
