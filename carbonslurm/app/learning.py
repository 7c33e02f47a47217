"""What past runs teach of lengths, as last read: one reading of the ledger an hour, not one a cycle."""

import logging
from dataclasses import dataclass
from datetime import datetime, timedelta

from carbonslurm.core.length import Past
from carbonslurm.errors import LedgerError
from carbonslurm.ports import PastReader

logger = logging.getLogger(__name__)

READ_AGAIN = timedelta(hours=1)


@dataclass(slots=True)
class Learning:
    """The past as last read.

    Attributes:
        past: None before the first reading.
        read: when the ledger was last asked, readable or not.
    """

    past: Past | None = None
    read: datetime | None = None

    def recent(self, ledger: PastReader, cluster: str, now: datetime) -> Past | None:
        """Return what past runs teach; where the ledger cannot be read, what was learned last stands."""
        if self.read is None or now - self.read >= READ_AGAIN:
            self.read = now
            try:
                self.past = Past(ledger.past_runs(cluster, now))
            except LedgerError as error:
                logger.warning("lengths are predicted as before: %s", error)
        return self.past
