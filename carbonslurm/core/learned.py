"""The two learned maps of the forecaster: ridge regression from the last weeks to the next days, in logs.

Both see windows of whole days that end at an origin (the hour after the last known one), in the logs of
``seasonal.Scale``, and learn what to add to a guess. Ridge as in Hoerl and Kennard, Technometrics 12 (1970):
W = (X'X + lambda I)^-1 X'Y, with lambda a fixed share of the mean diagonal of X'X.

- ``ByLead``: 24 small maps, one for each lead modulo 24, shared by all hours of the day at which a forecast
  may begin. What an hour tomorrow will be follows from the same hour in the last week, its usual value in the
  last weeks, the last hours, the quarters of the last day, the daily means before, and its day of the week.
  Few coefficients, so many windows for each.
- ``ByHour``: eight maps, for the origins 0-2, 3-5, ... UTC, from all hours of the last week at once. Many
  coefficients: it learns what depends on the hour at which it looks, such as how a morning tells the evening.

Their errors differ, so their mean beats either.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from carbonslurm.core.forecast import Floats
from carbonslurm.core.seasonal import DAY, seasonal

WEEK = 7
LAST_HOURS = 6  # taken one by one
QUARTER = 6  # hours of the means of the last day
BY_LEAD_SHRINK, BY_HOUR_SHRINK = 3e-3, 1e-1  # lambda as a share of the mean diagonal
WEEKDAY_BY_LEAD, WEEKDAY_BY_HOUR = 0.05, 0.1  # how large a weekday stands beside logs: what ridge makes of it
GROUP = 3  # hours of the day that share a map of ByHour
MARGIN = 1  # hours on either side that train it, too


@dataclass(frozen=True, eq=False)
class Windows:
    """Windows of whole days up to their origins.

    Attributes:
        logs: shape (k, 24 x days), transformed values.
        origins: shape (k,), numbers of the hours after them.
    """

    logs: Floats
    origins: np.ndarray

    @property
    def days(self) -> Floats:
        """Shape (k, days, 24): in days that end at the origin."""
        return self.logs.reshape(len(self.logs), self.logs.shape[1] // DAY, DAY)

    def last(self, days: int) -> "Windows":
        """Return their last days, or all where there are fewer."""
        return Windows(self.logs[:, -days * DAY :], self.origins)


def weekday(hours: np.ndarray) -> np.ndarray:
    """Return the day of the week, UTC, 0 = Monday, of numbers of hours: 1970-01-01 was a Thursday."""
    return np.asarray((hours // DAY + 3) % WEEK)


def solved(inputs: Floats, targets: Floats, weights: Floats, shrink: float) -> Floats:
    """Return shape (p, m): the ridge's coefficients for inputs (k, p), targets (k, m) and weights (k,)."""
    weighted = inputs * weights[:, None]
    gram = weighted.T @ inputs
    gram[np.diag_indices_from(gram)] += shrink * np.trace(gram) / len(gram) + 1e-12
    return np.asarray(np.linalg.solve(gram, weighted.T @ targets), dtype=float)


@dataclass(frozen=True, eq=False)
class ByLead:
    """Twenty-four maps, one for each lead modulo 24.

    Attributes:
        maps: shape (24, p, days ahead).
        days: of the windows that it sees.
    """

    maps: npt.NDArray[np.float32]
    days: int

    @classmethod
    def train(cls, windows: Windows, targets: Floats, weights: Floats) -> "ByLead":
        """Learn from windows and what followed, targets of shape (k, leads), leads a multiple of 24."""
        told = _Told.of(windows)
        columns = [
            solved(
                told.inputs(lead), targets[:, lead::DAY] - told.usual[:, lead, None], weights, BY_LEAD_SHRINK
            )
            for lead in range(DAY)
        ]
        return cls(np.stack(columns).astype(np.float32), windows.days.shape[1])

    def go_on(self, windows: Windows) -> Floats:
        """Return shape (k, leads): what follows each window, transformed; it may be longer than needed."""
        told = _Told.of(windows.last(self.days))
        found = np.empty((len(windows.logs), DAY * self.maps.shape[2]))
        for lead in range(DAY):
            found[:, lead::DAY] = told.usual[:, lead, None] + told.inputs(lead) @ self.maps[lead]
        return found


@dataclass(frozen=True, eq=False)
class _Told:
    """What ByLead reads off windows.

    Attributes:
        usual: shape (k, 24), the mean of the last week at each hour after the origin.
        longer: shape (k, 24), the same over the whole window, about its own mean.
        aside: shape (k, days, 24), what the window has beyond ``usual``.
        shared: shape (k, s), what all leads see.
        origins: shape (k,).
    """

    usual: Floats
    longer: Floats
    aside: Floats
    shared: Floats
    origins: np.ndarray

    @classmethod
    def of(cls, windows: Windows) -> "_Told":
        days = windows.days
        count = len(days)
        usual, longer = days[:, -WEEK:].mean(axis=1), days.mean(axis=1)
        aside = days - usual[:, None, :]
        means = days.mean(axis=2) - usual.mean(axis=1)[:, None]
        last = aside[:, -1]
        weeks = means[:, :-WEEK].reshape(count, means.shape[1] // WEEK - 1, WEEK).mean(axis=2)
        quarters = last.reshape(count, -1, QUARTER).mean(axis=2)
        shared = np.concatenate([last[:, -LAST_HOURS:], quarters, means[:, -WEEK:], weeks], axis=1)
        return cls(usual, longer - longer.mean(axis=1)[:, None], aside, shared, windows.origins)

    def inputs(self, lead: int) -> Floats:
        """Return shape (k, p): what tells of the hours ``lead``, ``lead`` + 24, ... after the origin."""
        own = self.aside[:, -WEEK:, lead]
        beside = self.aside[:, -1, [(lead - 1) % DAY, (lead + 1) % DAY]]
        shape = self.usual[:, lead] - self.usual.mean(axis=1)
        days = WEEKDAY_BY_LEAD * np.eye(WEEK)[weekday(self.origins + lead)]
        columns = [self.shared, own, self.longer[:, lead, None], shape[:, None], beside, days]
        return np.concatenate(columns, axis=1)


@dataclass(frozen=True, eq=False)
class ByHour:
    """Eight maps, one for each three hours of the day at which a window may end.

    Attributes:
        maps: shape (8, p, leads).
        days: of the windows that it sees.
    """

    maps: npt.NDArray[np.float32]
    days: int

    @classmethod
    def train(cls, windows: Windows, targets: Floats, weights: Floats) -> "ByHour":
        """Learn from windows and what followed, targets of shape (k, leads)."""
        inputs, rest = (
            _all_hours(windows),
            targets - seasonal(windows.logs[:, -WEEK * DAY :], targets.shape[1]),
        )
        maps = []
        for group in range(DAY // GROUP):
            past = (windows.origins - group * GROUP + MARGIN) % DAY
            rows = past < GROUP + 2 * MARGIN
            maps.append(solved(inputs[rows], rest[rows], weights[rows], BY_HOUR_SHRINK))
        return cls(np.stack(maps).astype(np.float32), windows.days.shape[1])

    def go_on(self, windows: Windows) -> Floats:
        """Return shape (k, leads): what follows each window, transformed; it may be longer than needed."""
        inputs = _all_hours(windows.last(self.days))
        found = seasonal(windows.logs[:, -WEEK * DAY :], self.maps.shape[2])
        groups = windows.origins % DAY // GROUP
        for group in np.unique(groups):
            rows = groups == group
            found[rows] += inputs[rows] @ self.maps[group]
        return found


def _all_hours(windows: Windows) -> Floats:
    """Return shape (k, p): the last week hour by hour, what came before in days and as a day, the weekday."""
    days, week = windows.days, windows.logs[:, -WEEK * DAY :]
    level = week.mean(axis=1)[:, None]
    before = days[:, :-WEEK]
    weekdays = WEEKDAY_BY_HOUR * np.eye(WEEK)[weekday(windows.origins)]
    columns = [week - level, weekdays]
    if before.shape[1]:
        columns += [before.mean(axis=2) - level, before.mean(axis=1) - level]
    return np.concatenate(columns, axis=1)
