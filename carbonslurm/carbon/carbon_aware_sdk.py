"""The web API of the Carbon Aware SDK, which a site runs itself in front of a provider of its choice.

The answers do not say whose numbers they are: kind and scope depend on the source that the SDK was given
(WattTime: marginal, Electricity Maps: average), so the configuration must say them. Values are g/kWh.

A forecast carries the time at which it was made, from which its age counts; one made more than 12 h ago is
refused. ``carbon_aware_reading`` reads the answers, with their traps.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from urllib.parse import urlencode

from carbonslurm.carbon import checks
from carbonslurm.carbon.carbon_aware_reading import read_emissions, read_forecast
from carbonslurm.carbon.http import READ, Wire, server
from carbonslurm.core.forecast import Issue, Kind, Nature, Scope, Series
from carbonslurm.core.interval import Interval, iso
from carbonslurm.errors import ConfigError, DataError
from carbonslurm.ports import CarbonAnswer, Offer, Terms

NAME = "carbon-aware-sdk"
LONGEST = timedelta(days=10)  # what its narrowest source answers at once (Electricity Maps, hourly)
OLDEST = timedelta(hours=12)  # how long ago a forecast may have been made
AHEAD = timedelta(minutes=5)  # what its clock and ours may differ by
# As its source, which it does not name; and the values may be under a contract.
TERMS = Terms(every=timedelta(minutes=15), public=False)
_PAST = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class CarbonAwareSdkOptions:
    """What the configuration says.

    Attributes:
        zone: the site's name of the zone.
        url: the site's server.
        location: a name that the SDK knows: those at ``/locations``, such as ``northeurope``.
        kind: of the numbers that the SDK's source gives.
        scope: likewise.
        read_timeout: longest silence within an answer.
    """

    zone: str
    url: str
    location: str
    kind: Kind
    scope: Scope
    read_timeout: timedelta = READ


# --- the question


class Question(StrEnum):
    """What is asked regularly."""

    FORECAST = "forecast"
    MEASURED = "measured"


def forecast_path(location: str) -> str:
    """Return the path to ask for the newest forecast; with a window its values would be rolling means."""
    return f"/emissions/forecasts/current?{urlencode({'location': location})}"


def emissions_path(location: str, window: Interval) -> str:
    """Return the path to ask for the measured values of a window."""
    asked = {"location": location, "time": iso(window.start), "toTime": iso(window.end)}
    return f"/emissions/bylocation?{urlencode(asked, safe=':')}"


# --- the sources


@dataclass(frozen=True, slots=True)
class CarbonAwareSdkSource:
    """One question to the site's server: the forecast of a location, or its measured last 24 h."""

    zone: str
    location: str
    nature: Nature
    question: Question
    wire: Wire
    name: str = NAME
    terms: Terms = TERMS

    def fetch(self, now: datetime) -> CarbonAnswer:
        """Ask the server now.

        Raises:
            DataError: the answer is not believable.
            RefusedError: the server refuses the question: it may not know the location.
            UnavailableError: there was no answer, or (HTTP 501) the server's source has no forecasts.
        """
        if self.question is Question.FORECAST:
            return CarbonAnswer(forecast=self._forecast(now))
        hour = now.replace(minute=0, second=0, microsecond=0)
        asked = emissions_path(self.location, Interval(hour - _PAST, hour + timedelta(hours=1)))
        body = self.wire.get(asked, now)
        with checks.about(asked):
            steps = read_emissions(body, now)
            return CarbonAnswer(actual=checks.measured(self.zone, NAME, self.nature, steps))

    def _forecast(self, now: datetime) -> Issue:
        asked = forecast_path(self.location)
        body = self.wire.get(asked, now)
        with checks.about(asked):
            return forecast(body, self.location, self.zone, self.nature, now)


def forecast(body: bytes, location: str, zone: str, nature: Nature, now: datetime) -> Issue:
    """Return the forecast in an answer.

    Raises:
        DataError: it cannot be believed, or was made long ago.
    """
    said = read_forecast(body, location)
    if not now - OLDEST <= said.generated_at <= now + AHEAD:
        which = "an old answer" if said.generated_at < now else "an answer from the future"
        raise DataError(f"{which}: made at {iso(said.generated_at)}")
    series = checks.forecast(zone, NAME, nature, said.steps, now, since=said.generated_at)
    return Issue(series, said.generated_at, fetched_at=now)


@dataclass(frozen=True, slots=True)
class CarbonAwareSdkHistory:
    """A location's measured values."""

    zone: str
    location: str
    nature: Nature
    wire: Wire
    name: str = NAME
    terms: Terms = TERMS
    longest: timedelta = LONGEST

    def history(self, window: Interval, now: datetime) -> Series | None:
        """Return the measured values of a window of at most 10 days; the errors of the source's fetch."""
        asked = emissions_path(self.location, window)
        body = self.wire.get(asked, now)
        with checks.about(asked):
            steps = read_emissions(body, now)
            return checks.history(self.zone, NAME, self.nature, steps, window, now)


def offer(options: CarbonAwareSdkOptions) -> Offer:
    """Return what there is of a location.

    Raises:
        ConfigError: the location is empty, or the URL is not http or https.
    """
    wire = server(options.url, options.read_timeout)
    if not options.location.strip():
        raise ConfigError("location: expected a name that the server knows")
    nature = Nature(options.kind, options.scope)
    sources = tuple(
        CarbonAwareSdkSource(options.zone, options.location, nature, question, wire) for question in Question
    )
    return Offer(sources, CarbonAwareSdkHistory(options.zone, options.location, nature, wire))
