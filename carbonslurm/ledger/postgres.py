"""All that is PostgreSQL's own: how it is reached, its transactions, its errors, and its lease.

The address is a URL as libpq takes it, without a password: that is read from a file at each connect, so a
changed one needs no restart. A writing transaction begins by taking one advisory lock, as SQLite's begins
with BEGIN IMMEDIATE: writers wait for each other, readers for nobody. A lost connection is found out before
it is used again (pool_pre_ping), so a server that was restarted is written to again without a word.

The lease is a session's advisory lock on a connection of its own: the server frees it when the connection
ends. Keepalives, set for each session on both sides, end the connection of a host that died without a word
within a minute. A pooler between us must give each connection a session of its own. docs/adr/0008.
"""

import hashlib
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, QueuePool, Table, create_engine, event

from carbonslurm.errors import LedgerError, UnavailableError, UsageError
from carbonslurm.ledger.columns import as_stored
from carbonslurm.ledger.database import translated
from carbonslurm.ledger.place import READS
from carbonslurm.ledger.tables import METADATA

try:
    import psycopg
    from psycopg.conninfo import conninfo_to_dict
except ImportError as missing:
    raise UnavailableError(
        "a ledger on PostgreSQL needs psycopg 3: pip install 'carbonslurm[postgres]'"
    ) from missing

WRITERS = 7_021_789_403  # the advisory lock of all writers of a ledger; a number of ours
CONNECT_S = 10
# Both sides look for the other after 20 s of silence, and give up after three looks 10 s apart; on what was
# sent and not acknowledged, which keepalives do not watch, after 30 s.
KEEPALIVES = {"idle": 20, "interval": 10, "count": 3}
UNHEARD_MS = 30_000
# A statement is planned anew each time: a plan that was made when a table was small reads all of a large one.
PLANS = {"plan_cache_mode": "force_custom_plan"}
NAME_BYTES = 63  # PostgreSQL cuts longer application names

# What the server says of rights and missing tables is not our bug, although psycopg files it under those.
DENIED = frozenset({"42501", "42P01", "3F000"})


@dataclass(frozen=True, slots=True)
class PostgresServer:
    """A ledger in a database of a server: Place.

    Attributes:
        url: ``postgresql://user@host:port/name``, with what libpq takes behind a question mark.
        password_file: where the password is, None where the server asks for none, or libpq knows it.
    """

    url: str
    password_file: Path | None = None

    def __str__(self) -> str:
        return self.url

    def prepare(self) -> None:
        """Nothing to do: a database and a role are an admin's to make (docs/install.md)."""

    def writer(self, patience: timedelta, *, migrating: bool = False) -> Engine:  # noqa: ARG002  # SQLite's
        """Return an engine that writes."""
        waits = f"{patience / timedelta(milliseconds=1):.0f}"
        # An intent must be on the disk before it is acted upon, whatever the server's own setting.
        return self._engine({"lock_timeout": waits, "synchronous_commit": "on", **PLANS})

    def reader(self) -> Engine:
        """Return an engine that cannot write, whatever its role may."""
        return self._engine({"default_transaction_read_only": "on", **PLANS})

    def close_writer(self, engine: Engine) -> None:
        """Close its connections."""
        engine.dispose()

    def is_writable(self) -> bool:
        """Whether this user's password and role let it write."""
        try:
            with translated(self), self.connect() as connection:
                row = connection.execute(
                    "SELECT has_table_privilege('action', 'INSERT') "
                    "AND NOT current_setting('transaction_read_only')::bool"
                ).fetchone()
        except LedgerError:
            return False
        return row is not None and bool(row[0])

    def insert(self, connection: Connection, table: Table, rows: Sequence[Mapping[str, Any]]) -> None:
        """Insert many rows by COPY: several times as fast as a statement for each."""
        if not rows:
            return
        columns = [table.c[name] for name in rows[0]]
        names = ", ".join(f'"{column.name}"' for column in columns)
        writes = [as_stored(column.type, connection.dialect) for column in columns]
        cursor = connection.connection.cursor()
        with cursor.copy(f'COPY "{table.name}" ({names}) FROM STDIN') as copy:
            for row in rows:
                copy.write_row([write(value) for write, value in zip(writes, row.values(), strict=True)])

    def number_on(self, connection: Connection, table: Table) -> None:
        """Set the table's sequence, where it has one, behind the highest number."""
        if "id" in table.c:
            highest = f'SELECT max(id) FROM "{table.name}"'  # noqa: S608  # the name is ours
            connection.exec_driver_sql(
                f"SELECT setval(pg_get_serial_sequence('\"{table.name}\"', 'id'), highest.max) "  # noqa: S608
                f"FROM ({highest}) AS highest WHERE highest.max IS NOT NULL"
            )

    def count_anew(self, connection: Connection) -> None:
        """Have the server count our tables; one that is another role's it leaves alone.

        Its autovacuum does so a minute later, where it is on. Until then it takes a million rows for a few
        hundred, and looks through all actions again for each job: 4 s of its CPU time for a year, not 0.4 s.
        """
        names = ", ".join(f'"{table.name}"' for table in METADATA.sorted_tables)
        connection.exec_driver_sql(f"ANALYZE {names}")

    def back_up(self, target: Path) -> None:
        """Say which command does it: the server's own, which is better at it."""
        raise UsageError(
            "a ledger on PostgreSQL is backed up by its own command, while the daemon runs: "
            f"pg_dump --format=custom --file={target} {self.url}"
        )

    def complaint(self, error: BaseException) -> str | None:
        """Return the words of the network or the server."""
        if not isinstance(error, psycopg.Error):
            return None
        bug = isinstance(error, (psycopg.IntegrityError, psycopg.ProgrammingError, psycopg.DataError))
        if bug and error.sqlstate not in DENIED:
            return None
        return error.diag.message_primary or str(error)

    def connect(
        self, settings: dict[str, str] | None = None, name: str = "carbonslurm", *, autocommit: bool = False
    ) -> psycopg.Connection[tuple[Any, ...]]:
        """Connect, in a session with these settings of the server's.

        Raises:
            LedgerError: the file with the password cannot be read.
            psycopg.Error: the server is away, or says no.
        """
        words = conninfo_to_dict(self.url)
        server = {f"tcp_keepalives_{what}": str(number) for what, number in KEEPALIVES.items()}
        server["tcp_user_timeout"] = str(UNHEARD_MS)
        options = [f"-c {key}={value}" for key, value in {**server, **(settings or {})}.items()]
        words["options"] = " ".join([*options, str(words.get("options") or "")]).strip()
        ours: dict[str, Any] = {f"keepalives_{what}": number for what, number in KEEPALIVES.items()}
        ours |= {"connect_timeout": CONNECT_S, "tcp_user_timeout": UNHEARD_MS}
        ours["application_name"] = name[:NAME_BYTES]
        if self.password_file is not None:
            words["password"] = self._password(self.password_file)
        return psycopg.connect("", autocommit=autocommit, **(ours | words))

    def _password(self, file: Path) -> str:
        try:
            return file.read_text(encoding="utf-8").rstrip("\r\n")
        except (OSError, UnicodeDecodeError) as error:
            words = error.strerror if isinstance(error, OSError) else "not UTF-8"
            raise LedgerError(f"ledger {self.url}: its password: {file}: {words}") from error

    def _engine(self, settings: dict[str, str]) -> Engine:
        engine = create_engine(
            "postgresql+psycopg://",
            creator=lambda: self.connect(settings),
            poolclass=QueuePool,
            pool_pre_ping=True,
        )
        event.listen(engine, "begin", _begin)
        return engine


def _begin(connection: Connection) -> None:
    if connection.get_execution_options().get(READS, False):
        connection.exec_driver_sql("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
    else:
        connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({WRITERS})")


# --- the lease

# One of our own locks as pg_locks lists it: a number of 64 bits is shown as its two halves.
_MINE = """
    locktype = 'advisory' AND granted AND objsubid = 1
    AND classid::bigint = ((%(key)s::bigint >> 32) & 4294967295) AND objid::bigint = (%(key)s & 4294967295)
    AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
"""
_HELD = f"""
    SELECT CASE WHEN EXISTS (SELECT FROM pg_locks WHERE pid = pg_backend_pid() AND {_MINE})
        THEN true ELSE pg_try_advisory_lock(%(key)s) END
"""  # noqa: S608  # both texts are ours
_HOLDER = f"""
    SELECT application_name FROM pg_locks JOIN pg_stat_activity USING (pid) WHERE {_MINE}
"""  # noqa: S608


class PostgresLease:
    """The lease of one cluster on one database: Lease of ``ports``. Threads may share it.

    Args:
        server: where the ledger lies.
        cluster: the cluster to act on.
        name: who we are, for people; the server lists it.
    """

    def __init__(self, server: PostgresServer, cluster: str, name: str) -> None:
        self._server = server
        self._name = name
        digest = hashlib.sha256(f"carbonslurm lease {cluster}".encode()).digest()
        self._key = {"key": int.from_bytes(digest[:8], "big", signed=True)}
        self._connection: psycopg.Connection[tuple[Any, ...]] | None = None
        self._one_at_a_time = threading.Lock()

    def held(self) -> bool:
        """Take the lease where it is free; return whether we have it.

        A lost connection is a lost lease, which is asked for anew at once.

        Raises:
            LedgerError: the server is away, or says no.
        """
        with self._one_at_a_time, translated(self._server):
            try:
                return bool(self._ask(_HELD))
            except psycopg.Error:
                self._drop()
            return bool(self._ask(_HELD))

    def holder(self) -> str:
        """Return who has it."""
        try:
            with self._one_at_a_time, translated(self._server):
                return str(self._ask(_HOLDER) or "nobody")
        except LedgerError:
            return "another carbonslurmd"

    def let_go(self) -> None:
        """Leave it to others."""
        with self._one_at_a_time:
            self._drop()

    def _ask(self, question: str) -> Any:
        if self._connection is None:
            self._connection = self._server.connect(name=self._name, autocommit=True)
        try:
            row = self._connection.execute(question, self._key).fetchone()
        except psycopg.Error:
            self._drop()
            raise
        return row[0] if row else None

    def _drop(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None
