"""Keeping the archive supplied: one round of asking the sources, fetching history, and our own forecasts.

In this order, since a forecast is made of what is known by then. A round is short: who rests is not asked,
history takes a few calls, our own forecast is made once an hour, and after ``LONGEST_ROUND`` nobody is asked
any more: forecasts are made of what has come, and the next round goes on. A daemon that is to end does not
wait for it: no question is begun any more.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from carbonslurm.app.asking import Over
from carbonslurm.app.backfill import Backfill
from carbonslurm.app.fetch import Chain
from carbonslurm.app.forecasting import Forecasting

LONGEST_ROUND = timedelta(minutes=1)  # of asking; the question that is under way by then comes to its end


def never() -> bool:
    """Tell that nobody wants an end."""
    return False


@dataclass(frozen=True, slots=True)
class Supply:
    """The three, at hand for the daemon.

    Attributes:
        clock: returns the current time.
        ends: whether whoever runs the rounds is to end.
    """

    chain: Chain
    backfill: Backfill
    forecasting: Forecasting
    clock: Callable[[], datetime]
    ends: Callable[[], bool] = never

    def run(self) -> None:
        """Run one round.

        Raises:
            LedgerError: the archive cannot be read or written.
        """
        over = self._over()
        self.chain.run(over)
        self.backfill.run(over)
        if not self.ends():
            self.forecasting.run()

    def _over(self) -> Over:
        begun = self.clock()

        def over() -> str | None:
            if self.ends():
                return "the daemon is about to end"
            if self.clock() - begun >= LONGEST_ROUND:
                return "this round has taken long enough: it waits for the next one"
            return None

        return over
