"""Our own forecast, from a zone's history alone: for where no source gives one, and to judge those that do.

``train`` looks at the whole history, once a night; ``forecast`` at its last weeks, at each issue, and costs
next to nothing. What a model consists of depends on how much history there is:

- from two days on, the seasonal baseline (``core/seasonal.py``);
- from five weeks on, the mean of the baseline and two ridge regressions (``core/learned.py``), each weighted by
  how it did on the newest part of the history, which it was not shown: the hold-out. Then they learn from all.

The hold-out's errors, by lead, also say how sure a forecast is: the band holds the middle 80 % of them. A lead
counts from the last known hour, not from now, so an old measurement widens the band by itself. Errors are
shares of the level (differences of logs), and a forecast aims at the least percentage error.

Pure and deterministic: the same history gives the same model, and the same model the same forecast.
"""

from dataclasses import dataclass
from datetime import datetime

import numpy as np

from carbonslurm.core.backtest import SHARE, Blend, assumed, tried
from carbonslurm.core.forecast import Band, Floats
from carbonslurm.core.hourly import Hourly, filled, hour_of
from carbonslurm.core.learned import ByHour, ByLead, Windows
from carbonslurm.core.seasonal import DAY, Scale, seasonal
from carbonslurm.errors import DataError

AHEAD = 144  # leads in hours that a model knows: four days, and two of age; further on its last day repeats
FEWEST = 2 * DAY  # hours of history
SEASONAL_DAYS = 7
LEARNED_DAYS = 28  # of a window of the learned maps, once the history is long
WINDOW_DAYS = ((112, LEARNED_DAYS), (56, 14), (35, 7))  # known days from which on a window has so many
BY_HOUR_DAYS = 14  # all that ByHour makes use of
BY_LEAD_STEP, BY_HOUR_STEP, HELD_STEP = 5, 1, 7  # hours between windows; no divisor of 24, so that all hours come
HELD_DAYS = (10, 60)  # least and most of the hold-out, a fifth of the history in between
WHOLE = 0.8  # of a window's targets must be known to train with it


@dataclass(frozen=True, eq=False)
class Model:
    """What was learned of one zone.

    Attributes:
        scale: between g/kWh and the logs that all else is in.
        days: days up to the origin that a window has.
        by_lead: a learned map, None while the history is too short.
        by_hour: the other.
        blend: how to make one forecast of the members'; seasonal first, then ``by_lead`` and ``by_hour``.
        trained_until: number of the hour after the last that it has seen.
    """

    scale: Scale
    days: int
    by_lead: ByLead | None
    by_hour: ByHour | None
    blend: Blend
    trained_until: int


@dataclass(frozen=True, eq=False)
class Outlook:
    """A forecast hour by hour.

    Attributes:
        hours: first hour and values, g/kWh.
        band: between what they are expected, hour by hour.
        origin: number of the hour after the last measured one: what its age counts from.
    """

    hours: Hourly
    band: Band
    origin: int


@dataclass(frozen=True, eq=False)
class _Past:
    """A history made ready: ``logs`` without gaps, ``there`` where they were measured, from hour ``first``."""

    logs: Floats
    there: np.ndarray
    first: int

    @property
    def after(self) -> int:
        return self.first + len(self.logs)

    def windows(self, origins: np.ndarray, days: int) -> Windows:
        """Return the windows up to some origins."""
        before = (origins - self.first)[:, None] + np.arange(-days * DAY, 0)
        return Windows(self.logs[before], origins)

    def followed(self, origins: np.ndarray) -> Floats:
        """Return shape (k, AHEAD): what was measured after each, NaN where nothing was."""
        measured = np.concatenate([np.where(self.there, self.logs, np.nan), np.full(AHEAD, np.nan)])
        return np.asarray(measured[(origins - self.first)[:, None] + np.arange(AHEAD)], dtype=float)

    def origins(self, days: int, first: int, after: int, step: int) -> np.ndarray:
        """Return origins every ``step`` hours in [first, after) that have a window, the newest among them."""
        return np.arange(after - 1, max(first, self.first + days * DAY) - 1, -step)


def train(history: Hourly) -> Model:
    """Learn from a history.

    Raises:
        DataError: less than two days of it are known.
    """
    known = _enough(history.trimmed())
    scale = Scale.of(known.values)
    past = _Past(scale.into(filled(known.values)), ~np.isnan(known.values), known.first)
    days = _window_days(known.known // DAY)
    if days is None:
        days = min(SEASONAL_DAYS, len(past.logs) // DAY)
        return Model(scale, days, None, None, _tried(past, days, (), past.first), past.after)
    held = past.after - DAY * min(max(known.known // DAY // 5, HELD_DAYS[0]), HELD_DAYS[1])
    blend = _tried(past, days, _maps(past, days, held), held)
    by_lead, by_hour = _maps(past, days, past.after)
    return Model(scale, days, by_lead, by_hour, blend, past.after)


def forecast(model: Model, recent: Hourly, issued_at: datetime, hours: int = 96) -> Outlook:
    """Say what comes, from the hour of ``issued_at`` on.

    Args:
        model: from ``train``, on this zone's history and not on later hours than are known now.
        recent: what is known now, the last ``LEARNED_DAYS`` days of it at least; with fewer than the model's
            windows have, the seasonal baseline alone speaks.
        issued_at: the moment at which it is asked; hours from its own on are not looked at.
        hours: how many to say.

    Raises:
        DataError: less than two days of it are known.
    """
    start = hour_of(issued_at)
    seen = _enough(recent.until(start).trimmed())
    past = _Past(model.scale.into(filled(seen.values)), ~np.isnan(seen.values), seen.first)
    maps = (model.by_lead, model.by_hour) if model.by_lead and model.by_hour else ()
    days, blend = model.days, model.blend
    if len(past.logs) < days * DAY:
        days, maps, blend = len(past.logs) // DAY, (), assumed(AHEAD)
    told = _go_on(maps, past.windows(np.array([past.after]), days))[:, 0]
    logs = np.tensordot(blend.weights, told, axes=1) + blend.shift
    ahead = np.arange(start - past.after, start - past.after + hours)
    lead = np.where(ahead < AHEAD, ahead, AHEAD - DAY + ahead % DAY)
    values, low, high = (model.scale.back(logs[lead] + about[lead]) for about in (0 * blend.low, blend.low, blend.high))
    return Outlook(Hourly(start, values), Band(low, high, SHARE), past.after)


def _enough(history: Hourly) -> Hourly:
    if history.known < FEWEST:
        raise DataError(f"{history.known} known hours are too few for a forecast of our own: it takes {FEWEST}")
    return history


def _window_days(known: int) -> int | None:
    """Return how many days a learned map's window has after so many known days, None for no map."""
    return next((days for least, days in WINDOW_DAYS if known >= least), None)


def _maps(past: _Past, days: int, after: int) -> tuple[ByLead, ByHour]:
    """Train both maps on what lies before an hour."""
    last = after - AHEAD + 1
    return ByLead.train(*_lessons(past, days, last, BY_LEAD_STEP)), ByHour.train(
        *_lessons(past, min(days, BY_HOUR_DAYS), last, BY_HOUR_STEP)
    )


def _lessons(past: _Past, days: int, after: int, step: int) -> tuple[Windows, Floats, Floats]:
    """Return windows, what followed (gaps filled) and how much each counts, by how much of it was measured."""
    origins = past.origins(days, past.first, after, step)
    here = (origins - past.first)[:, None] + np.arange(AHEAD)
    measured = past.there[here].mean(axis=1)
    kept = measured >= WHOLE
    return past.windows(origins[kept], days), past.logs[here[kept]], measured[kept]


def _tried(past: _Past, days: int, maps: tuple[ByLead, ByHour] | tuple[()], first: int) -> Blend:
    """Try the members on the hours from ``first`` on."""
    origins = past.origins(days, first, past.after - DAY + 1, HELD_STEP)
    followed = past.followed(origins)
    if np.isnan(followed).all():
        return assumed(AHEAD)
    return tried(_go_on(maps, past.windows(origins, days)), followed, HELD_STEP)


def _go_on(maps: tuple[ByLead, ByHour] | tuple[()], windows: Windows) -> Floats:
    """Return shape (members, k, AHEAD): what each member says after each window, the baseline first."""
    week = windows.logs[:, -SEASONAL_DAYS * DAY :]
    told = [seasonal(week, AHEAD)]
    if maps:
        told += [maps[0].go_on(windows), maps[1].go_on(windows.last(BY_HOUR_DAYS))]
    return np.stack(told)
