"""The ledger at a million runs: bin/bench ledger.

Runs of three years on three partitions, each in a zone of its own with hourly intensities, one in twenty
a flexible job; on a file of SQLite's, and on a private PostgreSQL. ``--runs`` takes fewer.
"""

import argparse
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import yaml

from carbonslurm import config, wiring
from carbonslurm.app.report import Books
from carbonslurm.core.accounted import Accounted
from carbonslurm.core.action import Action, Verb
from carbonslurm.core.forecast import Kind, Nature, Scope, Series
from carbonslurm.core.interval import Interval
from carbonslurm.core.job import JobKey, JobState, Queue, QueuedJob, Tres
from carbonslurm.core.tag import FlexibleBy, Tag
from carbonslurm.ports import Outcome, OutcomeState, RunFilter
from carbonslurm.sandbox.postgres import PrivatePostgres

HOUR, DAY = 3600, 86_400
END = datetime(2026, 11, 1, tzinfo=UTC)
YEARS = 3
FIRST = END - timedelta(days=365 * YEARS)
NOW = END + timedelta(days=21)
MONTH = Interval(datetime(2026, 5, 1, tzinfo=UTC), datetime(2026, 6, 1, tzinfo=UTC))
YEAR = Interval(datetime(2025, 11, 1, tzinfo=UTC), END)
NATURE = Nature(Kind.AVERAGE, Scope.LIFECYCLE)
BIN = Path(sys.executable).parent
FLEXIBLE = 20  # one run in so many
ROUNDS = 5
ZONES = {"gpu": "NL", "cpu": "FR", "long": "DE"}
COLUMNS = (
    "Cluster|JobIDRaw|JobID|Submit|Eligible|Start|End|State|ExitCode|User|UID|Account|Partition|QOS|Timelimit|"
    "AllocTRES|ReqTRES|ConsumedEnergyRaw|AdminComment"
)
STATES = ("COMPLETED",) * 16 + ("FAILED", "TIMEOUT", "CANCELLED by 1000", "NODE_FAIL")


def lines(count: int) -> Iterator[str]:
    """Make what sacct prints of so many runs, in order of submission."""
    chance = random.Random(1)  # noqa: S311  # the same runs each time
    yield COLUMNS
    step = (END - FIRST).total_seconds() / count
    for number in range(count):
        submit = int(FIRST.timestamp() + number * step)
        waited = chance.randrange(1, 3 * HOUR)
        start = submit + waited
        end = start + int(min(chance.lognormvariate(8, 1.5), 2 * DAY)) + 1
        user = int(200 * chance.random() ** 2)
        partition = chance.choice(("gpu", "gpu", "cpu", "long"))
        gpus = chance.choice((1, 1, 2, 4)) if partition == "gpu" else 0
        held = f"gres/gpu:a100={gpus},gres/gpu={gpus}," if gpus else ""
        tres = f"billing=8,cpu={8 * max(gpus, 1)},{held}mem=64G,node=1"
        tag = f"carbon:v=1,flex=43200,latest={submit + 12 * HOUR},by=owner" if number % FLEXIBLE == 0 else ""
        yield (
            f"bench|{number + 1}|{number + 1}|{submit}|{submit}|{start}|{end}|{chance.choice(STATES)}|0:0|"
            f"user{user:03}|{5000 + user}|group{user % 40:02}|{partition}|normal|2-00:00:00|{tres}|{tres}|"
            f"|{tag}"
        )


# --- one ledger


@dataclass(frozen=True, slots=True)
class Site:
    """A configuration, and what it takes to read how much room the ledger takes."""

    path: Path
    size: Callable[[], int]

    def values(self) -> config.Config:
        """Read it."""
        return config.load(self.path)


def said(name: str, wall: float, processor: float, more: str = "") -> None:
    """Print a line."""
    print(f"{name:<58} {wall:8.2f} s   CPU {processor:8.2f} s   {more}", flush=True)


def command(name: str, *words: str, runs: int = 0) -> None:
    """Run a command once; print how long it took, and its memory."""
    begun = time.perf_counter()
    with subprocess.Popen(words, stdout=subprocess.DEVNULL) as child:
        _, status, used = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
    wall, processor = time.perf_counter() - begun, used.ru_utime + used.ru_stime
    if child.returncode:
        raise SystemExit(f"{name}: code {child.returncode}")
    rate = f"{runs / wall:,.0f} runs/s, by CPU {runs / processor:,.0f}, " if runs else ""
    said(name, wall, processor, f"{rate}{used.ru_maxrss / 1024:.0f} MB")


def often(name: str, *words: str) -> None:
    """Run a command several times; print the medians."""
    walls, processors = [], []
    for _ in range(ROUNDS):
        begun, before = time.perf_counter(), os.times()
        subprocess.run(words, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        after = os.times()
        walls.append(time.perf_counter() - begun)
        processors.append(sum(after[2:4]) - sum(before[2:4]))
    said(name, statistics.median(walls), statistics.median(processors), f"median of {ROUNDS}")


def timed(name: str, work: Callable[[], object], times: int = 1) -> None:
    """Do some work in this process; print the medians."""
    walls, processors = [], []
    for _ in range(times):
        begun, used = time.perf_counter(), time.process_time()
        work()
        walls.append(time.perf_counter() - begun)
        processors.append(time.process_time() - used)
    said(name, statistics.median(walls), statistics.median(processors))


def hours(zone: str, span: Interval, more: float = 0.0) -> Series:
    """Make hours that go up and down with the day."""
    edges = np.arange(span.start.timestamp(), span.end.timestamp() + 1, HOUR)
    values = np.round(300 + 100 * np.cos(np.arange(len(edges) - 1) % 24 / 24 * 2 * np.pi) + more, 1)
    return Series(zone, "bench", NATURE, edges, values, np.zeros(len(values), dtype=bool))


class Nothing:
    """A sacct that has nothing new to say: what is measured is the figures."""

    def accounted(self, _window: Interval, _now: datetime, _jobs: Sequence[int] = ()) -> Accounted:
        """Say it."""
        return Accounted()


def figures(site: Path) -> None:
    """Work out all figures that are due; a process of its own, so that its memory can be told."""
    values = config.load(site)
    with wiring.ledger(values) as book:
        replace(wiring.ingest(values, book, print), accounting=Nothing()).run()


def withhold(site: Site, count: int) -> None:
    """Write of the last year's flexible jobs what the daemon writes when it makes them wait."""
    step = (END - FIRST) / count
    jobs = [job(number, FIRST + number * step) for number in range(0, count, FLEXIBLE)]
    jobs = [each for each in jobs if each.submitted >= YEAR.start]
    hour = timedelta(hours=1)
    with wiring.ledger(site.values()) as book:
        for first in range(0, len(jobs), 500):
            some = jobs[first : first + 500]
            at = some[0].submitted
            book.note(Queue(at, tuple(some)), {each.key: each.submitted for each in some})
            actions = [
                Action(Verb.WITHHOLD, each, "", until=each.submitted + hour, bound=each.submitted + 12 * hour)
                for each in some
            ]
            numbers = book.intend(None, actions, at)
            book.settle({number: Outcome(OutcomeState.CONFIRMED, at) for number in numbers})


def job(number: int, submitted: datetime) -> QueuedJob:
    """Make a flexible job as the queue shows it."""
    at = submitted.replace(microsecond=0)
    return QueuedJob(
        key=JobKey("bench", number + 1),
        spec=str(number + 1),
        state=JobState.PENDING,
        user="user000",
        account="group00",
        partition="gpu",
        qos="normal",
        submitted=at,
        eligible=at,
        started=None,
        time_limit=timedelta(days=2),
        deadline=None,
        needs=(),
        held=False,
        reason="None",
        restarts=0,
        requeueable=True,
        tag=Tag(timedelta(hours=12), FlexibleBy.OWNER),
        tres=Tres(8, 1, {"a100": 1}),
    )


def write(site: Site, dump: Path, count: int) -> None:
    """Measure how the ledger is filled."""
    with wiring.ledger(site.values()) as ledger:
        for zone in ZONES.values():
            series = hours(zone, Interval(FIRST - timedelta(days=40), NOW))
            name = f"{len(series.values):,} hours of {zone} kept"
            timed(name, lambda series=series: ledger.keep_actual(series, NOW))
    command(f"sacct's text of {count:,} runs read", *importing(site, dump), runs=count)
    withhold(site, count)
    command("all figures", sys.executable, __file__, "--figures", str(site.path), runs=count)


def importing(site: Site, dump: Path) -> tuple[str, ...]:
    """Return the command that reads a dump."""
    return str(BIN / "carbonslurm"), "ledger", "import", "--sacct", str(dump), "--config", str(site.path)


def ask(site: Site, count: int) -> None:
    """Measure what people ask."""
    sacct = (str(BIN / "carbon-sacct"), "--config", str(site.path))
    often("carbon-sacct -j N, the whole process", *sacct, "-j", str(count // 2))
    for name, span, group in (("a month", MONTH, "user"), ("a year", YEAR, "account")):
        window = ("-a", "-S", f"{span.start:%Y-%m-%d}", "-E", f"{span.end:%Y-%m-%d}", "--by", group)
        often(f"carbon-sacct --by {group}, {name}, the whole process", *sacct, *window)
        wanted = RunFilter(window=span, clusters=("bench",))
        with wiring.reading(site.values()) as reading:
            books = Books(reading, ZONES.__getitem__)
            asked = lambda books=books, wanted=wanted, group=group: books.with_whole(wanted, (group,))  # noqa: E731
            timed(f"{name} by {group}, in a process that runs", asked, ROUNDS)


def revise(site: Site, dump: Path, count: int) -> None:
    """Measure what a revision costs, and a reading that brings nothing new."""
    with wiring.ledger(site.values()) as ledger:
        series = hours("NL", MONTH, 7.0)
        timed("a month of a zone revised", lambda: ledger.keep_actual(series, NOW))
    command("the figures of that month again", sys.executable, __file__, "--figures", str(site.path))
    command("the same text read again", *importing(site, dump), runs=count)
    print(f"{'on disk':<58} {site.size() / 1e6:8.0f} MB  {site.size() / count:.0f} bytes a run", flush=True)


def configured(folder: Path, ledger: str, password: Path | None, size: Callable[[], int]) -> Site:
    """Write a configuration."""
    path = folder / "carbonslurm.yaml"
    values = {"cluster": "bench", "ledger": ledger, "zone": "NL", "zones": ZONES}
    values |= {"sources": [{"provider": "energy-charts", "zone": zone} for zone in ZONES.values()]}
    values |= {"ledger_password_file": str(password)} if password else {}
    path.write_text(yaml.safe_dump(values))
    return Site(path, size)


def measure(site: Site, dump: Path, count: int) -> None:
    """Measure one ledger."""
    write(site, dump, count)
    ask(site, count)
    revise(site, dump, count)


def on_sqlite(folder: Path, dump: Path, count: int) -> None:
    """Measure on a file."""
    path = folder / "ledger.sqlite"
    measure(configured(folder, str(path), None, lambda: path.stat().st_size), dump, count)
    path.unlink()


def on_postgres(folder: Path, dump: Path, count: int) -> None:
    """Measure on a server of our own."""
    server = PrivatePostgres(folder / "s")
    server.create()
    try:
        server.database("ledger")
        size = "SELECT pg_database_size('ledger')"
        address, password = server.url("ledger"), server.password_file()
        site = configured(folder, address, password, lambda: int(server.sql(size, "ledger")[0][0]))
        measure(site, dump, count)
    finally:
        server.kill()


ON = {"sqlite": on_sqlite, "postgres": on_postgres}


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=1_000_000, help="how many")
    parser.add_argument("--on", choices=ON, action="append", help="which database; both where none is named")
    parser.add_argument("--figures", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.figures:
        figures(given.figures)
        return
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        dump = folder / "sacct.txt"
        with dump.open("w") as file:
            file.writelines(f"{line}\n" for line in lines(given.runs))
        for kind in given.on or ON:
            print(f"--- {kind}, {given.runs:,} runs", flush=True)
            ON[kind](folder, dump, given.runs)


if __name__ == "__main__":
    main()
