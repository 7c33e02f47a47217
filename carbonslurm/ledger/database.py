"""One open database: its transactions, and the translation of its errors.

What the disk, the network, the server or another process did wrong becomes LedgerError, in one line, here
and nowhere else. A broken constraint or a wrong statement is a bug of ours and keeps its traceback. A
DataError that rose while a value was written (a moment without a zone) is handed on as it was.
"""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import islice
from typing import Any, TypeVar

from sqlalchemy import Connection, Engine, Table, insert, inspect, text
from sqlalchemy.exc import StatementError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from carbonslurm.errors import CarbonslurmError, LedgerError
from carbonslurm.ledger.place import READS, Place
from carbonslurm.ledger.tables import REVISIONS

# Values in one IN (...): SQLite before 3.32 takes 999 in a statement.
BATCH = 900

Value = TypeVar("Value")


def in_batches(values: Collection[Value], size: int = BATCH) -> Iterator[Sequence[Value]]:
    """Cut values into pieces that fit into one statement."""
    rest = iter(values)
    while batch := tuple(islice(rest, size)):
        yield batch


@contextmanager
def translated(place: Place) -> Iterator[None]:
    """Turn what the database says into LedgerError."""
    try:
        yield
    except CarbonslurmError:
        raise
    except Exception as error:
        cause = error.orig if isinstance(error, StatementError) and error.orig else error
        if isinstance(cause, CarbonslurmError):
            raise cause from error
        words = str(cause) if isinstance(cause, PoolTimeoutError) else place.complaint(cause)
        if words is None:
            raise
        raise LedgerError(f"ledger {place}: {' '.join(words.split())}") from error


class Database:
    """An open ledger.

    Args:
        place: where it lies.
        engine: how to reach it.
        close: how to close it.
        may_write: asked before each writing transaction; raises where it must not be.
    """

    def __init__(
        self,
        place: Place,
        engine: Engine,
        close: Callable[[], None],
        may_write: Callable[[], None] = lambda: None,
    ) -> None:
        self.place = place
        self._may_write = may_write
        self._engine = engine
        self._reader = engine.execution_options(**{READS: True})
        self._close = close

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """Give one transaction: all of it is written, or nothing.

        Raises:
            LedgerError: it could not be written.
            UnavailableError: another daemon has taken over.
        """
        self._may_write()
        with translated(self.place), self._engine.begin() as connection:
            yield connection

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """Give one unchanging view of everything.

        Raises:
            LedgerError: it could not be read.
        """
        with translated(self.place), self._reader.begin() as connection:
            yield connection

    def revision(self) -> str | None:
        """Return the revision of the tables, None where there are none.

        Raises:
            LedgerError: it cannot be read, or a newer carbonslurm wrote it.
        """
        with self.reading() as connection:
            if not inspect(connection).has_table("alembic_version"):
                return None
            revision = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
        if revision is not None and revision not in REVISIONS:
            raise LedgerError(f"ledger {self.place}: a newer carbonslurm wrote it (revision {revision})")
        return revision

    def close(self) -> None:
        """Close every connection."""
        with translated(self.place):
            self._close()


def insert_one(connection: Connection, table: Table, row: Mapping[str, Any]) -> int:
    """Insert a row; return the number that it got."""
    key = connection.execute(insert(table).values(dict(row))).inserted_primary_key
    if key is None:
        raise AssertionError(f"{table.name} numbers its rows")
    return int(key[0])


class Room:
    """What each class over the database needs: the database."""

    def __init__(self, database: Database) -> None:
        self._database = database
