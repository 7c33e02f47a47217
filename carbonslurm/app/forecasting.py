"""Our own forecasts, from what the sources measured: made where no source gives a usable one, or always.

For each zone that needs one, once an hour: history from the archive, of the zone's planning nature alone (and
of one source, where that has an unknown scope), goes into ``core.forecaster``, and what that says is kept as
an issue of the source ``own``, with its band. A model is trained when a zone first needs one, again each
night (UTC), and when its history has grown, as it does while the past is fetched. It lives in memory:
training takes less than a second, so a restarted daemon trains anew. It starts from two days of history. With
the newest value hours old there is still a forecast, with a wider band: that is core's to say. With
one older than four days there is none. The issue tells how old it was.

A zone with too little history, or without measured values, gets no forecast of ours; it is tried again soon,
since history may be on its way.
"""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Self

from carbonslurm.core.choice import (
    CLOCK_TOLERANCE,
    LOOK_BACK,
    OWN,
    ForecastRules,
    OwnForecast,
    choose,
    is_good,
    leading,
)
from carbonslurm.core.forecast import Issue, Nature, Scope, Series
from carbonslurm.core.forecaster import Model, forecast, outgrown, train
from carbonslurm.core.hourly import Hourly, hourly, start_of
from carbonslurm.core.interval import Interval, iso
from carbonslurm.errors import DataError
from carbonslurm.ports import OwnArchive

logger = logging.getLogger(__name__)

LEARN = timedelta(days=365)  # of history that a model learns from, where there is as much
RECENT = timedelta(days=35)  # of history that a forecast looks at
HOUR = timedelta(hours=1)  # from one forecast to the next
AGAIN = timedelta(minutes=5)  # after one that could not be made: history may be on its way
MOST = 20  # forecasts a round: the first cycle of a new daemon must not wait for hundreds of models
# With the newest measured value older than this there is no forecast of ours. A model knows its errors up
# to 144 h ahead (core/forecaster.py): at this age still those of the next two days, in which most jobs run;
# behind them the last day's band repeats, when errors have all but stopped growing (docs/forecaster.md).
# Polls of live sources were away for up to 85 h. What is older tells of the season's usual day: no job must
# wait by that.
OLDEST = timedelta(hours=96)
DEPTH = timedelta(days=205)  # of history that is fetched for it: from 200 on a model has all of its members


@dataclass(frozen=True, slots=True)
class _Ground:
    """Of what a forecast is made: values of one nature, by one source where that is all that they share."""

    nature: Nature
    source: str | None

    @classmethod
    def by(cls, nature: Nature, source: str) -> Self:
        """Return that of a source's values."""
        return cls(nature, source if nature.scope is Scope.UNKNOWN else None)

    @classmethod
    def of(cls, series: Series) -> Self:
        """Return that which a series belongs to."""
        return cls.by(series.nature, series.source)


@dataclass(frozen=True, slots=True)
class _Learned:
    """A model, of what it was made, and on which day it was trained.

    Attributes:
        seen: known hours that it was trained with.
        recent: known hours of the last weeks then.
        span: hours from the first measured value to the last then.
    """

    model: Model
    ground: _Ground
    day: date
    seen: int
    recent: int
    span: int

    def known(self, recent: int, span: int) -> int:
        """Return about how many hours are known now, without reading a year of them."""
        return self.seen + max(recent - self.recent, span - self.span, 0)


@dataclass(slots=True)
class Forecasting:
    """Our own forecaster at work.

    Attributes:
        archive: where history is, and forecasts go.
        rules: the zones with their sources, and how old a forecast may be.
        own: when one of ours is wanted.
        clock: tells the time.
    """

    archive: OwnArchive
    rules: ForecastRules
    own: OwnForecast
    clock: Callable[[], datetime]
    _models: dict[str, _Learned] = field(default_factory=dict)
    _next: dict[str, datetime] = field(default_factory=dict)
    _said: dict[str, str] = field(default_factory=dict)

    def run(self) -> tuple[Issue, ...]:
        """Make the forecasts that are due, as many as a round has time for, and keep them.

        Raises:
            LedgerError: the archive cannot be read or written.
        """
        found: list[Issue] = []
        for zone, order in self.rules.order.items() if self.own is not OwnForecast.NEVER else ():
            now = self.clock()
            if len(found) == MOST:
                break
            if now < self._next.get(zone, now) <= now + HOUR:
                continue  # one further ahead was set by a clock that has been put back since
            issue = self._zone(zone, [name for name in order if name != OWN], now)
            if issue is not None:
                self.archive.keep_issues([issue])
                found.append(issue)
        return tuple(found)

    def _zone(self, zone: str, sources: Sequence[str], now: datetime) -> Issue | None:
        """Return a new forecast for a zone, None where it needs none now or there can be none."""
        issues = self.archive.newest_issues(zone, now - LOOK_BACK, now + CLOCK_TOLERANCE)
        if self.own is OwnForecast.FALLBACK and _served(issues, sources, now, self.rules.max_age):
            return None
        hour = now.replace(minute=0, second=0, microsecond=0)
        self._next[zone] = hour + HOUR
        if any(issue.series.source == OWN and hour <= issue.published <= now for issue in issues):
            return None
        leader = leading(issues, sources, now, self.rules.max_age)
        ground = self._measured_first(zone, sources) if leader is None else _Ground.of(leader.series)
        try:
            issue = self._issue(zone, ground, now)
        except DataError as error:
            self._next[zone] = now + AGAIN
            self._say(zone, str(error))
            return None
        self._say(zone, f"forecast to {iso(issue.series.horizon)}")
        return issue

    def _say(self, zone: str, words: str) -> None:
        if self._said.get(zone) != words:
            logger.info("%s: %s: %s", OWN, zone, words)
        self._said[zone] = words

    def _issue(self, zone: str, ground: _Ground | None, now: datetime) -> Issue:
        if ground is None:
            raise DataError("nothing was measured that it could be made of")
        recent = self._history(zone, ground, Interval(now - RECENT, now))
        outlook = forecast(self._model(zone, ground, recent.known, now), recent, now)
        known = start_of(outlook.origin)
        if now - known > OLDEST:
            raise DataError(f"measured values end at {iso(known)}: at most {OLDEST} old is allowed")
        return Issue(outlook.hours.series(zone, OWN, ground.nature), now, now, outlook.band, known)

    def _model(self, zone: str, ground: _Ground, recent: int, now: datetime) -> Model:
        """Return the zone's model, trained anew where it is of another day, or its history has grown."""
        learned, span = self._models.get(zone), self._span(zone, ground, now)
        made_of = (ground, now.date())
        if (
            learned is None
            or (learned.ground, learned.day) != made_of
            or outgrown(learned.seen, learned.known(recent, span))
        ):
            history = self._history(zone, ground, Interval(now - LEARN, now))
            learned = self._models[zone] = _Learned(train(history), *made_of, history.known, recent, span)
        return learned.model

    def _span(self, zone: str, ground: _Ground, now: datetime) -> int:
        """Return the hours from the first measured value to the last, of what a model may learn from."""
        known = [it for it in self.archive.sources(zone) if it.nature == ground.nature]
        spans = [it.measured for it in known if it.measured and ground.source in (None, it.source)]
        if not spans:
            return 0
        first = max(min(span.start for span in spans), now - LEARN)
        return int((min(max(span.end for span in spans), now) - first) / HOUR)

    def _history(self, zone: str, ground: _Ground, window: Interval) -> Hourly:
        measured = self.archive.actual(zone, ground.nature, window, ground.source)
        if measured is None:
            raise DataError("nothing was measured lately")
        return hourly(measured).until(int(window.end.timestamp() // 3600))

    def _measured_first(self, zone: str, sources: Sequence[str]) -> _Ground | None:
        """Return what the first source measures that measures anything."""
        known = self.archive.sources(zone)
        for name in sources:
            natures = [it.nature for it in known if it.source == name and it.measured is not None]
            if natures:
                return _Ground.by(min(natures, key=str), name)
        return None


def _served(issues: Sequence[Issue], sources: Sequence[str], now: datetime, max_age: timedelta) -> bool:
    """Whether a source has a forecast that counts, and reaches far enough."""
    chosen = choose(issues, sources, now, max_age).issue
    return chosen is not None and is_good(chosen, now, max_age)
