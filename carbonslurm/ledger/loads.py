"""When runs took their energy: for charts, as one array. In a module of its own, since it needs numpy."""

import numpy as np
from sqlalchemy import Double, select, type_coerce

from carbonslurm.core.forecast import Floats
from carbonslurm.ledger.database import Room
from carbonslurm.ledger.sums import length_s, with_figure
from carbonslurm.ledger.tables import FIGURE, RUN
from carbonslurm.ports import RunFilter


class Loads(Room):
    """Read-only questions."""

    def loads(self, wanted: RunFilter) -> Floats:
        """Return when runs took their energy, and when they would have without us.

        Returns:
            Shape (n, 6), a row for each ended run with a figure: start and end, Unix seconds, kWh; and start,
            end and kWh of its baseline.

        Raises:
            LedgerError: it could not be read.
        """
        ran, baseline = (
            length_s(RUN.c.ended, RUN.c.started),
            length_s(FIGURE.c.baseline_ends_at, FIGURE.c.baseline_starts_at),
        )
        kwh = FIGURE.c.energy_kwh
        statement = select(
            type_coerce(RUN.c.started, Double),
            type_coerce(RUN.c.ended, Double),
            kwh,
            type_coerce(FIGURE.c.baseline_starts_at, Double),
            type_coerce(FIGURE.c.baseline_ends_at, Double),
            kwh * baseline / ran,
        ).select_from(with_figure(wanted))
        statement = statement.where(RUN.c.ended > RUN.c.started, kwh.is_not(None))
        with self._database.reading() as connection:
            rows = connection.execute(statement)
            return np.fromiter((tuple(row) for row in rows), dtype=(float, 6))
