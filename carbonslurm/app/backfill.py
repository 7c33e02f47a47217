"""Backfill: what a provider has kept of a zone comes into the archive, piece by piece.

The newest piece comes first, since the last weeks say most about the next days. Only what the archive lacks
is asked for, cut into pieces no longer than one call may ask for. ``Backfill.walk`` yields after each piece,
and before each wait: a command shows that and waits, the daemon takes one step a round and goes on with other
things. Once a day it begins anew with what is missing by then. History may use half of the calls that a
provider allows, so that today's forecast never waits for last month's values.

A piece for which there was no answer is asked for again. After ``TRIES`` failures its turn comes once more
behind all others, since what lies before it may still be had. One that cannot be believed is passed over
until the next walk. A refusal ends the walk: whoever may not have one month may not have the month before it
either.

A later source of a zone gives only what no source before it in the site's order has measured in the same
nature: of two values for an hour the one stored last would count. It is not asked for the rest, as soon as it
is known from an answer what nature it gives.
"""

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import Enum, auto

from carbonslurm.app.asking import Asking, Over, history_keys, on_and_on
from carbonslurm.core.forecast import Series
from carbonslurm.core.interval import Interval, iso
from carbonslurm.core.rest import FORECAST, QuestionKey, measured_word
from carbonslurm.errors import LedgerError, RefusedError, UnavailableError
from carbonslurm.ports import HistoryArchive, HistorySource

logger = logging.getLogger(__name__)

CALLS_SHARE = 0.5  # of a provider's calls that history may use up
TRIES = 3  # for a piece, before others have their turn
LEAST = timedelta(hours=2)  # a shorter gap is not worth a call
LOOK_AGAIN = timedelta(days=1)
CALLS_A_ROUND = 4  # of the daemon's, for all zones together


@dataclass(frozen=True, slots=True)
class Progress:
    """One piece of history, or a wait before it.

    Attributes:
        source: the provider's name.
        zone: the site's name of the zone.
        piece: what was asked for.
        left: what is still to be asked for, this piece not among it.
        kept: how many values came, None where the piece was not asked for, or not answered.
        failure: why there was no answer, in one line.
        wait: why it could not be asked for now; the next step tries again.
    """

    source: str
    zone: str
    piece: Interval
    left: timedelta
    kept: int | None = None
    failure: str | None = None
    wait: str | None = None

    def __str__(self) -> str:
        span = f"{iso(self.piece.start)} to {iso(self.piece.end)}"
        return f"{self.source}: {self.zone}: {span}: {self.failure or self.wait or f'{self.kept} values'}"


class Turn(Enum):
    """How a walk goes on after a step."""

    ON = auto()  # to the next piece
    AGAIN = auto()  # with this piece
    END = auto()


@dataclass(slots=True)
class _Walk:
    """One zone's walk, and when it was begun; no steps are left where it came to its end or to grief."""

    begun: datetime
    steps: Iterator[Progress] | None


@dataclass(slots=True)
class Backfill:
    """The providers' histories, and how to fetch them.

    Attributes:
        sources: what could be asked.
        archive: where measured values are kept.
        asking: who may be asked.
        depth: how far back the daemon goes.
    """

    sources: Sequence[HistorySource]
    archive: HistoryArchive
    asking: Asking
    depth: timedelta
    _walks: dict[QuestionKey, _Walk] = field(default_factory=dict)

    def run(self, over: Over = on_and_on) -> tuple[Progress, ...]:
        """Take one step for each zone, as far as one round has room for calls; those that waited go first.

        Args:
            over: why nobody is to be asked any more in this round, None while all may be.

        Raises:
            LedgerError: the archive cannot be read or written.
        """
        self.asking.begin()
        keyed = list(zip(history_keys(self.sources), self.sources, strict=True))
        found: list[Progress] = []
        for key, source in sorted(keyed, key=lambda pair: self._asked(pair[0])):
            if len(found) == CALLS_A_ROUND or over() is not None:
                break
            progress = self._next(key, source)
            if progress is not None and progress.wait is None:
                logger.info("history: %s", progress)
                found.append(progress)
        return tuple(found)

    def _next(self, key: QuestionKey, source: HistorySource) -> Progress | None:
        now, walk = self.asking.clock(), self._walks.get(key)
        if walk is None or abs(now - walk.begun) >= LOOK_AGAIN:
            walk = _Walk(now, self.walk(key, source, Interval(now - self.depth, now)))
            self._walks[key] = walk
        steps, walk.steps = walk.steps, None  # an error ends an iterator, too
        try:
            progress = None if steps is None else next(steps, None)
        except LedgerError:
            del self._walks[key]  # the piece is still missing: begin anew as soon as it may be asked for
            raise
        walk.steps = steps if progress is not None else None
        return progress

    def _asked(self, key: QuestionKey) -> float:
        asked_at = self.asking.of(key).asked_at
        return 0.0 if asked_at is None else asked_at.timestamp()

    def walk(self, key: QuestionKey, source: HistorySource, window: Interval) -> Iterator[Progress]:
        """Fetch a window of history, the newest piece first; each step makes one call at most.

        Args:
            key: its question, see ``history_keys``.
            source: whom to ask.
            window: what to have in the archive.

        Raises:
            LedgerError: the archive cannot be read or written.
        """
        missing = self.archive.unmeasured(source.zone, source.name, window)
        pieces = cut(missing, source.longest)
        passed: set[Interval] = set()
        while pieces:
            piece, *pieces = pieces
            left = sum((each.length for each in pieces), timedelta())
            turn, tries = Turn.AGAIN, 0
            while turn is Turn.AGAIN and tries < TRIES:
                progress, turn = self._step(key, source, piece, left)
                if progress is not None:
                    tries += progress.failure is not None
                    yield progress
            if turn is Turn.END:
                return
            if turn is Turn.AGAIN and piece not in passed:
                passed.add(piece)
                pieces.append(piece)

    def missing(self, key: QuestionKey, window: Interval) -> list[Interval]:
        """Return the parts of a window for which neither a source nor one before it has measured values.

        Raises:
            LedgerError: the archive cannot be read.
        """
        parts = self.archive.unmeasured(key.zone, key.provider, window)
        return [gap for part in parts for gap in self._lacking(key, part, self._nature_word(key))]

    def _step(
        self, key: QuestionKey, source: HistorySource, piece: Interval, left: timedelta
    ) -> tuple[Progress | None, Turn]:
        """Ask for a piece if it may be asked for now, and need be; tell how the walk goes on."""
        self.asking.look()
        wait = self.asking.obstacle(key, CALLS_SHARE)
        if wait is not None:
            return Progress(source.name, source.zone, piece, left, wait=wait), Turn.AGAIN
        # A source before this one may have given it meanwhile.
        gaps = [gap for gap in self._lacking(key, piece, self._nature_word(key)) if gap.length >= LEAST]
        if not gaps:
            return None, Turn.ON
        piece = Interval(gaps[0].start, gaps[-1].end)
        said = self.asking.ask(key, lambda now: source.history(piece, now))
        kept = 0

        def keep(answer: Series | None) -> tuple[str, ...]:
            nonlocal kept
            if answer is None:
                return ()
            kept = self._keep(key, answer)
            return (measured_word(answer.nature),)

        said = self.asking.settle(said, keep)
        if said.error is None:
            return Progress(source.name, source.zone, piece, left, kept=kept), Turn.ON
        failed = Progress(source.name, source.zone, piece, left, failure=str(said.error))
        if isinstance(said.error, RefusedError):
            return failed, Turn.END
        return failed, Turn.AGAIN if isinstance(said.error, UnavailableError) else Turn.ON

    def _keep(self, key: QuestionKey, answer: Series) -> int:
        """Keep what no source before this one has given; return how many values that were."""
        whole = Interval(answer.start, answer.horizon)
        gaps = self._lacking(key, whole, measured_word(answer.nature))
        steps = [step for step in answer.steps() if any(_holds(gap, step.interval) for gap in gaps)]
        if not steps:
            return 0
        if gaps != [whole]:
            answer = Series.from_steps(answer.zone, answer.source, answer.nature, steps)
        self.archive.keep_actual(answer, self.asking.clock())
        return len(steps)

    def _lacking(self, key: QuestionKey, window: Interval, word: str | None) -> list[Interval]:
        """Return the parts of a window that no source before this one has measured in a nature, in order.

        Args:
            key: the question for a history.
            window: the whole of it where no source stands before this one, or the nature is not known.
            word: for the nature, see ``measured_word``.
        """
        earlier = self._earlier(key)
        if not earlier or word is None:
            return [window]
        gaps = [window]
        for other in self.archive.sources(key.zone):
            if other.source in earlier and other.measured and measured_word(other.nature) == word:
                gaps = [part for gap in gaps for part in self.archive.unmeasured(key.zone, other.source, gap)]
        return gaps

    def _earlier(self, key: QuestionKey) -> list[str]:
        """Return the sources of the same zone that stand before this one in the site's order."""
        order = list(dict.fromkeys(each.provider for each in self.asking.paces if each.zone == key.zone))
        return order[: order.index(key.provider)]

    def _nature_word(self, key: QuestionKey) -> str | None:
        """Return a history's nature, from its last answer; else from what its source measures now."""
        alike = [each for each in self.asking.paces if (each.provider, each.zone) == (key.provider, key.zone)]
        live = {word for each in alike for word in self.asking.of(each).gave if word != FORECAST}
        words = set(self.asking.of(key).gave) or live
        return words.pop() if len(words) == 1 else None


def cut(missing: Sequence[Interval], longest: timedelta) -> list[Interval]:
    """Return pieces no longer than ``longest`` that cover what is missing, the newest first.

    A piece may reach over what is there to the next gap: one call for both.
    """
    rest = sorted((gap for gap in missing if gap.length >= LEAST), reverse=True)
    pieces: list[Interval] = []
    while rest:
        end = rest[0].end
        reach = max(end - longest, rest[-1].start)
        inside = [gap for gap in rest if gap.end > reach]
        start = max(reach, inside[-1].start)
        pieces.append(Interval(start, end))
        rest = [gap if gap.end <= start else Interval(gap.start, start) for gap in rest if gap.start < start]
    return pieces


def _holds(gap: Interval, step: Interval) -> bool:
    return gap.start <= step.start and step.end <= gap.end
