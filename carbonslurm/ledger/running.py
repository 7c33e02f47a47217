"""Runs that still run, as who looks at them needs them: up to when sacct has been read, and their jobs."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import select

from carbonslurm.core.job import AccountedRun
from carbonslurm.ledger.database import Room
from carbonslurm.ledger.tables import READ_MARK
from carbonslurm.ports import RunToFigure


class RunningReader(Room):
    """Read-only questions."""

    def accounted_until(self, cluster: str) -> datetime | None:
        """Return the moment up to which sacct has been read.

        Raises:
            LedgerError: it could not be read.
        """
        with self._database.reading() as connection:
            return connection.execute(
                select(READ_MARK.c.until).where(READ_MARK.c.cluster == cluster)
            ).scalar_one_or_none()

    def with_jobs(self, cluster: str, runs: Sequence[AccountedRun]) -> Sequence[RunToFigure]:
        """Return runs of the ledger, in any state, with what it knows of their jobs, in the same order.

        Raises:
            LedgerError: it could not be read.
        """
        from carbonslurm.ledger.runs import to_figure  # noqa: PLC0415 - only who looks at running ones pays

        with self._database.reading() as connection:
            return to_figure(connection, cluster, runs)
