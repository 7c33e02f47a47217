"""The queue without us, worked out anew from the ledger's runs now and then.

Each group of machines has its own queue. The last 16 days are lived through twice (``core.without_us``), and
starts are kept of the runs that ended in the last two, so that most have days before them that fill the
machines. Of a run that began before all of that nothing is said. Where nothing of ours was done in all of it,
every run is its own baseline, and nothing is simulated. Runs that still run hold their room for as long as
they have by now.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from carbonslurm.app.attempts import lived
from carbonslurm.core.interval import Interval
from carbonslurm.core.job import RunKey
from carbonslurm.core.without_us import Lived, Queueing, starts_without_us
from carbonslurm.ports import QueueBook, QueuePass, RunToFigure

KEPT = timedelta(days=2)  # what ended before is left as it was worked out then, with more of what led to it
FILLING = timedelta(days=14)
EVERY = timedelta(minutes=30)


@dataclass(frozen=True, slots=True)
class Machines:
    """Machines with one queue.

    Attributes:
        partitions: whose nodes they are.
        queueing: how their queue works.
        model: the same in words, for the ledger.
    """

    partitions: tuple[str, ...]
    queueing: Queueing
    model: str

    @property
    def name(self) -> str:
        """The partitions in one word."""
        return ",".join(self.partitions)


@dataclass(frozen=True, slots=True)
class WithoutUs:
    """The parts of it, and its story in ``run``."""

    cluster: str
    machines: Sequence[Machines]
    book: QueueBook
    restart: timedelta
    clock: Callable[[], datetime]

    def run(self) -> int:
        """Work out what is due; return how many starts were news."""
        now = self.clock()
        return sum(self._pass(each, now) for each in self.machines if self._is_due(each, now))

    def _is_due(self, machines: Machines, now: datetime) -> bool:
        last = self.book.last_queue_pass(self.cluster, machines.name)
        return last is None or now - last >= EVERY

    def _pass(self, machines: Machines, now: datetime) -> int:
        window = Interval(now - KEPT - FILLING, now)
        items = self.book.queue_history(self.cluster, machines.partitions, window)
        runs = _joined([lived(_so_far(item, now), self.restart, window.start) for item in items])
        since = window.start + FILLING
        ended = {item.run.key for item in items if item.run.ended is not None and item.run.ended >= since}
        kept = {run.key for run in runs if run.started >= window.start and run.key in ended}
        starts = _starts(runs, machines.queueing)
        news = {key: start for key, start in starts.items() if key in kept}
        passed = QueuePass(self.cluster, machines.name, window, machines.model)
        return self.book.keep_queue_starts(passed, news, now)


def _so_far(item: RunToFigure, now: datetime) -> RunToFigure:
    if item.run.ended is not None or item.run.started is None:
        return item
    return replace(item, run=replace(item.run, ended=max(now, item.run.started)))


def _joined(runs: Sequence[Lived]) -> list[Lived]:
    """Let a run that continues one outside of the window stand for itself."""
    found: list[Lived] = []
    for run in runs:
        before = found[-1].key if found else None
        follows = before is not None and (before.cluster, before.job_id) == (run.key.cluster, run.key.job_id)
        found.append(run if follows or not run.continues else replace(run, continues=False))
    return found


def _starts(runs: Sequence[Lived], queueing: Queueing) -> Mapping[RunKey, datetime]:
    if all(_untouched(run) for run in runs):
        return {run.key: run.started for run in runs}
    return starts_without_us(runs, queueing)


def _untouched(run: Lived) -> bool:
    return run.released == run.eligible and not run.continues and run.work == run.length
