"""The files of ``carbonslurm simulate``: read once, and laid out for every policy."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from carbonslurm.errors import DataError, UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime, timedelta

    from carbonslurm.core.forecast import Series
    from carbonslurm.sim.comparison import Setting
    from carbonslurm.sim.foresight import Foresight
    from carbonslurm.sim.pools import ClusterShape
    from carbonslurm.sim.trace import MaxWait

_ZONE = re.compile(r"(?P<zone>[A-Za-z][A-Za-z0-9_-]*)=(?P<file>.+)")
FORECASTS = ("perfect", "persistence", "own")


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the user asked for.

    Attributes:
        jobs: the trace.
        carbon: files of intensities, one after the other in time.
        column: of the intensities; None for the lifecycle one.
        forecast: perfect, persistence, own or a file.
        capacity: units of the cluster; None where nothing limits them.
        cluster: the file that describes it, in place of a capacity.
        wait: how long jobs may wait.
        length: which estimate policies see.
        unit: cpus, gpus or nodes.
        watts: of one unit.
        anchor: when a trace of offsets begins.
        shift: by what jobs are moved.
        parameters: of the policies.
        transfer: what moving a GB to another zone costs, in words.
        data_gb: of jobs of which the trace does not say.
    """

    jobs: Path
    carbon: Sequence[Path]
    column: str | None
    forecast: str
    capacity: float | None
    cluster: Path | None
    wait: MaxWait
    length: str
    unit: str
    watts: float
    anchor: datetime | None
    shift: timedelta
    parameters: Mapping[str, str]
    transfer: str = "0g"
    data_gb: float = 0.0


def setting(wanted: Wanted) -> tuple[Setting, str]:
    """Read everything and lay it out; and say in words which jobs take part.

    Raises:
        CarbonslurmError: a file cannot be read, or they do not fit together.
    """
    from carbonslurm.cli.simulate_places import laid_out_places
    from carbonslurm.formats.traces import read_trace
    from carbonslurm.sim.comparison import Setting, Zone
    from carbonslurm.sim.setting import elsewhere, on_cluster, on_units, units_of, within
    from carbonslurm.sim.trace import Reading, lay_out

    truths = truths_of(wanted.carbon, wanted.column)
    first, *others = truths.values()
    if others and wanted.forecast not in FORECASTS:
        raise UsageError(f"--forecast: with several zones one of {', '.join(FORECASTS)}")
    traced = read_trace(text_of(wanted.jobs), str(wanted.jobs))
    trace = lay_out(traced, Reading(wanted.unit, wanted.wait, wanted.anchor, wanted.shift))
    for truth in truths.values():
        trace = within(trace, truth)
    shape, moved, partitions = None, 0, None
    units = float("inf") if wanted.capacity is None else wanted.capacity
    pool_units = [units] * len(truths)
    if wanted.cluster is not None:
        shape = cluster_of(wanted.cluster)
        trace, pool_of = on_cluster(trace, shape)
        moved, partitions = elsewhere(trace, shape), shape.pools
        pool_units = [units_of(groups, wanted.unit) for groups in partitions]
    else:
        trace = on_units(trace, units)
        names = list(truths)
        pool_of = [names.index(job.partition) if job.partition in truths else 0 for job in trace.jobs]
    zone_of, places = laid_out_places(wanted, list(truths), shape, trace, pool_of)
    laid_out = Setting(
        trace=trace,
        truth=first,
        foresight=foresight_of(wanted.forecast, first),
        forecast=wanted.forecast,
        length=wanted.length,
        partitions=partitions,
        pool_units=pool_units,
        pool_of=pool_of,
        watts=wanted.watts,
        parameters=wanted.parameters,
        others=[Zone(truth.zone, truth, foresight_of(wanted.forecast, truth)) for truth in others],
        zone_of=zone_of,
        places=places,
    )
    return laid_out, _told(laid_out, moved)


def _told(laid_out: Setting, moved: int) -> str:
    """Return how many jobs take part at what power, where they went, and why the others do not."""
    trace = laid_out.trace
    out = [f"{count} {why}" for why, count in trace.left_out.items() if count]
    words = [f"{len(trace)} jobs, {laid_out.watts:.6g} W a unit"]
    words += [f"{moved} of partitions that the cluster does not have, in its default"] if moved else []
    return "; ".join([*words, *([f"left out: {', '.join(out)}"] if out else [])])


def text_of(path: Path) -> str:
    """Return what is in a file, unpacked.

    Raises:
        CarbonslurmError: it cannot be read.
    """
    from carbonslurm.carbon.file import load

    return load(path)[0]


def truths_of(words: Sequence[Path], column: str | None) -> dict[str, Series]:
    """Return the intensities of each zone, by its name; the first is where jobs are at home.

    Args:
        words: files, all of one zone, or ``ZONE=FILE`` each.
        column: of the intensities.

    Raises:
        CarbonslurmError: one cannot be read, two speak of the same time, or only some name a zone.
    """
    named = [(None, word) if word.exists() else _named(word) for word in words]
    if len({zone is None for zone, _ in named}) > 1:
        raise UsageError("--carbon: either all files name their zone (ZONE=FILE) or none does")
    files: dict[str, list[Path]] = {}
    for zone, path in named:
        files.setdefault(zone or "trace", []).append(path)
    return {zone: truth_of(paths, column, zone) for zone, paths in files.items()}


def _named(word: Path) -> tuple[str | None, Path]:
    found = _ZONE.fullmatch(str(word))
    return (found["zone"], Path(found["file"])) if found else (None, word)


def truth_of(paths: Sequence[Path], column: str | None, zone: str = "trace") -> Series:
    """Return the intensities of files that follow each other in time.

    Raises:
        CarbonslurmError: one cannot be read, or two speak of the same time.
    """
    from carbonslurm.carbon.file import CSV_SUFFIXES, YAML_SUFFIXES, read
    from carbonslurm.carbon.written import Profile
    from carbonslurm.core.forecast import Kind, Nature, Scope, Series
    from carbonslurm.sim.setting import joined

    scope = Scope.DIRECT if column is not None and "direct" in column else Scope.LIFECYCLE
    parts = []
    for path in paths:
        if not path.name.endswith(CSV_SUFFIXES + YAML_SUFFIXES):
            raise UsageError(f"--carbon: expected .csv or .yaml, with or without .gz, got {path.name}")
        written = read(text_of(path), str(path), column)
        if isinstance(written.content, Profile):
            raise DataError(f"{path}:1: expected a series of dated intensities, not a profile or a constant")
        nature = Nature(written.kind or Kind.AVERAGE, written.scope or scope)
        parts.append(Series.from_steps(zone, path.name, nature, written.content))
    return joined(parts)


def cluster_of(path: Path) -> ClusterShape:
    """Return the cluster that a file describes.

    Raises:
        CarbonslurmError: it cannot be read.
    """
    from carbonslurm.sim.cluster_file import read_cluster

    return read_cluster(text_of(path), str(path))


def foresight_of(name: str, truth: Series) -> Foresight:
    """Return the forecasts of a name, or of the file of that name.

    Raises:
        CarbonslurmError: the file cannot be read.
    """
    from carbonslurm.formats.issues import read_issues
    from carbonslurm.sim.setting import foresight

    written = [] if name in FORECASTS else read_issues(text_of(Path(name)), name)
    return foresight(name, truth, written)
