"""Electricity Maps: most grids of the world, by a token that the site has (API v4, or v3).

Average, of what is consumed: imports are traced to where they were made. ``emissionFactorType`` says whether
the numbers count a plant's whole life (lifecycle) or its stack (direct), so it decides the scope. Hours in
UTC, each named by its start.

Whether a number is a forecast is a matter of where it was asked for: rows do not say. The forecast, the
measured values and the mix are asked for one by one, because a free token has no forecasts: that refusal
must not cost the rest. ``horizonHours`` beyond what a plan has is refused whole, so the default is the API's.

Traps, each with a test: without ``disableCallerLookup`` an unknown zone is answered for wherever the caller
seems to be, so the zone of the answer must be the one asked for; a sandbox token gets invented values, which
are refused; a row can have an ``estimationMethod`` and say that it is not estimated; the last row of the
history is the running hour, which is provisional and left out.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Literal
from urllib.parse import urlencode

from carbonslurm.carbon import checks
from carbonslurm.carbon.electricity_maps_reading import Reading, read_intensities, read_mix
from carbonslurm.carbon.http import READ, Wire, server
from carbonslurm.carbon.secret import Secret
from carbonslurm.core.forecast import Issue, Kind, Nature, Scope, Series
from carbonslurm.core.interval import Interval, iso
from carbonslurm.core.mix import Mix
from carbonslurm.errors import ConfigError, RefusedError
from carbonslurm.ports import CarbonAnswer, Offer, Terms

NAME = "electricity-maps"
URL = "https://api.electricitymaps.com"
EVERY = timedelta(minutes=30)
LONGEST = timedelta(days=10)  # of one past-range in hours
HORIZONS = (6, 24, 48, 72)
HOUR = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class ElectricityMapsOptions:
    """What the configuration says.

    Attributes:
        zone: the site's name of the zone.
        token_file: where the token is: see ``secret``.
        area: the provider's name of the zone, such as ``DE`` or ``US-CAL-CISO``; None where the site's is it.
        scope: what the numbers count.
        horizon: of forecasts, 6, 24, 48 or 72 h: as far as the plan has them.
        version: of the API.
        calls_per_hour: the most that the plan allows; its users say 50 of the free one.
        url: another server with the same API; None for the provider's own.
        read_timeout: longest silence within an answer.
    """

    zone: str
    token_file: str
    area: str | None = None
    scope: Literal["lifecycle", "direct"] = "lifecycle"
    horizon: timedelta = timedelta(hours=24)
    version: Literal["v4", "v3"] = "v4"
    calls_per_hour: int = 50
    url: str | None = None
    read_timeout: timedelta = READ


# --- the question


class Question(StrEnum):
    """What can be asked."""

    FORECAST = "forecast"
    MEASURED = "measured"


FORECAST, LAST_DAY, RANGE = (f"carbon-intensity/{time}" for time in ("forecast", "history", "past-range"))


def path(version: str, what: str, area: str, asked: Mapping[str, object]) -> str:
    """Return the path to ask.

    Args:
        version: v4 or v3.
        what: a signal and a time, such as ``carbon-intensity/history``.
        area: the provider's name of the zone.
        asked: what else is asked.
    """
    lookup = {"disableCallerLookup": "true"}
    if version == "v3":
        lookup["shouldUseFallbackCallerLookup"] = "false"
    return f"/{version}/{what}?{urlencode({'zone': area, **asked, **lookup})}"


def window_words(window: Interval) -> dict[str, str]:
    """Return how a range names a window."""
    return {"start": iso(window.start), "end": iso(window.end)}


# --- the source


@dataclass(frozen=True, slots=True)
class ElectricityMaps:
    """One zone of theirs, and how to ask for it.

    Attributes:
        zone: the site's name.
        area: theirs.
        token: where the token is.
        scope: lifecycle or direct.
        version: of the API.
        terms: by the plan; the values are the provider's property.
        wire: their server.
    """

    zone: str
    area: str
    token: Secret
    scope: Scope
    version: str
    terms: Terms
    wire: Wire

    @property
    def nature(self) -> Nature:
        """Average, and of the scope that is asked for."""
        return Nature(Kind.AVERAGE, self.scope)

    def ask(self, what: str, asked: Mapping[str, object], now: datetime) -> bytes:
        """Ask with the token, which goes nowhere but into the header.

        Raises:
            DataError, RefusedError, UnavailableError: as ``Wire.get``, and as ``Secret.read``.
        """
        token = self.token.read()
        said = self.wire.ask(
            path(self.version, what, self.area, asked), {"auth-token": token}, secrets=(token,)
        )
        if said.status in {401, 403} and what == FORECAST:
            raise RefusedError(
                f"{said.words} (a free token has no forecasts; a plan, no more than its horizon)"
            )
        return said.judged(now)

    def intensity(self, what: str, asked: Mapping[str, object], now: datetime) -> Reading:
        """Ask for intensities and read the answer; the errors of ``ask``, and DataError."""
        words = {**asked, "emissionFactorType": self.scope.value, "temporalGranularity": "hourly"}
        body = self.ask(what, words, now)
        with checks.about(f"{what} of {self.area}"):
            return read_intensities(body, self.area, self.scope, ahead=what == FORECAST)


@dataclass(frozen=True, slots=True)
class ElectricityMapsSource:
    """One question about one zone: the forecast, or the measured last 24 h."""

    maps: ElectricityMaps
    question: Question
    horizon: timedelta

    @property
    def name(self) -> str:
        """The provider's name in the configuration."""
        return NAME

    @property
    def zone(self) -> str:
        """The site's name of the zone."""
        return self.maps.zone

    @property
    def terms(self) -> Terms:
        """How often it may be asked."""
        return self.maps.terms

    def fetch(self, now: datetime) -> CarbonAnswer:
        """Ask now.

        Raises:
            DataError: the answer is not believable.
            RefusedError: the token or the plan does not allow it, or we may not read the token.
            UnavailableError: there was no answer, or no token.
        """
        maps = self.maps
        if self.question is Question.MEASURED:
            steps = maps.intensity(LAST_DAY, {}, now).steps
            ended = [step for step in steps if step.interval.end <= now]
            return CarbonAnswer(actual=checks.measured(maps.zone, NAME, maps.nature, ended))
        reading = maps.intensity(FORECAST, {"horizonHours": self.horizon // HOUR}, now)
        with checks.about(f"forecast of {maps.area}"):
            series = checks.forecast(maps.zone, NAME, maps.nature, reading.steps, now)
            checks.made(reading.updated, now)
        return CarbonAnswer(forecast=Issue(series, reading.updated, now))


@dataclass(frozen=True, slots=True)
class ElectricityMapsHistory:
    """What was measured in one zone: 10 days a call."""

    maps: ElectricityMaps
    longest: timedelta = LONGEST

    @property
    def name(self) -> str:
        """The provider's name in the configuration."""
        return NAME

    @property
    def zone(self) -> str:
        """The site's name of the zone."""
        return self.maps.zone

    @property
    def terms(self) -> Terms:
        """How often it may be asked."""
        return self.maps.terms

    def history(self, window: Interval, now: datetime) -> Series | None:
        """Return the measured hours of a window of at most 10 days; the errors of ``fetch``."""
        reading = self.maps.intensity(RANGE, window_words(window), now)
        with checks.about(f"past-range of {self.maps.area}"):
            return checks.history(self.zone, NAME, self.maps.nature, reading.steps, window, now)


@dataclass(frozen=True, slots=True)
class ElectricityMapsMix:
    """From what one zone's electricity is made now."""

    maps: ElectricityMaps

    @property
    def name(self) -> str:
        """The provider's name in the configuration."""
        return NAME

    @property
    def zone(self) -> str:
        """The site's name of the zone."""
        return self.maps.zone

    @property
    def terms(self) -> Terms:
        """How often it may be asked."""
        return self.maps.terms

    def mix(self, now: datetime) -> Mix:
        """Return the newest mix; the errors of ``fetch``."""
        maps = self.maps
        signal = "power-breakdown" if maps.version == "v3" else "electricity-mix"
        body = maps.ask(f"{signal}/latest", {}, now)
        with checks.about(f"{signal} of {maps.area}"):
            return read_mix(body, maps.area, maps.zone, NAME)


def offer(options: ElectricityMapsOptions) -> Offer:
    """Return what there is of a zone.

    Raises:
        ConfigError: the horizon is none, the token's file has no name, or the URL is not http or https.
    """
    if options.horizon not in {number * HOUR for number in HORIZONS}:
        raise ConfigError(f"horizon: expected {', '.join(f'{number}h' for number in HORIZONS)}")
    maps = ElectricityMaps(
        options.zone,
        options.area or options.zone,
        Secret("token_file", options.token_file),
        Scope(options.scope),
        options.version,
        Terms(EVERY, options.calls_per_hour, public=False),
        server(options.url or URL, options.read_timeout),
    )
    sources = tuple(ElectricityMapsSource(maps, question, options.horizon) for question in Question)
    return Offer(sources, ElectricityMapsHistory(maps), ElectricityMapsMix(maps))
