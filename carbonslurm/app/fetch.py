"""Fetching: the sources are asked, and what can be believed goes into the archive as issued.

``fetch_all`` asks every source, in configured order. A zone takes its forecast from the first that gives one,
and its measured values, for each nature, likewise: a later source is a fallback and must not overwrite an
earlier one. What was refused or absent is told in one line, and the last good issue stays in use until it is
too old.

``usable_forecasts`` is what the cycle asks: for each zone a forecast to plan by, or the reason why there is
none. Without one, jobs are released. A forecast comes from one issue alone; natures never meet.

An archive that cannot be written (LedgerError) is not a failure of a source: it is raised.
"""

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from carbonslurm.core.forecast import Issue, Nature, Series
from carbonslurm.core.interval import iso
from carbonslurm.errors import DataError, RefusedError, UnavailableError
from carbonslurm.ports import CarbonAnswer, CarbonSource, ForecastReader, IntensityArchive

_LOG = logging.getLogger(__name__)

# What a provider's or our own clock may be off by before a forecast from the future is not believed.
CLOCK_TOLERANCE = timedelta(minutes=5)
LOOK_BACK = timedelta(days=7)  # an older forecast is as good as none


@dataclass(frozen=True, slots=True)
class FetchResult:
    """What came of asking one source.

    Attributes:
        source: the provider's name.
        zone: the site's name of the zone.
        forecast: the issue that was kept, None where there was none or an earlier source had given one.
        actual: the measured values that were kept, likewise.
        failure: why there is no answer, in one line; None where there is one.
    """

    source: str
    zone: str
    forecast: Issue | None = None
    actual: Series | None = None
    failure: str | None = None

    def __str__(self) -> str:
        said = f"{self.source}: {self.zone}: "
        if self.failure is not None:
            return said + self.failure
        kept = []
        if self.forecast is not None:
            kept.append(f"forecast to {iso(self.forecast.series.horizon)}")
        if self.actual is not None:
            kept.append(f"measured to {iso(self.actual.horizon)}")
        return said + (", ".join(kept) or "nothing that an earlier source had not given")


@dataclass(frozen=True, slots=True)
class ForecastState:
    """Whether a zone has a forecast to plan by.

    Attributes:
        zone: the site's name of the zone.
        series: the newest issue's intensities, covering now; None where there is no usable issue.
        age: of the newest issue, None where there is none.
        source: of the newest issue, None where there is none.
        reason: why there is no series, in one line; None where there is one.
    """

    zone: str
    series: Series | None = None
    age: timedelta | None = None
    source: str | None = None
    reason: str | None = None


def fetch_all(
    sources: Sequence[CarbonSource], archive: IntensityArchive, now: datetime, log: logging.Logger = _LOG
) -> tuple[FetchResult, ...]:
    """Ask each source and keep what can be believed.

    Args:
        sources: in order of preference.
        archive: where issues and measured values are kept.
        now: the time of asking, aware.
        log: gets one line for each source.

    Returns:
        One result for each source, in order.

    Raises:
        LedgerError: the archive cannot be written.
    """
    results: list[FetchResult] = []
    for source in sources:
        result = _fetch(source, results, now)
        if result.forecast is not None:
            archive.keep_issues([result.forecast])
        if result.actual is not None:
            archive.keep_actual(result.actual, now)
        log.log(logging.INFO if result.failure is None else logging.WARNING, "%s", result)
        results.append(result)
    return tuple(results)


def _fetch(source: CarbonSource, earlier: Iterable[FetchResult], now: datetime) -> FetchResult:
    """Ask one source; what an earlier one has given already is left out of the result."""
    try:
        answer = source.fetch(now)
    except (DataError, RefusedError, UnavailableError) as error:
        return FetchResult(source.name, source.zone, failure=str(error))
    return _unsaid(answer, source, [result for result in earlier if result.zone == source.zone])


def _unsaid(answer: CarbonAnswer, source: CarbonSource, earlier: Sequence[FetchResult]) -> FetchResult:
    forecast_given = any(result.forecast is not None for result in earlier)
    natures_given: set[Nature] = {result.actual.nature for result in earlier if result.actual is not None}
    return FetchResult(
        source.name,
        source.zone,
        forecast=None if forecast_given else answer.forecast,
        actual=None if answer.actual is None or answer.actual.nature in natures_given else answer.actual,
    )


def usable_forecasts(
    archive: ForecastReader, zones: Iterable[str], now: datetime, max_age: timedelta
) -> Mapping[str, ForecastState]:
    """Return for each zone its newest forecast, where it can be planned by.

    Args:
        archive: where the issues are.
        zones: the site's names.
        now: the current time, aware.
        max_age: how old an issue may be.

    Raises:
        LedgerError: the archive cannot be read.
    """
    return {zone: _state(zone, _newest(archive, zone, now - LOOK_BACK), now, max_age) for zone in zones}


def _newest(archive: ForecastReader, zone: str, since: datetime) -> Issue | None:
    return max(archive.newest_issues(zone, since), key=lambda issue: issue.published, default=None)


def _state(zone: str, issue: Issue | None, now: datetime, max_age: timedelta) -> ForecastState:
    if issue is None:
        return ForecastState(zone, reason="no forecast yet")
    age, source = now - issue.published, issue.series.source
    reason = _why_not(issue, age, now, max_age)
    series = issue.series if reason is None else None
    return ForecastState(zone, series, age, source, reason)


def _why_not(issue: Issue, age: timedelta, now: datetime, max_age: timedelta) -> str | None:
    if age > max_age:
        return f"the forecast is stale: published {iso(issue.published)}, at most {max_age} old is allowed"
    if age < -CLOCK_TOLERANCE:
        return f"the forecast is from the future: published {iso(issue.published)}, now {iso(now)}"
    if issue.series.at(now) is None:
        span = f"{iso(issue.series.start)} to {iso(issue.series.horizon)}"
        return f"the forecast does not cover now: {span}"
    return None
