"""Asking providers at a pace that they and we can bear: who may be asked now, and what is remembered of it.

The rules are in ``core.rest``; here are the memory and the call. The memory is read from the ledger at the
beginning of each round, since a command may have asked meanwhile (by a command before each question), and
merged into it after each question. Where the
ledger fails, this process's own memory is used: a question too many is better than no forecast.

A bug of ours in one provider's module costs its own question only: its traceback goes to the log, and the
question rests as after any failure. An answer that the archive could not keep (LedgerError) was none: it is
asked for again, soon.

A question is told apart by provider, zone and what is asked. Where a site names one provider twice for one
zone, as with two files, the second one's question gets a number.
"""

import logging
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Generic, TypeVar

from carbonslurm.core.interval import iso
from carbonslurm.core.rest import (
    FIRST_REST,
    NEVER,
    Asked,
    Pace,
    QuestionKey,
    answered,
    begun,
    failed,
    has_room,
    may_be_asked,
    merged,
    rest_after_failure,
    rest_after_refusal,
    rest_as_told,
    told_to_wait,
)
from carbonslurm.errors import DataError, LedgerError, RefusedError, TryLaterError, UnavailableError
from carbonslurm.ports import AskedBook, CarbonSource, HistorySource, Offer

logger = logging.getLogger(__name__)

HISTORY = "history"
LONG_AGO = datetime.min.replace(tzinfo=UTC)

Answer = TypeVar("Answer")
Over = Callable[[], str | None]  # why nobody is to be asked any more in a round, None while all may be


def on_and_on() -> None:
    """Let a round last as long as it takes."""


@dataclass(frozen=True, slots=True)
class Said(Generic[Answer]):
    """What came of one question.

    Attributes:
        key: the question.
        asked_at: when it was asked.
        answer: what was said, None where there was no answer.
        error: why there was none.
    """

    key: QuestionKey
    asked_at: datetime
    answer: Answer | None = None
    error: DataError | RefusedError | UnavailableError | None = None


@dataclass(frozen=True, slots=True)
class NoBook:
    """A book that keeps nothing, for one who asks once."""

    def asked(self) -> Mapping[QuestionKey, Asked]:
        """Return nothing."""
        return {}

    def keep_asked(self, news: Mapping[QuestionKey, Asked]) -> None:
        """Keep nothing."""


@dataclass(slots=True)
class Asking:
    """The memory of asking, and the one way to ask.

    Attributes:
        book: keeps the memory over restarts.
        paces: of every question that could be asked, how fast.
        clock: tells the time.
        chance: gives a number from 0 to 1, another one each time.
        known: what is remembered.
        beside: whether another process may be asking meanwhile, and for longer than we do: then its memory is
            looked up before each question, as a command does beside the daemon.
    """

    book: AskedBook
    paces: Mapping[QuestionKey, Pace]
    clock: Callable[[], datetime]
    chance: Callable[[], float]
    known: dict[QuestionKey, Asked] = field(default_factory=dict)
    beside: bool = False

    def begin(self) -> None:
        """Bring the memory up to what others wrote."""
        try:
            stored = self.book.asked()
        except LedgerError as error:
            logger.warning("%s", error)
            return
        for key, asked in stored.items():
            self.known[key] = merged(asked, self.known.get(key, NEVER))

    def look(self) -> None:
        """Bring the memory up before a question, where another process may have asked since the last one."""
        if self.beside:
            self.begin()

    def of(self, key: QuestionKey) -> Asked:
        """Return what is remembered of a question."""
        return self.known.get(key, NEVER)

    def obstacle(self, key: QuestionKey, share: float = 1.0) -> str | None:
        """Return why a question may not be asked now, in one line; None where it may.

        Args:
            key: the question.
            share: how much of its provider's calls questions of its sort (history or not) may use up.
        """
        asked, pace, now = self.of(key), self.paces[key], self.clock()
        if asked.left_until is not None and not may_be_asked(asked, pace, now):
            why = f": {asked.reason}" if asked.reason else ""
            return f"left alone until {iso(asked.left_until)}{why}"
        if pace.terms.calls is None:
            return None
        alike = self._calls(key.provider, of_history=is_history(key))
        others = self._calls(key.provider, of_history=not is_history(key))
        if not (has_room(alike, pace.terms, now, share) and has_room([*alike, *others], pace.terms, now)):
            return f"{key.provider} allows {pace.terms.calls} calls in {pace.terms.per}, and they are used up"
        return None

    def _calls(self, provider: str, *, of_history: bool) -> list[datetime]:
        return [
            call
            for key, asked in self.known.items()
            if key.provider == provider and is_history(key) is of_history
            for call in asked.calls
        ]

    def ask(self, key: QuestionKey, call: Callable[[datetime], Answer]) -> Said[Answer]:
        """Ask, whoever may; the caller says with ``note`` what is to be remembered of it."""
        now, pace = self.clock(), self.paces[key]
        # Should this never return, it was asked all the same.
        self.known[key] = begun(self.of(key), pace, now)
        try:
            return Said(key, now, answer=call(now))
        except Exception as error:  # noqa: BLE001 - the other questions are worth asking
            return Said(key, now, error=_failure(key, error))

    def settle(self, said: Said[Answer], keep: Callable[[Answer | None], tuple[str, ...]]) -> Said[Answer]:
        """Have an answer kept, and note what came of the question; return it, a failure where it was refused.

        Args:
            said: what came of asking.
            keep: puts an answer into the archive and returns what it gives, see ``Asked.gave``.

        Raises:
            LedgerError: the archive could not be written; the question is noted as a failure.
        """
        gave: tuple[str, ...] = ()
        if said.error is None:
            try:
                gave = keep(said.answer)
            except LedgerError as error:
                lost = UnavailableError(f"the answer could not be kept: {error}")
                self.note(Said(said.key, said.asked_at, error=lost))
                raise
            except Exception as error:  # noqa: BLE001 - as in ``ask``
                said = Said(said.key, said.asked_at, error=_failure(said.key, error))
        self.note(said, gave)
        return said

    def note(self, said: Said[Answer], gave: tuple[str, ...] = ()) -> None:
        """Remember what came of a question, and write it down."""
        before, pace, at = self.of(said.key), self.paces[said.key], self.clock()
        if said.error is None:
            news = {said.key: answered(before, pace, said.asked_at, gave, at)}
        else:
            rest = self._rest(said, before.failures + 1)
            news = {said.key: failed(before, pace, said.asked_at, str(said.error), at, rest)}
            news |= self._told(said.key, said.error, at)
        self.known |= news
        try:
            self.book.keep_asked(news)
        except LedgerError as error:
            logger.warning("%s", error)

    def _rest(self, said: Said[Answer], failures: int) -> timedelta:
        pace, error = self.paces[said.key], said.error
        if isinstance(error, RefusedError):
            return rest_after_refusal(pace, failures, self.chance())
        if isinstance(error, TryLaterError):
            return rest_as_told(error.retry_after, pace, failures, self.chance())
        return rest_after_failure(pace, failures, self.chance())

    def _told(self, key: QuestionKey, error: Exception, at: datetime) -> dict[QuestionKey, Asked]:
        """A provider that says for how long to wait says it to all questions from here."""
        if not isinstance(error, TryLaterError) or not error.retry_after:
            return {}
        self.begin()  # of the others only that they are to wait is news
        others = [each for each in self.paces if each.provider == key.provider and each != key]
        found = {}
        for each in others:
            until = at + rest_as_told(error.retry_after, self.paces[each], 1, self.chance())
            found[each] = told_to_wait(self.of(each), until, str(error))
        return found


def _failure(key: QuestionKey, error: Exception) -> DataError | RefusedError | UnavailableError:
    """Return why there is no answer; whatever nobody expected is a bug, whose traceback is logged."""
    if isinstance(error, DataError | RefusedError | UnavailableError):
        return error
    logger.error("%s: a bug in reading it", key, exc_info=error)
    return DataError(f"a bug of ours in reading it ({type(error).__name__}): its traceback is in the log")


def numbered(keys: Sequence[QuestionKey]) -> list[QuestionKey]:
    """Return the keys, a number behind the question of each that stands there again."""
    seen: Counter[QuestionKey] = Counter()
    found = []
    for key in keys:
        seen[key] += 1
        found.append(key if seen[key] == 1 else replace(key, question=f"{key.question} {seen[key]}"))
    return found


def source_keys(sources: Sequence[CarbonSource]) -> list[QuestionKey]:
    """Return the question of each source, in order."""
    return numbered([QuestionKey(source.name, source.zone, source.question) for source in sources])


def is_history(key: QuestionKey) -> bool:
    """Whether a question is one of ``history_keys``: ``history``, ``history 2``, and not ``history24``."""
    return key.question.split()[0] == HISTORY


def history_keys(sources: Sequence[HistorySource]) -> list[QuestionKey]:
    """Return the question for the history of each, in order."""
    return numbered([QuestionKey(source.name, source.zone, HISTORY) for source in sources])


def paces(offers: Sequence[Offer], interval: timedelta) -> Mapping[QuestionKey, Pace]:
    """Return how fast each question of some providers may be asked.

    Args:
        offers: what the providers give.
        interval: the site's own between two questions; history does not wait for that, nor for news.
    """
    sources = [source for offer in offers for source in offer.sources]
    history = [offer.history for offer in offers if offer.history is not None]
    keyed = list(zip(source_keys(sources), sources, strict=True))
    asked = {key: Pace(source.terms, interval) for key, source in keyed}
    asked |= {
        key: Pace(replace(source.terms, every=min(source.terms.every, FIRST_REST)), FIRST_REST)
        for key, source in zip(history_keys(history), history, strict=True)
    }
    sharers = Counter(key.provider for key in asked)
    return {key: replace(pace, sharers=sharers[key.provider]) for key, pace in asked.items()}
