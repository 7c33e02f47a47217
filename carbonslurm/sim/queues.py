"""The queue of one pool: who starts next when there is room.

Four disciplines, each over jobs that may start now:

- ``first-fit``: in order of arrival, whoever does not fit is passed over.
- ``fcfs``: in order of arrival, nobody passes.
- ``easy``: nobody may delay the first job that waits: it has the earliest moment at which it fits, by the
  lengths that are known, and others start before it only if they end by then or leave it its places
  (Lifka 1995).
- ``latest-start``: as first-fit, in order of the latest start that was promised.

A queue only says who starts; the engine starts them.
"""

import heapq
from bisect import bisect_left, insort
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from operator import attrgetter

from carbonslurm.errors import UsageError
from carbonslurm.sim.pools import Need, Place, Pool

DEPTH = 1000  # jobs that a pass of backfill looks at; Slurm's bf_max_job_test is 500 in its newest releases
MOSTLY_GONE = 4  # entries for each job that waits: where a queue was lined up anew so often, old ones go
DISCIPLINES = ("first-fit", "fcfs", "easy", "latest-start")

Entry = tuple[float, int]  # (order, job)
Fits = Callable[[Need, Pool | None], Place | None]  # now, and in the pool as it will be


@dataclass(slots=True)
class Running:
    """Where a job runs, since when, and when it is expected to end."""

    place: Place
    started: float
    expected_end: float


class Passing:
    """first-fit and latest-start: jobs that need the same wait together; a pass looks at each need once."""

    def __init__(self) -> None:
        self._groups: dict[Need, list[Entry]] = {}
        self._present: dict[int, float] = {}  # in which order each stands there

    def __len__(self) -> int:
        return len(self._present)

    def add(self, order: float, job: int, need: Need) -> None:
        """Let a job wait."""
        self._present[job] = order
        group = self._groups.setdefault(need, [])
        if len(group) > MOSTLY_GONE * (len(self._present) + 1):
            group[:] = [entry for entry in group if self._present.get(entry[1]) == entry[0]]
            heapq.heapify(group)
        heapq.heappush(group, (order, job))

    def remove(self, job: int) -> None:
        """Take a job out."""
        self._present.pop(job, None)

    def starting(self, fits: Fits) -> Iterator[tuple[int, Place]]:
        """Yield who starts where; the caller takes each place before it asks for the next."""
        heads = []
        for need, group in list(self._groups.items()):
            if (head := self._head(group)) is None:
                del self._groups[need]
            else:
                heads.append((head, need))
        heapq.heapify(heads)
        # What fails for one need fails for it until room is given back, so each head is tried in order once.
        while heads:
            (_, job), need = heapq.heappop(heads)
            place = fits(need, None)
            if place is None:
                continue
            heapq.heappop(self._groups[need])
            self._present.pop(job)
            yield job, place
            following = self._head(self._groups[need])
            if following is not None:
                heapq.heappush(heads, (following, need))

    def _head(self, group: list[Entry]) -> Entry | None:
        while group and self._present.get(group[0][1]) != group[0][0]:
            heapq.heappop(group)
        return group[0] if group else None


class Ordered:
    """fcfs and easy: one line."""

    def __init__(self, pool: Pool, running: Mapping[int, Running], lasting: Callable[[int], float]) -> None:
        """Take what backfill looks at.

        Args:
            pool: whose queue it is.
            running: what runs in it, by job.
            lasting: how long a job is expected to hold its place, in seconds.
        """
        self._line: list[Entry] = []
        self._needs: dict[int, tuple[float, Need]] = {}
        self._known: dict[Need, Need] = {}
        self._pool, self._running, self._lasting = pool, running, lasting
        self.now = 0.0
        self.backfills = False

    def __len__(self) -> int:
        return len(self._line)

    def add(self, order: float, job: int, need: Need) -> None:
        """Let a job wait."""
        insort(self._line, (order, job))
        self._needs[job] = (order, self._known.setdefault(need, need))

    def remove(self, job: int) -> None:
        """Take a job out."""
        if job in self._needs:
            order, _ = self._needs.pop(job)
            del self._line[bisect_left(self._line, (order, job))]

    def starting(self, fits: Fits) -> Iterator[tuple[int, Place]]:
        """Yield who starts where; the caller takes each place before it asks for the next."""
        while self._line:
            job = self._line[0][1]
            place = fits(self._needs[job][1], None)
            if place is None:
                break
            self.remove(job)
            yield job, place
        if self.backfills and len(self._line) > 1:
            yield from self._backfill(fits)

    def _backfill(self, fits: Fits) -> Iterator[tuple[int, Place]]:
        shadow, then = self._reservation(self._needs[self._line[0][1]][1])
        # Equal needs are one object (``add``), so that a long queue is gone through by comparing numbers.
        failed: set[int] = set()
        failed_beyond: set[int] = set()
        for _, job in self._line[1 : DEPTH + 1]:
            need = self._needs[job][1]
            if id(need) in failed:
                continue
            beyond = self.now + self._lasting(job) > shadow
            if beyond and id(need) in failed_beyond:
                continue
            place = fits(need, then if beyond else None)
            if place is None:
                (failed_beyond if beyond else failed).add(id(need))
                continue
            if beyond:
                then.take(place)
            self.remove(job)
            yield job, place

    def _reservation(self, need: Need) -> tuple[float, Pool]:
        """Return when the first job fits, and the pool as it will be then, that job in it."""
        then = self._pool.copy()
        for run in sorted(self._running.values(), key=attrgetter("expected_end")):
            then.give(run.place)
            place = then.reserve(need, self._pool)
            if place is not None:
                then.take(place)
                return max(run.expected_end, self.now), then
        return float("inf"), then


Queue = Passing | Ordered


def queue(
    discipline: str, pool: Pool, running: Mapping[int, Running], lasting: Callable[[int], float]
) -> Queue:
    """Return an empty queue.

    Raises:
        UsageError: no discipline is called so.
    """
    if discipline in {"first-fit", "latest-start"}:
        return Passing()
    if discipline not in DISCIPLINES:
        raise UsageError(f"--param queue: expected one of {', '.join(DISCIPLINES)}, got {discipline[:40]}")
    line = Ordered(pool, running, lasting)
    line.backfills = discipline == "easy"
    return line
