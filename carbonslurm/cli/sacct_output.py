"""What carbon-sacct prints of runs: their columns. Unknown is ``unknown`` and null, never 0."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta

from carbonslurm.app.report import is_late, waited
from carbonslurm.cli.sacct_layout import Table
from carbonslurm.core.equivalents import CAR_SOURCE, HOUSEHOLD_SOURCE, Equivalents, equivalents
from carbonslurm.core.footprint import Baseline, Figure, percent_saved
from carbonslurm.core.job import Tres
from carbonslurm.core.nature import Kind
from carbonslurm.errors import UsageError
from carbonslurm.formats.terminal import columns, energy_text, grams_text
from carbonslurm.formats.times import length_text, local_text
from carbonslurm.ports import RunRow


@dataclass(frozen=True, slots=True)
class View:
    """How columns are shown.

    Attributes:
        zone_of: the grid zone of a partition, as the configuration has it.
        prefix: of --units, None for units that fit.
    """

    zone_of: Callable[[str], str] = field(default=str)
    prefix: str | None = None

    def zone(self, row: RunRow) -> str:
        """Return the grid zone that a run's figure is of; without one, that of its partition."""
        return (row.figure and row.figure.zone) or self.zone_of(row.run.partition)


# --- the columns

Cell = Callable[[RunRow, View], str]


def _elapsed(row: RunRow) -> timedelta | None:
    run = row.run
    return run.ended - run.started if run.started and run.ended else None


def _seconds(length: timedelta | None) -> str:
    return "" if length is None else str(int(length.total_seconds()))


def _limit(row: RunRow) -> str:
    return "UNLIMITED" if row.run.time_limit is None else length_text(row.run.time_limit)


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
    return "unknown" if value is None else format(value, form)


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


_emitted, _baseline, _saved = _grams("emitted_g"), _grams("baseline_g"), _grams("saved_g")
_queue_g = _grams("queue_g")

FIELDS: Mapping[str, Cell] = {
    "JobID": lambda row, _: row.run.shown_id,
    "JobIDRaw": lambda row, _: str(row.run.key.job_id),
    "Cluster": lambda row, _: row.run.key.cluster,
    "User": lambda row, _: row.run.user,
    "Account": lambda row, _: row.run.account,
    "Partition": lambda row, _: row.run.partition,
    "QOS": lambda row, _: row.run.qos,
    "State": lambda row, _: row.run.state,
    "ExitCode": lambda row, _: row.run.exit_code,
    "Submit": lambda row, _: local_text(row.run.key.submitted),
    "Eligible": lambda row, _: local_text(row.run.eligible),
    "FirstEligible": lambda row, _: local_text(row.first_eligible or row.run.eligible),
    "Start": lambda row, _: local_text(row.run.started),
    "End": lambda row, _: local_text(row.run.ended),
    "Bound": lambda row, _: local_text(row.bound) if row.bound else "",
    "Elapsed": lambda row, _: length_text(_elapsed(row)),
    "ElapsedRaw": lambda row, _: _seconds(_elapsed(row)),
    "Timelimit": lambda row, _: _limit(row),
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
    "ConsumedEnergyRaw": lambda row, _: (
        "" if row.run.energy_joules is None else f"{row.run.energy_joules:.0f}"
    ),
    "Zone": lambda row, view: view.zone(row),
    "Energy": lambda row, view: energy_text(_kwh(row), view.prefix),
    "EnergyKWh": lambda row, _: number_text(_kwh(row), ".4g"),
    "Method": lambda row, _: row.figure.energy_method if row.figure else "",
    "Quality": lambda row, _: (row.figure.quality or "") if row.figure else "",
    "PUE": lambda row, _: number_text(row.figure.pue if row.figure else None, ".3g"),
    "Intensity": lambda row, _: number_text(intensity_of(row), ".1f"),
    "Emitted": lambda row, view: grams_text(_emitted(row), view.prefix),
    "Baseline": lambda row, view: grams_text(_baseline(row), view.prefix),
    "Saved": lambda row, view: grams_text(_saved(row), view.prefix),
    "SavedPct": lambda row, _: number_text(percent_of(row), ".1f"),
    "EmittedG": lambda row, _: number_text(_emitted(row), ".3f"),
    "BaselineG": lambda row, _: number_text(_baseline(row), ".3f"),
    "SavedG": lambda row, _: number_text(_saved(row), ".3f"),
    "QueueBaseline": lambda row, view: grams_text(_queue_g(row), view.prefix),
    "QueueSaved": lambda row, view: grams_text(
        row.figure.saved(Baseline.QUEUE) if row.figure else None, view.prefix
    ),
    "QueueStart": lambda row, _: local_text(
        row.figure.queue.start if row.figure and row.figure.queue else None
    ),
    "BaselineStart": lambda row, _: local_text(row.figure.baseline.start) if row.figure else "Unknown",
    "BaselineEnd": lambda row, _: local_text(row.figure.baseline.end) if row.figure else "Unknown",
    "Kind": lambda row, _: row.figure.nature.kind if row.figure and row.figure.nature else "",
    "Scope": lambda row, _: row.figure.nature.scope if row.figure and row.figure.nature else "",
    "Source": lambda row, _: (row.figure.source or "") if row.figure else "",
    "Average": lambda row, view: grams_text(_by(Kind.AVERAGE, row.figure), view.prefix),
    "Marginal": lambda row, view: grams_text(_by(Kind.MARGINAL, row.figure), view.prefix),
    "Estimated": lambda row, _: "yes" if row.figure and row.figure.estimated else "",
    "CarKm": lambda row, _: number_text(like.car_km if (like := _like(row)) else None, ".3g"),
    "HouseholdDays": lambda row, _: number_text(like.household_days if (like := _like(row)) else None, ".3g"),
}
DEFAULT = "JobID,User,Account,State,Start,Elapsed,GPUs,Waited,EnergyKWh,Emitted,Saved,SavedPct"
BRIEF = "JobID,State,ExitCode"
FOR_FILES = (
    "Cluster,JobID,JobIDRaw,Submit,User,Account,Partition,QOS,State,ExitCode,Eligible,FirstEligible,Start,End,"
    "ElapsedRaw,Timelimit,GPUs,CPUs,Nodes,Flexible,Withheld,Stopped,Late,Zone,EnergyKWh,Method,Quality,Intensity,"
    "EmittedG,BaselineG,SavedG,SavedPct,Kind,Scope,Source,Estimated"
)
ALL = "ALL"
_TEXTS = frozenset(
    {"JobID", "Cluster", "User", "Account", "Partition", "QOS", "State", "Zone", "Kind", "Scope"}
)
_TEXTS |= {"Source", "Method", "Quality", "AllocTRES"}

MEANINGS: Mapping[str, str] = {
    "JobID": "as Slurm shows it, 13_2 for a task of an array",
    "FirstEligible": "when the job could first have started without us",
    "Bound": "the latest start that was promised",
    "Waited": "from FirstEligible to Start, of jobs that we withheld",
    "Withheld": "we made it wait",
    "Late": "started after its bound",
    "Flexible": "its job carried a tag",
    "Stopped": "ended by a stop of ours",
    "Lost": "time of the run that our stops threw away or cost",
    "GPUs": "of all types together",
    "CPUs": "as AllocCPUS",
    "Nodes": "as AllocNodes",
    "AllocTRES": "CPUs, GPUs and nodes of it",
    "ConsumedEnergyRaw": "joules that Slurm measured, of whole nodes",
    "Zone": "grid zone that its figure is of; without a figure, of its partition",
    "Energy": "of the run, PUE included",
    "EnergyKWh": "the same in kWh, without a unit",
    "Method": "who measured the energy, or modelled",
    "Quality": "of the energy: measured, partly or modelled",
    "PUE": "the room's power over the machines' that the energy includes",
    "Intensity": "mean g CO2e/kWh that it met",
    "Emitted": "CO2e of the run",
    "Baseline": "CO2e of the same work, earlier by the delay that we caused",
    "Saved": "Baseline less Emitted",
    "SavedPct": "Saved in percent of Baseline",
    "EmittedG": "Emitted in grams, without a unit",
    "BaselineG": "Baseline in grams",
    "SavedG": "Saved in grams",
    "QueueBaseline": "CO2e of the same work, when a queue without us would have started it",
    "QueueSaved": "QueueBaseline less Emitted",
    "QueueStart": "when a queue without us would have started it",
    "BaselineStart": "when its work would have begun without us",
    "BaselineEnd": "when its work would have ended without us",
    "Kind": "of the intensity: average or marginal",
    "Scope": "of the intensity: lifecycle, direct or operational",
    "Source": "who gave the intensity",
    "Average": "CO2e of the run by average intensities; never to be added to Marginal",
    "Marginal": "CO2e of the run by marginal intensities, where the site has any",
    "Estimated": "an intensity that was used is an estimate, and may be revised",
    "CarKm": f"km that emit as much: {CAR_SOURCE}",
    "HouseholdDays": f"days that take as much energy: {HOUSEHOLD_SOURCE}",
}


def field_help() -> str:
    """Return the columns and what those mean that sacct does not have."""
    return columns([], [[name, MEANINGS.get(name, "as in sacct")] for name in FIELDS])


@dataclass(frozen=True, slots=True)
class Column:
    """A column that was asked for; ``width`` is that of ``%width``, negative to the left."""

    name: str
    width: int | None = None


def chosen_fields(text: str) -> list[Column]:
    """Return the columns that -o names, in any case, each with its ``%width``.

    Raises:
        UsageError: there is no such column, or its width is none.
    """
    names = {name.lower(): name for name in FIELDS}
    found: list[Column] = []
    for word in text.split(","):
        name, mark, width = word.strip().partition("%")
        if name.upper() == ALL:
            found += [Column(it) for it in FIELDS]
            continue
        if name.lower() not in names:
            raise UsageError(f'no column "{name[:40]}": carbon-sacct --helpformat lists them')
        found.append(Column(names[name.lower()], _width(word, width) if mark else None))
    return found


def _width(word: str, text: str) -> int:
    digits = text.removeprefix("-")
    if not (digits.isascii() and digits.isdigit() and 0 < int(digits[:6]) < 10_000):
        raise UsageError(f'expected a width such as JobID%20 or User%-12, got "{word[:40]}"')
    return int(text)


def listed(rows: Sequence[RunRow], chosen: Sequence[Column], view: View) -> Table:
    """Return a line a run."""
    cells = [[FIELDS[it.name](row, view) for it in chosen] for row in rows]
    return Table(
        header=[it.name for it in chosen],
        cells=cells,
        right=frozenset(place for place, it in enumerate(chosen) if it.name not in _TEXTS),
        widths={place: it.width for place, it in enumerate(chosen) if it.width is not None},
        texts=frozenset(place for place, it in enumerate(chosen) if it.name in _TEXTS),
    )
