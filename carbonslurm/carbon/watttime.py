"""WattTime v3: what the next plant emits (marginal), by a login that the site has.

``co2_moer`` is the marginal operating emissions rate, ``co2_aoer`` the average one, which few regions have.
Both are CO2 at the stack: direct. Points of five minutes in UTC, pounds per MWh, up to 72 h ahead; the past
32 days a call. ``meta`` says what an answer is about, and is read: another region, another signal or another
unit than asked for refuses the answer.

Traps, each with a test: the units are pounds per MWh, not g/kWh; the signal index is a percentile in the same
field, which is never an intensity; filled-in values are flagged (``imputed_data_used``) and come out as
estimated; an unknown path is a redirect to the documentation, and not followed; a plan without the region
says 403 to it, and the free one has CAISO_NORTH only.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Literal
from urllib.parse import urlencode

from carbonslurm.carbon import checks
from carbonslurm.carbon.http import READ, server
from carbonslurm.carbon.secret import Secret
from carbonslurm.carbon.watttime_reading import Reading, read
from carbonslurm.carbon.watttime_session import Session
from carbonslurm.core.forecast import Issue, Kind, Nature, Scope, Series
from carbonslurm.core.interval import Interval, iso
from carbonslurm.errors import ConfigError, RefusedError
from carbonslurm.ports import CarbonAnswer, Offer, Terms

NAME = "watttime"
URL = "https://api.watttime.org"
TERMS = Terms(every=timedelta(minutes=5), calls=3000, per=timedelta(minutes=5), public=False)
NATURES = {
    "co2_moer": Nature(Kind.MARGINAL, Scope.DIRECT),
    "co2_aoer": Nature(Kind.AVERAGE, Scope.DIRECT),
}
LONGEST = timedelta(days=32)
POINT = timedelta(minutes=5)
HOUR = timedelta(hours=1)
FURTHEST = 72 * HOUR


@dataclass(frozen=True, slots=True)
class WattTimeOptions:
    """What the configuration says.

    Attributes:
        zone: the site's name of the zone.
        user: of the account.
        password_file: where its password is: see ``secret``.
        region: the provider's name of the zone, such as ``CAISO_NORTH``; None where the site's is it.
        latitude: in degrees north; with ``longitude`` instead of ``region``.
        longitude: in degrees east.
        signal: marginal (co2_moer) or average (co2_aoer).
        horizon: of forecasts, whole hours up to 72.
        url: another server with the same API; None for the provider's own.
        read_timeout: longest silence within an answer.
    """

    zone: str
    user: str
    password_file: str
    region: str | None = None
    latitude: float | None = None
    longitude: float | None = None
    signal: Literal["co2_moer", "co2_aoer"] = "co2_moer"
    horizon: timedelta = FURTHEST
    url: str | None = None
    read_timeout: timedelta = READ


# --- the question


class Question(StrEnum):
    """What can be asked."""

    FORECAST = "forecast"
    MEASURED = "measured"


def forecast_path(region: str, signal: str, horizon: timedelta) -> str:
    """Return the path to ask for the newest forecast."""
    asked = {"region": region, "signal_type": signal, "horizon_hours": horizon // HOUR}
    return f"/v3/forecast?{urlencode(asked)}"


def historical_path(region: str, signal: str, window: Interval) -> str:
    """Return the path to ask for a window, whose last point begins before its end: the API's end is in it."""
    start, end = iso(window.start), iso(max(window.start, window.end - POINT))
    asked = {"region": region, "signal_type": signal, "start": start, "end": end}
    return f"/v3/historical?{urlencode(asked)}&include_imputed_marker=true"


# --- the source


@dataclass(frozen=True, slots=True)
class WattTime:
    """One region and signal of theirs, and how to ask for it.

    Attributes:
        zone: the site's name.
        region: theirs, or None where the place says it.
        place: latitude and longitude in degrees, None where the region has a name.
        signal: co2_moer or co2_aoer.
        session: the login.
    """

    zone: str
    region: str | None
    place: tuple[float, float] | None
    signal: str
    session: Session

    @property
    def nature(self) -> Nature:
        """What the signal is."""
        return NATURES[self.signal]

    def named(self, now: datetime) -> str:
        """Return the region's name; the errors of ``Session.region``."""
        if self.place is not None:
            return self.session.region(*self.place, self.signal, now)
        return self.region or self.zone

    def ask(self, path: str, region: str, now: datetime, *, ahead: bool) -> Reading:
        """Ask and read the answer.

        Raises:
            DataError, RefusedError, UnavailableError: as ``Session.ask``, ``Wire.get`` and ``read``.
        """
        said = self.session.ask(path, now)
        if said.status == 403:
            raise RefusedError(f"{said.words}: the plan does not have {self.signal} of {region}")
        body = said.judged(now)
        with checks.about(path.partition("?")[0]):
            return read(body, region, self.signal, ahead=ahead)


@dataclass(frozen=True, slots=True)
class WattTimeSource:
    """One question about one region: the newest forecast, or the last 24 h."""

    watttime: WattTime
    question: Question
    horizon: timedelta
    terms: Terms = TERMS

    @property
    def name(self) -> str:
        """The provider's name in the configuration."""
        return NAME

    @property
    def zone(self) -> str:
        """The site's name of the zone."""
        return self.watttime.zone

    def fetch(self, now: datetime) -> CarbonAnswer:
        """Ask now.

        Raises:
            DataError: the answer is not believable.
            RefusedError: the login or the plan does not allow it, or we may not read the password.
            UnavailableError: there was no answer, or no password.
        """
        watttime = self.watttime
        if self.question is Question.MEASURED:
            return CarbonAnswer(actual=_measured(watttime, Interval(now - 24 * HOUR, now), now))
        region = watttime.named(now)
        reading = watttime.ask(forecast_path(region, watttime.signal, self.horizon), region, now, ahead=True)
        with checks.about("/v3/forecast"):
            series = checks.forecast(watttime.zone, NAME, watttime.nature, reading.steps, now)
            checks.made(reading.generated, now)
        return CarbonAnswer(forecast=Issue(series, reading.generated, now))


@dataclass(frozen=True, slots=True)
class WattTimeHistory:
    """What there was in one region: 32 days a call."""

    watttime: WattTime
    terms: Terms = TERMS
    longest: timedelta = LONGEST

    @property
    def name(self) -> str:
        """The provider's name in the configuration."""
        return NAME

    @property
    def zone(self) -> str:
        """The site's name of the zone."""
        return self.watttime.zone

    def history(self, window: Interval, now: datetime) -> Series | None:
        """Return the values of a window of at most 32 days; the errors of ``WattTimeSource.fetch``."""
        return _measured(self.watttime, window, now)


def _measured(watttime: WattTime, window: Interval, now: datetime) -> Series | None:
    region = watttime.named(now)
    reading = watttime.ask(historical_path(region, watttime.signal, window), region, now, ahead=False)
    with checks.about("/v3/historical"):
        return checks.history(watttime.zone, NAME, watttime.nature, reading.steps, window, now)


def offer(options: WattTimeOptions) -> Offer:
    """Return what there is of a region.

    Raises:
        ConfigError: a user that cannot be sent, a place that is none or beside a region, a horizon that is
            none, the password's file has no name, or the URL is not http or https.
    """
    if options.horizon % HOUR or not HOUR <= options.horizon <= FURTHEST:
        raise ConfigError("horizon: expected whole hours, 1h to 72h")
    wire = server(options.url or URL, options.read_timeout)
    if ":" in options.user:
        raise ConfigError("user: a colon cannot be sent")
    session = Session(wire, options.user, Secret("password_file", options.password_file))
    watttime = WattTime(options.zone, options.region, _place(options), options.signal, session)
    sources = tuple(WattTimeSource(watttime, question, options.horizon) for question in Question)
    return Offer(sources, WattTimeHistory(watttime))


def _place(options: WattTimeOptions) -> tuple[float, float] | None:
    if options.latitude is None and options.longitude is None:
        return None
    if options.latitude is None or options.longitude is None:
        raise ConfigError("latitude: expected together with longitude")
    if options.region is not None:
        raise ConfigError("region: expected a region or a place, not both")
    if not (-90 <= options.latitude <= 90 and -180 <= options.longitude <= 180):
        raise ConfigError("latitude: expected -90 to 90, and longitude -180 to 180")
    return options.latitude, options.longitude
