"""When runs took their energy: for charts, as one array. In a module of its own, since it needs numpy."""

import numpy as np
from sqlalchemy import Double, type_coerce

from carbonslurm.core.forecast import Floats
from carbonslurm.ledger.columns import length_s
from carbonslurm.ledger.database import Room
from carbonslurm.ledger.figures import with_figures
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
        columns = (
            type_coerce(RUN.c.started, Double),
            type_coerce(RUN.c.ended, Double),
            kwh,
            type_coerce(FIGURE.c.baseline_starts_at, Double),
            type_coerce(FIGURE.c.baseline_ends_at, Double),
            kwh * baseline / ran,
        )
        with self._database.reading() as connection:
            rows = (
                tuple(row)
                for statement in with_figures(wanted, columns)
                for row in connection.execute(statement.where(RUN.c.ended > RUN.c.started, kwh.is_not(None)))
            )
            return np.fromiter(rows, dtype=(float, 6))
