"""EIA-930: what each balancing area of the US makes, hour by hour, from which we work out what it emits.

Measured values only, hours to a day late; there is no forecast. The numbers are net generation by fuel, times
the factors of ``core/mix.py``; imports do not count. So the kind is average, and the site says which scope:
lifecycle or direct. Public domain, with a free key.

``eia_reading`` has the reading, and the rule by which an hour is unknown rather than wrong. Here is the
asking: the key goes into a header, since the API echoes what stands in the address; an answer has at most
5000 rows and says how many there are, so the rest is asked for page by page, and an answer that stays short
is refused.
A day more than wanted is asked for, which is what the newest or oldest hours are compared with.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal
from urllib.parse import urlencode

from carbonslurm.carbon import checks, eia_reading
from carbonslurm.carbon.http import READ, Wire, server
from carbonslurm.carbon.secret import Secret
from carbonslurm.core.forecast import Kind, Nature, Scope, Series
from carbonslurm.core.interval import Interval, iso
from carbonslurm.core.mix import Fuel, Mix
from carbonslurm.errors import ConfigError, DataError
from carbonslurm.ports import CarbonAnswer, Offer, Terms

NAME = "eia"
URL = "https://api.eia.gov"
TERMS = Terms(every=timedelta(hours=1))
LONGEST = timedelta(days=60)  # the API has no limit but the rows of a page: about four pages
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
RECENT = 3 * DAY  # values are up to a day late, and are revised in the days after
ROWS = 5000
MOST_PAGES = 20


@dataclass(frozen=True, slots=True)
class EiaOptions:
    """What the configuration says.

    Attributes:
        zone: the site's name of the zone.
        token_file: where the key is: see ``secret``.
        area: code of the balancing area, such as ``CISO``; None where the site's name is it.
        scope: which factors count.
        url: another server with the same API; None for EIA's own.
        read_timeout: longest silence within an answer.
    """

    zone: str
    token_file: str
    area: str | None = None
    scope: Literal["lifecycle", "direct"] = "lifecycle"
    url: str | None = None
    read_timeout: timedelta = READ


# --- the question


def path(area: str, window: Interval, offset: int) -> str:
    """Return the path to ask for a page of a window's hours; a period names the end of its hour."""
    first = _hour(window.start) + HOUR
    last = max(first, _hour(window.end - timedelta(microseconds=1)) + HOUR)
    asked = {
        "frequency": "hourly",
        "data[0]": "value",
        "facets[respondent][]": area,
        "start": f"{first:%Y-%m-%dT%H}",
        "end": f"{last:%Y-%m-%dT%H}",
        "sort[0][column]": "period",
        "sort[0][direction]": "asc",
        "sort[1][column]": "fueltype",
        "sort[1][direction]": "asc",
        "offset": offset,
        "length": ROWS,
    }
    return f"/v2/electricity/rto/fuel-type-data/data/?{urlencode(asked)}"


def _hour(moment: datetime) -> datetime:
    return moment.replace(minute=0, second=0, microsecond=0)


# --- the source


@dataclass(frozen=True, slots=True)
class Eia:
    """One balancing area, and how to ask for it.

    Attributes:
        zone: the site's name.
        area: EIA's code.
        key: where the key is.
        scope: lifecycle or direct.
        wire: EIA's server.
    """

    zone: str
    area: str
    key: Secret
    scope: Scope
    wire: Wire

    @property
    def nature(self) -> Nature:
        """Average, and of the scope that is asked for."""
        return Nature(Kind.AVERAGE, self.scope)

    def hours(self, window: Interval, now: datetime) -> dict[datetime, dict[Fuel, float]]:
        """Return the hours of a window, and of the day before it, that can be believed and have ended.

        Raises:
            DataError: the answer is not believable.
            RefusedError: the key is refused, or we may not read it.
            UnavailableError: there was no answer, or no key.
        """
        hours = eia_reading.by_hour(self._rows(Interval(window.start - DAY, window.end), now))
        return {end: fuels for end, fuels in eia_reading.believed(hours).items() if end <= now}

    def _rows(self, window: Interval, now: datetime) -> list[tuple[datetime, str, float | None]]:
        key = self.key.read()
        rows: list[tuple[datetime, str, float | None]] = []
        for _ in range(MOST_PAGES):
            asked = path(self.area, window, len(rows))
            body = self.wire.get(asked, now, {"X-Api-Key": key}, (key,))
            with checks.about(f"fuel-type-data of {self.area}"):
                page = eia_reading.read_page(body, self.area, len(rows))
            rows.extend(page.rows)
            if len(rows) >= page.total:
                return rows
            if not page.rows:
                break
        raise DataError(f"fuel-type-data of {self.area}: {len(rows)} of {page.total} rows")


@dataclass(frozen=True, slots=True)
class EiaSource:
    """What one area emitted in the last days."""

    eia: Eia
    question: str = "measured"
    terms: Terms = TERMS

    @property
    def name(self) -> str:
        """The provider's name in the configuration."""
        return NAME

    @property
    def zone(self) -> str:
        """The site's name of the zone."""
        return self.eia.zone

    def fetch(self, now: datetime) -> CarbonAnswer:
        """Ask now; the errors of ``Eia.hours``."""
        eia = self.eia
        steps = eia_reading.steps(eia.hours(Interval(now - RECENT, now), now), eia.scope)
        with checks.about(f"fuel-type-data of {eia.area}"):
            return CarbonAnswer(actual=checks.measured(eia.zone, NAME, eia.nature, steps))


@dataclass(frozen=True, slots=True)
class EiaHistory:
    """What one area emitted: since July 2018, as EIA has it by fuel."""

    eia: Eia
    terms: Terms = TERMS
    longest: timedelta = LONGEST

    @property
    def name(self) -> str:
        """The provider's name in the configuration."""
        return NAME

    @property
    def zone(self) -> str:
        """The site's name of the zone."""
        return self.eia.zone

    def history(self, window: Interval, now: datetime) -> Series | None:
        """Return the hours of a window of at most 60 days; the errors of ``Eia.hours``."""
        eia = self.eia
        before = Interval(window.start - DAY, window.start)
        hours = eia.hours(window, now)
        wanted = {end: fuels for end, fuels in hours.items() if not before.start < end <= before.end}
        with checks.about(f"fuel-type-data of {eia.area}"):
            steps = eia_reading.steps(wanted, eia.scope)
            return checks.history(eia.zone, NAME, eia.nature, steps, window, now)


@dataclass(frozen=True, slots=True)
class EiaMix:
    """What one area made in the newest hour that can be believed."""

    eia: Eia
    terms: Terms = TERMS

    @property
    def name(self) -> str:
        """The provider's name in the configuration."""
        return NAME

    @property
    def zone(self) -> str:
        """The site's name of the zone."""
        return self.eia.zone

    def mix(self, now: datetime) -> Mix:
        """Return the newest mix; the errors of ``Eia.hours``, DataError where there is none."""
        eia = self.eia
        hours = eia.hours(Interval(now - RECENT, now), now)
        if not hours:
            raise DataError(f"fuel-type-data of {eia.area}: no hour since {iso(now - RECENT)}")
        end = max(hours)
        return Mix.from_amounts(eia.zone, NAME, Interval(end - HOUR, end), hours[end], megawatts=True)


def offer(options: EiaOptions) -> Offer:
    """Return what there is of a balancing area: the newest values, history and mix, and no forecast.

    Raises:
        ConfigError: the area is no code, the key's file has no name, or the URL is not http or https.
    """
    area = options.area or options.zone
    if not (area.isascii() and area.isalnum() and area.isupper() and len(area) <= 6):
        raise ConfigError(
            f'area: expected the code of a balancing area such as CISO, got "{checks.shown(area)}"'
        )
    token = Secret("token_file", options.token_file)
    eia = Eia(
        options.zone, area, token, Scope(options.scope), server(options.url or URL, options.read_timeout)
    )
    return Offer((EiaSource(eia),), EiaHistory(eia), EiaMix(eia))
