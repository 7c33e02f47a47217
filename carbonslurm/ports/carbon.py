"""What the use cases ask of carbon data: providers, and the archive of what they said."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from carbonslurm.core.forecast import Issue, Nature, Series
from carbonslurm.core.interval import Interval
from carbonslurm.core.mix import Mix


@dataclass(frozen=True, slots=True)
class Terms:
    """How often a provider may be asked, and what may be done with what it says.

    Attributes:
        every: asked again sooner, it has nothing new to say.
        calls: the most calls within ``per``, all zones and questions together; None where no number is known.
        per: see ``calls``.
        public: whether its values may be passed on to others.
    """

    every: timedelta
    calls: int | None = None
    per: timedelta = timedelta(hours=1)
    public: bool = True


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


class ForecastReader(Protocol):
    """What planning asks of the archive."""

    def newest_issue(self, zone: str) -> Issue | None:
        """Return the zone's latest published forecast."""


class IntensityArchive(ForecastReader, Protocol):
    """Keeps every issue and every measured value, as published."""

    def keep_issue(self, issue: Issue) -> None:
        """Store a forecast once, however often it is offered."""

    def keep_actual(self, series: Series, recorded_at: datetime) -> None:
        """Store measured values; a revised value is added, the old one stays."""

    def intensity(self, zone: str, nature: Nature, window: Interval) -> Series | None:
        """Return what is known of a window, None where that is nothing.

        The newest measured values, and the newest issues' where nothing was measured, flagged estimated.
        Steps may reach beyond the window.
        """

    def natures(self, zone: str, window: Interval) -> Sequence[Nature]:
        """Return the natures in which a window has any value, the best covered first."""
