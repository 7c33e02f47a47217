"""What the nodes leave to jobs, as last heard: asked now and then, and remembered while nobody says.

Nodes that fail or come back change it within minutes, not within a cycle. Where Slurm prints something that
cannot be read, or nothing for long, the room is unknown, and jobs are planned one by one.
"""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from carbonslurm.app.pacing import Pace
from carbonslurm.core.budget import CAPACITY
from carbonslurm.core.capacity import Node
from carbonslurm.errors import CarbonslurmError

logger = logging.getLogger(__name__)

ASK_AGAIN = timedelta(minutes=5)
OLD_AFTER = timedelta(hours=1)


@dataclass(slots=True)
class Room:
    """The nodes as last heard.

    Attributes:
        nodes: None before the first answer.
        heard: when that was.
        asked: when it was last asked, answered or not.
    """

    nodes: Sequence[Node] | None = None
    heard: datetime | None = None
    asked: datetime | None = None

    def recent(self, ask: Callable[[], Sequence[Node]], pace: Pace, now: datetime) -> Sequence[Node] | None:
        """Return what the nodes leave, None where nobody has said so lately."""
        if self.asked is None or now - self.asked >= ASK_AGAIN:
            self.asked = now
            pace.other_reads += CAPACITY
            try:
                self.nodes, self.heard = ask(), now
            except CarbonslurmError as error:
                logger.warning("the room on the nodes is as last heard: %s", error)
        return self.nodes if self.heard is not None and now - self.heard < OLD_AFTER else None
