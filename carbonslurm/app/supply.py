"""Keeping the archive supplied: one round of asking the sources, fetching history, and our own forecasts.

In this order, since a forecast is made of what is known by then. A round is short: who rests is not asked,
history takes a few calls, and our own forecast is made once an hour.
"""

from dataclasses import dataclass

from carbonslurm.app.backfill import Backfill
from carbonslurm.app.fetch import Chain
from carbonslurm.app.forecasting import Forecasting


@dataclass(frozen=True, slots=True)
class Supply:
    """The three, at hand for the daemon."""

    chain: Chain
    backfill: Backfill
    forecasting: Forecasting

    def run(self) -> None:
        """Run one round.

        Raises:
            LedgerError: the archive cannot be read or written.
        """
        self.chain.run()
        self.backfill.run()
        self.forecasting.run()
