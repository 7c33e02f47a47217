"""The ledger at a million runs: bin/bench ledger.

Runs of three years on three partitions, each in a zone of its own with hourly intensities, one in twenty
a flexible job; on a file of SQLite's, and on a private PostgreSQL. ``--runs`` takes fewer. ``--beside-sacct``
puts the same runs into a slurmdbd, too, and asks sacct what carbon-sacct was asked.
"""

import argparse
import sys
import tempfile
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import yaml
from ledger_parts.measuring import ROUNDS, Cost, command, family, often, timed
from ledger_parts.records import END, FIRST, FLEXIBLE, HOUR, job, lines
from ledger_parts.slurmdbd import Slurmdbd, slurmdbd

from carbonslurm import config, wiring
from carbonslurm.app.report import Books
from carbonslurm.core.accounted import Accounted
from carbonslurm.core.action import Action, Verb
from carbonslurm.core.forecast import Kind, Nature, Scope, Series
from carbonslurm.core.interval import Interval
from carbonslurm.core.job import Queue
from carbonslurm.ports import Outcome, OutcomeState, RunFilter
from carbonslurm.sandbox.postgres import PrivatePostgres

NOW = END + timedelta(days=21)
MONTH = Interval(datetime(2026, 5, 1, tzinfo=UTC), datetime(2026, 6, 1, tzinfo=UTC))
YEAR = Interval(datetime(2025, 11, 1, tzinfo=UTC), END)
NATURE = Nature(Kind.AVERAGE, Scope.LIFECYCLE)
BIN = Path(sys.executable).parent
ZONES = {"gpu": "NL", "cpu": "FR", "long": "DE"}


@dataclass(frozen=True, slots=True)
class Site:
    """A configuration, and what it takes to read how much room and CPU time the database takes."""

    path: Path
    size: Callable[[], int]
    server: Callable[[], float] = lambda: 0.0

    def values(self) -> config.Config:
        """Read it."""
        return config.load(self.path)


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


def ask(site: Site, count: int) -> list[Cost]:
    """Measure what people ask; return what whole processes cost: one job, a month, a year."""
    sacct = (str(BIN / "carbon-sacct"), "--config", str(site.path))
    costs = [
        often("carbon-sacct -j N, the whole process", *sacct, "-j", str(count // 2), servers=site.server)
    ]
    for name, span, group in (("a month", MONTH, "user"), ("a year", YEAR, "account")):
        window = ("-a", "-S", f"{span.start:%Y-%m-%d}", "-E", f"{span.end:%Y-%m-%d}", "--by", group)
        whole = f"carbon-sacct --by {group}, {name}, the whole process"
        costs.append(often(whole, *sacct, *window, servers=site.server))
        wanted = RunFilter(window=span, clusters=("bench",))
        with wiring.reading(site.values()) as reading:
            books = Books(reading, ZONES.__getitem__)
            asked = lambda books=books, wanted=wanted, group=group: books.with_whole(wanted, (group,))  # noqa: E731
            timed(f"{name} by {group}, in a process that runs", asked, ROUNDS, site.server)
    return costs


def ask_sacct(site: Site, beside: Slurmdbd, count: int, ours: Sequence[Cost]) -> None:
    """Ask sacct the same of the same runs; it sums nothing up, but prints each run for somebody who does."""
    each = ("sacct", "-a", "-X", "-n", "-P", "-o", "User,Account,State,ElapsedRaw,AllocTRES")
    asked = [("-j N", ("sacct", "-j", str(count // 2)))]
    for name, span in (("a month", MONTH), ("a year", YEAR)):
        words = (*each, "-S", f"{span.start:%Y-%m-%d}", "-E", f"{span.end:%Y-%m-%d}")
        asked.append((name, words))
        with wiring.reading(site.values()) as reading:
            runs = Books(reading, ZONES.__getitem__).total(RunFilter(window=span)).runs
        if (printed := len(beside.output(*words))) != runs:
            raise SystemExit(f"{name}: sacct has {printed} runs, the ledger {runs}")
    for (name, words), mine in zip(asked, ours, strict=True):
        whole = f"sacct, {name}, the whole process and its servers"
        theirs = often(whole, *words, environment=beside.environment(), servers=beside.processor)
        print(f"    carbon-sacct takes {mine.over(theirs)}", flush=True)


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


def measure(site: Site, dump: Path, count: int, beside: Slurmdbd | None) -> None:
    """Measure one ledger."""
    write(site, dump, count)
    costs = ask(site, count)
    if beside is not None:
        ask_sacct(site, beside, count, costs)
    revise(site, dump, count)


def on_sqlite(folder: Path, dump: Path, count: int, beside: Slurmdbd | None) -> None:
    """Measure on a file."""
    path = folder / "ledger.sqlite"
    measure(configured(folder, str(path), None, lambda: path.stat().st_size), dump, count, beside)
    path.unlink()


def on_postgres(folder: Path, dump: Path, count: int, beside: Slurmdbd | None) -> None:
    """Measure on a server of our own."""
    server = PrivatePostgres(folder / "s")
    server.create()
    try:
        server.database("ledger")
        size = "SELECT pg_database_size('ledger')"
        address, password = server.url("ledger"), server.password_file()
        site = configured(folder, address, password, lambda: int(server.sql(size, "ledger")[0][0]))
        pid = server.process.pid if server.process else 0
        measure(replace(site, server=lambda: family(pid)), dump, count, beside)
    finally:
        server.kill()


ON = {"sqlite": on_sqlite, "postgres": on_postgres}


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=1_000_000, help="how many")
    parser.add_argument("--on", choices=ON, action="append", help="which database; both where none is named")
    parser.add_argument("--beside-sacct", action="store_true", help="ask a slurmdbd of our own the same, too")
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
        with slurmdbd(folder / "slurm") if given.beside_sacct else nullcontext() as beside:
            if beside is not None:
                timed("slurmdbd filled with them", lambda: beside.fill(given.runs))
            for kind in given.on or ON:
                print(f"--- {kind}, {given.runs:,} runs", flush=True)
                ON[kind](folder, dump, given.runs, beside)


if __name__ == "__main__":
    main()
