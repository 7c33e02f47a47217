"""Policies on traces: bin/bench plan DATA. Tables in Markdown, as they stand in docs/bench.md.

DATA is the folder above ``jobs`` and ``carbon``. Options choose: ``--part pai|mit|ricc|speed`` (again for
more), ``--policy NAME,...``, ``--zone``, ``--load 0.6,...``, ``--forecast`` and ``--length``, likewise.
Nothing is judged. Each policy runs on the same jobs; the largest part takes hours.
"""

import argparse
import gzip
import resource
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path

import numpy as np

from carbonslurm.carbon.written import Profile, read_csv
from carbonslurm.core.forecast import Kind, Nature, Scope, Series
from carbonslurm.formats.traces import read_trace
from carbonslurm.sim.comparison import Run, Setting, run
from carbonslurm.sim.registry import POLICIES
from carbonslurm.sim.setting import foresight, on_units, within
from carbonslurm.sim.trace import MaxWait, Reading, Trace, lay_out

ZONES = ("AU-SA", "US-CAL-CISO", "DE", "GB", "FR", "US-TEX-ERCO")
WAIT = MaxWait(timedelta(hours=6), timedelta(hours=24))
SHORTEST = 10.0  # seconds: of bounded slowdown (Feitelson and Rudolph 1998)
NATURE = Nature(Kind.AVERAGE, Scope.LIFECYCLE)
RICC_TO_2022 = timedelta(weeks=626)
YEAR_2022 = datetime(2022, 1, 1, tzinfo=UTC)


class Data:
    """The folder of traces and intensities."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def _text(self, *parts: str) -> str:
        return gzip.decompress(self.folder.joinpath(*parts).read_bytes()).decode()

    def intensity(self, name: str) -> Series:
        """Read a zone's year."""
        content = read_csv(self._text("carbon", "electricitymaps", f"{name}.csv.gz"), name, None).content
        if isinstance(content, Profile):
            raise TypeError(name)
        return Series.from_steps(name, "file", NATURE, content)

    def jobs(self, name: str, shift: timedelta = timedelta()) -> Trace:
        """Read a trace."""
        read = read_trace(self._text("jobs", f"{name}.csv.gz"), name)
        return lay_out(read, Reading("cpus", WAIT, YEAR_2022, shift))


def setting(trace: Trace, truth: Series, forecast: str, length: str, units: float) -> Setting:
    """Lay out one comparison."""
    fitting = on_units(within(trace, truth), units)
    return Setting(
        trace=fitting,
        truth=truth,
        foresight=foresight(forecast, truth, []),
        forecast=forecast,
        length=length,
        partitions=None,
        pool_units=[units],
        pool_of=[0] * len(fitting),
        watts=1000.0,
        parameters={},
    )


def units_for(trace: Trace, load: float) -> float:
    """Return the capacity at which work / (capacity x span) is the load.

    Jobs larger than it are left out, which lowers the work, and so the capacity, until nothing changes.
    """
    units, work = float("inf"), trace
    for _ in range(20):
        span = float(work.arrival.max() - work.arrival.min())
        found = float(np.ceil((work.length * work.units).sum() / (load * span)))
        if found == units:
            break
        units, work = found, on_units(trace, found)
    return units


def slowdown(done: Run, trace: Trace) -> float:
    """Return the mean bounded slowdown."""
    spent = done.outcome.end - trace.arrival
    return float(np.maximum(spent / np.maximum(trace.length, SHORTEST), 1.0).mean())


def policies(chosen: Sequence[str], here: Setting) -> list[Run]:
    """Run them."""
    return [run(here, name, time.perf_counter, lambda _: None) for name in chosen]


HEAD = "| policy | length | carbon kg | relative | mean wait h | p95 | max | late | stops | slowdown | s |"


def table(title: str, here: Setting, runs: Sequence[Run]) -> None:
    """Print one comparison."""
    left_out = ", ".join(f"{count} {why}" for why, count in here.trace.left_out.items() if count) or "none"
    print(
        f"\n**{title}**: {len(here.trace)} jobs, left out: {left_out}\n\n{HEAD}\n|{'---|' * 11}", flush=True
    )
    for done in runs:
        row = done.row
        carbon = "unknown" if row.carbon_kg is None else f"{row.carbon_kg:.1f}"
        relative = "unknown" if row.relative is None else f"{row.relative:.4f}"
        cells = [row.policy, row.length, carbon, relative]
        cells += [f"{row.mean_wait_h:.2f}", f"{row.p95_wait_h:.2f}", f"{row.max_wait_h:.1f}"]
        cells += [str(row.late), str(row.stops), f"{slowdown(done, here.trace):.2f}", f"{row.seconds:.1f}"]
        print(f"| {' | '.join(cells)} |", flush=True)


def pai(data: Data, given: argparse.Namespace) -> None:
    """pai-1k at 32 and at 24 CPUs, zone by zone: relative emissions, and how many were late."""
    trace = data.jobs("pai-1k-gaia")
    for units in (32.0, 24.0):
        for length in given.length:
            print(f"\n**pai-1k, {units:.0f} CPUs, lengths: {length}** (relative / late)\n")
            print(f"| policy | {' | '.join(given.zone)} |\n|{'---|' * (len(given.zone) + 1)}", flush=True)
            at = cache(lambda zone: data.intensity(f"{zone}-2022"))
            for name in given.policy:
                cells = []
                for zone in given.zone:
                    row = policies([name], setting(trace, at(zone), "perfect", length, units))[0].row
                    cells.append("unknown" if row.relative is None else f"{row.relative:.4f} / {row.late}")
                print(f"| {name} | {' | '.join(cells)} |", flush=True)


def _loads(data: Data, given: argparse.Namespace, trace: Trace, zone: str, name: str) -> None:
    truth = data.intensity(zone)
    work = within(trace, truth)
    for load in given.load:
        units = units_for(work, load)
        for forecast in given.forecast:
            for length in given.length:
                here = setting(work, truth, forecast, length, units)
                title = f"{name} on {zone}, load {load:g} ({units:.0f} CPUs), {forecast} forecast"
                table(title, here, policies(given.policy, here))


def mit(data: Data, given: argparse.Namespace) -> None:
    """MIT SuperCloud, in place and in time."""
    _loads(data, given, data.jobs("mit-supercloud-2021"), "US-NE-ISNE-2021", "mit-supercloud-2021")


def ricc(data: Data, given: argparse.Namespace) -> None:
    """RICC, moved to 2022."""
    _loads(data, given, data.jobs("ricc-2010-may-june", RICC_TO_2022), "DE-2022", "ricc-2010")


def speed(data: Data, given: argparse.Namespace) -> None:
    """A year of pai-100k without a limit."""
    truth = data.intensity("AU-SA-2022")
    begun = time.perf_counter()
    here = setting(data.jobs("pai-100k-gaia"), truth, "perfect", "true", float("inf"))
    print(f"\nreading: {time.perf_counter() - begun:.1f} s")
    for name in given.policy:
        begun, spent = time.perf_counter(), time.process_time()
        policies([name], replace(here))
        wall, busy = time.perf_counter() - begun, time.process_time() - spent
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(f"| {name} | {wall:.1f} s | {busy:.1f} s of CPU | peak so far {peak:.0f} MB |", flush=True)


PARTS: dict[str, Callable[[Data, argparse.Namespace], None]] = {
    "pai": pai,
    "mit": mit,
    "ricc": ricc,
    "speed": speed,
}


def main() -> None:
    """Measure."""

    def words(text: str) -> list[str]:
        return text.split(",")

    def numbers(text: str) -> list[float]:
        return [float(word) for word in words(text)]

    reader = argparse.ArgumentParser(prog="bin/bench plan", description=__doc__)
    reader.add_argument("data", type=Path)
    reader.add_argument("--part", action="append", choices=PARTS)
    reader.add_argument("--policy", type=words, default=list(POLICIES))
    reader.add_argument("--zone", type=words, default=list(ZONES))
    reader.add_argument("--load", type=numbers, default=[0.6, 0.8, 0.95])
    reader.add_argument("--forecast", type=words, default=["perfect", "own", "persistence"])
    reader.add_argument("--length", type=words, default=["class-mean", "true"])
    given = reader.parse_args()
    for part in given.part or list(PARTS):
        print(f"\n## {PARTS[part].__doc__}", flush=True)
        PARTS[part](Data(given.data), given)


if __name__ == "__main__":
    main()
