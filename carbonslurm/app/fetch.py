"""The chain: the sources are asked in order, and what can be believed goes into the archive as issued.

In each zone the sources are asked in the order of the configuration, and a later one is a fallback:

- It is asked for a forecast only while no source before it has one that could be planned by (``core.choice``:
  fresh, covering now, reaching far enough), whether that one was asked now or said so earlier.
- It is asked for measured values of some nature only while no source before it gives such values. Values of
  another nature are worth asking for.
- What a source gives is known from its last answer. One that never answered, or not for a day, is asked once,
  to learn it.

So nobody is paid for what a free source before has given. A source that rests does not keep the next from
being asked: it is the forecast that counts, not who was asked. How long a source rests, after answers as well
as after failures, and how a provider's calls are dealt out, is in ``core.rest``; the memory of it is the
ledger's, and where the ledger cannot keep it our own, since forecasts are needed. Where several questions to
a provider fail in one round, the rest of its questions wait for the next round: each may cost a timeout.
Other answers in between say nothing against that: a provider may measure well and forecast badly. Who calls
may end a round before its time; then whoever has waited longest is asked first in the next.

The answer to a question that was asked is kept whole, but for measured values that a source before it gives:
of two values for one hour the one stored last would count.

An archive that cannot be written (LedgerError) is not a failure of a source alone: it is raised, and the
answer that was lost is asked for again.
"""

import logging
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cached_property

from carbonslurm.app.asking import LONG_AGO, Asking, NoBook, Over, on_and_on, paces, source_keys
from carbonslurm.core.choice import LOOK_BACK, is_good
from carbonslurm.core.forecast import Issue, Series
from carbonslurm.core.interval import iso
from carbonslurm.core.rest import FORECAST, QuestionKey, measured_word
from carbonslurm.ports import CarbonAnswer, CarbonSource, FetchArchive, Offer

_LOG = logging.getLogger(__name__)

GIVE_UP = 3  # failures of one provider in a round, and the rest of its questions wait for the next one
LEARN_AGAIN = timedelta(days=1)  # what a source gives may change: a file is replaced, a plan is bought
MEASURED_AGE = timedelta(hours=2)  # measured values last given longer ago are somebody else's to give


@dataclass(frozen=True, slots=True)
class FetchResult:
    """What came of one source.

    Attributes:
        source: the provider's name.
        zone: the site's name of the zone.
        question: what was, or was not, asked.
        forecast: the issue that was kept, None where there was none.
        actual: the measured values that were kept; None too where a source before gives such values.
        failure: why there is no answer, in one line; None where there is one.
        unasked: why it was not asked, in one line; None where it was.
    """

    source: str
    zone: str
    question: str = ""
    forecast: Issue | None = None
    actual: Series | None = None
    failure: str | None = None
    unasked: str | None = None

    def __str__(self) -> str:
        said = f"{self.source}: {self.zone}: "
        if self.failure is not None or self.unasked is not None:
            return said + (self.failure or f"{self.question}: not asked: {self.unasked}")
        kept = []
        if self.forecast is not None:
            kept.append(f"forecast to {iso(self.forecast.series.horizon)}")
        if self.actual is not None:
            kept.append(f"measured to {iso(self.actual.horizon)}")
        return said + (", ".join(kept) or "nothing that an earlier source had not given")


@dataclass(frozen=True, slots=True)
class Chain:
    """The sources of a site, and one round of asking them in ``run``.

    Attributes:
        sources: in the order of the configuration.
        archive: where issues and measured values are kept.
        asking: who may be asked.
        max_age: an older forecast is not used.
        ahead: how long this round's answers have to serve: until the next one.
        log: gets one line for each source that was asked.
    """

    sources: Sequence[CarbonSource]
    archive: FetchArchive
    asking: Asking
    max_age: timedelta
    ahead: timedelta = timedelta()
    log: logging.Logger = _LOG

    def run(self, over: Over = on_and_on) -> tuple[FetchResult, ...]:
        """Ask those whose turn it is, and keep what can be believed.

        Args:
            over: why nobody is to be asked any more in this round, None while all may be.

        Returns:
            One result for each source, in order.

        Raises:
            LedgerError: the archive cannot be read or written.
        """
        self.asking.begin()
        keyed = list(zip(source_keys(self.sources), self.sources, strict=True))
        this = _Round(self, over)
        found: dict[QuestionKey, FetchResult] = {}
        for zone in self._by_turn(keyed):
            found |= this.ask_zone([(key, source) for key, source in keyed if source.zone == zone])
        return tuple(found[key] for key, _ in keyed)

    def _by_turn(self, keyed: Sequence[tuple[QuestionKey, CarbonSource]]) -> list[str]:
        """Return the zones, first those of which a question has waited longest: calls may not do for all."""
        waited: dict[str, datetime] = {}
        for key, source in keyed:
            since = self.asking.of(key).asked_at or LONG_AGO
            if self.asking.obstacle(key) is not None:
                since = self.asking.clock()
            waited[source.zone] = min(waited.get(source.zone, since), since)
        return sorted(waited, key=lambda zone: waited[zone])


@dataclass(slots=True)
class _Round:
    """One round: whether it is over, and how often each provider has failed in it."""

    chain: Chain
    over: Over
    failures: Counter[str] = field(default_factory=Counter)

    def ask_zone(self, keyed: Sequence[tuple[QuestionKey, CarbonSource]]) -> dict[QuestionKey, FetchResult]:
        """Ask the sources of one zone, in their order."""
        zone = _Zone(self.chain, keyed[0][1].zone)
        found = {}
        for key, source in keyed:
            self.chain.asking.look()
            unasked = self.chain.asking.obstacle(key) or self._tired(key) or self.over() or zone.why_not(key)
            if unasked is None:
                result = zone.ask(key, source)
                self.failures[key.provider] += result.failure is not None
                level = logging.INFO if result.failure is None else logging.WARNING
                self.chain.log.log(level, "%s", result)
            else:
                result = FetchResult(source.name, source.zone, key.question, unasked=unasked)
            zone.earlier.append(key)
            found[key] = result
        return found

    def _tired(self, key: QuestionKey) -> str | None:
        if self.failures[key.provider] < GIVE_UP:
            return None
        return f"{GIVE_UP} questions to {key.provider} failed: the others wait for the next round"


@dataclass
class _Zone:
    """One zone in one round: what its sources have given up to now."""

    chain: Chain
    zone: str
    earlier: list[QuestionKey] = field(default_factory=list)
    kept: list[Issue] = field(default_factory=list)

    @cached_property
    def issues(self) -> list[Issue]:
        """What the archive had; read where a source is not the first to be asked."""
        now = self.chain.asking.clock()
        return list(self.chain.archive.newest_issues(self.zone, now - LOOK_BACK))

    def why_not(self, key: QuestionKey) -> str | None:
        """Return why a source need not be asked, None where it must."""
        asked, now = self.chain.asking.of(key), self.chain.asking.clock()
        learned = asked.answered_at is not None and now - asked.answered_at <= LEARN_AGAIN and asked.gave
        if not self.earlier or not learned or any(self._giver(word, now) is None for word in asked.gave):
            return None
        givers = {giver.provider for word in asked.gave if (giver := self._giver(word, now)) is not None}
        return f"{', '.join(sorted(givers))} gives that"

    def ask(self, key: QuestionKey, source: CarbonSource) -> FetchResult:
        """Ask a source and keep what it says, but for measured values that one before it gives."""
        kept: list[Series] = []

        def keep(answer: CarbonAnswer | None) -> tuple[str, ...]:
            if answer is not None:
                kept.extend(self._keep(answer))
            return _gave(answer)

        said = self.chain.asking.settle(self.chain.asking.ask(key, source.fetch), keep)
        if said.answer is None:
            return FetchResult(source.name, source.zone, key.question, failure=str(said.error))
        actual = kept[0] if kept else None
        return FetchResult(source.name, source.zone, key.question, said.answer.forecast, actual)

    def _keep(self, answer: CarbonAnswer) -> list[Series]:
        """Keep an answer; return the measured values that were kept, if any."""
        now, actual = self.chain.asking.clock(), answer.actual
        if answer.forecast is not None:
            self.chain.archive.keep_issues([answer.forecast])
            self.kept.append(answer.forecast)
        if actual is None or self._giver(measured_word(actual.nature), now) is not None:
            return []
        self.chain.archive.keep_actual(actual, now)
        return [actual]

    def _giver(self, word: str, now: datetime) -> QuestionKey | None:
        """Return the earlier source that gives what a word stands for."""
        return next((key for key in self.earlier if self._gives(key, word, now)), None)

    def _gives(self, key: QuestionKey, word: str, now: datetime) -> bool:
        asked = self.chain.asking.of(key)
        if word not in asked.gave or asked.answered_at is None:
            return False
        age, max_age = now - asked.answered_at, self.chain.max_age
        if word != FORECAST:
            return age <= max(MEASURED_AGE, 2 * self.chain.asking.paces[key].every)
        then = now + self.chain.ahead
        mine = (issue for issue in (*self.kept, *self.issues) if issue.series.source == key.provider)
        return age <= max_age and any(is_good(issue, then, max_age) for issue in mine)


def _gave(answer: CarbonAnswer | None) -> tuple[str, ...]:
    if answer is None:
        return ()
    forecast = [] if answer.forecast is None else [FORECAST]
    return (*forecast, *([] if answer.actual is None else [measured_word(answer.actual.nature)]))


def fetch_all(
    sources: Sequence[CarbonSource], archive: FetchArchive, now: datetime, log: logging.Logger = _LOG
) -> tuple[FetchResult, ...]:
    """Ask the sources as if none had been asked before: one round of a chain without a memory.

    Args:
        sources: in order of preference.
        archive: where issues and measured values are kept.
        now: the time of asking, aware.
        log: gets one line for each source.

    Raises:
        LedgerError: the archive cannot be read or written.
    """
    asking = Asking(NoBook(), paces([Offer(sources)], timedelta()), lambda: now, lambda: 0.0)
    return Chain(sources, archive, asking, max_age=timedelta(hours=12), log=log).run()
