"""What the use cases ask of carbon data: providers, and the archive of what they said."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime, timedelta

    from carbonslurm.core.forecast import Issue, Nature, Series, Step
    from carbonslurm.core.interval import Interval
    from carbonslurm.core.mix import Mix
    from carbonslurm.core.painted import Painted
    from carbonslurm.core.rest import Asked, QuestionKey, Terms


@dataclass(frozen=True, slots=True)
class CarbonAnswer:
    """What one source said at one moment: a forecast, measured values, or both."""

    forecast: Issue | None = None
    actual: Series | None = None


class CarbonSource(Protocol):
    """One question to one provider, about one zone of the site."""

    @property
    def name(self) -> str:
        """The provider's name, as the configuration spells it."""

    @property
    def zone(self) -> str:
        """The site's name of the zone that it speaks of."""

    @property
    def question(self) -> str:
        """What is asked, in one word: of one provider and zone no two sources have the same."""

    @property
    def terms(self) -> Terms:
        """How often it may be asked."""

    def fetch(self, now: datetime) -> CarbonAnswer:
        """Ask it now.

        Raises:
            DataError: the answer is not believable; it is refused whole.
            RefusedError: the provider says no.
            UnavailableError: there was no answer; TryLaterError where it says for how long not to ask.
        """


class HistorySource(Protocol):
    """What a provider has kept of one zone."""

    @property
    def name(self) -> str:
        """The provider's name, as the configuration spells it."""

    @property
    def zone(self) -> str:
        """The site's name of the zone that it speaks of."""

    @property
    def terms(self) -> Terms:
        """How often it may be asked."""

    @property
    def longest(self) -> timedelta:
        """The longest window that one call may ask for."""

    def history(self, window: Interval, now: datetime) -> Series | None:
        """Return the measured values of a window no longer than ``longest``; None where it has none.

        Steps may reach beyond the window; what lies between steps stays unknown.

        Raises:
            DataError, RefusedError, UnavailableError: as ``CarbonSource.fetch``.
        """


class MixSource(Protocol):
    """What a provider says of which plants run in one zone."""

    @property
    def name(self) -> str:
        """The provider's name, as the configuration spells it."""

    @property
    def zone(self) -> str:
        """The site's name of the zone that it speaks of."""

    @property
    def terms(self) -> Terms:
        """How often it may be asked."""

    def mix(self, now: datetime) -> Mix:
        """Return the newest mix.

        Raises:
            DataError, RefusedError, UnavailableError: as ``CarbonSource.fetch``.
        """


@dataclass(frozen=True, slots=True)
class Offer:
    """What one configured provider gives of one zone.

    Attributes:
        sources: asked regularly, for forecasts and the newest measured values.
        history: asked for what was before; None where it keeps none.
        mix: None where it gives none.
    """

    sources: Sequence[CarbonSource]
    history: HistorySource | None = None
    mix: MixSource | None = None


@dataclass(frozen=True, slots=True)
class ArchivedSource:
    """What the archive has of one source, of one nature, in one zone.

    Attributes:
        source: its name; ``own`` is our own forecaster.
        nature: kind and scope.
        issues: how many forecasts of it are kept.
        issued: when it last published one, None where it never did.
        measured: from the first measured value to the last, None where there is none.
    """

    source: str
    nature: Nature
    issues: int
    issued: datetime | None
    measured: Interval | None


@dataclass(frozen=True, slots=True)
class Revision:
    """One measured value as it was stored at one moment; of one source and step the last one counts."""

    source: str
    step: Step
    recorded_at: datetime


class ForecastReader(Protocol):
    """What planning asks of the archive."""

    def newest_issues(self, zone: str, since: datetime, until: datetime | None = None) -> Sequence[Issue]:
        """Return the latest published forecast of each source and nature, of those read since a moment.

        One published after ``until`` stands behind all others: it is returned where there is no other.
        """

    def actual(self, zone: str, nature: Nature, window: Interval, source: str | None = None) -> Series | None:
        """Return the newest measured values of a window, of one source or of all, None where there is none.

        No forecast is among them.
        """


class JudgingReader(Protocol):
    """What judging a forecast by its past asks of the archive."""

    def issues(self, zone: str, window: Interval, source: str | None = None) -> Sequence[Issue]:
        """Return the forecasts published within a window, the earliest first; of one source or of all."""

    def actual(self, zone: str, nature: Nature, window: Interval, source: str | None = None) -> Series | None:
        """Return the newest measured values of a window, of one source or of all."""


class PlanningArchive(ForecastReader, JudgingReader, Protocol):
    """What a cycle asks of the archive."""


class ArchiveReader(ForecastReader, Protocol):
    """What reports and scores ask of the archive."""

    def issues(self, zone: str, window: Interval, source: str | None = None) -> Sequence[Issue]:
        """Return the forecasts published within a window, the earliest first; of one source or of all."""

    def sources(self, zone: str) -> Sequence[ArchivedSource]:
        """Return who said anything about a zone, by name and nature."""

    def revisions(self, zone: str, nature: Nature, window: Interval) -> Sequence[Revision]:
        """Return every measured value of a window, in the order in which they were stored."""


class PastIntensities(Protocol):
    """What running the past again asks of the archive."""

    def natures(self, zone: str, window: Interval) -> Sequence[Nature]:
        """Return the natures in which a window has any value, the best covered first."""

    def actual(self, zone: str, nature: Nature, window: Interval, source: str | None = None) -> Series | None:
        """Return the newest measured values of a window, None where there is none."""

    def issues(self, zone: str, window: Interval, source: str | None = None) -> Sequence[Issue]:
        """Return the forecasts published within a window, the earliest first; of one source or of all."""


class AskedReader(Protocol):
    """What is remembered of asking the providers."""

    def asked(self) -> Mapping[QuestionKey, Asked]:
        """Return it for every question that was ever asked."""


class AskedBook(AskedReader, Protocol):
    """Keeps that memory over restarts."""

    def keep_asked(self, news: Mapping[QuestionKey, Asked]) -> None:
        """Write what became of some questions, merged with what another process wrote meanwhile."""


class OwnArchive(ForecastReader, Protocol):
    """What making our own forecasts asks of the archive."""

    def sources(self, zone: str) -> Sequence[ArchivedSource]:
        """Return who said anything about a zone, by name and nature."""

    def keep_issues(self, issues: Sequence[Issue]) -> None:
        """Store forecasts, each once, however often it is offered. All or none."""


class HistoryArchive(Protocol):
    """What fetching history asks of the archive."""

    def sources(self, zone: str) -> Sequence[ArchivedSource]:
        """Return who said anything about a zone, by name and nature."""

    def unmeasured(self, zone: str, source: str, window: Interval) -> Sequence[Interval]:
        """Return the parts of a window for which a source's measured values are not kept, in order."""

    def keep_actual(self, series: Series, recorded_at: datetime) -> None:
        """Store measured values; a revised value is added, the old one stays."""


class FetchArchive(ForecastReader, Protocol):
    """What fetching asks of the archive: to keep every issue and every measured value, as published."""

    def keep_issues(self, issues: Sequence[Issue]) -> None:
        """Store forecasts, each once, however often it is offered. All or none."""

    def keep_actual(self, series: Series, recorded_at: datetime) -> None:
        """Store measured values; a revised value is added, the old one stays."""


class IntensityReader(Protocol):
    """What working out emissions asks of the archive."""

    def pictures(self, zone: str, window: Interval) -> Sequence[Painted]:
        """Return what is known of a window, a picture for each nature that has any value in it.

        The newest measured values, and the newest issues' where nothing was measured, flagged estimated.
        """
