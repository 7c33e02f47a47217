"""What may be known of intensity at each moment: a forecast is visible from its issue on, and no sooner.

- *perfect*: the truth.
- *persistence*: each step anew, the last full day over and over, for four days.
- *own*: our own forecaster (``core.forecaster``), each hour anew, from the hours that had ended; it learns
  once a day, at midnight UTC.
- *issues*: forecasts as they were published, one replacing the other.

``Measured`` adds what a live source adds to a forecast: the intensity of the step that is running now.
``Judged`` adds what the forecasts before it tell of its worth (``core.doubt``).
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Protocol

import numpy as np

from carbonslurm.core.doubt import MEMORY_DAYS, Past, believed
from carbonslurm.core.forecast import Band, Floats, Issue, Series
from carbonslurm.core.forecaster import FEWEST, Model, forecast, train
from carbonslurm.core.hourly import Hourly, hourly, start_of
from carbonslurm.errors import DataError

DAY = 86_400.0
HOUR = 3600.0
DAYS_AHEAD = 4  # as the issues in data/forecasts
AHEAD_HOURS = 24 * DAYS_AHEAD
EVERY = 3  # hours: of so many forecasts one is asked what it was worth; it divides what they are learned over


class Foresight(Protocol):
    """Forecasts over time."""

    @property
    def moments(self) -> Floats:
        """Shape (k,), rising: when another forecast becomes visible. The first may be minus infinity."""
        ...

    def at(self, now: float) -> tuple[Series, Band | None] | None:
        """Return the forecast that is visible at a moment, None where there is none yet."""
        ...


@dataclass(frozen=True, eq=False)
class Perfect:
    """The truth, from the beginning."""

    truth: Series

    @property
    def moments(self) -> Floats:
        """Once and for all."""
        return np.array([-np.inf])

    def at(self, now: float) -> tuple[Series, Band | None] | None:  # noqa: ARG002 - it is always the same
        """Return the truth, with a band that has no width."""
        return self.truth, self._certain

    @cached_property
    def _certain(self) -> Band:
        return Band(self.truth.values, self.truth.values)


class Issued:
    """Forecasts that replace one another."""

    def __init__(self, issues: Sequence[Issue]) -> None:
        """Take issues in any order.

        Raises:
            DataError: there is none.
        """
        if not issues:
            raise DataError("no forecasts")
        self._issues = sorted(issues, key=lambda issue: issue.published)
        self._moments = np.array([issue.published.timestamp() for issue in self._issues])

    @property
    def moments(self) -> Floats:
        """When each was published."""
        return self._moments

    def at(self, now: float) -> tuple[Series, Band | None] | None:
        """Return the newest that was published by now, None where it does not reach now."""
        index = int(np.searchsorted(self._moments, now, side="right")) - 1
        if index < 0:
            return None
        issue = self._issues[index]
        covers = issue.series.edges[0] <= now < issue.series.edges[-1]
        return (issue.series, issue.band) if covers else None


class Persistence:
    """At each step of the truth: what was measured in the last 24 hours, repeated."""

    def __init__(self, truth: Series) -> None:
        """Take the truth.

        Raises:
            DataError: its steps are not of one length, or do not divide a day.
        """
        pitch = float(truth.edges[1] - truth.edges[0])
        if not np.allclose(np.diff(truth.edges), pitch) or not (DAY / pitch).is_integer():
            raise DataError(f"{truth.source}: persistence needs even steps that divide a day")
        self._truth, self._pitch, self._daily = truth, pitch, int(DAY / pitch)
        self._last: tuple[int, Series] | None = None

    @property
    def moments(self) -> Floats:
        """At each step, once a whole day is known."""
        return self._truth.edges[self._daily : -1]

    def at(self, now: float) -> tuple[Series, Band | None] | None:
        """Return the last day, repeated from the step that contains now on."""
        index = int(np.searchsorted(self._truth.edges, now, side="right")) - 1
        if index < self._daily or index >= len(self._truth.values):
            return None
        if self._last is None or self._last[0] != index:
            self._last = (index, self._make(index))
        return self._last[1], None

    def _make(self, index: int) -> Series:
        values = np.tile(self._truth.values[index - self._daily : index], DAYS_AHEAD)
        edges = self._truth.edges[index] + self._pitch * np.arange(len(values) + 1)
        return replace(self._truth, edges=edges, values=values, estimated=np.ones(len(values), dtype=bool))


class Own:
    """Our own forecast from the truth's past, for four days."""

    def __init__(self, truth: Series) -> None:
        self._truth, self._hours = truth, hourly(truth)
        self._model: tuple[int, Model] | None = None
        self._said: dict[
            int, tuple[Series, Band]
        ] = {}  # a year of them is 20 MB, and other policies ask again

    @property
    def moments(self) -> Floats:
        """At each hour, once there is enough history."""
        first = self._hours.first + FEWEST
        return np.arange(first, self._hours.after, dtype=float) * HOUR

    def at(self, now: float) -> tuple[Series, Band | None] | None:
        """Return the forecast that was made at the beginning of this hour."""
        hour = int(now // HOUR)
        if not self._hours.first + FEWEST <= hour < self._hours.after:
            return None
        if hour not in self._said:
            try:
                outlook = forecast(self._learned(hour), self._hours.until(hour), start_of(hour), AHEAD_HOURS)
            except DataError:  # too much of its past is unknown
                return None
            series = outlook.hours.series(self._truth.zone, "own", self._truth.nature)
            self._said[hour] = (series, outlook.band)
        return self._said[hour]

    def _learned(self, hour: int) -> Model:
        """Return what was learned at the last midnight, or, in the first days, at this hour."""
        night = max(hour // 24 * 24, self._hours.first + FEWEST)
        if self._model is None or self._model[0] != night:
            self._model = (night, train(self._hours.until(night)))
        return self._model[1]


class Measured:
    """A forecast with the truth of the step that is running."""

    def __init__(self, forecast: Foresight, truth: Series) -> None:
        self._forecast, self._truth = forecast, truth
        self._last: tuple[int, Series, Series] | None = None

    @property
    def moments(self) -> Floats:
        """At each forecast and at each step of the truth; once where the forecast is the truth."""
        if isinstance(self._forecast, Perfect):
            return self._forecast.moments
        return np.union1d(self._forecast.moments, self._truth.edges[:-1])

    def at(self, now: float) -> tuple[Series, Band | None] | None:
        """Return the forecast, its running step as it is measured."""
        found = self._forecast.at(now)
        if found is None or isinstance(self._forecast, Perfect):
            return found
        series, band = found
        index = int(np.searchsorted(self._truth.edges, now, side="right")) - 1
        if not 0 <= index < len(self._truth.values):
            return found
        if self._last is None or self._last[0] != index or self._last[1] is not series:
            place = int(np.searchsorted(series.edges, now, side="right")) - 1
            values = series.values.copy()
            values[place] = self._truth.values[index]
            self._last = (index, series, replace(series, values=values))
        return self._last[2], band


class Judged:
    """A forecast as far as the ones before it let it be believed; as it is where nothing is known of them."""

    def __init__(self, forecast: Foresight, truth: Series) -> None:
        self._forecast, self._truth, self._hours = forecast, truth, hourly(truth)
        self._earlier: dict[int, Floats] = {}
        self._last: tuple[int, Series, tuple[Series, Band | None]] | None = None

    @property
    def moments(self) -> Floats:
        """Those of the forecast."""
        return self._forecast.moments

    def at(self, now: float) -> tuple[Series, Band | None] | None:
        """Return what is to be believed of the forecast that is visible; the truth is."""
        found, hour = self._forecast.at(now), int(now // HOUR)
        if found is None or isinstance(self._forecast, Perfect):
            return found
        if self._last is None or self._last[0] != hour or self._last[1] is not found[0]:
            self._last = (hour, found[0], self._judged(found, hour))
        return self._last[2]

    def _judged(self, found: tuple[Series, Band | None], hour: int) -> tuple[Series, Band | None]:
        said = found[0]
        origins = np.arange(hour - 24 * MEMORY_DAYS, hour, EVERY)
        earlier = np.array([self._said(origin) for origin in origins.tolist()])
        past = Past(origins, earlier, self._hours.until(hour))
        judged = believed(Hourly(hour, _hours(said, hour)), past)
        if judged is None:
            return found
        values, band = judged
        return values.series(said.zone, said.source, said.nature), band

    def _said(self, hour: int) -> Floats:
        """Shape (AHEAD_HOURS,): what the forecast of an hour said of it and of those after it."""
        if hour not in self._earlier:
            found = self._forecast.at(hour * HOUR)
            self._earlier[hour] = np.full(AHEAD_HOURS, np.nan) if found is None else _hours(found[0], hour)
        return self._earlier[hour]


def _hours(series: Series, hour: int) -> Floats:
    """Shape (AHEAD_HOURS,): what is said from an hour on; NaN where nothing is."""
    return hourly(series).between(hour, hour + AHEAD_HOURS)
