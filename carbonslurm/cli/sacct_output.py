"""What carbon-sacct prints: columns of a run, totals, JSON. Unknown is ``unknown`` and null, never 0."""

import json
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from typing import Any

from carbonslurm.app.report import Totals, is_late, total, totals_by
from carbonslurm.core.footprint import Baseline, Beside, Figure, percent_saved
from carbonslurm.core.forecast import Kind
from carbonslurm.core.interval import iso
from carbonslurm.errors import UsageError
from carbonslurm.formats.terminal import columns, grams_text
from carbonslurm.formats.times import length_text, local_text
from carbonslurm.ports import RunRow

Table = tuple[list[str], list[list[str]], frozenset[int]]


def _job_id(row: RunRow) -> str:
    return row.run.shown_id


def _elapsed(row: RunRow) -> timedelta | None:
    run = row.run
    return run.ended - run.started if run.started and run.ended else None


def _waited(row: RunRow) -> timedelta | None:
    """From when it could first have started without us to when it did."""
    if row.run.started is None or row.first_eligible is None or not row.withheld:
        return None
    return max(row.run.started - row.first_eligible, timedelta())


def _percent(row: RunRow) -> float | None:
    figure = row.figure
    if figure is None or figure.emitted_g is None or figure.baseline_g is None:
        return None
    return percent_saved(figure.emitted_g, figure.baseline_g)


def _number(value: float | None, form: str) -> str:
    return "unknown" if value is None else format(value, form)


def _by(kind: Kind, figure: Figure | None) -> float | None:
    found = figure.by(kind) if figure else None
    return found.emitted_g if found else None


FIELDS: Mapping[str, Callable[[RunRow], str]] = {
    "JobID": _job_id,
    "User": lambda row: row.run.user,
    "Account": lambda row: row.run.account,
    "Partition": lambda row: row.run.partition,
    "QOS": lambda row: row.run.qos,
    "State": lambda row: row.run.state,
    "ExitCode": lambda row: row.run.exit_code,
    "Submit": lambda row: local_text(row.run.key.submitted),
    "FirstEligible": lambda row: local_text(row.first_eligible or row.run.eligible),
    "Start": lambda row: local_text(row.run.started),
    "End": lambda row: local_text(row.run.ended),
    "Bound": lambda row: local_text(row.bound) if row.bound else "",
    "Elapsed": lambda row: length_text(_elapsed(row)),
    "Waited": lambda row: length_text(waited) if (waited := _waited(row)) is not None else "",
    "Late": lambda row: "late" if is_late(row) else "",
    "Flexible": lambda row: "yes" if row.flexible else "",
    "Stopped": lambda row: "yes" if row.stopped else "",
    "GPUs": lambda row: str(row.run.tres.gpu_count),
    "CPUs": lambda row: str(row.run.tres.cpus),
    "Nodes": lambda row: str(row.run.tres.nodes),
    "EnergyKWh": lambda row: _number(row.figure.energy_kwh if row.figure else None, ".4g"),
    "Method": lambda row: row.figure.energy_method if row.figure else "",
    "Quality": lambda row: (row.figure.quality or "") if row.figure else "",
    "Emitted": lambda row: grams_text(row.figure.emitted_g if row.figure else None),
    "Baseline": lambda row: grams_text(row.figure.baseline_g if row.figure else None),
    "Saved": lambda row: grams_text(row.figure.saved_g if row.figure else None),
    "SavedPct": lambda row: _number(_percent(row), ".1f"),
    "EmittedG": lambda row: _number(row.figure.emitted_g if row.figure else None, ".3f"),
    "BaselineG": lambda row: _number(row.figure.baseline_g if row.figure else None, ".3f"),
    "SavedG": lambda row: _number(row.figure.saved_g if row.figure else None, ".3f"),
    "QueueBaseline": lambda row: grams_text(row.figure.queue_g if row.figure else None),
    "QueueSaved": lambda row: grams_text(row.figure.saved(Baseline.QUEUE) if row.figure else None),
    "Kind": lambda row: row.figure.nature.kind if row.figure and row.figure.nature else "",
    "Scope": lambda row: row.figure.nature.scope if row.figure and row.figure.nature else "",
    "Source": lambda row: (row.figure.source or "") if row.figure else "",
    "Marginal": lambda row: grams_text(_by(Kind.MARGINAL, row.figure)),
    "Average": lambda row: grams_text(_by(Kind.AVERAGE, row.figure)),
    "Estimated": lambda row: "yes" if row.figure and row.figure.estimated else "",
}
DEFAULT: tuple[str, ...] = (
    "JobID",
    "User",
    "Account",
    "State",
    "Start",
    "Elapsed",
    "GPUs",
    "Waited",
    "EnergyKWh",
)
DEFAULT += ("Emitted", "Saved", "SavedPct")
_LEFT = frozenset(
    {"JobID", "User", "Account", "Partition", "QOS", "State", "Kind", "Scope", "Source", "Method", "Quality"}
)


MEANINGS: Mapping[str, str] = {
    "JobID": "as Slurm shows it, 13_2 for a task of an array",
    "FirstEligible": "when the job could first have started without us",
    "Bound": "the latest start that was promised",
    "Waited": "from FirstEligible to Start, of jobs that we withheld",
    "Late": "started after its bound",
    "Flexible": "its job carried a tag",
    "Stopped": "ended by a stop of ours",
    "EnergyKWh": "of the run, PUE included",
    "Method": "who measured the energy, or modelled",
    "Quality": "of the energy: measured, partly or modelled",
    "Emitted": "CO2e of the run",
    "Baseline": "CO2e of the same work, earlier by the delay that we caused",
    "Saved": "Baseline less Emitted",
    "SavedPct": "Saved in percent of Baseline",
    "EmittedG": "Emitted in grams, without a unit",
    "BaselineG": "Baseline in grams",
    "SavedG": "Saved in grams",
    "QueueBaseline": "CO2e of the same work, when a queue without us would have started it",
    "QueueSaved": "QueueBaseline less Emitted",
    "Kind": "of the intensity: average or marginal",
    "Scope": "of the intensity: lifecycle, direct or operational",
    "Source": "who gave the intensity",
    "Marginal": "CO2e of the run by marginal intensities, where the site has any",
    "Average": "CO2e of the run by average intensities; never to be added to Marginal",
    "Estimated": "an intensity that was used is an estimate, and may be revised",
}


def field_help() -> str:
    """Return the columns and what those mean that sacct does not have."""
    return columns([], [[name, MEANINGS.get(name, "as in sacct")] for name in FIELDS])


def chosen_fields(text: str | None) -> list[str]:
    """Return the columns that -o names, in any case.

    Raises:
        UsageError: there is no such column.
    """
    if not text:
        return list(DEFAULT)
    names = {name.lower(): name for name in FIELDS}
    for word in text.split(","):
        if word.lower() not in names:
            raise UsageError(f'no column "{word[:40]}": carbon-sacct --helpformat lists them')
    return [names[word.lower()] for word in text.split(",")]


def listed(rows: Sequence[RunRow], names: Sequence[str]) -> Table:
    """Return a line a run."""
    cells = [[FIELDS[name](row) for name in names] for row in rows]
    right = frozenset(index for index, name in enumerate(names) if name not in _LEFT)
    return list(names), cells, right


def table_of_totals(
    groups: Mapping[str, Totals], everything: Totals, by: str, *, plain: bool = False
) -> Table:
    """Return a line a group, and one for all of them; ``plain`` has grams as bare numbers, for programs."""
    header = [by.capitalize(), "Runs", "Unknown", "Late", "Stops", "GPUHours", "EnergyKWh"]
    header += [f"{name}{'G' if plain else ''}" for name in ("Emitted", "Baseline", "Saved")] + ["SavedPct"]
    sums = [*groups.items(), ("total", everything)]
    cells = [_sum_cells(name, item, plain=plain) for name, item in sums]
    return header, cells, frozenset(range(1, len(header)))


def grouped(rows: Sequence[RunRow], by: str, *, plain: bool = False) -> Table:
    """Return the same of rows that are at hand."""
    return table_of_totals(totals_by(rows, by), total(rows), by, plain=plain)


def _sum_cells(name: str, item: Totals, *, plain: bool) -> list[str]:
    counts = [str(count) for count in (item.runs, item.unknown, item.late, item.stops)]
    known = item.runs > item.unknown
    grams = [value if known else None for value in (item.emitted_g, item.baseline_g, item.saved_g)]
    amounts = [_number(value, ".3f") if plain else grams_text(value) for value in grams]
    energy = _number(item.energy_kwh if known else None, ".4g")
    percent = _number(item.saved_percent if known else None, ".1f")
    return [name, *counts, f"{item.gpu_hours:.2f}", energy, *amounts, percent]


def summary(rows: Sequence[RunRow]) -> str:
    """Return what a reader must know of the figures: a line for each kind of intensity, and the sources."""
    item = total(rows)
    if len(item.natures) > 1:
        lines = [
            _in_words(name, part) for name, part in totals_by(rows, "nature").items() if name in item.natures
        ]
    else:
        lines = [_in_words("".join(item.natures), item)]
    sources = sorted({row.figure.source for row in rows if row.figure and row.figure.source})
    lines[-1] += f" (source: {', '.join(sources)})" if sources else ""
    if 0 < item.unknown < item.runs:
        lines.append(
            f"{item.unknown} runs have no figure yet, or their intensity is unknown: they are in no sum"
        )
    return "\n".join(lines)


def _in_words(nature: str, item: Totals) -> str:
    if item.runs == item.unknown:
        return f"{item.runs} runs, none with a figure yet"
    percent = "" if item.saved_percent is None else f" ({item.saved_percent:.1f} %)"
    kind = f" of {nature} CO2e" if nature else ""
    emitted, saved = grams_text(item.emitted_g), grams_text(item.saved_g)
    return f"{item.runs} runs: {emitted}{kind} emitted, {saved} saved{percent} against starting at once"


def as_json(rows: Sequence[RunRow], by: str | None) -> str:
    """Return runs, totals and, where asked for, totals of groups."""
    found: dict[str, Any] = {"runs": [_object(row) for row in rows], "totals": _totals(total(rows))}
    if by:
        found[f"by_{by}"] = {name: _totals(item) for name, item in totals_by(rows, by).items()}
    return json.dumps(found, indent=1)


def _totals(item: Totals) -> dict[str, Any]:
    return {
        "runs": item.runs,
        "unknown": item.unknown,
        "late": item.late,
        "stops": item.stops,
        "gpu_hours": item.gpu_hours,
        "energy_kwh": item.energy_kwh,
        "emitted_g": item.emitted_g,
        "baseline": Baseline.SIMPLE,
        "baseline_g": item.baseline_g,
        "saved_g": item.saved_g,
        "saved_percent": item.saved_percent,
        "natures": list(item.natures),
    }


def _object(row: RunRow) -> dict[str, Any]:
    run, figure = row.run, row.figure
    moments = {
        "submit": run.key.submitted,
        "first_eligible": row.first_eligible,
        "eligible": run.eligible,
        "start": run.started,
        "end": run.ended,
        "bound": row.bound,
    }
    return {
        "cluster": run.key.cluster,
        "job_id": run.key.job_id,
        "array_job_id": run.array_job_id,
        "array_task": run.array_task,
        "user": run.user,
        "account": run.account,
        "partition": run.partition,
        "qos": run.qos,
        "state": run.state,
        "exit_code": run.exit_code,
        **{name: iso(moment) if moment else None for name, moment in moments.items()},
        "gpus": run.tres.gpu_count,
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
        "emitted_g": figure.emitted_g if figure else None,
        "baseline": Baseline.SIMPLE,
        "baseline_start": iso(figure.baseline.start) if figure else None,
        "baseline_g": figure.baseline_g if figure else None,
        "saved_g": figure.saved_g if figure else None,
        "saved_percent": _percent(row),
        "queue_start": iso(figure.queue.start) if figure and figure.queue else None,
        "queue_baseline_g": figure.queue_g if figure else None,
        "queue_saved_g": figure.saved(Baseline.QUEUE) if figure else None,
        "lost_s": figure.lost.total_seconds() if figure else None,
        "kind": figure.nature.kind if figure and figure.nature else None,
        "scope": figure.nature.scope if figure and figure.nature else None,
        "source": figure.source if figure else None,
        "estimated": figure.estimated if figure else None,
        "zone": figure.zone if figure else None,
        "beside": _beside(figure.beside) if figure and figure.beside else None,
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
