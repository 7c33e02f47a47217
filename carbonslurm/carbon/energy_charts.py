"""Europe: Energy-Charts of Fraunhofer ISE, keyless; measured values and a forecast for some forty countries.

Average; what is counted is nowhere said, so the scope is unknown. The steps are a quarter of an hour or an
hour, by country and year, and are taken from the answer. One answer has both: a forecast that goes on where
the measured values end, to the end of today and, from the afternoon on, of tomorrow.
``energy_charts_reading`` reads it, with its traps; ``energy_charts_places`` lists the countries.

Measured values and forecast are kept apart: the two do not fit at the joint (France, 4 October 2026: 59.6 and
then 49.4 g/kWh), and to mend that is for who reads them. The forecast is kept from the end of the measured
values on, so it may begin some minutes after now.

The API gives no time of issue. It is asked by days, so a cache could hand out what it heard this morning:
caches are asked to ask again, and a forecast that goes on from a measured value of more than 12 h ago is
refused.

``/co2eq`` is in wide use and not in the API's documentation: it may end without notice, so configure another
source behind it.
"""

import logging
from dataclasses import dataclass
from datetime import datetime, timedelta
from types import MappingProxyType

from carbonslurm.carbon import checks
from carbonslurm.carbon.energy_charts_places import country_code
from carbonslurm.carbon.energy_charts_reading import NAME, Answer, read, read_mix
from carbonslurm.carbon.http import READ, Wire, server
from carbonslurm.core.forecast import Issue, Kind, Nature, Scope, Series
from carbonslurm.core.interval import Interval, iso
from carbonslurm.core.mix import Mix
from carbonslurm.errors import DataError
from carbonslurm.ports import CarbonAnswer, Offer, Terms

URL = "https://api.energy-charts.info"
NATURE = Nature(Kind.AVERAGE, Scope.UNKNOWN)
LONGEST = timedelta(days=28)  # no limit is published: 2,700 quarters of an hour
OLDEST = timedelta(hours=12)  # how late the newest measured value may be
# Limits came with v1.5 (2025-10-21), without a number; 429 with Retry-After says when it was too much.
TERMS = Terms(every=timedelta(minutes=15))
FRESH = MappingProxyType({"Cache-Control": "no-cache"})
# Days are the country's own. East of Greenwich they begin and end up to this much before UTC's.
_EASTERNMOST = timedelta(hours=4)

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class EnergyChartsOptions:
    """What the configuration says.

    Attributes:
        zone: the site's name of the zone.
        country: one of the codes or names in ``COUNTRIES``; None where the zone is named so.
        url: another server with the same API; None for the institute's own.
        read_timeout: longest silence within an answer.
    """

    zone: str
    country: str | None = None
    url: str | None = None
    read_timeout: timedelta = READ


# --- the question


def path(country: str, window: Interval) -> str:
    """Return the path to ask for the days of a window."""
    return f"/co2eq?country={country}&start={window.start:%Y-%m-%d}&end={window.end + _EASTERNMOST:%Y-%m-%d}"


def around(now: datetime) -> Interval:
    """Return the window that is asked for regularly: a day back, and to the end of tomorrow."""
    return Interval(now - timedelta(days=1), now + timedelta(days=1))


def mix_path(country: str, now: datetime) -> str:
    """Return the path to ask for yesterday's and today's production."""
    start, end = now - timedelta(days=1), now + _EASTERNMOST
    return f"/public_power?country={country}&start={start:%Y-%m-%d}&end={end:%Y-%m-%d}"


# --- the answer


def answer(zone: str, said: Answer, now: datetime) -> CarbonAnswer:
    """Return the forecast and the measured values, each as issued.

    The measured value of a step that has not ended is left out; without any forecast there is none.

    Raises:
        DataError: one of the two cannot be believed, both are missing, or there is a forecast that goes on
            from values of long ago.
    """
    begun = [step.interval.end for step in said.measured if step.interval.start <= now]
    measured_to = max(begun, default=None)
    actual = checks.measured(zone, NAME, NATURE, [step for step in said.measured if step.interval.end <= now])
    ahead = [step for step in said.forecast if measured_to is None or step.interval.end > measured_to]
    if not ahead and actual is not None:
        return CarbonAnswer(actual=actual)
    if measured_to is not None and measured_to < now - OLDEST:
        raise DataError(f"an old answer: measured to {iso(measured_to)}")
    series = checks.forecast(zone, NAME, NATURE, ahead, now, since=measured_to)
    return CarbonAnswer(Issue(series, generated_at=None, fetched_at=now), actual)


# --- the sources


@dataclass(frozen=True, slots=True)
class EnergyChartsSource:
    """A country's forecast and newest measured values, both in one answer."""

    zone: str
    country: str
    wire: Wire
    name: str = NAME
    question: str = "co2eq"
    terms: Terms = TERMS

    def fetch(self, now: datetime) -> CarbonAnswer:
        """Ask the institute now.

        Raises:
            DataError: the answer is not believable.
            RefusedError: the institute refuses the question: it may not know the country.
            UnavailableError: there was no answer; TryLaterError where it says for how long not to ask.
        """
        asked = path(self.country, around(now))
        body = self.wire.get(asked, now, FRESH)
        with checks.about(asked):
            said = read(body)
            if said.deprecated:
                _LOG.warning("%s: %s will end: the provider marks it as deprecated", NAME, asked)
            return answer(self.zone, said, now)


@dataclass(frozen=True, slots=True)
class EnergyChartsHistory:
    """A country's measured values."""

    zone: str
    country: str
    wire: Wire
    name: str = NAME
    terms: Terms = TERMS
    longest: timedelta = LONGEST

    def history(self, window: Interval, now: datetime) -> Series | None:
        """Return the measured values of a window of at most 28 days; the errors of the source's fetch."""
        asked = path(self.country, window)
        body = self.wire.get(asked, now, FRESH)
        with checks.about(asked):
            return checks.history(self.zone, NAME, NATURE, read(body).measured, window, now)


@dataclass(frozen=True, slots=True)
class EnergyChartsMix:
    """What runs in a country."""

    zone: str
    country: str
    wire: Wire
    name: str = NAME
    terms: Terms = TERMS

    def mix(self, now: datetime) -> Mix:
        """Return the newest mix; the errors of the source's fetch."""
        asked = mix_path(self.country, now)
        body = self.wire.get(asked, now, FRESH)
        with checks.about(asked):
            return read_mix(body, self.zone, now)


def offer(options: EnergyChartsOptions) -> Offer:
    """Return what there is of a country.

    Raises:
        ConfigError: there is no such country, or the URL is not http or https.
    """
    wire = server(options.url or URL, options.read_timeout)
    place = (options.zone, country_code(options.country or options.zone), wire)
    return Offer((EnergyChartsSource(*place),), EnergyChartsHistory(*place), EnergyChartsMix(*place))
