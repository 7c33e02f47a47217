"""What a forecast costs: training on two years and one forecast of 96 hours, on one core."""

import statistics
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from carbonslurm.core.forecaster import forecast, train
from carbonslurm.core.hourly import start_of
from forecast_parts import data

ROUNDS = 5
ZONES = 350


def measure(folder: Path) -> dict[str, float]:
    """Measure one zone: medians of wall and CPU seconds."""
    zone = data.zones(folder / "carbon/carboncast")[0]
    history = data.history(folder / "carbon/carboncast", zone)
    columns: dict[str, list[float]] = {"train": [], "train_cpu": [], "forecast": [], "forecast_cpu": []}
    for _ in range(ROUNDS):
        marks = [(time.perf_counter(), time.process_time())]
        model = train(history)
        marks.append((time.perf_counter(), time.process_time()))
        forecast(model, history, start_of(history.after))
        marks.append((time.perf_counter(), time.process_time()))
        for name, before, after in zip(("train", "forecast"), marks, marks[1:], strict=False):
            columns[name].append(after[0] - before[0])
            columns[f"{name}_cpu"].append(after[1] - before[1])
    return {
        "hours": len(history.values),
        **{name: statistics.median(column) for name, column in columns.items()},
    }


def table(found: Mapping[str, Any]) -> list[str]:
    """Show it, and what follows for many zones."""
    once, each = found["train_cpu"], found["forecast_cpu"]
    return [
        f"Cost on one core, {found['hours']} hours of history, medians of {ROUNDS}",
        f"train      {found['train']:.3f} s ({once:.3f} s of CPU)",
        f"forecast   {found['forecast'] * 1000:.1f} ms ({each * 1000:.1f} ms of CPU)",
        f"{ZONES} zones  {ZONES * (once + each):.0f} s of CPU for all, {ZONES * each:.1f} s without training",
    ]
