"""Does accounting in children that may be killed: python nursery.py, and orders on its input.

An order is a line: the dump, and where the ledger lies (a file, or an URL and the file with its password).
For each it prints the child's process id, and how the child ended. What it needs is imported once, before the
children: then one is at work within a hundredth of a second.
"""

import os
import sys
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import alembic.command
import alembic.config
import numpy as np

from carbonslurm.app.figuring import FigureRules
from carbonslurm.app.importing import keep_all
from carbonslurm.app.ingest import Ingest
from carbonslurm.app.measuring import Measuring
from carbonslurm.app.queueing import WithoutUs
from carbonslurm.core.accounted import Accounted
from carbonslurm.core.forecast import Kind, Nature, Scope, Series
from carbonslurm.core.interval import Interval
from carbonslurm.core.power import PowerModel
from carbonslurm.core.pue import Pue
from carbonslurm.formats.sacct import Reading
from carbonslurm.formats.sacct_file import rows_of
from carbonslurm.ledger.postgres import PostgresServer
from carbonslurm.ledger.writing import Ledger

NOW = datetime(2026, 11, 22, tzinfo=UTC)
HOURS = 48
PIECE = 50
LOADED = (alembic.command, alembic.config)  # what a migration needs


class Nothing:
    """A sacct that has nothing new to say."""

    def accounted(self, _window: Interval, _now: datetime, _jobs: Sequence[int] = ()) -> Accounted:
        """Say it."""
        return Accounted()


def work(dump: Path, place: Path | PostgresServer) -> None:
    """Bring a ledger up to date, read a dump into it, and work out all figures."""
    with Ledger.open(place, cluster="green") as book:
        edges = np.arange(HOURS + 1) * 3600.0 + NOW.timestamp() - HOURS * 3600
        values, flags = 200.0 + 10 * np.arange(HOURS), np.zeros(HOURS, dtype=bool)
        nature = Nature(Kind.AVERAGE, Scope.DIRECT)
        book.keep_actual(Series("GB", "neso", nature, edges, values, flags), NOW)
        found = rows_of(dump.read_text().splitlines(), dump.name)
        reading = Reading(found.columns, "green", None, NOW)
        keep_all(map(reading.read, reading.pieces(found.rows, PIECE)), book, lambda: NOW)
        ingest = Ingest(
            cluster="green",
            accounting=Nothing(),
            runs=book,
            archive=book,
            rules=FigureRules(lambda _: "GB", lambda _: PowerModel(), timedelta(), Pue.constant(1.3)),
            without_us=WithoutUs("green", [], book, timedelta(), lambda: NOW),
            measuring=Measuring("green", [], book, lambda: NOW, print),
            clock=lambda: NOW,
        )
        while ingest.run().figures:
            pass


def main() -> None:
    """Take orders until the input ends."""
    for line in sys.stdin:
        dump, where, *password = line.split()
        child = os.fork()
        if child == 0:
            code = 1
            try:
                place = PostgresServer(where, Path(password[0])) if password else Path(where)
                work(Path(dump), place)
                code = 0
            finally:
                os._exit(code)
        print(child, flush=True)  # noqa: T201  # whoever orders reads it
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)  # noqa: T201


if __name__ == "__main__":
    main()
