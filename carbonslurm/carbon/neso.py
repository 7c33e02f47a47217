"""Great Britain: the operator's keyless API (NESO Carbon Intensity), national and 17 regions, 48 h ahead.

Average and operational: what generation emits, imports and losses included, without fuel supply. Half hours
in UTC. The API gives no time of issue, so an issue's age counts from when it was fetched, and an answer that
does not begin about now is refused as an old one. Regions have no measured values, ever: for them ``actual``
stays None, and the archive lets the newest issue stand in, flagged as estimated.

Traps, each with a test: an error comes with HTTP 200 and an ``error`` key; a region's ``data`` is an object
or a list of one; a measured value of a half hour that has not ended is provisional and is left out; GB as a
whole never reaches 0 g/kWh (biomass and imports count), so a national 0 is an outage, while North Scotland
has real zeros.

``offer`` has one source for each question, so that a failure of the measured values does not cost the
forecast.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import TypeVar

import msgspec

from carbonslurm.carbon import checks
from carbonslurm.carbon.http import READ, Wire
from carbonslurm.core.forecast import Issue, Kind, Nature, Scope, Series, Step
from carbonslurm.core.interval import Interval, aware
from carbonslurm.errors import ConfigError, DataError
from carbonslurm.ports import CarbonAnswer, Offer, Terms

NAME = "neso"
URL = "https://api.carbonintensity.org.uk"
NATURE = Nature(Kind.AVERAGE, Scope.OPERATIONAL)
LONGEST = timedelta(days=14)  # that one question may ask for
TERMS = Terms(every=timedelta(minutes=30))  # no number published; heavy users may be blocked

# regionid -> (shortname, dnoregion), as the API spells them. 18 would be GB as a whole, and has no fw48h.
REGIONS = {
    1: ("North Scotland", "Scottish Hydro Electric Power Distribution"),
    2: ("South Scotland", "SP Distribution"),
    3: ("North West England", "Electricity North West"),
    4: ("North East England", "NPG North East"),
    5: ("Yorkshire", "NPG Yorkshire"),
    6: ("North Wales & Merseyside", "SP Manweb"),
    7: ("South Wales", "WPD South Wales"),
    8: ("West Midlands", "WPD West Midlands"),
    9: ("East Midlands", "WPD East Midlands"),
    10: ("East England", "UKPN East"),
    11: ("South West England", "WPD South West"),
    12: ("South England", "SSE South"),
    13: ("London", "UKPN London"),
    14: ("South East England", "UKPN South East"),
    15: ("England", "England"),
    16: ("Scotland", "Scotland"),
    17: ("Wales", "Wales"),
}


@dataclass(frozen=True, slots=True)
class NesoOptions:
    """What the configuration says.

    Attributes:
        zone: the site's name of the zone, by custom ``GB`` or one of its own for a region.
        region: None for GB as a whole, else a number from 1 to 17 or one of the names in ``REGIONS``.
        url: another server with the same API; None for the operator's own.
        read_timeout: longest silence within an answer.
    """

    zone: str
    region: int | str | None = None
    url: str | None = None
    read_timeout: timedelta = READ


def region_id(region: int | str) -> int:
    """Return the number of a region given by number or name, in any case.

    Raises:
        ConfigError: there is no such region.
    """
    wanted = str(region).strip().casefold()
    for number, names in REGIONS.items():
        if wanted in {str(number), *(name.casefold() for name in names)}:
            return number
    raise ConfigError(f'region: expected 1 to 17 or a name such as London, got "{checks.shown(str(region))}"')


# --- the question


class Question(StrEnum):
    """What can be asked of a national or regional range."""

    FORECAST = "fw48h"
    MEASURED = "pt24h"


def path(question: Question, region: int | None, now: datetime) -> str:
    """Return the path to ask.

    The minute is :01 or :31, never the half hour itself, which the API counts to the one before; and all
    askers of one half hour use the same address, so that a cache between us and the operator can help.
    """
    utc = aware(now)
    start = utc.replace(minute=31 if utc.minute >= 30 else 1).strftime("%Y-%m-%dT%H:%MZ")
    if region is None:
        return f"/intensity/{start}/{question}"
    return f"/regional/intensity/{start}/{question}/regionid/{region}"


def history_path(window: Interval) -> str:
    """Return the path to ask for GB's half hours of a window; the API counts :00 to the one before."""
    start = window.start
    if start.minute % 30 == 0:
        start += timedelta(minutes=1)
    return f"/intensity/{start:%Y-%m-%dT%H:%MZ}/{window.end:%Y-%m-%dT%H:%MZ}"


# --- the reading


class _Intensity(msgspec.Struct):
    forecast: float | None = None
    actual: float | None = None


class _Item(msgspec.Struct):
    start: str = msgspec.field(name="from")
    end: str = msgspec.field(name="to")
    intensity: _Intensity


class _Region(msgspec.Struct):
    regionid: int
    data: list[_Item]


class _Fault(msgspec.Struct):
    code: str = ""
    message: str = ""


class _National(msgspec.Struct):
    data: list[_Item] | None = None
    error: _Fault | None = None


class _Regional(msgspec.Struct):
    data: _Region | list[_Region] | None = None
    error: _Fault | None = None


Answer = TypeVar("Answer", _National, _Regional)


def _decode(body: bytes, shape: type[Answer]) -> Answer:
    answer = checks.decoded(body, shape)
    if answer.error is not None:
        raise DataError(f"an error: {checks.shown(f'{answer.error.code}: {answer.error.message}', 120)}")
    if answer.data is None:
        raise DataError("no data in it")
    return answer


def _items(body: bytes, region: int | None) -> list[_Item]:
    if region is None:
        return _decode(body, _National).data or []
    data = _decode(body, _Regional).data
    regions = data if isinstance(data, list) else [data] if data is not None else []
    found = [each for each in regions if each.regionid == region]
    if len(found) != 1:
        raise DataError(f"asked for region {region}, got {[each.regionid for each in regions][:20]}")
    return found[0].data


def _step(item: _Item, value: float | None, *, estimated: bool, zero: bool) -> Step:
    """Make a step; ``zero`` is whether this place can have 0 g/kWh."""
    interval = checks.interval(checks.moment(item.start), checks.moment(item.end))
    g_per_kwh = checks.intensity(value)
    if g_per_kwh == 0 and not zero:
        raise DataError("0 g/kWh for all of GB: an outage, not a grid")
    return Step(interval, g_per_kwh, estimated)


def read_forecast(body: bytes, region: int | None) -> list[Step]:
    """Return the steps of a forecast, flagged as estimates.

    Raises:
        DataError: the body is no answer of this API, or one of its values cannot be believed.
    """
    return [
        _located(index, item, item.intensity.forecast, estimated=True, zero=region is not None)
        for index, item in enumerate(_items(body, region))
    ]


def read_measured(body: bytes, now: datetime) -> list[Step]:
    """Return the measured national values of the half hours that have ended; null is not measured (yet).

    Raises:
        DataError: the body is no answer of this API, or one of its values cannot be believed.
    """
    steps = [
        _located(index, item, item.intensity.actual, estimated=False, zero=False)
        for index, item in enumerate(_items(body, None))
        if item.intensity.actual is not None
    ]
    return [step for step in steps if step.interval.end <= now]


def _located(index: int, item: _Item, value: float | None, *, estimated: bool, zero: bool) -> Step:
    try:
        return _step(item, value, estimated=estimated, zero=zero)
    except DataError as error:
        raise DataError(f"data[{index}]: {error}") from error


# --- the source


@dataclass(frozen=True, slots=True)
class NesoSource:
    """One question to the operator: the forecast of GB or a region, or GB's measured last 24 h."""

    zone: str
    region: int | None
    question: Question
    wire: Wire
    terms: Terms = TERMS

    @property
    def name(self) -> str:
        """The provider's name in the configuration."""
        return NAME

    def fetch(self, now: datetime) -> CarbonAnswer:
        """Ask the operator now.

        Raises:
            DataError: the answer is not believable.
            RefusedError: the operator refuses the question.
            UnavailableError: there was no answer.
        """
        asked = path(self.question, self.region, now)
        body = self.wire.get(asked, now)
        try:
            return self._answer(body, now)
        except DataError as error:
            raise DataError(f"{asked}: {error}") from error

    def _answer(self, body: bytes, now: datetime) -> CarbonAnswer:
        if self.question is Question.MEASURED:
            steps = read_measured(body, now)
            return CarbonAnswer(actual=checks.measured(self.zone, NAME, NATURE, steps))
        steps = read_forecast(body, self.region)
        series = checks.forecast(self.zone, NAME, NATURE, steps, now)
        return CarbonAnswer(forecast=Issue(series, generated_at=None, fetched_at=now))


@dataclass(frozen=True, slots=True)
class NesoHistory:
    """GB's measured half hours since 2018."""

    zone: str
    wire: Wire
    terms: Terms = TERMS
    longest: timedelta = LONGEST

    @property
    def name(self) -> str:
        """The provider's name in the configuration."""
        return NAME

    def history(self, window: Interval, now: datetime) -> Series | None:
        """Return the measured half hours of a window of at most 14 days.

        Raises:
            DataError: the answer is not believable.
            RefusedError: the operator refuses the question.
            UnavailableError: there was no answer.
        """
        asked = history_path(window)
        body = self.wire.get(asked, now)
        try:
            return checks.history(self.zone, NAME, NATURE, read_measured(body, now), window, now)
        except DataError as error:
            raise DataError(f"{asked}: {error}") from error


def offer(options: NesoOptions) -> Offer:
    """Return what there is of a zone: its forecast, and for GB as a whole the measured values.

    Raises:
        ConfigError: there is no such region, or the URL is not http or https.
    """
    url = options.url or URL
    if not url.startswith(("http://", "https://")):
        raise ConfigError("url: expected http:// or https://")
    wire = Wire(url, read=options.read_timeout)
    if options.region is not None:
        return Offer((NesoSource(options.zone, region_id(options.region), Question.FORECAST, wire),))
    sources = tuple(NesoSource(options.zone, None, question, wire) for question in Question)
    return Offer(sources, NesoHistory(options.zone, wire))
