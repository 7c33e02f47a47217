"""A run's figures as MLflow's tracking server takes them: its REST API 2.0, as questions and readings, pure.

Unknown figures are left out: MLflow has no null. Names have a slash, by which its pages put them together.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from carbonslurm.core.interval import to_epoch
from carbonslurm.errors import DataError

API = "/api/2.0/mlflow"
EXPERIMENT = "carbonslurm"
RUN_TAG = "carbonslurm.run"  # which of Slurm's runs an MLflow run is about, so that none is written twice
PREFIX = "carbon/"
# What of carbon-sacct's objects are numbers worth a curve, and what are words worth a search.
METRICS = ("energy_kwh", "emitted_g", "baseline_g", "saved_g", "saved_percent", "g_per_kwh", "lost_s", "gpus")
TAGS = (
    *("cluster", "job_id", "user", "account", "partition", "zone", "state", "submit", "start", "end"),
    *("energy_method", "energy_quality", "kind", "scope", "source", "estimated", "withheld", "stopped"),
)


def run_name(run: Mapping[str, Any]) -> str:
    """Return what tells one of Slurm's runs from all others.

    Args:
        run: as carbon-sacct --json has it.
    """
    return f"{run['cluster']}/{run['job_id']}/{run['submit']}"


def metrics_of(values: Mapping[str, Any]) -> dict[str, float]:
    """Return the known figures of a run, or of totals, by MLflow's names."""
    return {f"{PREFIX}{name}": float(value) for name in METRICS if (value := values.get(name)) is not None}


def tags_of(run: Mapping[str, Any]) -> dict[str, str]:
    """Return the known facts of a run by MLflow's names."""
    known = {name: run[name] for name in TAGS if run.get(name) is not None}
    return {f"carbonslurm.{name}": _word(value) for name, value in known.items()}


def batch(run_id: str, metrics: Mapping[str, float], tags: Mapping[str, str], at: datetime) -> dict[str, Any]:
    """Return the question that writes figures to a run; asked twice it changes nothing.

    Args:
        run_id: MLflow's.
        metrics: by name.
        tags: by name.
        at: of the figures, so that writing them again is not another point of the curve.
    """
    moment = to_epoch(at) * 1000
    return {
        "run_id": run_id,
        "metrics": [
            {"key": name, "value": value, "timestamp": moment, "step": 0} for name, value in metrics.items()
        ],
        "tags": _pairs(tags),
    }


def new_run(experiment: str, name: str, title: str, begins: datetime) -> dict[str, Any]:
    """Return the question that makes a run about one of Slurm's."""
    return {
        "experiment_id": experiment,
        "run_name": title,
        "start_time": to_epoch(begins) * 1000,
        "tags": _pairs({RUN_TAG: name}),
    }


def search(experiment: str, name: str) -> dict[str, Any]:
    """Return the question whether there is a run about one of Slurm's."""
    quoted = name.replace("'", "")  # a cluster's name has none; what could end the text goes
    return {
        "experiment_ids": [experiment],
        "filter": f"tags.`{RUN_TAG}` = '{quoted}'",
        "max_results": 1,
    }


def ended(run_id: str, state: str, at: datetime) -> dict[str, Any]:
    """Return the question that ends a run as Slurm's ended."""
    return {
        "run_id": run_id,
        "status": "FINISHED" if state == "COMPLETED" else "FAILED",
        "end_time": to_epoch(at) * 1000,
    }


def read_id(answer: Any, *path: str) -> str:
    """Return the id at a path of an answer.

    Raises:
        DataError: there is none.
    """
    found = answer
    for name in path:
        found = found.get(name) if isinstance(found, dict) else None
    if not isinstance(found, str) or not found:
        raise DataError(f"MLflow: expected {'.'.join(path)} in its answer")
    return found


def read_first_run(answer: Any) -> str | None:
    """Return the id of the first run that was found, None where there is none.

    Raises:
        DataError: the answer is not one.
    """
    runs = answer.get("runs", []) if isinstance(answer, dict) else None
    if not isinstance(runs, list):
        raise DataError("MLflow: expected runs in its answer")
    return read_id(runs[0], "info", "run_id") if runs else None


def _word(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _pairs(tags: Mapping[str, str]) -> Sequence[Mapping[str, str]]:
    return [{"key": name, "value": value} for name, value in tags.items()]
