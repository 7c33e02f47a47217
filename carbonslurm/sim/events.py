"""The heap of (time, kind, sequence): what happens next, and what goes first at one instant."""

import heapq
from collections.abc import Iterator
from enum import IntEnum


class Kind(IntEnum):
    """Events, in the order in which they happen at one instant."""

    END = 0
    ARRIVAL = 1
    NEWS = 2
    WAKE = 3
    CYCLE = 4
    SAVED = 5


class Events:
    """Events to come; two of one kind at one instant happen in the order in which they were pushed."""

    def __init__(self) -> None:
        self._heap: list[tuple[float, Kind, int, int, int]] = []
        self._sequence = 0

    def __bool__(self) -> bool:
        return bool(self._heap)

    def push(self, moment: float, kind: Kind, job: int = -1, run: int = 0) -> None:
        """Let something happen at a moment, to a job, and to a certain run of it."""
        self._sequence += 1
        heapq.heappush(self._heap, (moment, kind, self._sequence, job, run))

    def next_at(self) -> float:
        """Return when the next one happens."""
        return self._heap[0][0]

    def until(self, now: float) -> Iterator[tuple[Kind, int, int]]:
        """Yield what happens up to a moment as (kind, job, run), with what is pushed meanwhile."""
        while self._heap and self._heap[0][0] <= now:
            _, kind, _, job, run = heapq.heappop(self._heap)
            yield kind, job, run
