"""How moments and durations lie in columns: as Unix seconds and seconds, in double precision.

Numbers, because SQLite has no type for time and text loses the offset; seconds, because sacct and people's
own SQL speak them; double precision, because whole seconds are exact in it and a moment comes back to the
microsecond until the year 2242. A moment without a zone is refused on the way in; UTC comes out.
"""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import BigInteger, ColumnElement, Double, Integer, type_coerce
from sqlalchemy.engine import Dialect
from sqlalchemy.types import TypeDecorator, TypeEngine

from carbonslurm.core.interval import aware, from_epoch

# SQLite numbers rows by itself only in a column declared exactly INTEGER.
Number = BigInteger().with_variant(Integer, "sqlite")


class Moment(TypeDecorator[datetime]):
    """An aware moment, stored as Unix seconds.

    Raises:
        DataError: on the way in, of a moment that has no time zone.
    """

    impl = Double
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> float | None:  # noqa: ARG002
        """Return Unix seconds."""
        return None if value is None else aware(value).timestamp()

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        """Return the moment in UTC."""
        return None if value is None else from_epoch(value)


def as_stored(kind: TypeEngine[Any], dialect: Dialect) -> Callable[[Any], Any]:
    """Return what makes of a value of this type what lies in the database."""
    if not isinstance(kind, TypeDecorator):
        return lambda value: value
    return lambda value: kind.process_bind_param(value, dialect)


def length_s(end: ColumnElement[datetime], start: ColumnElement[datetime]) -> ColumnElement[float]:
    """Return the seconds between two moments of a row."""
    return type_coerce(end, Double) - type_coerce(start, Double)


class Seconds(TypeDecorator[timedelta]):
    """A duration, stored as seconds."""

    impl = Double
    cache_ok = True

    def process_bind_param(self, value: timedelta | None, dialect: Dialect) -> float | None:  # noqa: ARG002
        """Return seconds."""
        return None if value is None else value.total_seconds()

    def process_result_value(self, value: Any, dialect: Dialect) -> timedelta | None:  # noqa: ARG002
        """Return the duration."""
        return None if value is None else timedelta(seconds=value)
