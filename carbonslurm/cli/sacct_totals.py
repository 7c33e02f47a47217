"""What carbon-sacct prints of many runs: totals, what they are like, and everything as JSON."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from carbonslurm.app.report import Totals, is_late, sums_of, total
from carbonslurm.cli.sacct_beside import beside_objects, running_lines, running_objects, so_far_object
from carbonslurm.cli.sacct_layout import Table
from carbonslurm.cli.sacct_output import View, intensity_of, number_text, percent_of
from carbonslurm.cli.sacct_steps import step_objects
from carbonslurm.core.equivalents import CAR_SOURCE, HOUSEHOLD_SOURCE, equivalents
from carbonslurm.core.footprint import Baseline, Beside
from carbonslurm.core.going import SoFar
from carbonslurm.core.interval import iso
from carbonslurm.core.job import RunKey
from carbonslurm.formats.terminal import grams_text, three_digits
from carbonslurm.ports import BesideSum, RunRow

Groups = Mapping[tuple[str, ...], Totals]

HEADINGS = {"qos": "QOS", "name": "JobName"}


def grouped(
    groups: Groups, names: Sequence[str], whole: Totals, *, bare: bool = False, prefix: str | None = None
) -> Table:
    """Return a line a group, and one for all of them.

    Args:
        groups: totals by the values of the names.
        names: by what they are grouped.
        whole: of all of them.
        bare: grams as numbers without a unit, for programs.
        prefix: of the unit, where not bare; None for units that fit.
    """
    header = [HEADINGS.get(name, name.capitalize()) for name in names]
    header += ["Runs", "Unknown", "Late", "Stops", "GPUHours", "EnergyKWh"]
    header += [f"{name}{'G' if bare else ''}" for name in ("Emitted", "Baseline", "Saved")] + ["SavedPct"]
    queued = bare or any(item.queued for item in groups.values())
    header += (["QueueSavedG" if bare else "QueueSaved", "QueueSavedPct"]) if queued else []
    everything = ("total", *("" for _ in names[1:]))
    cells = [
        [*key, *_cells(item, bare=bare, prefix=prefix), *(_queue(item, bare, prefix) if queued else [])]
        for key, item in [*groups.items(), (everything, whole)]
    ]
    texts = frozenset(range(len(names)))
    return Table(header, cells, frozenset(range(len(names), len(header))), texts=texts)


def _queue(item: Totals, bare: bool, prefix: str | None) -> list[str]:
    saved = item.queue_saved_g
    shown = number_text(saved, ".3f") if bare else grams_text(saved, prefix)
    return [shown, number_text(item.queue_saved_percent, ".1f")]


def _cells(item: Totals, *, bare: bool, prefix: str | None) -> list[str]:
    counts = [str(count) for count in (item.runs, item.unknown, item.late, item.stops)]
    known = item.runs > item.unknown
    grams = [value if known else None for value in (item.emitted_g, item.baseline_g, item.saved_g)]
    amounts = [number_text(value, ".3f") if bare else grams_text(value, prefix) for value in grams]
    energy = number_text(item.energy_kwh if known else None, ".4g")
    percent = number_text(item.saved_percent if known else None, ".1f")
    return [*counts, f"{item.gpu_hours:.2f}", energy, *amounts, percent]


# --- in words


def summary(rows: Sequence[RunRow], so_far: Mapping[RunKey, SoFar]) -> str:
    """Return what a reader must know of the figures: a line for each kind of intensity, and the sources."""
    parts = sums_of(rows)
    item = total(parts)
    lines = [
        _in_words(name, total(part for part in parts if str(part.nature) == name)) for name in item.natures
    ] or [_in_words("", item)]
    sources = sorted({row.figure.source for row in rows if row.figure and row.figure.source})
    lines[-1] += f" (source: {', '.join(sources)})" if sources else ""
    if 0 < item.unknown < item.runs:
        lines.append(
            f"{item.unknown} runs have no figure yet, or their intensity is unknown: they are in no sum"
        )
    return "\n".join([*lines, *running_lines(so_far)])


def _runs(count: int) -> str:
    return f"{count} run{'' if count == 1 else 's'}"


def _in_words(nature: str, item: Totals) -> str:
    if item.runs == item.unknown:
        return f"{_runs(item.runs)}, none with a figure yet"
    percent = "" if item.saved_percent is None else f" ({item.saved_percent:.1f} %)"
    kind = f" of {nature} CO2e" if nature else ""
    emitted, saved = grams_text(item.emitted_g), grams_text(item.saved_g)
    return f"{_runs(item.runs)}: {emitted}{kind} emitted, {saved} saved{percent} against starting at once"


def likened(item: Totals) -> list[str]:
    """Return what totals are like, each with the source of the comparison; nothing where none is known."""
    if not item.known:
        return []
    like = equivalents(item.emitted_g, item.energy_kwh)
    car, days = like.car_km, like.household_days
    lines = [] if car is None else [f"The emissions are those of {_count(car)} km by {CAR_SOURCE}"]
    return [*lines, f"The electricity is that of {_count(days)} days of {HOUSEHOLD_SOURCE}"]


def _count(number: float) -> str:
    return f"{number:,.0f}" if abs(number) >= 99.95 else three_digits(number)


# --- as an object


def as_json(
    whole: Totals,
    view: View,
    *,
    rows: Sequence[RunRow] | None = None,
    groups: Groups | None = None,
    names: Sequence[str] = (),
    beside: Sequence[BesideSum] = (),
) -> str:
    """Return totals, and runs or groups, as one object."""
    found: dict[str, Any] = {}
    if rows is not None:
        found["runs"] = [run_object(row, view) for row in rows]
    if groups is not None:
        found["by"] = list(names)
        found["groups"] = [
            dict(zip(names, key, strict=True)) | totals_object(item) for key, item in groups.items()
        ]
        found["beside"] = beside_objects(beside)
    found |= {"totals": totals_object(whole), "running": running_objects(view.so_far)}
    return json.dumps(found, indent=1)


def totals_object(item: Totals) -> dict[str, Any]:
    """Return totals as an object; durations in seconds, unknown is null."""
    like = equivalents(item.emitted_g, item.energy_kwh)
    return {
        "runs": item.runs,
        "unknown": item.unknown,
        "late": item.late,
        "stops": item.stops,
        "withheld": item.withheld,
        "mean_wait_s": item.mean_wait.total_seconds() if item.mean_wait is not None else None,
        "gpu_hours": item.gpu_hours,
        "energy_kwh": item.energy_kwh,
        "emitted_g": item.emitted_g,
        "baseline": Baseline.SIMPLE,
        "baseline_g": item.baseline_g,
        "saved_g": item.saved_g,
        "saved_percent": item.saved_percent,
        "queue": {
            "runs": item.queued,
            "emitted_g": item.queued_g if item.queued else None,
            "baseline_g": item.queue_g if item.queued else None,
            "saved_g": item.queue_saved_g,
            "saved_percent": item.queue_saved_percent,
        },
        "g_per_kwh": item.g_per_kwh,
        "natures": list(item.natures),
        "car_km": like.car_km,
        "household_days": like.household_days,
    }


def run_object(row: RunRow, view: View) -> dict[str, Any]:
    """Return a run as an object; times in UTC, unknown is null."""
    run, figure = row.run, row.figure
    moments = {
        "submit": run.key.submitted,
        "first_eligible": row.first_eligible,
        "eligible": run.eligible,
        "start": run.started,
        "end": run.ended,
        "bound": row.bound,
        "baseline_start": figure.baseline.start if figure else None,
        "baseline_end": figure.baseline.end if figure else None,
    }
    return {
        "cluster": run.key.cluster,
        "job_id": run.key.job_id,
        "array_job_id": run.array_job_id,
        "array_task": run.array_task,
        "name": run.name,
        "user": run.user,
        "account": run.account,
        "partition": run.partition,
        "zone": view.zone(row),
        "qos": run.qos,
        "state": run.state,
        "exit_code": run.exit_code,
        **{name: iso(moment) if moment else None for name, moment in moments.items()},
        "time_limit_s": run.time_limit.total_seconds() if run.time_limit is not None else None,
        "gpus": run.tres.gpu_count,
        "gpus_by_type": dict(run.tres.gpus),
        "cpus": run.tres.cpus,
        "nodes": run.tres.nodes,
        "flexible": row.flexible,
        "withheld": row.withheld,
        "stopped": row.stopped,
        "late": is_late(row),
        "energy_kwh": figure.energy_kwh if figure else None,
        "energy_method": figure.energy_method if figure else None,
        "energy_quality": figure.quality if figure else None,
        "pue": figure.pue if figure else None,
        "g_per_kwh": intensity_of(row),
        "emitted_g": figure.emitted_g if figure else None,
        "baseline": Baseline.SIMPLE,
        "baseline_g": figure.baseline_g if figure else None,
        "saved_g": figure.saved_g if figure else None,
        "saved_percent": percent_of(row),
        "queue_start": iso(figure.queue.start) if figure and figure.queue else None,
        "queue_baseline_g": figure.queue_g if figure else None,
        "queue_saved_g": figure.saved(Baseline.QUEUE) if figure else None,
        "lost_s": figure.lost.total_seconds() if figure else None,
        "kind": figure.nature.kind if figure and figure.nature else None,
        "scope": figure.nature.scope if figure and figure.nature else None,
        "source": figure.source if figure else None,
        "estimated": figure.estimated if figure else None,
        "so_far": so_far_object(view.so_far.get(run.key)),
        "beside": _beside(figure.beside) if figure and figure.beside else None,
        "steps": step_objects(row, view),
    }


def _beside(item: Beside) -> dict[str, Any]:
    """Return the grams by intensities of another kind, which nobody may add to the run's own."""
    return {
        "kind": item.nature.kind,
        "scope": item.nature.scope,
        "source": item.source,
        "emitted_g": item.emitted_g,
        "baseline_g": item.baseline_g,
        "queue_baseline_g": item.queue_g,
        "estimated": item.estimated,
    }
