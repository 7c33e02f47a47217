"""What carbon-sacct lists: runs, and under each its steps, as far as the ledger has any.

A step's columns are those that sacct fills for one; the others stay empty. Its grams are its share of its
run's, by energy, and only where the run's own energy is what Slurm measured. Steps overlap (the batch step
lasts while numbered ones run), so they are in no sum: the bare numbers, which people add up, stay empty, too.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from carbonslurm.cli.program import say
from carbonslurm.cli.sacct_layout import Table
from carbonslurm.cli.sacct_output import FIELDS, TEXTS, View, tres_text
from carbonslurm.core.energy import SLURM
from carbonslurm.core.interval import iso
from carbonslurm.errors import UsageError
from carbonslurm.formats.terminal import energy_text, grams_text, joules_text
from carbonslurm.formats.times import length_text

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from carbonslurm.cli.sacct_chosen import Column
    from carbonslurm.cli.sacct_filter import Wanted
    from carbonslurm.core.job import AccountedStep
    from carbonslurm.formats.job_ids import JobPick
    from carbonslurm.ledger.steps import StepReader
    from carbonslurm.ports import RunRow

NO_STEPS = "the ledger has no steps: slurm.steps in the configuration makes the daemon read them"


def refuse_steps(wanted: Wanted, given: Mapping[str, object]) -> None:
    """Refuse single steps where whole jobs are shown.

    Raises:
        UsageError: one was asked for.
    """
    if not wanted.by_steps:
        return
    for option, name in (("-X", "allocations"), ("--by", "by"), ("--mlflow", "mlflow")):
        if given.get(name):
            raise UsageError(f"{option} is about whole jobs: ask for 12, not for 12.0")


def with_steps(
    view: View, book: StepReader, wanted: Wanted, rows: Sequence[RunRow], given: Mapping[str, object]
) -> View:
    """Return how some runs are shown with their steps, without any where -X leaves them out."""
    if given["allocations"] or not rows:
        return view
    found = book.steps(wanted.runs)
    if not wanted.by_steps:
        return replace(view, steps=found)
    if not found and not book.has_steps():
        say(NO_STEPS)
    picks = {row.run.key: wanted.picks_of(row) for row in rows}
    alone = frozenset(key for key, each in picks.items() if all(pick.step is not None for pick in each))
    steps = {
        key: [it for it in each if key not in alone or _is_picked(it, picks[key])]
        for key, each in found.items()
        if key in picks
    }
    return replace(view, steps=steps, alone=alone)


def _is_picked(step: AccountedStep, picks: Sequence[JobPick]) -> bool:
    """Tell whether a step was asked for; ``0`` stands for each component of a heterogeneous one."""
    return any(pick.step == step.name.partition("+")[0] for pick in picks)


# --- as a table


def listed(rows: Sequence[RunRow], chosen: Sequence[Column], view: View) -> Table:
    """Return a line a run, and one a step under its run's."""
    cells: list[list[str]] = []
    for row in rows:
        key = row.run.key
        if key not in view.alone:
            cells.append([FIELDS[it.name](row, view) for it in chosen])
        cells += [[_cell(it.name, row, step, view) for it in chosen] for step in view.steps.get(key, ())]
    return Table(
        header=[it.name for it in chosen],
        cells=cells,
        right=frozenset(place for place, it in enumerate(chosen) if it.name not in TEXTS),
        widths={place: it.width for place, it in enumerate(chosen) if it.width is not None},
        texts=frozenset(place for place, it in enumerate(chosen) if it.name in TEXTS),
    )


def _cell(name: str, row: RunRow, step: AccountedStep, view: View) -> str:
    if name in OF_THE_RUN:
        return FIELDS[name](row, view)
    return STEP_FIELDS[name](row, step, view) if name in STEP_FIELDS else ""


def _elapsed(row: RunRow, step: AccountedStep, view: View) -> timedelta | None:
    end = _end(row, step, view)
    return end - step.started if step.started and end and end >= step.started else None


def _end(row: RunRow, step: AccountedStep, view: View) -> datetime | None:
    """Return when a step ended; of one that runs, up to when its run was last seen to."""
    item = view.so_far.get(row.run.key)
    return step.ended or (item.until if item else None)


def _cpu_time(row: RunRow, step: AccountedStep, view: View) -> timedelta | None:
    elapsed = _elapsed(row, step, view)
    return None if elapsed is None else elapsed * step.tres.cpus


def _seconds(length: timedelta | None) -> str:
    return "" if length is None else str(int(length.total_seconds()))


def _joules(step: AccountedStep) -> str:
    return "" if step.energy_joules is None else f"{step.energy_joules:.0f}"


def share(row: RunRow, step: AccountedStep) -> float | None:
    """Return which part of its run's energy a step took, by Slurm's counters.

    None where they do not say it: nothing was measured, the figure's energy is not Slurm's, or the step's is
    more than its run's.
    """
    whole, part = row.run.energy_joules, step.energy_joules
    if row.figure is None or row.figure.energy_method != SLURM or not whole or part is None or part > whole:
        return None
    return part / whole


def energy_of(row: RunRow, step: AccountedStep) -> float | None:
    """Return a step's part of its run's kWh, PUE included."""
    part = share(row, step)
    return None if part is None or row.figure is None else row.figure.energy_kwh * part


def grams_of(row: RunRow, step: AccountedStep) -> float | None:
    """Return a step's part of its run's grams, at the mean intensity that the run met."""
    part = share(row, step)
    whole = row.figure.emitted_g if row.figure else None
    return None if part is None or whole is None else whole * part


def _amount(value: float | None, text: Callable[[float | None, str | None], str], view: View) -> str:
    return "" if value is None else text(value, view.prefix)


OF_THE_RUN = frozenset({"Cluster", "Account"})  # which sacct fills for steps, too
STEP_FIELDS: Mapping[str, Callable[[RunRow, AccountedStep, View], str]] = {
    "JobID": lambda row, step, _: f"{row.run.shown_id}.{step.name}",
    "JobIDRaw": lambda row, step, _: f"{row.run.key.job_id}.{step.name}",
    "JobName": lambda _, step, __: step.job_name or "",
    "State": lambda _, step, __: step.state,
    "ExitCode": lambda _, step, __: step.exit_code,
    "Start": lambda _, step, view: view.time(step.started),
    "End": lambda _, step, view: view.time(step.ended),
    "Elapsed": lambda row, step, view: length_text(_elapsed(row, step, view)),
    "ElapsedRaw": lambda row, step, view: _seconds(_elapsed(row, step, view)),
    "CPUTime": lambda row, step, view: length_text(_cpu_time(row, step, view)),
    "CPUTimeRAW": lambda row, step, view: _seconds(_cpu_time(row, step, view)),
    "GPUs": lambda _, step, __: str(step.tres.gpu_count),
    "CPUs": lambda _, step, __: str(step.tres.cpus),
    "Nodes": lambda _, step, __: str(step.tres.nodes),
    "AllocCPUS": lambda _, step, __: str(step.tres.cpus),
    "NCPUS": lambda _, step, __: str(step.tres.cpus),
    "AllocNodes": lambda _, step, __: str(step.tres.nodes),
    "NNodes": lambda _, step, __: str(step.tres.nodes),
    "AllocTRES": lambda _, step, __: tres_text(step.tres),
    "ConsumedEnergy": lambda _, step, view: _amount(step.energy_joules, joules_text, view),
    "ConsumedEnergyRaw": lambda _, step, __: _joules(step),
    "Energy": lambda row, step, view: _amount(energy_of(row, step), energy_text, view),
    "Emitted": lambda row, step, view: _amount(grams_of(row, step), grams_text, view),
}


# --- as objects


def step_objects(row: RunRow, view: View) -> list[dict[str, Any]]:
    """Return the steps of a run as objects; times in UTC, unknown is null."""
    return [
        {
            "step": step.name,
            "name": step.job_name,
            "state": step.state,
            "exit_code": step.exit_code,
            "start": iso(step.started) if step.started else None,
            "end": iso(step.ended) if step.ended else None,
            "gpus": step.tres.gpu_count,
            "cpus": step.tres.cpus,
            "nodes": step.tres.nodes,
            "energy_joules": step.energy_joules,
            "energy_kwh": energy_of(row, step),
            "emitted_g": grams_of(row, step),
        }
        for step in view.steps.get(row.run.key, ())
    ]
