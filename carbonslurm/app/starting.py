"""How the daemon begins: the first cycle and the first round of asking; neither keeps the other waiting long.

The sources are asked beside the cycles from the first moment on, so that a slow provider keeps nobody
waiting: the archive holds what was fetched before a restart. Only where it has no forecast that could be used
does the first cycle wait for the first round, ``FIRST_WAIT`` at most: without a forecast a cycle lets go of
what waits. A cycle that was begun before that round ended is followed by another one at once.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

from carbonslurm.errors import CarbonslurmError

logger = logging.getLogger(__name__)

FIRST_WAIT = timedelta(minutes=2)  # for a first forecast: well below TimeoutStartSec of the unit
LOOK_AGAIN = timedelta(seconds=0.5)


@dataclass(slots=True)
class Start:
    """The parts; ``begin`` and ``feed`` are called by two threads.

    Attributes:
        fetch: one round of asking; what was expected to go wrong is not raised.
        cycle: one cycle.
        foresees: whether all zones have a forecast to plan by; LedgerError where there is no telling.
        wait: waits for so long; True as soon as we are told to end.
        cycles: whether a cycle was begun.
        fetched: whether the first round has come to its end, well or not.
    """

    fetch: Callable[[], None]
    cycle: Callable[[], object]
    foresees: Callable[[], bool]
    wait: Callable[[timedelta], bool]
    cycles: bool = False
    fetched: bool = False

    def feed(self) -> None:
        """Fetch; after the first round run a cycle, where there was one before that had to do without it."""
        first = not self.fetched
        try:
            self.fetch()
        finally:  # a bug, too, must not keep the first cycle waiting
            self.fetched = True
            if first and self.cycles and not self.wait(timedelta()):
                self.cycle()

    def begin(self) -> None:
        """Run the first cycle, once there is a forecast or no use in waiting; none where we are to end."""
        waited = timedelta()
        while not (self.fetched or self._foresees()):
            if waited >= FIRST_WAIT:
                logger.warning("no forecast after %.0f s: not waiting for one", waited.total_seconds())
                break
            if self.wait(LOOK_AGAIN):
                return
            waited += LOOK_AGAIN
        if not self.wait(timedelta()):
            self.cycles = True
            self.cycle()

    def _foresees(self) -> bool:
        try:
            return self.foresees()
        except CarbonslurmError as error:  # the cycle says more of it
            logger.warning("forecasts: %s", error)
            return True
