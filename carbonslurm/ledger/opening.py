"""How everybody but the daemon opens a ledger: for reading, whether the daemon runs or not."""

from pathlib import Path
from typing import Self

from carbonslurm.errors import LedgerError
from carbonslurm.ledger import sqlite
from carbonslurm.ledger.database import Database, Room
from carbonslurm.ledger.place import Place
from carbonslurm.ledger.tables import REVISIONS


class Opened(Room):
    """A ledger that cannot be written; what is asked of it is added by classes beside this one."""

    @classmethod
    def open(cls, where: Path | Place) -> Self:
        """Open a ledger for reading, as any user who may; a path means SQLite's file.

        Raises:
            LedgerError: there is none, it cannot be read, or its tables are not this carbonslurm's.
        """
        place = sqlite.at(where)
        engine = place.reader()
        database = Database(place, engine, engine.dispose)
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
    revision = database.revision()
    if revision != REVISIONS[-1]:
        what = "it has no tables" if revision is None else "its tables are old"
        raise LedgerError(f"ledger {database.place}: {what}: run carbonslurm ledger migrate")
