"""How far the forecasts that count are believed: as far as earlier ones of the same source were right.

What they are worth is ``core.judged``'s to say; here the archive is asked what was said and measured, and
remembered what it answered: of every third hour of the last weeks the newest forecast of then is read once.
Each hour, and whenever another forecast counts, that one is judged anew. A restarted daemon reads all again.

A source is held against its own measured values, since two models of one grid have two levels; our own
forecaster, and one that measures nothing, against everybody's of their nature. Of an unknown scope nobody
else's are the same thing. Where too little is known, or measured values are old, a forecast stays as it is.
"""

import logging
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from carbonslurm.app.forecasts import ForecastState
from carbonslurm.core.choice import OWN
from carbonslurm.core.doubt import MEMORY_DAYS
from carbonslurm.core.forecast import Band, Issue, Nature, Scope, Series
from carbonslurm.core.hourly import Hourly, hour_of, hourly, start_of
from carbonslurm.core.interval import Interval
from carbonslurm.core.judged import judged, judging_hours
from carbonslurm.errors import LedgerError
from carbonslurm.ports import JudgingReader

logger = logging.getLogger(__name__)

MEMORY = timedelta(days=MEMORY_DAYS + 3)  # of measured values: the first forecast is held against days before
# A forecast that was published so long before an hour stood for it, if there was none since. Of sources that
# speak often a few are read to find the last, and not all of half a day.
LOOKED_BACK = timedelta(minutes=15), timedelta(hours=1), timedelta(hours=12)
_Voice = tuple[str, str, Nature]  # zone, source, nature
_Occasion = tuple[int, datetime, _Voice]  # the hour, and which forecast counts


@dataclass(slots=True)
class Judging:
    """Forecasts judged by their past.

    Attributes:
        _said: of each voice by hour, what the forecast of then said; None where there was none.
        _found: of each zone, for what it was judged last, and the judgement.
    """

    _said: dict[_Voice, dict[int, Hourly | None]] = field(default_factory=dict)
    _found: dict[str, tuple[_Occasion, tuple[Series, Band] | None]] = field(default_factory=dict)

    def judged(self, state: ForecastState, archive: JudgingReader, now: datetime) -> ForecastState:
        """Return a zone's state with as much of its forecast as is to be believed.

        Where the archive cannot be read the forecast is taken as it is.

        Args:
            state: as chosen.
            archive: where earlier forecasts and measured values are.
            now: the current time, aware.
        """
        if state.issue is None:
            return state
        occasion = (hour_of(now), state.issue.published, _voice(state.issue))
        last = self._found.get(state.zone)
        if last is None or last[0] != occasion:
            try:
                last = occasion, self._judge(state.issue, archive, now)
            except LedgerError as error:
                logger.warning("zone %s: its forecast is taken at its word: %s", state.zone, error)
                return state
            self._found[state.zone] = last
        if last[1] is None:
            return state
        series, band = last[1]
        return replace(state, series=series, band=band, judged=True)

    def _judge(self, issue: Issue, archive: JudgingReader, now: datetime) -> tuple[Series, Band] | None:
        measured = _measured(issue.series, archive, now)
        if measured is None:
            return None
        earlier = self._earlier(_voice(issue), judging_hours(hour_of(now)), archive)
        return judged(issue.series, hour_of(now), earlier, measured)

    def _earlier(self, voice: _Voice, hours: list[int], archive: JudgingReader) -> dict[int, Hourly]:
        """Return what was said in each of these hours in which anything was; what is known is not asked."""
        known = self._said.get(voice, {})
        said = {hour: known[hour] if hour in known else _said(voice, hour, archive) for hour in hours}
        self._said[voice] = said
        return {hour: found for hour, found in said.items() if found is not None}


def _voice(issue: Issue) -> _Voice:
    return issue.series.zone, issue.series.source, issue.series.nature


def _said(voice: _Voice, hour: int, archive: JudgingReader) -> Hourly | None:
    """Return what the newest forecast of an hour's beginning said, None where there was none lately."""
    zone, source, nature = voice
    moment = start_of(hour)
    for back in LOOKED_BACK:
        window = Interval(moment - back, moment + timedelta(seconds=1))
        issues = [it for it in archive.issues(zone, window, source) if it.series.nature == nature]
        if issues:
            return hourly(issues[-1].series)
    return None


def _measured(series: Series, archive: JudgingReader, now: datetime) -> Series | None:
    """Return what a forecast is held against, None where there is nothing."""
    window = Interval(now - MEMORY, now)
    own = None if series.source == OWN else series.source
    found = archive.actual(series.zone, series.nature, window, own)
    if found is None and own is not None and series.nature.scope is not Scope.UNKNOWN:
        return archive.actual(series.zone, series.nature, window)
    return found
