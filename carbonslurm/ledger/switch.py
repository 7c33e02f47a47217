"""The admin's switch: pauses and resumptions, each a row; the newest of a cluster counts."""

from datetime import datetime

from sqlalchemy import insert, select

from carbonslurm.ledger.database import Room
from carbonslurm.ledger.tables import SWITCH
from carbonslurm.ports import Pause


class SwitchReader(Room):
    """Whether the daemon is to keep its hands off."""

    def pause_of(self, cluster: str) -> Pause | None:
        """Return the pause that lasts, None where there is none.

        Raises:
            LedgerError: it could not be read.
        """
        newest = select(SWITCH).where(SWITCH.c.cluster == cluster).order_by(SWITCH.c.id.desc()).limit(1)
        with self._database.reading() as connection:
            row = connection.execute(newest).one_or_none()
        return Pause(row.at, row.by, row.reason) if row is not None and row.paused else None


class Switch(SwitchReader):
    """Pausing and resuming."""

    def turn(self, cluster: str, at: datetime, by: str, reason: str, *, paused: bool) -> None:
        """Write an admin's word.

        Raises:
            LedgerError: it could not be written.
        """
        row = {"cluster": cluster, "paused": paused, "at": at, "by": by, "reason": reason}
        with self._database.writing() as connection:
            connection.execute(insert(SWITCH).values(row))
