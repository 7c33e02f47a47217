"""How the budgets stand this month: what their owners' runs have emitted, from the ledger.

The daemon plans by it, so it fails open: where the ledger cannot be read, no budget is used up. It is asked
anew after a while only, since figures come after runs have ended and one cycle more or less decides nothing.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from carbonslurm.app.report import month_starts, month_text
from carbonslurm.core.allowance import Allowance, OwnerKind, Standing
from carbonslurm.core.interval import Interval
from carbonslurm.errors import LedgerError
from carbonslurm.ports import Dimension, RunFilter, RunSum, SumReader

logger = logging.getLogger(__name__)

ASKED_EVERY = timedelta(minutes=5)
DIMENSIONS = {
    OwnerKind.USER: Dimension.USER,
    OwnerKind.ACCOUNT: Dimension.ACCOUNT,
    OwnerKind.PARTITION: Dimension.PARTITION,
}


@dataclass(slots=True)
class Spending:
    """The budgets of a cluster.

    Attributes:
        cluster: whose runs count.
        allowances: the site's budgets.
        reader: the ledger.
        now_known: what was read last, and when.
    """

    cluster: str
    allowances: Sequence[Allowance]
    reader: SumReader
    now_known: tuple[datetime, Sequence[Standing]] | None = field(default=None)

    def standings(self, at: datetime) -> Sequence[Standing]:
        """Return how each budget stands in the month of a moment, in the site's order.

        Raises:
            LedgerError: the ledger cannot be read.
        """
        if not self.allowances:
            return ()
        month = month_starts(at, at)[0]
        wanted = RunFilter(started=Interval(month, at + timedelta(seconds=1)), clusters=(self.cluster,))
        by = tuple(DIMENSIONS[kind] for kind in OwnerKind)
        sums = self.reader.sums(wanted, by)
        return [_standing(it, month_text(month), sums) for it in self.allowances]

    def recent(self, at: datetime) -> Sequence[Standing]:
        """Return the same, as it was known a few minutes ago; nothing where the ledger cannot be read."""
        if self.now_known is None or not timedelta() <= at - self.now_known[0] < ASKED_EVERY:
            try:
                self.now_known = (at, self.standings(at))
            except LedgerError as error:
                logger.warning("budgets: %s", error)
                self.now_known = (at, ())
        return self.now_known[1]


def last_of_month(moment: datetime, now: datetime) -> datetime:
    """Return the last instant to be asked about for a month: its end, or now in the one that goes on."""
    after = month_starts(moment, moment + timedelta(days=32))[1]
    return min(after - timedelta(seconds=1), now)


def _standing(allowance: Allowance, month: str, sums: Sequence[RunSum]) -> Standing:
    mine = [it for it in sums if allowance.concerns(*it.by)]
    natures = {it.nature for it in mine if it.nature is not None}
    # Grams of different natures are never added: those of most of the energy count.
    weights = {nature: sum(it.energy_kwh for it in mine if it.nature == nature) for nature in natures}
    main = max(sorted(weights, key=str), key=lambda nature: weights[nature], default=None)
    counted = [it for it in mine if it.nature == main]
    runs, known = sum(it.runs for it in mine), sum(it.known for it in counted)
    return Standing(allowance, month, sum(it.emitted_g for it in counted), runs, runs - known)
