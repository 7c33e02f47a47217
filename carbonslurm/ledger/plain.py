"""Tables as plain rows, streamed: how a ledger is copied, exported and filled.

Moments and durations are the numbers that lie in the database, so nothing is lost or rounded on the way. All
tables are read in one unchanging view, while the daemon goes on writing. A ledger is filled in one
transaction, all of it or nothing, and only when it is empty: numbers of rows are references, and two ledgers
have the same.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Column, Connection, Double, MetaData, Table, func, select

from carbonslurm.errors import LedgerError
from carbonslurm.ledger.columns import Moment, Seconds
from carbonslurm.ledger.database import Room
from carbonslurm.ledger.tables import METADATA

ROWS = 5_000  # at once
Row = Sequence[Any]


def _plain(table: Table) -> Table:
    columns = [
        Column(column.name, Double() if isinstance(column.type, (Moment, Seconds)) else column.type)
        for column in table.c
    ]
    return Table(table.name, MetaData(), *columns)


# Every table, in an order in which each comes behind those that it refers to.
TABLES: Mapping[str, Table] = {table.name: table for table in METADATA.sorted_tables}
_PLAIN = {name: _plain(table) for name, table in TABLES.items()}


RUNS = "runs"  # each run with the figure that counts, for people
_OF_FIGURE = [column for column in TABLES["figure"].c if column.name not in {"id", "run"}]
_FIGURE = [_PLAIN["figure"].c[column.name].label(f"figure_{column.name}") for column in _OF_FIGURE]
RUNS_COLUMNS: Sequence[Column[Any]] = (
    *TABLES["run"].c,
    *(Column(f"figure_{column.name}", column.type, doc=column.doc) for column in _OF_FIGURE),
)


class View:
    """All tables at one moment."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def count(self, name: str) -> int:
        """Return how many rows a table has."""
        return _count(self._connection, name)

    def batches(self, name: str) -> Iterator[list[Row]]:
        """Return the rows of a table in order of its key, some thousands at once."""
        keys = [_PLAIN[name].c[column.name] for column in TABLES[name].primary_key]
        rows = self._connection.execute(
            select(_PLAIN[name]).order_by(*keys), execution_options={"yield_per": ROWS}
        )
        for part in rows.partitions():
            yield [tuple(row) for row in part]

    def runs(self) -> Iterator[list[Row]]:
        """Return every run with the figure that counts, in order, with RUNS_COLUMNS."""
        run, figure = _PLAIN["run"], _PLAIN["figure"]
        wanted = select(run, *_FIGURE).outerjoin(figure, figure.c.id == run.c.figure).order_by(run.c.id)
        for part in self._connection.execute(wanted, execution_options={"yield_per": ROWS}).partitions():
            yield [tuple(row) for row in part]


class TableReader(Room):
    """Read-only: every row of every table."""

    @contextmanager
    def view(self) -> Iterator[View]:
        """Give one unchanging view of all tables.

        Raises:
            LedgerError: it could not be read.
        """
        with self._database.reading() as connection:
            yield View(connection)


class TableWriter(TableReader):
    """Fills an empty ledger."""

    def fill(self, tables: Mapping[str, Iterable[Iterable[Row]]], counts: Mapping[str, int]) -> None:
        """Write all rows of all tables, or nothing.

        Args:
            tables: rows in batches, by the table's name; each row has all of its columns, in order.
            counts: how many rows each table must have in the end.

        Raises:
            LedgerError: it is not empty, could not be written, or has not as many rows in the end.
        """
        with self._database.writing() as connection:
            for name in TABLES:
                if _count(connection, name):
                    raise LedgerError(f"ledger {self._database.place}: it has rows already: {name}")
            for name, table in _PLAIN.items():
                names = [column.name for column in table.c]
                for batch in tables.get(name, ()):
                    rows = [dict(zip(names, row, strict=True)) for row in batch]
                    self._database.place.insert(connection, table, rows)
                self._database.place.number_on(connection, TABLES[name])
                self._verify(connection, name, counts.get(name, 0))  # before rows come that refer to these
            self._database.place.count_anew(connection)

    def _verify(self, connection: Connection, name: str, wanted: int) -> None:
        found = _count(connection, name)
        if found != wanted:
            raise LedgerError(f"ledger {self._database.place}: {name}: {found} rows instead of {wanted}")


def _count(connection: Connection, name: str) -> int:
    return int(connection.execute(select(func.count()).select_from(_PLAIN[name])).scalar_one())
