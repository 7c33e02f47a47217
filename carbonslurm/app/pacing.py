"""What a daemon remembers of slurmctld's rate limit, and the choice of what one cycle sends.

The rules are in core.budget; here is only the memory between cycles. slurmctld is asked for its settings when
there is something to send and its last answer is old: `scontrol reconfigure` may have changed them.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from carbonslurm.core.action import Action
from carbonslurm.core.budget import (
    CONTROLLER,
    SNAPSHOT,
    Level,
    RateLimit,
    batch_size,
    level,
    tokens,
    within,
)
from carbonslurm.core.stop import ControllerFacts

ASK_AGAIN = timedelta(hours=1)


@dataclass(slots=True)
class Pace:
    """The rate limit as last heard, and what our bucket held after the last cycle.

    Attributes:
        heard: slurmctld's word in this cycle, None while it was not asked.
        settings: its last word, however old.
        other_reads: calls of this cycle beside those for the queue and for slurmctld's settings.
    """

    limit: RateLimit | None = None
    asked: datetime | None = None
    last: Level | None = None
    heard: ControllerFacts | None = None
    settings: ControllerFacts | None = None
    other_reads: int = 0

    def begin(self) -> None:
        """Begin a cycle: what was heard in the last one is no longer fresh."""
        self.heard, self.other_reads = None, 0

    def controller(self, ask: Callable[[], ControllerFacts], now: datetime) -> ControllerFacts:
        """Return what slurmctld says of itself, asked once in a cycle."""
        if self.heard is None:
            self.heard = ask()
            self.limit, self.asked, self.settings = self.heard.rate_limit, now, self.heard
        return self.heard

    def recent(self, ask: Callable[[], ControllerFacts], now: datetime) -> ControllerFacts:
        """Return slurmctld's settings, as it said them not long ago."""
        if self.settings is None or self._is_old(now):
            return self.controller(ask, now)
        return self.settings

    def choose(
        self, wanted: Sequence[Action], updates: int, ask: Callable[[], ControllerFacts], now: datetime
    ) -> Sequence[Action]:
        """Return the actions that this cycle sends, the most urgent first, and remember what they cost.

        Args:
            wanted: the plan, the most urgent first.
            updates: the site's own limit.
            ask: asks slurmctld for its settings.
            now: the moment of the snapshot.

        Raises:
            UnavailableError: slurmctld was to be asked for its settings, and is away.
        """
        if any(action.calls for action in wanted) and self._is_old(now):
            self.controller(ask, now)
        reads = SNAPSHOT + (CONTROLLER if self.heard else 0)
        held = None if self.limit is None else level(self.limit, self.last, now).calls - self.other_reads
        chosen = within(wanted, tokens(updates, reads, held))
        if held is not None:
            self.last = Level(max(held - reads - sum(action.calls for action in chosen), 0), now)
        return chosen

    def batch(self, timeout: timedelta) -> int:
        """Return how many jobs one call to Slurm may name."""
        return batch_size(self.limit, timeout)

    def _is_old(self, now: datetime) -> bool:
        return self.asked is None or now - self.asked >= ASK_AGAIN
