"""What planning asks of the archive: for each zone a forecast to plan by, or the reason why there is none.

Which one counts is ``core.choice``'s to say. A forecast comes from one issue alone, and natures never meet.
Without one, jobs are released.

A source's forecast is moved to where its own measured values of its nature end (``core.joint``), as it is
read: in the archive it stays as issued. Where another source ended says nothing of it: two models of one grid
have two levels. Our own begins there by itself.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from carbonslurm.core.choice import CLOCK_TOLERANCE, LOOK_BACK, OWN, ForecastRules, choose
from carbonslurm.core.forecast import Band, Issue, Series
from carbonslurm.core.interval import Interval
from carbonslurm.core.joint import bridged
from carbonslurm.ports import ForecastReader

MEASURED = timedelta(hours=12)  # what was measured before says nothing of where a forecast begins


@dataclass(frozen=True, slots=True)
class ForecastState:
    """Whether a zone has a forecast to plan by.

    Attributes:
        zone: the site's name of the zone.
        series: the intensities to plan by, covering now; None where there is no usable issue.
        age: of the issue that counts, None where there is none.
        data_age: of the newest measured value that it knew, None where its source does not say.
        source: of that issue, likewise; ``own`` is our own forecaster.
        reason: why there is no series, in one line; None where there is one.
        band: how sure the series is; None where its source does not say.
        passed_over: the sources before this one in the site's order, each with the reason why it is not used.
        issue: the one that counts, as issued; None where there is none.
        judged: whether the series is what is believed of it, and not what it says (``app.judging``).
    """

    zone: str
    series: Series | None = None
    age: timedelta | None = None
    source: str | None = None
    reason: str | None = None
    passed_over: tuple[str, ...] = ()
    data_age: timedelta | None = None
    band: Band | None = None
    issue: Issue | None = None
    judged: bool = False

    def __str__(self) -> str:
        if self.series is None or self.age is None:
            return f"zone {self.zone}: {self.reason}"
        believed = ", believed as far as earlier ones were right" if self.judged else ""
        used = f"zone {self.zone}: forecast of {self.source}, {self.age_text}, {self.series.nature}{believed}"
        return "; ".join((used, *(f"not of {said}" for said in self.passed_over)))

    @property
    def age_text(self) -> str:
        """How old the issue is, and what it was made from, for people."""
        made = "" if self.data_age is None else f", made from values up to {_span(self.data_age)} ago"
        return f"{_span(self.age or timedelta())} old{made}"


def _span(age: timedelta) -> str:
    minutes = max(int(age.total_seconds() // 60), 0)
    return f"{minutes} min" if minutes < 120 else f"{minutes // 60} h"


def usable_forecasts(
    archive: ForecastReader, zones: Iterable[str], now: datetime, rules: ForecastRules
) -> Mapping[str, ForecastState]:
    """Return for each zone the forecast that counts, where there is one.

    Args:
        archive: where the issues are.
        zones: the site's names.
        now: the current time, aware.
        rules: how old a forecast may be, and whose comes first.

    Raises:
        LedgerError: the archive cannot be read.
    """
    return {zone: _state(archive, zone, now, rules) for zone in zones}


def _state(archive: ForecastReader, zone: str, now: datetime, rules: ForecastRules) -> ForecastState:
    issues = archive.newest_issues(zone, now - LOOK_BACK, now + CLOCK_TOLERANCE)
    chosen = choose(issues, rules.order.get(zone), now, rules.max_age)
    if chosen.issue is None:
        return ForecastState(zone, reason=chosen.reason, passed_over=chosen.passed_over)
    issue = joined(archive, chosen.issue, now)
    age, source = now - issue.published, issue.series.source
    known = issue.measured_until
    return ForecastState(
        zone,
        issue.series,
        age,
        source,
        passed_over=chosen.passed_over,
        data_age=None if known is None else now - known,
        band=issue.band,
        issue=chosen.issue,
    )


def joined(archive: ForecastReader, issue: Issue, now: datetime) -> Issue:
    """Return a forecast moved to where its source's measured values end; our own begins there by itself.

    Raises:
        LedgerError: the archive cannot be read.
    """
    series = issue.series
    if series.source == OWN:
        return issue
    measured = archive.actual(series.zone, series.nature, Interval(now - MEASURED, now), series.source)
    return issue if measured is None else bridged(issue, measured)
