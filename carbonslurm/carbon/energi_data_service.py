"""Denmark: Energi Data Service of the operator Energinet, keyless; price areas DK1 (west) and DK2 (east).

Average; what is counted is nowhere said, so the scope is unknown. ``CO2EmisProg`` is the forecast, to the end
of today and, from the afternoon on, of tomorrow; it is overwritten in place. ``CO2Emis`` is what was
measured. Both come in steps of 5 minutes, taken from the answer, and are kept as they come: at most 576 to an
issue. The mean over a longer step would be a number that nobody issued, and could not be compared with what
is measured.

Traps, each with a test: times are Danish unless UTC is asked for, and have no zone in the answer; without
``limit=0`` the answer ends after 100 records, without a word. The API gives no time of issue; it is asked
from the full hour on, so what a cache can hand out is an hour old at most.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from urllib.parse import urlencode

import msgspec

from carbonslurm.carbon import checks
from carbonslurm.carbon.http import READ, Wire, server
from carbonslurm.core.forecast import Issue, Kind, Nature, Scope, Series, Step
from carbonslurm.core.interval import Interval
from carbonslurm.errors import ConfigError, DataError
from carbonslurm.ports import CarbonAnswer, Offer, Terms

NAME = "energi-data-service"
URL = "https://api.energidataservice.dk"
NATURE = Nature(Kind.AVERAGE, Scope.UNKNOWN)
AREAS = {"DK1": "Denmark west of the Great Belt", "DK2": "Denmark east of it"}
LONGEST = timedelta(days=28)  # no limit is published: 8,064 records, under a megabyte
TERMS = Terms(every=timedelta(minutes=15))  # no limit is published
_AHEAD = timedelta(days=3)  # more than any forecast has
_PAST = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class EnergiDataServiceOptions:
    """What the configuration says.

    Attributes:
        zone: the site's name of the zone.
        area: ``DK1`` or ``DK2``; None for the zone's own name, which then must be one of the two.
        url: another server with the same API; None for the operator's own.
        read_timeout: longest silence within an answer.
    """

    zone: str
    area: str | None = None
    url: str | None = None
    read_timeout: timedelta = READ


# --- the question


class Question(StrEnum):
    """The data sets."""

    FORECAST = "CO2EmisProg"
    MEASURED = "CO2Emis"


def path(question: Question, area: str, window: Interval) -> str:
    """Return the path to ask for all records of a window, in UTC."""
    asked = {
        "start": f"{window.start:%Y-%m-%dT%H:%M}",
        "end": f"{window.end:%Y-%m-%dT%H:%M}",
        "timezone": "utc",
        "filter": f'{{"PriceArea":["{area}"]}}',
        "columns": "Minutes5UTC,PriceArea,CO2Emission",
        "sort": "Minutes5UTC asc",
        "limit": 0,
    }
    return f"/dataset/{question}?{urlencode(asked, safe=':,')}"


def around(question: Question, now: datetime) -> Interval:
    """Return the window that is asked for regularly: from this hour on, or the day before its end."""
    hour = now.replace(minute=0, second=0, microsecond=0)
    if question is Question.FORECAST:
        return Interval(hour, hour + _AHEAD)
    return Interval(hour - _PAST, hour + timedelta(hours=1))


# --- the reading


class _Record(msgspec.Struct):
    time: str = msgspec.field(name="Minutes5UTC")
    area: str = msgspec.field(name="PriceArea")
    emission: float | None = msgspec.field(name="CO2Emission")


class _Answer(msgspec.Struct):
    records: list[_Record]
    total: int | None = None


def read_forecast(body: bytes, area: str) -> list[Step]:
    """Return the steps of a forecast, flagged as estimates.

    Raises:
        DataError: the body is no answer of this API, or one of its values cannot be believed.
    """
    return _steps(_records(body, area), estimated=True)


def read_measured(body: bytes, area: str, now: datetime) -> list[Step]:
    """Return the measured values of the steps that have ended; null is not measured (yet).

    Raises:
        DataError: the body is no answer of this API, or one of its values cannot be believed.
    """
    return [step for step in _steps(_records(body, area), estimated=False) if step.interval.end <= now]


def _records(body: bytes, area: str) -> Sequence[_Record]:
    answer = checks.decoded(body, _Answer)
    if answer.total is not None and answer.total != len(answer.records):
        raise DataError(f"{len(answer.records)} of {answer.total} records")
    for index, record in enumerate(answer.records):
        if record.area != area:
            raise DataError(f'records[{index}]: asked for {area}, got "{checks.shown(record.area, 20)}"')
    return answer.records


def _steps(records: Sequence[_Record], *, estimated: bool) -> list[Step]:
    starts: list[datetime] = []
    values: list[float | None] = []
    for index, record in enumerate(records):
        with checks.about(f"records[{index}]"):
            starts.append(checks.moment(record.time, unsaid=UTC))
            missing = record.emission is None and not estimated
            values.append(None if missing else checks.intensity(record.emission))
    if not starts:
        return []
    length = checks.spacing(starts)
    return [
        Step(checks.interval(start, start + length), value, estimated)
        for start, value in zip(starts, values, strict=True)
        if value is not None
    ]


# --- the sources


@dataclass(frozen=True, slots=True)
class EnergiDataServiceSource:
    """One question to the operator: the forecast of an area, or its measured last 24 h."""

    zone: str
    area: str
    question: Question
    wire: Wire
    name: str = NAME
    terms: Terms = TERMS

    def fetch(self, now: datetime) -> CarbonAnswer:
        """Ask the operator now.

        Raises:
            DataError: the answer is not believable.
            RefusedError: the operator refuses the question.
            UnavailableError: there was no answer; TryLaterError where it says for how long not to ask.
        """
        asked = path(self.question, self.area, around(self.question, now))
        body = self.wire.get(asked, now)
        with checks.about(f"{self.question}: {self.area}"):
            return self._answer(body, now)

    def _answer(self, body: bytes, now: datetime) -> CarbonAnswer:
        if self.question is Question.MEASURED:
            steps = read_measured(body, self.area, now)
            return CarbonAnswer(actual=checks.measured(self.zone, NAME, NATURE, steps))
        series = checks.forecast(self.zone, NAME, NATURE, read_forecast(body, self.area), now)
        return CarbonAnswer(forecast=Issue(series, generated_at=None, fetched_at=now))


@dataclass(frozen=True, slots=True)
class EnergiDataServiceHistory:
    """An area's measured values."""

    zone: str
    area: str
    wire: Wire
    name: str = NAME
    terms: Terms = TERMS
    longest: timedelta = LONGEST

    def history(self, window: Interval, now: datetime) -> Series | None:
        """Return the measured values of a window of at most 28 days; the errors of the source's fetch."""
        body = self.wire.get(path(Question.MEASURED, self.area, window), now)
        with checks.about(f"{Question.MEASURED}: {self.area}"):
            steps = read_measured(body, self.area, now)
            return checks.history(self.zone, NAME, NATURE, steps, window, now)


def offer(options: EnergiDataServiceOptions) -> Offer:
    """Return what there is of an area.

    Raises:
        ConfigError: there is no such area, or the URL is not http or https.
    """
    wire = server(options.url or URL, options.read_timeout)
    area = (options.area or options.zone).strip().upper()
    if area not in AREAS:
        raise ConfigError(f'area: expected {" or ".join(AREAS)}, got "{checks.shown(area)}"')
    sources = tuple(EnergiDataServiceSource(options.zone, area, question, wire) for question in Question)
    return Offer(sources, EnergiDataServiceHistory(options.zone, area, wire))
