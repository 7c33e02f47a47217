"""Plain rows <-> CSV and Parquet: moments as people and other programs read them, and back without a loss.

Parquet has types: moments are timestamps in UTC to the microsecond, durations seconds, unknown is null. CSV
has text: moments in ISO 8601, and an empty field is unknown where the column may be. Both are read back to
the very numbers that they came from.
"""

import csv
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Protocol

from sqlalchemy import BigInteger, Boolean, Column, Integer, Text

from carbonslurm.errors import DataError, LedgerError, UnavailableError
from carbonslurm.ledger.columns import Moment

Columns = Sequence[Column[Any]]
Rows = Sequence[Sequence[Any]]
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)
READ = 5_000  # rows at once


class Form(Protocol):
    """One form of files."""

    ending: str

    def write(self, path: Path, columns: Columns, batches: Iterable[Rows]) -> int:
        """Write rows to a new file; return how many.

        Raises:
            LedgerError: it cannot be written.
        """

    def read(self, path: Path, columns: Columns) -> Iterator[Rows]:
        """Read what ``write`` wrote.

        Raises:
            DataError: it is something else.
            LedgerError: it cannot be read.
        """


@contextmanager
def _translated(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise LedgerError(f"{path}: {error.strerror or error}") from error


def _moment(seconds: float) -> datetime:
    return EPOCH + round(seconds * 1e6) * MICROSECOND


def _seconds(moment: datetime) -> float:
    return moment.timestamp()


# --- CSV


class Csv:
    """Comma-separated, with a header."""

    ending = "csv"

    def write(self, path: Path, columns: Columns, batches: Iterable[Rows]) -> int:
        """Write rows; see Form."""
        count = 0
        with _translated(path), path.open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file)
            writer.writerow([column.name for column in columns])
            for batch in batches:
                count += len(batch)
                writer.writerows(
                    [_text(value, column) for value, column in zip(row, columns, strict=True)]
                    for row in batch
                )
        return count

    def read(self, path: Path, columns: Columns) -> Iterator[Rows]:
        """Read rows; see Form."""
        with _translated(path), path.open(encoding="utf-8", newline="") as file:
            rows = csv.reader(file)
            if next(rows, None) != [column.name for column in columns]:
                raise DataError(f"{path}: its first line does not name the columns of this version")
            batch: list[Sequence[Any]] = []
            for row in rows:
                batch.append(_values(row, columns, path, rows.line_num))
                if len(batch) == READ:
                    yield batch
                    batch = []
            yield batch


def _text(value: Any, column: Column[Any]) -> str:
    if value is None:
        return ""
    if isinstance(column.type, Moment):
        return _moment(value).isoformat()
    if isinstance(value, bool):
        return str(value).lower()
    return repr(value) if isinstance(value, float) else str(value)


def _values(row: Sequence[str], columns: Columns, path: Path, line: int) -> Sequence[Any]:
    if len(row) != len(columns):
        raise DataError(f"{path}:{line}: {len(row)} fields instead of {len(columns)}")
    try:
        return [_value(text, column) for text, column in zip(row, columns, strict=True)]
    except ValueError as error:
        raise DataError(f"{path}:{line}: {error}") from error


def _value(text: str, column: Column[Any]) -> Any:
    if text == "" and column.nullable:
        return None
    if isinstance(column.type, Moment):
        return _seconds(datetime.fromisoformat(text))
    if isinstance(column.type, Boolean):
        return {"true": True, "false": False}[text] if text in {"true", "false"} else _not_boolean(text)
    if isinstance(column.type, Text):
        return text
    return int(text) if isinstance(column.type, Integer) else float(text)


def _not_boolean(text: str) -> bool:
    raise ValueError(f"expected true or false, got {text[:40]!r}")


# --- Parquet


class Parquet:
    """Apache Parquet, by pyarrow."""

    ending = "parquet"

    def __init__(self) -> None:
        try:
            import pyarrow as pa  # noqa: PLC0415  # an extra, and 0.2 s
            from pyarrow import parquet  # noqa: PLC0415
        except ImportError as missing:
            raise UnavailableError(
                "Parquet needs pyarrow: pip install 'carbonslurm[parquet]'; --format csv does not"
            ) from missing
        self._arrow, self._parquet = pa, parquet

    def write(self, path: Path, columns: Columns, batches: Iterable[Rows]) -> int:
        """Write rows; see Form."""
        count, schema = 0, self._schema(columns)
        with _translated(path), self._parquet.ParquetWriter(path, schema, compression="zstd") as writer:
            for batch in batches:
                count += len(batch)
                writer.write_table(self._table(batch, columns, schema))
        return count

    def read(self, path: Path, columns: Columns) -> Iterator[Rows]:
        """Read rows; see Form."""
        with _translated(path):
            try:
                with self._parquet.ParquetFile(path) as file:
                    if file.schema_arrow != self._schema(columns):
                        raise DataError(f"{path}: its columns are not those of this version")
                    for batch in file.iter_batches(batch_size=READ):
                        yield self._rows(batch, columns)
            except self._arrow.ArrowInvalid as error:
                raise DataError(f"{path}: {str(error).splitlines()[0]}") from error

    def _schema(self, columns: Columns) -> Any:
        return self._arrow.schema(
            [self._arrow.field(column.name, self._type(column), bool(column.nullable)) for column in columns]
        )

    def _type(self, column: Column[Any]) -> Any:
        arrow = self._arrow
        if isinstance(column.type, Moment):
            return arrow.timestamp("us", "UTC")
        if isinstance(column.type, Text):
            return arrow.string()
        if isinstance(column.type, Boolean):
            return arrow.bool_()
        return arrow.int64() if isinstance(column.type, (Integer, BigInteger)) else arrow.float64()

    def _table(self, batch: Rows, columns: Columns, schema: Any) -> Any:
        parts = list(zip(*batch, strict=True)) if batch else [() for _ in columns]
        arrays = [
            self._array(values, column, field.type)
            for values, column, field in zip(parts, columns, schema, strict=True)
        ]
        return self._arrow.Table.from_arrays(arrays, schema=schema)

    def _array(self, values: Sequence[Any], column: Column[Any], kind: Any) -> Any:
        if isinstance(column.type, Moment):
            whole = [None if value is None else round(value * 1e6) for value in values]
            return self._arrow.array(whole, self._arrow.int64()).cast(kind)
        return self._arrow.array(values, kind)

    def _rows(self, batch: Any, columns: Columns) -> Rows:
        parts = []
        for column, array in zip(columns, batch.columns, strict=True):
            if isinstance(column.type, Moment):
                whole = array.cast(self._arrow.int64()).to_pylist()
                parts.append([None if value is None else value / 1e6 for value in whole])
            else:
                parts.append(array.to_pylist())
        return list(zip(*parts, strict=True))


FORMS: Mapping[str, Callable[[], Form]] = {"parquet": Parquet, "csv": Csv}


def form(name: str) -> Form:
    """Return a form by its name.

    Raises:
        UnavailableError: it needs a package that is not installed.
    """
    return FORMS[name]()
