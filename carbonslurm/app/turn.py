"""Whose turn it is to act: asked before everything that writes or tells Slurm something.

A second daemon, started by mistake or on purpose, waits, and takes over when the first is gone.
"""

import logging
from dataclasses import dataclass

from carbonslurm.errors import LedgerError
from carbonslurm.ports import Lease

logger = logging.getLogger(__name__)


@dataclass(slots=True)
class Turn:
    """Asks the lease, and says what keeps us from acting: once, not at each cycle.

    Attributes:
        lease: the cluster's.
        waits_for: what keeps us from acting, None while nothing does.
    """

    lease: Lease
    waits_for: str | None = None

    def ours(self) -> bool:
        """Whether this daemon may act now."""
        why = self._why_not()
        if why != self.waits_for:
            if why:
                logger.warning("nothing is done: %s", why)
            else:
                logger.info("this daemon acts now")
            self.waits_for = why
        return why is None

    def _why_not(self) -> str | None:
        try:
            return None if self.lease.held() else f"{self.lease.holder()} acts on this cluster, we wait"
        except LedgerError as error:
            return str(error)
