"""What people who look at the grid ask: of the ledger, or of a provider's answers kept for the moment."""

from collections.abc import Sequence
from typing import Protocol

from carbonslurm.ports.carbon import ArchivedSource, ForecastReader


class KnownCarbon(ForecastReader, Protocol):
    """What is known of zones."""

    def sources(self, zone: str) -> Sequence[ArchivedSource]:
        """Return who said anything about a zone, by name and nature."""
