"""Policies on traces: bin/bench plan DATA. Tables in Markdown, as they stand in docs/bench.md.

DATA is the folder above ``jobs`` and ``carbon``. Options choose: ``--part pai|mit|ricc|year`` (again for
more), ``--policy NAME,...``, ``--zone``, ``--units 32,...``, ``--load 0.6,...``, ``--forecast`` and
``--length``, likewise; ``--days N`` takes only the jobs of a trace's first days, ``--param`` is as of
``carbonslurm simulate``. With ``--keep FILE`` each
row is written there as soon as it is measured, and one that is there already is not measured again: so the
parts, which take hours together, can be run in pieces. Nothing is judged.
"""

import argparse
import gzip
import json
import resource
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from carbonslurm.carbon.written import Profile, read_csv
from carbonslurm.core.forecast import Kind, Nature, Scope, Series
from carbonslurm.formats.traces import read_trace
from carbonslurm.sim.comparison import Run, Setting, run
from carbonslurm.sim.foresight import Foresight
from carbonslurm.sim.parameters import read_parameters
from carbonslurm.sim.registry import POLICIES
from carbonslurm.sim.setting import foresight, on_units, within
from carbonslurm.sim.trace import MaxWait, Reading, Trace, lay_out

WAIT = MaxWait(timedelta(hours=6), timedelta(hours=24))
DAY = 86_400.0
SHORTEST = 10.0  # seconds: of bounded slowdown (Feitelson and Rudolph 1998)
NATURE = Nature(Kind.AVERAGE, Scope.LIFECYCLE)
RICC_TO_2022 = timedelta(weeks=626)
YEAR_2022 = datetime(2022, 1, 1, tzinfo=UTC)
# The linear programme of docs/bench.md (joint beside the bound), at 32 and at 24 CPUs.
BOUND = {
    "AU-SA": {32: 0.612, 24: 0.669},
    "US-CAL-CISO": {32: 0.810, 24: 0.878},
    "DE": {32: 0.888, 24: 0.911},
    "GB": {32: 0.831, 24: 0.870},
    "FR": {32: 0.886, 24: 0.905},
    "US-TEX-ERCO": {32: 0.847, 24: 0.878},
}
GOAL = {"true": 0.9}  # of the bound's saving
GOAL_OTHERWISE = 0.85
LATE = {32: 0, 24: 13}  # earliest latest start first, without any deferral

Figures = Mapping[str, Any]


class Data:
    """The folder of traces and intensities."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.intensity = cache(self._intensity)

    def _text(self, *parts: str) -> str:
        return gzip.decompress(self.folder.joinpath(*parts).read_bytes()).decode()

    def _intensity(self, name: str) -> Series:
        content = read_csv(self._text("carbon", "electricitymaps", f"{name}.csv.gz"), name, None).content
        if isinstance(content, Profile):
            raise TypeError(name)
        return Series.from_steps(name, "file", NATURE, content)

    def jobs(self, name: str, shift: timedelta = timedelta(), days: float | None = None) -> Trace:
        """Read a trace, or the jobs that arrive in its first days."""
        read = read_trace(self._text("jobs", f"{name}.csv.gz"), name)
        trace = lay_out(read, Reading("cpus", WAIT, YEAR_2022, shift))
        if days is None:
            return trace
        return trace.only(trace.arrival < trace.arrival[0] + days * DAY, f"after the first {days:g} days")


class Kept:
    """Rows that were measured: in a file of one JSON object a line, or nowhere."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        lines = path.read_text().splitlines() if path is not None and path.exists() else []
        self._rows: dict[str, Figures] = {entry["key"]: entry["row"] for entry in map(json.loads, lines)}

    def row(self, *key: object, here: Setting, policy: str) -> Figures:
        """Return a policy's figures on a setting that these words name, measured if they are not there."""
        name = "/".join(f"{part:g}" if isinstance(part, float) else str(part) for part in (*key, policy))
        if name not in self._rows:
            done = run(here, policy, time.perf_counter, lambda _: None)
            self._rows[name] = asdict(done.row) | {"slowdown": slowdown(done, here.trace)}
            if self._path is not None:
                with self._path.open("a") as file:
                    file.write(json.dumps({"key": name, "row": self._rows[name]}) + "\n")
        return self._rows[name]


def setting(
    trace: Trace,
    truth: Series,
    seen: Foresight,
    forecast: str,
    length: str,
    units: float,
    param: Sequence[str] = (),
) -> Setting:
    """Lay out one comparison."""
    fitting = on_units(within(trace, truth), units)
    return Setting(
        trace=fitting,
        truth=truth,
        foresight=seen,
        forecast=forecast,
        length=length,
        partitions=None,
        pool_units=[units],
        pool_of=[0] * len(fitting),
        watts=1000.0,
        parameters=read_parameters(tuple(param), list(POLICIES)),
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


HEAD = "| policy | length | carbon kg | relative | mean wait h | p95 | max | late | stops | slowdown | s |"


def _line(row: Figures) -> str:
    carbon = "unknown" if row["carbon_kg"] is None else f"{row['carbon_kg']:.1f}"
    relative = "unknown" if row["relative"] is None else f"{row['relative']:.4f}"
    cells = [row["policy"], row["length"], carbon, relative]
    cells += [f"{row['mean_wait_h']:.2f}", f"{row['p95_wait_h']:.2f}", f"{row['max_wait_h']:.1f}"]
    cells += [str(row["late"]), str(row["stops"]), f"{row['slowdown']:.2f}", f"{row['seconds']:.1f}"]
    return f"| {' | '.join(cells)} |"


def pai(data: Data, given: argparse.Namespace, kept: Kept) -> None:
    """pai-1k zone by zone: relative emissions, and how many were late."""
    trace = data.jobs("pai-1k-gaia", timedelta(weeks=given.weeks), given.days)
    when = (f"{given.weeks:+d} weeks",) if given.weeks else ()
    for forecast in given.forecast or ["perfect"]:
        for units in given.units:
            for length in given.length:
                title = f"pai-1k, {units:g} CPUs, lengths: {length}, {forecast} forecast"
                print(f"\n**{title}** (relative / late)\n")
                print(f"| policy | {' | '.join(given.zone)} |\n|{'---|' * (len(given.zone) + 1)}", flush=True)
                if not when:
                    _goals(given.zone, units, length)
                for name in given.policy:
                    cells = []
                    for zone in given.zone:
                        truth = data.intensity(f"{zone}-2022")
                        seen = _seen(forecast, truth)
                        here = setting(trace, truth, seen, forecast, length, units, given.param)
                        words = ("pai", *when, zone, units, forecast, length, *given.param)
                        row = kept.row(*words, here=here, policy=name)
                        cells.append(f"{row['relative']:.4f} / {row['late']}")
                    print(f"| {name} | {' | '.join(cells)} |", flush=True)


def _goals(zones: Sequence[str], units: float, length: str) -> None:
    """Print what cannot be beaten, and what is to be reached."""
    bounds = [BOUND.get(zone, {}).get(units) for zone in zones]
    if None in bounds:
        return
    share = GOAL.get(length, GOAL_OTHERWISE)
    print(f"| bound | {' | '.join(f'{bound:.3f}' for bound in bounds)} |")
    goals = [f"{1 - share * (1 - bound):.4f} / {LATE[units]}" for bound in bounds if bound is not None]
    print(f"| goal ({share:.0%}) | {' | '.join(goals)} |", flush=True)


SEEN: dict[tuple[str, str], Foresight] = {}


def _seen(forecast: str, truth: Series) -> Foresight:
    """Forecasts of a zone, which remember what they have worked out."""
    key = forecast, truth.zone
    if key not in SEEN:
        SEEN[key] = foresight(forecast, truth, [])
    return SEEN[key]


def _loads(given: argparse.Namespace, kept: Kept, trace: Trace, truth: Series, name: str) -> None:
    work = within(trace, truth)
    for load in given.load:
        units = units_for(work, load)
        for forecast in given.forecast or ["perfect", "own", "persistence"]:
            for length in given.length:
                here = setting(work, truth, _seen(forecast, truth), forecast, length, units, given.param)
                out = ", ".join(f"{count} {why}" for why, count in here.trace.left_out.items() if count)
                title = f"{name} on {truth.zone}, load {load:g} ({units:.0f} CPUs), {forecast} forecast"
                print(f"\n**{title}**: {len(here.trace)} jobs, left out: {out or 'none'}\n")
                print(f"{HEAD}\n|{'---|' * 11}", flush=True)
                for policy in given.policy:
                    days = f"{given.days:g} days" if given.days else "all"
                    words = (name, days, load, forecast, length, *given.param)
                    print(_line(kept.row(*words, here=here, policy=policy)), flush=True)


def mit(data: Data, given: argparse.Namespace, kept: Kept) -> None:
    """MIT SuperCloud, in place and in time."""
    trace = data.jobs("mit-supercloud-2021", days=given.days)
    _loads(given, kept, trace, data.intensity("US-NE-ISNE-2021"), "mit-supercloud-2021")


def ricc(data: Data, given: argparse.Namespace, kept: Kept) -> None:
    """RICC, moved to 2022."""
    trace = data.jobs("ricc-2010-may-june", RICC_TO_2022, given.days)
    _loads(given, kept, trace, data.intensity("DE-2022"), "ricc-2010")


def year(data: Data, given: argparse.Namespace, kept: Kept) -> None:
    """A year of pai-100k without a limit; a policy alone in its process for its own peak of memory."""
    truth = data.intensity("AU-SA-2022")
    begun = time.perf_counter()
    trace = data.jobs("pai-100k-gaia", days=given.days)
    here = setting(trace, truth, _seen("perfect", truth), "perfect", "true", float("inf"))
    print(f"\nreading: {time.perf_counter() - begun:.1f} s, {len(here.trace)} jobs")
    for name in given.policy:
        spent = time.process_time()
        row = kept.row("year", here=here, policy=name)
        busy = time.process_time() - spent
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(
            f"| {name} | {row['seconds']:.1f} s | {busy:.1f} s of CPU | peak so far {peak:.0f} MB |",
            flush=True,
        )


PARTS: dict[str, Callable[[Data, argparse.Namespace, Kept], None]] = {
    "pai": pai,
    "mit": mit,
    "ricc": ricc,
    "year": year,
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
    reader.add_argument("--zone", type=words, default=list(BOUND))
    reader.add_argument("--units", type=numbers, default=[32.0, 24.0])
    reader.add_argument("--load", type=numbers, default=[0.6, 0.8, 0.95])
    reader.add_argument("--forecast", type=words, default=None)
    reader.add_argument("--length", type=words, default=["class-mean", "true"])
    reader.add_argument("--days", type=float, help="only jobs of the first so many days")
    reader.add_argument("--weeks", type=int, default=0, help="move pai-1k by so many weeks")
    reader.add_argument("--param", action="append", default=[], help="[POLICY.]NAME=VALUE, again for more")
    reader.add_argument("--keep", type=Path, help="file of rows that are measured already")
    given = reader.parse_args()
    kept = Kept(given.keep)
    for part in given.part or list(PARTS):
        print(f"\n## {PARTS[part].__doc__}", flush=True)
        PARTS[part](Data(given.data), given, kept)


if __name__ == "__main__":
    main()
