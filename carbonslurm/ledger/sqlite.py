"""All that is SQLite's own: the file, its rights, its transactions, and how others may read it.

Write-ahead logging, because a reader then neither waits for the daemon nor holds it up. A reader who may not
write into the folder needs the two side files (-wal, -shm) to be there; SQLite removes them when the last
writer closes, unless another connection still reads. So ``close_for_readers`` lets one read-only connection
outlive the writers: it cannot remove them. Where they are missing all the same (another program closed the
file, or it is a copy) nobody writes, and the file is read as it lies. docs/adr/0003 has the measurements.

Python's sqlite3 is kept from opening transactions itself: a writing one begins with BEGIN IMMEDIATE, so that
two threads wait for each other instead of failing when they turn from reading to writing.
"""

import contextlib
import os
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote

from sqlalchemy import Connection, Engine, QueuePool, Table, create_engine, event

from carbonslurm.errors import LedgerError
from carbonslurm.ledger.columns import as_stored
from carbonslurm.ledger.place import READS, Place


@dataclass(frozen=True, slots=True)
class SqliteFile:
    """A ledger in a file: Place."""

    path: Path

    def __str__(self) -> str:
        return str(self.path)

    def prepare(self) -> None:
        """Make the file, or check that an old one can be written; see ``create``."""
        create(self.path)

    def writer(self, patience: timedelta, *, migrating: bool = False) -> Engine:
        """Return an engine that writes."""
        # Rebuilding a table, which is how SQLite alters one, must not trip over its foreign keys.
        return engine_for_writing(self.path, patience, foreign_keys=not migrating)

    def reader(self) -> Engine:
        """Return an engine that cannot write.

        Raises:
            LedgerError: there is no such file, or this user may not read it.
        """
        if not _is_seen(self.path):
            raise LedgerError(f"ledger {self.path}: there is none, or this user may not see it")
        if not os.access(self.path, os.R_OK):
            raise LedgerError(f"ledger {self.path}: may not be read by this user")
        return engine_for_reading(self.path)

    def close_writer(self, engine: Engine) -> None:
        """Close it, and leave the side files to readers."""
        close_for_readers(self.path, engine)

    def is_writable(self) -> bool:
        """Whether this user may write the file, and side files beside it."""
        return os.access(self.path, os.W_OK) and os.access(self.path.parent, os.W_OK)

    def insert(self, connection: Connection, table: Table, rows: Sequence[Mapping[str, Any]]) -> None:
        """Insert many rows by the driver's own means: twice as fast as a statement of SQLAlchemy's."""
        if not rows:
            return
        columns = [table.c[name] for name in rows[0]]
        names = ", ".join(f'"{column.name}"' for column in columns)
        marks = ", ".join("?" * len(columns))
        writes = [as_stored(column.type, connection.dialect) for column in columns]
        connection.exec_driver_sql(
            f'INSERT INTO "{table.name}" ({names}) VALUES ({marks})',  # noqa: S608  # the names are ours
            [tuple(write(value) for write, value in zip(writes, row.values(), strict=True)) for row in rows],
        )

    def number_on(self, connection: Connection, table: Table) -> None:
        """Nothing to do: SQLite numbers on from the highest."""

    def count_anew(self, connection: Connection) -> None:
        """Nothing to do: questions are written so that SQLite finds its way, and counts lead it astray."""

    def back_up(self, target: Path) -> None:
        """Write a copy by SQLite's own means; see ``back_up``."""
        back_up(self.path, target)

    def complaint(self, error: BaseException) -> str | None:
        """Return the words of the disk, the file system or another process."""
        ours = isinstance(error, (sqlite3.IntegrityError, sqlite3.ProgrammingError))
        return str(error) if isinstance(error, sqlite3.Error) and not ours else None


def _is_seen(path: Path) -> bool:
    """Tell whether there is such a file, as far as this user can see; a closed folder is no fault of ours."""
    try:
        return path.is_file()
    except OSError:
        return False


def at(where: Path | Place) -> Place:
    """Return a place; a path means SQLite's file."""
    return SqliteFile(where) if isinstance(where, Path) else where


def create(path: Path) -> None:
    """Make an empty file that everybody may read, or check that an old one can be written.

    Rights of an old file stay: a site may have closed its ledger on purpose. SQLite gives the side files the
    rights of the file.

    Raises:
        LedgerError: the folder is missing, or the file or its folder cannot be written.
    """
    if not path.parent.is_dir():
        raise LedgerError(f"ledger {path}: there is no folder {path.parent}")
    try:
        # Only ever opened when new: closing any handle of a file drops all locks of this process on it.
        handle = os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o644)
        os.fchmod(handle, 0o644)  # whatever the umask
        os.close(handle)
    except FileExistsError:
        if not os.access(path, os.W_OK) or not os.access(path.parent, os.W_OK):
            raise LedgerError(f"ledger {path}: it or its folder cannot be written by this user") from None
    except OSError as error:
        raise LedgerError(f"ledger {path}: {error.strerror}") from error


def engine_for_writing(path: Path, patience: timedelta, *, foreign_keys: bool = True) -> Engine:
    """Return an engine for the daemon's threads; each waits for the others at most ``patience``."""

    def connect() -> sqlite3.Connection:
        connection = sqlite3.connect(
            path, timeout=patience.total_seconds(), isolation_level=None, check_same_thread=False
        )
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            # An intent must be on the disk before it is acted upon, power cuts included.
            connection.execute("PRAGMA synchronous = FULL")
            connection.execute(f"PRAGMA foreign_keys = {'ON' if foreign_keys else 'OFF'}")
        except sqlite3.Error:
            connection.close()
            raise
        return connection

    return _engine(connect)


def engine_for_reading(path: Path) -> Engine:
    """Return an engine that cannot write, for any user who may read the file."""
    settings = "mode=ro" if _side_file(path).exists() else "mode=ro&immutable=1"

    def connect() -> sqlite3.Connection:
        return sqlite3.connect(
            _uri(path, settings), uri=True, timeout=5, isolation_level=None, check_same_thread=False
        )

    return _engine(connect)


def close_for_readers(path: Path, engine: Engine) -> None:
    """Close all writers, and leave the side files so that others can still read."""
    try:
        keeper = sqlite3.connect(_uri(path, "mode=ro"), uri=True)
    except sqlite3.Error:  # the file is gone: nobody is left to read it
        engine.dispose()
        return
    try:
        # Failing to tidy up is no reason not to close: the next writer does it.
        with contextlib.suppress(sqlite3.Error):
            _empty_log(engine)
            keeper.execute("SELECT count(*) FROM sqlite_master").fetchone()
        engine.dispose()
    finally:
        keeper.close()


def back_up(path: Path, target: Path) -> None:
    """Copy a ledger to a new file, in one piece, while others write it.

    SQLite copies the pages of one unchanging view; writers are not held up. The copy comes under its name
    only when all of it is on the disk and SQLite finds it whole, so a name that is there is a backup.

    Raises:
        LedgerError: it cannot be read, the target is there already, or the copy cannot be written.
    """
    if target.exists():
        raise LedgerError(f"{target}: is there already")
    if not _is_seen(path):
        raise LedgerError(f"ledger {path}: there is none, or this user may not see it")
    draft = target.with_name(f".{target.name}.{os.getpid()}")
    try:
        _copy_pages(path, draft)
        draft.chmod(path.stat().st_mode & 0o777)
        draft.rename(target)
    except (sqlite3.Error, OSError) as error:
        words = error.strerror if isinstance(error, OSError) else str(error)
        raise LedgerError(f"ledger {path}: backup to {target}: {words}") from error
    finally:
        draft.unlink(missing_ok=True)


def _copy_pages(path: Path, draft: Path) -> None:
    settings = "mode=ro" if _side_file(path).exists() else "mode=ro&immutable=1"
    with (
        contextlib.closing(sqlite3.connect(_uri(path, settings), uri=True, timeout=5)) as source,
        contextlib.closing(sqlite3.connect(draft)) as copy,
    ):
        source.backup(copy)
        # One file in one piece, that can be carried elsewhere: no log beside it.
        copy.execute("PRAGMA journal_mode = DELETE")
        found = copy.execute("PRAGMA quick_check").fetchone()
        if found != ("ok",):
            raise LedgerError(f"ledger {path}: SQLite finds it damaged: {found[0]}")
    descriptor = os.open(draft, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _empty_log(engine: Engine) -> None:
    raw = engine.raw_connection()
    try:
        raw.cursor().execute("PRAGMA wal_checkpoint(TRUNCATE)")
    finally:
        raw.close()


def _engine(connect: Callable[[], sqlite3.Connection]) -> Engine:
    engine = create_engine("sqlite://", creator=connect, poolclass=QueuePool)
    event.listen(engine, "begin", _begin)
    return engine


def _begin(connection: Connection) -> None:
    reads = connection.get_execution_options().get(READS, False)
    connection.exec_driver_sql("BEGIN" if reads else "BEGIN IMMEDIATE")


def _side_file(path: Path) -> Path:
    return path.with_name(path.name + "-wal")


def _uri(path: Path, settings: str) -> str:
    return f"file:{quote(str(path.absolute()))}?{settings}"
