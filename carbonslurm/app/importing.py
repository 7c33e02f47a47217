"""A dump of sacct -> the ledger, in pieces: every row a run, a step, or set aside.

Each piece is a transaction of its own, so that a file of any size takes little memory and leaves the daemon
its turn between two. A file that is imported again, whole or from where it was cut off, changes nothing.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime

from carbonslurm.app.ingest import MANY
from carbonslurm.core.accounted import Accounted
from carbonslurm.ports import RunBook

PIECE = 10_000  # rows: about 30 MB


@dataclass(frozen=True, slots=True)
class ImportReport:
    """What became of the rows of a dump.

    Attributes:
        rows: that were read: each is one of the next three.
        runs: attempts of jobs.
        steps: that were read with their jobs.
        aside: that are no runs.
        changed: runs that the ledger did not know, or knew otherwise.
        newly_aside: rows set aside that it did not have yet.
    """

    rows: int = 0
    runs: int = 0
    steps: int = 0
    aside: int = 0
    changed: int = 0
    newly_aside: int = 0


def keep_all(pieces: Iterable[Accounted], book: RunBook, clock: Callable[[], datetime]) -> ImportReport:
    """Keep every piece; say what became of the rows.

    Raises:
        LedgerError: it could not be written; what came before is kept.
    """
    report = ImportReport()
    for piece in pieces:
        at = clock()
        changed = book.keep_runs(piece.runs, at)
        book.keep_steps(piece.known_steps)
        report = ImportReport(
            rows=report.rows + piece.rows,
            runs=report.runs + len(piece.runs),
            steps=report.steps + piece.steps,
            aside=report.aside + len(piece.aside),
            changed=report.changed + changed,
            newly_aside=report.newly_aside + book.set_aside(piece.aside, at),
        )
    if report.changed >= MANY:
        book.many_were_written()
    return report
