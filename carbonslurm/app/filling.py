"""Filling the archive on demand: somebody wants a window of history now, and waits for it.

It walks through each provider's history (``app.backfill``), which asks only for what is missing, so that it
can be cut off and called again. Where a provider wants to be left alone for a moment, it waits, up to
``PATIENCE``; for longer, or after ``GIVE_UP`` failures in a row, it leaves the rest to the next call and
says so.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

from carbonslurm.app.asking import history_keys, is_history
from carbonslurm.app.backfill import Backfill, Progress
from carbonslurm.core.interval import Interval
from carbonslurm.core.rest import Pace, QuestionKey
from carbonslurm.ports import HistorySource

PATIENCE = timedelta(minutes=5)
GIVE_UP = 3
TURN = timedelta(seconds=1)  # between two tries while waiting
BETWEEN = timedelta(seconds=2)  # two pieces, where a person waits; the provider's own budget still counts


def in_person(paces: Mapping[QuestionKey, Pace]) -> Mapping[QuestionKey, Pace]:
    """Return the paces at which history is asked for where a person waits for it."""
    return {key: _quick(pace) if is_history(key) else pace for key, pace in paces.items()}


def _quick(pace: Pace) -> Pace:
    return replace(pace, terms=replace(pace.terms, every=min(pace.terms.every, BETWEEN)), interval=BETWEEN)


@dataclass(frozen=True, slots=True)
class Filled:
    """What came of one provider's history of one zone.

    Attributes:
        source: the provider's name.
        zone: the site's name of the zone.
        kept: how many values came.
        missing: how much of the window is still not in the archive.
        trouble: why it stopped or what was refused last, in one line; None where all went well.
    """

    source: str
    zone: str
    kept: int
    missing: timedelta
    trouble: str | None


@dataclass(frozen=True, slots=True)
class Filling:
    """The histories of some zones, and how to have them.

    Attributes:
        backfill: of all providers.
        zones: those that are wanted.
        wait: waits for so long.
    """

    backfill: Backfill
    zones: Sequence[str]
    wait: Callable[[timedelta], None]

    def histories(self) -> Sequence[tuple[QuestionKey, HistorySource]]:
        """Return whom there is to ask."""
        keyed = zip(history_keys(self.backfill.sources), self.backfill.sources, strict=True)
        return [(key, source) for key, source in keyed if source.zone in self.zones]

    def missing(self, key: QuestionKey, window: Interval) -> timedelta:
        """Return how much of a window the archive has neither of a source nor of one before it.

        Raises:
            LedgerError: it cannot be read.
        """
        return sum((part.length for part in self.backfill.missing(key, window)), timedelta())

    def walk(self, key: QuestionKey, source: HistorySource, window: Interval) -> Iterator[Progress]:
        """Fetch what is missing of a window, waiting where a provider wants that; yield each step.

        Raises:
            LedgerError: the archive cannot be read or written.
        """
        asking = self.backfill.asking
        waited, failures = timedelta(), 0
        for progress in self.backfill.walk(key, source, window):
            yield progress
            if progress.wait is None:
                waited, failures = timedelta(), 0 if progress.failure is None else failures + 1
                if failures == GIVE_UP:
                    return
                continue
            until = asking.of(key).left_until
            if waited >= PATIENCE or (until is not None and until - asking.clock() > PATIENCE):
                return
            self.wait(TURN)
            waited += TURN

    def result(self, key: QuestionKey, window: Interval, steps: Sequence[Progress]) -> Filled:
        """Return what came of a walk.

        Raises:
            LedgerError: the archive cannot be read.
        """
        kept = sum(step.kept or 0 for step in steps)
        said = [step.failure or step.wait for step in steps]
        stopped = bool(steps) and steps[-1].wait is not None
        refused = [step.failure for step in steps if step.failure is not None]
        trouble = said[-1] if stopped else refused[-1] if refused else None
        return Filled(key.provider, key.zone, kept, self.missing(key, window), trouble)
