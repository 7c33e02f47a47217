"""What measuring the energy of runs asks of whoever has meters."""

from datetime import datetime
from typing import Protocol

from carbonslurm.core.energy import Measurement
from carbonslurm.core.job import AccountedRun


class EnergySource(Protocol):
    """One question about one run, to whoever keeps what meters said."""

    @property
    def name(self) -> str:
        """As it stands in every figure that rests on it."""

    @property
    def partitions(self) -> frozenset[str]:
        """Where it has meters; empty for everywhere."""

    def measure(self, run: AccountedRun, now: datetime) -> Measurement | None:
        """Return what was measured of an ended run, None where there is nothing of it.

        Raises:
            DataError: the answer is none that can be used.
            RefusedError: it says no.
            UnavailableError: there was no answer.
        """
