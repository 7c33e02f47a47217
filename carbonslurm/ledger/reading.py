"""The ledger as everybody else holds it: open for reading, whether the daemon runs or not."""

from pathlib import Path
from typing import Self

from carbonslurm.errors import LedgerError
from carbonslurm.ledger import sqlite
from carbonslurm.ledger.archive import ArchiveReader
from carbonslurm.ledger.database import Database
from carbonslurm.ledger.memory import Memory
from carbonslurm.ledger.reports import Reports
from carbonslurm.ledger.tables import REVISIONS


class Reading(Reports, ArchiveReader, Memory):
    """A ledger that cannot be written: LedgerReader of ``ports``, what is known of carbon, what is ours."""

    @classmethod
    def open(cls, path: Path) -> Self:
        """Open a ledger for reading, as any user who may read the file.

        Raises:
            LedgerError: there is none, it cannot be read, or its tables are not this carbonslurm's.
        """
        if not path.is_file():
            raise LedgerError(f"ledger {path}: there is none, or this user may not see it")
        database = Database(path, sqlite.engine_for_reading(path))
        try:
            _check(database)
        except BaseException:
            database.close()
            raise
        return cls(database)

    def close(self) -> None:
        """Close it."""
        self._database.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _check(database: Database) -> None:
    if database.revision() != REVISIONS[-1]:
        raise LedgerError(f"ledger {database.path}: its tables are old: run carbonslurm ledger migrate")
