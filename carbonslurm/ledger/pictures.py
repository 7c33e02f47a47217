"""What is known of some hours of a zone, by the archive: measured values, and forecasts in their gaps.

Read within a transaction of whoever asks; how layers lie over each other is in ``archive``.
"""

from sqlalchemy import ColumnElement, Connection, Double, select, type_coerce

from carbonslurm.core.forecast import Kind, Nature, Scope
from carbonslurm.core.interval import Interval
from carbonslurm.core.painted import Painted
from carbonslurm.ledger.issues import forecast_layers
from carbonslurm.ledger.painting import Layer, paint
from carbonslurm.ledger.tables import INTENSITY, ISSUE


def measured_within(zone: str, nature: Nature, window: Interval) -> tuple[ColumnElement[bool], ...]:
    """Return what chooses the measured values of a window."""
    table = INTENSITY.c
    of = (table.zone == zone, table.kind == nature.kind.value, table.scope == nature.scope.value)
    return (*of, table.ends_at > window.start, table.starts_at < window.end)


def natures_within(connection: Connection, zone: str, window: Interval) -> set[Nature]:
    """Return the natures in which there is any value of a window, measured or forecast."""
    return {
        Nature(Kind(row.kind), Scope(row.scope))
        for table in (INTENSITY, ISSUE)
        for row in connection.execute(
            select(table.c.kind, table.c.scope)
            .where(table.c.zone == zone, table.c.ends_at > window.start, table.c.starts_at < window.end)
            .distinct()
        )
    }


def picture_of(connection: Connection, zone: str, nature: Nature, window: Interval) -> Painted | None:
    """Return what is known of a window: measured values, and forecasts where nothing was measured."""
    measured = measured_layers(connection, zone, nature, window)
    picture = paint(zone, nature, measured)
    gap = window if picture is None else picture.gap(window)
    if gap is not None:
        picture = paint(zone, nature, [*forecast_layers(connection, zone, nature, gap), *measured])
    return picture


def measured_layers(
    connection: Connection, zone: str, nature: Nature, window: Interval, source: str | None = None
) -> list[Layer]:
    """Return every measured value of a window, in the order in which they were stored."""
    table = INTENSITY.c
    of = () if source is None else (table.source == source,)
    rows = connection.execute(
        select(
            type_coerce(table.starts_at, Double),
            type_coerce(table.ends_at, Double),
            table.g_per_kwh,
            table.estimated,
            table.source,
        )
        .where(*measured_within(zone, nature, window), *of)
        .order_by(table.id)
    )
    return [Layer(*row) for row in rows]
