"""Forecasts from what a daemon really had seen: polls of a live API with old values, gaps and revisions.

Every three hours on the clock, whether or not anything was read lately, from the values read by then, each as
it was then. Scored against the values as they stood in the end. The age is how long before the forecast the
newest value's hour ended.
"""

from collections.abc import Iterator, Mapping
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np

from carbonslurm.core.forecaster import Model, Outlook, forecast, train
from carbonslurm.core.hourly import Hourly, start_of
from carbonslurm.core.score import score
from carbonslurm.errors import DataError
from forecast_parts import data

EVERY = 3
DAY = 24
AGES = ((0, 4), (4, 12), (12, 10_000))  # hours


def measure(folder: Path, retrain: int) -> dict[str, Any]:
    """Score each zone."""
    files = sorted((folder / "carbon/live-poll").glob("*.csv.gz"))
    return {path.name.split("-20")[0]: _zone(data.polls(path), retrain) for path in files}


def _zone(polls: list[tuple[datetime, int, float]], retrain: int) -> dict[str, Any]:
    final = data.grid({hour: value for _, hour, value in polls})
    made, refused = [], 0
    for outlook in _outlooks(polls, final, retrain * DAY):
        if outlook is None:
            refused += 1
        else:
            made.append(outlook)
    ages = np.array([outlook.hours.first - outlook.origin for outlook in made])
    grades = {f"{low}-{high} h" if high < 10_000 else f"over {low} h": (low, high) for low, high in AGES}
    return {
        "forecasts": len(made),
        "none": refused,
        "age": {
            "median": float(np.median(ages)),
            "p95": float(np.quantile(ages, 0.95)),
            "most": int(ages.max()),
        },
        "all": _scored(made, final, 96),
        "by age": {
            name: _scored(
                [item for item, age in zip(made, ages, strict=True) if low <= age < high], final, DAY
            )
            for name, (low, high) in grades.items()
        },
    }


def _outlooks(
    polls: list[tuple[datetime, int, float]], final: Hourly, retrain: int
) -> Iterator[Outlook | None]:
    seen: dict[int, float] = {}
    model: Model | None = None
    read = 0
    for hour in range(final.first + 1, final.after, EVERY):
        now = start_of(hour)
        while read < len(polls) and polls[read][0] <= now:
            seen[polls[read][1]] = polls[read][2]
            read += 1
        try:
            history = data.grid(seen) if seen else Hourly(hour, np.empty(0))
            if model is None or hour >= model.trained_until + retrain or _young(history):
                model = train(history)
            yield forecast(model, history, now)
        except DataError:
            yield None


def _young(history: Hourly) -> bool:
    """Say whether it is so short that each day more tells much: then it is trained at each forecast."""
    return len(history.values) < 14 * DAY


def _scored(outlooks: list[Outlook], final: Hourly, hours: int) -> dict[str, Any]:
    if not outlooks:
        return {"hours": 0}
    truth, said, low, high = (
        np.stack(column)[:, :hours]
        for column in zip(
            *(
                (
                    final.between(item.hours.first, item.hours.after),
                    item.hours.values,
                    item.band.low,
                    item.band.high,
                )
                for item in outlooks
            ),
            strict=True,
        )
    )
    width = float(((high - low).mean() / said.mean()) * 100)
    return {**asdict(score(truth, said, (low, high))), "width": width}


def table(found: Mapping[str, Any]) -> list[str]:
    """Show them."""
    lines = ["Live polls, a forecast every 3 h from what had been read by then"]
    for zone, item in found.items():
        age, whole = item["age"], item["all"]
        lines.append(
            f"{zone:<12} {item['forecasts']} forecasts, {item['none']} times too little was known;"
            f" age {age['median']:.0f} h median, {age['p95']:.0f} p95, {age['most']} most;"
            f" 96 h: MAPE {whole['mape']:.1f} %, wMAPE {whole['wmape']:.1f} %,"
            f" in the band {whole['inside'] * 100:.0f} %"
        )
        lines += [f"  {name:<10} {_graded(part)}" for name, part in item["by age"].items() if part["hours"]]
    return lines


def _graded(part: dict[str, Any]) -> str:
    return (
        f"first 24 h: MAPE {part['mape']:5.1f} %, in the band {part['inside'] * 100:3.0f} %,"
        f" band as wide as {part['width']:3.0f} % of the forecast"
    )
