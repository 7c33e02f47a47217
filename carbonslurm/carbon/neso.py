"""Great Britain: the operator's keyless API (NESO Carbon Intensity), national and 17 regions, 48 h ahead.

Average and operational: what generation emits, imports and losses included, without fuel supply. Half hours
in UTC. The API gives no time of issue, so an issue's age counts from when it was fetched, and an answer that
does not begin about now is refused as an old one. Regions have no measured values, ever: for them ``actual``
stays None, and the archive lets the newest issue stand in, flagged as estimated.

``neso_reading`` reads its answers, with their traps; ``neso_places`` has its regions.

``offer`` has one source for each question, so that a failure of the measured values does not cost the
forecast.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from carbonslurm.carbon import checks
from carbonslurm.carbon.http import READ, Wire, server
from carbonslurm.carbon.neso_places import outward, region_id
from carbonslurm.carbon.neso_reading import NAME, Place, read_forecast, read_measured, read_mix
from carbonslurm.core.forecast import Issue, Kind, Nature, Scope, Series
from carbonslurm.core.interval import Interval, aware
from carbonslurm.core.mix import Mix
from carbonslurm.errors import ConfigError
from carbonslurm.ports import CarbonAnswer, Offer, Terms

URL = "https://api.carbonintensity.org.uk"
NATURE = Nature(Kind.AVERAGE, Scope.OPERATIONAL)
LONGEST = timedelta(days=14)  # that one question may ask for
TERMS = Terms(every=timedelta(minutes=30))  # no number published; heavy users may be blocked


@dataclass(frozen=True, slots=True)
class NesoOptions:
    """What the configuration says.

    Attributes:
        zone: the site's name of the zone, by custom ``GB`` or one of its own for a region.
        region: None for GB as a whole, else a number from 1 to 17 or one of the names in ``REGIONS``.
        postcode: instead of a region: the region in which it lies, which the API looks up.
        url: another server with the same API; None for the operator's own.
        read_timeout: longest silence within an answer.
    """

    zone: str
    region: int | str | None = None
    postcode: str | None = None
    url: str | None = None
    read_timeout: timedelta = READ


# --- the question


class Question(StrEnum):
    """What can be asked of a national or regional range."""

    FORECAST = "fw48h"
    MEASURED = "pt24h"


def path(question: Question, place: Place, now: datetime) -> str:
    """Return the path to ask.

    The minute is :01 or :31, never the half hour itself, which the API counts to the one before; and all
    askers of one half hour use the same address, so that a cache between us and the operator can help.
    """
    utc = aware(now)
    start = utc.replace(minute=31 if utc.minute >= 30 else 1).strftime("%Y-%m-%dT%H:%MZ")
    if place is None:
        return f"/intensity/{start}/{question}"
    return f"/regional/intensity/{start}/{question}/{_of(place)}"


def mix_path(place: Place) -> str:
    """Return the path to ask for the running half hour's mix."""
    return "/generation" if place is None else f"/regional/{_of(place)}"


def _of(place: int | str) -> str:
    return f"regionid/{place}" if isinstance(place, int) else f"postcode/{place}"


def history_path(window: Interval) -> str:
    """Return the path to ask for GB's half hours of a window; the API counts :00 to the one before."""
    start = window.start
    if start.minute % 30 == 0:
        start += timedelta(minutes=1)
    return f"/intensity/{start:%Y-%m-%dT%H:%MZ}/{window.end:%Y-%m-%dT%H:%MZ}"


# --- the sources


@dataclass(frozen=True, slots=True)
class NesoSource:
    """One question to the operator: the forecast of GB or a region, or GB's measured last 24 h."""

    zone: str
    place: Place
    question: Question
    wire: Wire
    name: str = NAME
    terms: Terms = TERMS

    def fetch(self, now: datetime) -> CarbonAnswer:
        """Ask the operator now.

        Raises:
            DataError: the answer is not believable.
            RefusedError: the operator refuses the question.
            UnavailableError: there was no answer.
        """
        asked = path(self.question, self.place, now)
        body = self.wire.get(asked, now)
        with checks.about(asked):
            return self._answer(body, now)

    def _answer(self, body: bytes, now: datetime) -> CarbonAnswer:
        if self.question is Question.MEASURED:
            steps = read_measured(body, now)
            return CarbonAnswer(actual=checks.measured(self.zone, NAME, NATURE, steps))
        steps = read_forecast(body, self.place)
        series = checks.forecast(self.zone, NAME, NATURE, steps, now)
        return CarbonAnswer(forecast=Issue(series, generated_at=None, fetched_at=now))


@dataclass(frozen=True, slots=True)
class NesoHistory:
    """GB's measured half hours."""

    zone: str
    wire: Wire
    name: str = NAME
    terms: Terms = TERMS
    longest: timedelta = LONGEST

    def history(self, window: Interval, now: datetime) -> Series | None:
        """Return the measured half hours of a window of at most 14 days; the errors of NesoSource.fetch."""
        asked = history_path(window)
        body = self.wire.get(asked, now)
        with checks.about(asked):
            return checks.history(self.zone, NAME, NATURE, read_measured(body, now), window, now)


@dataclass(frozen=True, slots=True)
class NesoMix:
    """What runs in GB or a region."""

    zone: str
    place: Place
    wire: Wire
    name: str = NAME
    terms: Terms = TERMS

    def mix(self, now: datetime) -> Mix:
        """Return the running half hour's mix; the errors of NesoSource.fetch."""
        asked = mix_path(self.place)
        body = self.wire.get(asked, now)
        with checks.about(asked):
            return read_mix(body, self.place, self.zone, now)


def offer(options: NesoOptions) -> Offer:
    """Return what there is of a zone: its forecast and mix, and for GB as a whole the measured values.

    Raises:
        ConfigError: there is no such region or postcode, or the URL is not http or https.
    """
    wire = server(options.url or URL, options.read_timeout)
    zone, place = options.zone, _place(options)
    mix = NesoMix(zone, place, wire)
    if place is not None:
        return Offer((NesoSource(zone, place, Question.FORECAST, wire),), mix=mix)
    sources = tuple(NesoSource(zone, None, question, wire) for question in Question)
    return Offer(sources, NesoHistory(zone, wire), mix)


def _place(options: NesoOptions) -> Place:
    if options.region is None:
        return None if options.postcode is None else outward(options.postcode)
    if options.postcode is not None:
        raise ConfigError("postcode: a region is given, too")
    return region_id(options.region)
