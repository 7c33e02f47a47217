"""Where a ledger lies: the seam behind which SQLite and PostgreSQL each do what is their own.

Everything else in this room is written once, for both. A writing transaction has the ledger to itself from
its first statement on, so that what it read is still true when it writes; a reading one sees one unchanging
view.
"""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any, Protocol

from sqlalchemy import Connection, Engine, Table

READS = "carbonslurm_reads"  # execution option of a connection that does not mean to write


class Place(Protocol):
    """One ledger's place; its text is the address, without secrets, for messages."""

    def prepare(self) -> None:
        """Make it ready to be written, or check that it is.

        Raises:
            LedgerError: it cannot be.
        """

    def writer(self, patience: timedelta, *, migrating: bool = False) -> Engine:
        """Return an engine for the daemon's threads; each waits for the others at most ``patience``."""

    def reader(self) -> Engine:
        """Return an engine that cannot write.

        Raises:
            LedgerError: there is nothing to read.
        """

    def close_writer(self, engine: Engine) -> None:
        """Close a writer's connections; others can go on reading."""

    def is_writable(self) -> bool:
        """Whether this user may write it."""

    def insert(self, connection: Connection, table: Table, rows: Sequence[Mapping[str, Any]]) -> None:
        """Insert many rows, which all have the same columns in the same order, by the quickest means."""

    def number_on(self, connection: Connection, table: Table) -> None:
        """Make new rows of a table that was filled with numbered rows get numbers behind those."""

    def count_anew(self, connection: Connection) -> None:
        """Have the database count how its rows lie, by which it plans its questions: many were written."""

    def back_up(self, target: Path) -> None:
        """Write a copy of the whole ledger to a new file, while others read and write it.

        Raises:
            LedgerError: it could not be read, or the copy not written.
            UsageError: this database has a tool of its own for that.
        """

    def complaint(self, error: BaseException) -> str | None:
        """Return in one line what is wrong with the world; None where the error is a bug of ours."""
