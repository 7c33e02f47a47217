"""Whether age can be given back here, and what it counts.

Where a limit says how many jobs age at once (MaxJobsAccrue and the like) nobody knows what a withheld job
lost, so none is given any. The daemon asks slurmdbd for that now and then (``Ageing``); a release by an admin
and the rescue ask once.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from carbonslurm.core.priority import AgeWeight
from carbonslurm.errors import CarbonslurmError
from carbonslurm.ports import QueueReader

logger = logging.getLogger(__name__)

ASK_AGAIN = timedelta(hours=1)
TRY_AGAIN = timedelta(minutes=5)  # where there was never an answer


@dataclass(slots=True)
class Ageing:
    """What limits how many jobs age at once, as last heard.

    Attributes:
        limit: in words, None where there is none.
        asked: when that was asked last.
        heard: whether there was ever an answer.
    """

    limit: str | None = None
    asked: datetime | None = None
    heard: bool = False

    def is_free(self, ask: Callable[[], str | None], now: datetime) -> bool:
        """Tell whether nothing limits it; False until slurmdbd has said so once."""
        if self.asked is None or now - self.asked >= (ASK_AGAIN if self.heard else TRY_AGAIN):
            self.asked = now
            self._ask(ask)
        return self.heard and self.limit is None

    def _ask(self, ask: Callable[[], str | None]) -> None:
        try:
            found = ask()
        except CarbonslurmError as error:
            logger.warning("age compensation: %s", error)
            return
        if found and found != self.limit:
            logger.warning("no age compensation: %s", found)
        self.limit, self.heard = found, True


def age_to_give_back(queue: QueueReader, *, compensate: bool) -> AgeWeight | None:
    """Return what age counts; None where none is given back, or where that cannot be told just now.

    Letting go must not wait for slurmdbd: without its word, what was given is taken back whole.
    """
    if not compensate:
        return None
    try:
        return queue.controller().age if queue.limit_of_ageing() is None else None
    except CarbonslurmError:
        return None
