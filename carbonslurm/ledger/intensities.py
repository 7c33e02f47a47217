"""What is known of the intensities of a window, for figures: measured values, and forecasts in their gaps."""

from collections.abc import Sequence

import numpy as np
from sqlalchemy import ColumnElement, Connection, Double, select, type_coerce

from carbonslurm.core.forecast import Kind, Nature, Scope, Series
from carbonslurm.core.intensities import KnownIntensity
from carbonslurm.core.interval import Interval, from_epoch
from carbonslurm.ledger.database import Room
from carbonslurm.ledger.issues import forecast_layers
from carbonslurm.ledger.painting import Layer, painted, painted_by
from carbonslurm.ledger.tables import INTENSITY, ISSUE


class IntensityReader(Room):
    """What figures are made of."""

    def intensities(self, zone: str, window: Interval) -> Sequence[KnownIntensity]:
        """Return what is known of a window, one for each nature that has any value in it.

        The newest measured values, and the newest issues' where nothing was measured, flagged estimated.
        Steps may reach beyond the window.

        Raises:
            LedgerError: it could not be read.
        """
        with self._database.reading() as connection:
            found = [
                _known(connection, zone, nature, window)
                for nature in sorted(_natures(connection, zone, window), key=str)
            ]
        return [known for known in found if known is not None]


def _natures(connection: Connection, zone: str, window: Interval) -> set[Nature]:
    return {
        Nature(Kind(row.kind), Scope(row.scope))
        for table in (INTENSITY, ISSUE)
        for row in connection.execute(
            select(table.c.kind, table.c.scope)
            .where(table.c.zone == zone, table.c.ends_at > window.start, table.c.starts_at < window.end)
            .distinct()
        )
    }


def _known(connection: Connection, zone: str, nature: Nature, window: Interval) -> KnownIntensity | None:
    layers = measured(connection, zone, nature, window)
    gap = _unmeasured(painted(zone, nature, layers), window)
    if gap is not None:
        layers = [*forecast_layers(connection, zone, nature, gap), *layers]
    return painted_by(zone, nature, layers)


def _unmeasured(series: Series | None, window: Interval) -> Interval | None:
    """Return the part of a window outside of which all is measured: there are many more forecasts than it."""
    if series is None:
        return window
    start, end = window.start.timestamp(), window.end.timestamp()
    edges = np.concatenate(([min(start, series.edges[0])], series.edges, [max(end, series.edges[-1])]))
    missing = np.concatenate(([True], np.isnan(series.values), [True]))
    touched = missing & (edges[1:] > start) & (edges[:-1] < end) & (edges[1:] > edges[:-1])
    places = np.flatnonzero(touched)
    if len(places) == 0:
        return None
    first, last = max(start, edges[places[0]]), min(end, edges[places[-1] + 1])
    return Interval(from_epoch(float(first)), from_epoch(float(last)))


def within(zone: str, nature: Nature, window: Interval) -> tuple[ColumnElement[bool], ...]:
    """Return what chooses the measured values of a window."""
    table = INTENSITY.c
    of = (table.zone == zone, table.kind == nature.kind.value, table.scope == nature.scope.value)
    return (*of, table.ends_at > window.start, table.starts_at < window.end)


def measured(
    connection: Connection, zone: str, nature: Nature, window: Interval, source: str | None = None
) -> list[Layer]:
    """Return the measured values of a window, of one source or of all, in the order of their storing."""
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
        .where(*within(zone, nature, window), *of)
        .order_by(table.id)
    )
    return [Layer(*row) for row in rows]
