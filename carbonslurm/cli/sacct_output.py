"""What carbon-sacct prints of runs: their columns. Unknown is ``unknown`` and null, never 0."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from carbonslurm.app.report import is_late, waited
from carbonslurm.cli.sacct_meanings import MEANINGS
from carbonslurm.core.equivalents import Equivalents, equivalents
from carbonslurm.core.footprint import Baseline, Figure, percent_saved
from carbonslurm.core.going import SoFar
from carbonslurm.core.job import AccountedStep, RunKey, Tres
from carbonslurm.core.nature import Kind
from carbonslurm.formats.terminal import columns, energy_text, grams_text, joules_text
from carbonslurm.formats.times import length_text, local_text
from carbonslurm.ports import RunRow

UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class View:
    """How columns are shown.

    Attributes:
        zone_of: the grid zone of a partition, as the configuration has it.
        prefix: of --units, None for units that fit.
        so_far: what runs that still run have done.
        steps: of runs, in order, where they are shown.
        alone: runs of which only steps were asked for.
        time_format: of moments, as strftime has it; None for sacct's own.
    """

    zone_of: Callable[[str], str] = field(default=str)
    prefix: str | None = None
    so_far: Mapping[RunKey, SoFar] = field(default_factory=dict)
    time_format: str | None = None
    steps: Mapping[RunKey, Sequence[AccountedStep]] = field(default_factory=dict)
    alone: frozenset[RunKey] = frozenset()

    def time(self, moment: datetime | None) -> str:
        """Write a moment by the machine's clocks; Unknown where there is none."""
        if moment is None or self.time_format is None:
            return local_text(moment)
        return moment.astimezone().strftime(self.time_format)

    def zone(self, row: RunRow) -> str:
        """Return the grid zone that a run's figure is of; without one, that of its partition."""
        figure = self.figure_so_far(row)
        return (figure and figure.zone) or self.zone_of(row.run.partition)

    def figure_so_far(self, row: RunRow) -> Figure | None:
        """Return a run's figure; of one that still runs, that of what it has done so far."""
        item = self.so_far.get(row.run.key)
        return item.figure if item else row.figure


# --- the columns

Cell = Callable[[RunRow, View], str]


def _elapsed(row: RunRow, view: View) -> timedelta | None:
    run, item = row.run, view.so_far.get(row.run.key)
    end = run.ended or (item and item.until)
    return end - run.started if run.started and end else None


def _cpu_time(row: RunRow, view: View) -> timedelta | None:
    elapsed = _elapsed(row, view)
    return None if elapsed is None else elapsed * row.run.tres.cpus


def _planned(row: RunRow) -> str:
    """Write sacct's Planned, which was called Reserved: from Eligible, which our changes move, to Start."""
    run = row.run
    return length_text(max(run.started - run.eligible, timedelta())) if run.started and run.eligible else ""


def _minutes(length: timedelta | None) -> str:
    return "UNLIMITED" if length is None else str(int(length.total_seconds() // 60))


def _seconds(length: timedelta | None) -> str:
    return "" if length is None else str(int(length.total_seconds()))


def _limit(row: RunRow) -> str:
    return "UNLIMITED" if row.run.time_limit is None else length_text(row.run.time_limit)


def _no_nodes(row: RunRow) -> str:
    return UNKNOWN if row.run.started else "None assigned"


def tres_text(tres: Tres) -> str:
    """Write what a run held as sacct's AllocTRES, as far as the ledger knows it."""
    gpus = [f"gres/gpu{f':{kind}' if kind else ''}={count}" for kind, count in sorted(tres.gpus.items())]
    return ",".join([f"cpu={tres.cpus}", *gpus, f"node={tres.nodes}"])


def percent_of(row: RunRow) -> float | None:
    """Return what a run saved in percent of its baseline, None where either is unknown."""
    figure = row.figure
    if figure is None or figure.emitted_g is None or figure.baseline_g is None:
        return None
    return percent_saved(figure.emitted_g, figure.baseline_g)


def intensity_of(row: RunRow) -> float | None:
    """Return the mean intensity that a run met, g/kWh."""
    figure = row.figure
    if figure is None or figure.emitted_g is None or not figure.energy_kwh:
        return None
    return figure.emitted_g / figure.energy_kwh


def number_text(value: float | None, form: str) -> str:
    """Write a number, ``unknown`` where there is none."""
    return UNKNOWN if value is None else format(value, form)


def _like(row: RunRow) -> Equivalents | None:
    return equivalents(row.figure.emitted_g, row.figure.energy_kwh) if row.figure else None


def _kwh(row: RunRow) -> float | None:
    return row.figure.energy_kwh if row.figure else None


def _grams(name: str) -> Callable[[RunRow], float | None]:
    def read(row: RunRow) -> float | None:
        value: float | None = getattr(row.figure, name) if row.figure else None
        return value

    return read


def _by(kind: Kind, figure: Figure | None) -> float | None:
    found = figure.by(kind) if figure else None
    return found.emitted_g if found else None


def _amount(row: RunRow, view: View, name: str, text: Callable[[float | None, str | None], str]) -> str:
    """Write an amount of a run's figure, marked where it is one so far."""
    figure = view.figure_so_far(row)
    value: float | None = getattr(figure, name) if figure else None
    shown = text(value, view.prefix)
    return f"{shown} so far" if value is not None and row.run.key in view.so_far else shown


def _so_far(row: RunRow, view: View, name: str) -> float | None:
    item = view.so_far.get(row.run.key)
    value: float | None = getattr(item.figure, name) if item else None
    return value


_emitted, _baseline, _saved = _grams("emitted_g"), _grams("baseline_g"), _grams("saved_g")
_queue_g = _grams("queue_g")

FIELDS: Mapping[str, Cell] = {
    "JobID": lambda row, _: row.run.shown_id,
    "JobIDRaw": lambda row, _: str(row.run.key.job_id),
    "JobName": lambda row, _: UNKNOWN if row.run.name is None else row.run.name,
    "Cluster": lambda row, _: row.run.key.cluster,
    "User": lambda row, _: row.run.user,
    "Account": lambda row, _: row.run.account,
    "Partition": lambda row, _: row.run.partition,
    "QOS": lambda row, _: row.run.qos,
    "State": lambda row, _: row.run.state,
    "ExitCode": lambda row, _: row.run.exit_code,
    "Submit": lambda row, view: view.time(row.run.key.submitted),
    "Eligible": lambda row, view: view.time(row.run.eligible),
    "FirstEligible": lambda row, view: view.time(row.first_eligible or row.run.eligible),
    "Start": lambda row, view: view.time(row.run.started),
    "End": lambda row, view: view.time(row.run.ended),
    "Bound": lambda row, view: view.time(row.bound) if row.bound else "",
    "Elapsed": lambda row, view: length_text(_elapsed(row, view)),
    "ElapsedRaw": lambda row, view: _seconds(_elapsed(row, view)),
    "CPUTime": lambda row, view: length_text(_cpu_time(row, view)),
    "CPUTimeRAW": lambda row, view: _seconds(_cpu_time(row, view)),
    "Timelimit": lambda row, _: _limit(row),
    "TimelimitRaw": lambda row, _: _minutes(row.run.time_limit),
    "Planned": lambda row, _: _planned(row),
    "Reserved": lambda row, _: _planned(row),
    "Waited": lambda row, _: length_text(it) if (it := waited(row)) is not None else "",
    "Withheld": lambda row, _: "yes" if row.withheld else "",
    "Late": lambda row, _: "late" if is_late(row) else "",
    "Flexible": lambda row, _: "yes" if row.flexible else "",
    "Stopped": lambda row, _: "yes" if row.stopped else "",
    "Lost": lambda row, _: length_text(row.figure.lost) if row.figure and row.figure.lost else "",
    "GPUs": lambda row, _: str(row.run.tres.gpu_count),
    "CPUs": lambda row, _: str(row.run.tres.cpus),
    "Nodes": lambda row, _: str(row.run.tres.nodes),
    "AllocCPUS": lambda row, _: str(row.run.tres.cpus),
    "NCPUS": lambda row, _: str(row.run.tres.cpus),
    "AllocNodes": lambda row, _: str(row.run.tres.nodes),
    "NNodes": lambda row, _: str(row.run.tres.nodes),
    "AllocTRES": lambda row, _: tres_text(row.run.tres),
    "NodeList": lambda row, _: row.run.node_list or _no_nodes(row),
    "ConsumedEnergy": lambda row, view: joules_text(row.run.energy_joules, view.prefix),
    "ConsumedEnergyRaw": lambda row, _: (
        "" if row.run.energy_joules is None else f"{row.run.energy_joules:.0f}"
    ),
    "Zone": lambda row, view: view.zone(row),
    "Energy": lambda row, view: _amount(row, view, "energy_kwh", energy_text),
    "EnergyKWh": lambda row, _: number_text(_kwh(row), ".4g"),
    "Method": lambda row, _: row.figure.energy_method if row.figure else "",
    "Quality": lambda row, _: (row.figure.quality or "") if row.figure else "",
    "PUE": lambda row, _: number_text(row.figure.pue if row.figure else None, ".3g"),
    "Intensity": lambda row, _: number_text(intensity_of(row), ".1f"),
    "Emitted": lambda row, view: _amount(row, view, "emitted_g", grams_text),
    "Baseline": lambda row, view: _amount(row, view, "baseline_g", grams_text),
    "Saved": lambda row, view: _amount(row, view, "saved_g", grams_text),
    "SavedPct": lambda row, _: number_text(percent_of(row), ".1f"),
    "EmittedG": lambda row, _: number_text(_emitted(row), ".3f"),
    "BaselineG": lambda row, _: number_text(_baseline(row), ".3f"),
    "SavedG": lambda row, _: number_text(_saved(row), ".3f"),
    "SoFarUntil": lambda row, view: view.time(it.until) if (it := view.so_far.get(row.run.key)) else "",
    "SoFarKWh": lambda row, view: number_text(_so_far(row, view, "energy_kwh"), ".4g"),
    "SoFarG": lambda row, view: number_text(_so_far(row, view, "emitted_g"), ".3f"),
    "QueueBaseline": lambda row, view: grams_text(_queue_g(row), view.prefix),
    "QueueSaved": lambda row, view: grams_text(
        row.figure.saved(Baseline.QUEUE) if row.figure else None, view.prefix
    ),
    "QueueStart": lambda row, view: view.time(
        row.figure.queue.start if row.figure and row.figure.queue else None
    ),
    "BaselineStart": lambda row, view: view.time(row.figure.baseline.start) if row.figure else "Unknown",
    "BaselineEnd": lambda row, view: view.time(row.figure.baseline.end) if row.figure else "Unknown",
    "Kind": lambda row, _: row.figure.nature.kind if row.figure and row.figure.nature else "",
    "Scope": lambda row, _: row.figure.nature.scope if row.figure and row.figure.nature else "",
    "Source": lambda row, _: (row.figure.source or "") if row.figure else "",
    "Average": lambda row, view: grams_text(_by(Kind.AVERAGE, row.figure), view.prefix),
    "Marginal": lambda row, view: grams_text(_by(Kind.MARGINAL, row.figure), view.prefix),
    "Estimated": lambda row, _: "yes" if row.figure and row.figure.estimated else "",
    "CarKm": lambda row, _: number_text(like.car_km if (like := _like(row)) else None, ".3g"),
    "HouseholdDays": lambda row, _: number_text(like.household_days if (like := _like(row)) else None, ".3g"),
}
DEFAULT = "JobID,User,Account,State,Start,Elapsed,GPUs,Waited,Energy,Emitted,Saved,SavedPct"
BRIEF = "JobID,State,ExitCode"
FOR_FILES = (
    "Cluster,JobID,JobIDRaw,JobName,Submit,User,Account,Partition,QOS,State,ExitCode,Eligible,FirstEligible,"
    "Start,End,ElapsedRaw,Timelimit,GPUs,CPUs,Nodes,Flexible,Withheld,Stopped,Late,Zone,EnergyKWh,Method,Quality,Intensity,"
    "EmittedG,BaselineG,SavedG,SavedPct,Kind,Scope,Source,Estimated"
)
TEXTS = frozenset(
    {"JobID", "Cluster", "User", "Account", "Partition", "QOS", "State", "Zone", "Kind", "Scope"}
)
TEXTS |= {"Source", "Method", "Quality", "AllocTRES", "JobName"}


def field_help() -> str:
    """Return the columns and what those mean that sacct does not have."""
    return columns([], [[name, MEANINGS.get(name, "as in sacct")] for name in FIELDS])
