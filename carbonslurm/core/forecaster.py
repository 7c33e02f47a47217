"""Our own forecast, from a zone's history alone: for where no source gives one, and to judge those that do.

``train`` looks at the whole history, once a night; ``forecast`` at its last weeks, at each issue, and costs
next to nothing. What a model consists of depends on how much history there is (``RECIPES``):

- from two days on, the seasonal baseline (``core/seasonal.py``);
- from five weeks on, its mean with ridge regressions (``core/learned.py``), each weighted by how it did on
  the newest part of the history, which it was not shown: the hold-out. Then all learn from the whole;
- from 200 days on, the mean of the regressions alone.

The hold-out's errors, by lead, also say how sure a forecast is: the band holds the middle 80 % of them. A
lead counts from the last known hour, not from now, so an old measurement widens the band by itself. Errors
are shares of the level (differences of logs), so a forecast aims at the median.

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
BY_LEAD_STEP, BY_HOUR_STEP, HELD_STEP = 5, 1, 7  # hours between windows; prime to 24, so that all hours come
HELD_PART, HELD_DAYS = 5, (10, 60)  # the hold-out is a fifth of the history, within these days
LEAST_HOURS = 7 * DAY  # that origins to learn from must span
WHOLE = 0.8  # of a window's targets must be known to train with it

Maps = tuple[ByLead | ByHour, ...]


@dataclass(frozen=True, slots=True)
class Recipe:
    """What a model consists of from so many known days on.

    Attributes:
        known: days.
        by_lead, by_hour: days of the windows of each such map.
        baseline: whether the seasonal baseline takes part.
    """

    known: int
    by_lead: tuple[int, ...]
    by_hour: tuple[int, ...]
    baseline: bool


RECIPES = (
    Recipe(200, by_lead=(28, 14), by_hour=(14,), baseline=False),
    Recipe(112, by_lead=(28, 14), by_hour=(14,), baseline=True),
    Recipe(56, by_lead=(14,), by_hour=(14,), baseline=True),
    Recipe(35, by_lead=(7,), by_hour=(7,), baseline=True),
)
WINDOW_DAYS = 28  # the longest of them
GROWN = 1.2  # times the history that a model has seen: worth training anew


@dataclass(frozen=True, eq=False)
class Model:
    """What was learned of one zone.

    Attributes:
        scale: between g/kWh and the logs that all else is in.
        days: days up to the origin that a window has.
        baseline: whether the seasonal baseline takes part.
        maps: the learned ones; none while the history is too short.
        blend: how to make one forecast of the baseline's, if it takes part, and the maps', in this order.
        trained_until: number of the hour after the last that it has seen.
    """

    scale: Scale
    days: int
    baseline: bool
    maps: Maps
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
    """A history made ready: ``logs`` without gaps, ``there`` where measured, from hour ``first`` on."""

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
    days = known.known // DAY
    for recipe in (recipe for recipe in RECIPES if recipe.known <= days):
        held = past.after - DAY * min(max(days // HELD_PART, HELD_DAYS[0]), HELD_DAYS[1])
        tried_on, maps = _maps(past, recipe, held), _maps(past, recipe, past.after)
        if tried_on and maps:
            longest = max(recipe.by_lead)
            blend = _tried(past, longest, tried_on, held, baseline=recipe.baseline)
            return Model(scale, longest, recipe.baseline, maps, blend, past.after)
    days = min(SEASONAL_DAYS, len(past.logs) // DAY)
    return Model(scale, days, True, (), _tried(past, days, (), past.first, baseline=True), past.after)


def outgrown(seen: int, known: int) -> bool:
    """Whether a model that has seen so many known hours is to be trained anew, now that so many are known.

    It would be made by another recipe, or have a fifth more to learn from.
    """
    return known >= GROWN * seen or any(seen < recipe.known * DAY <= known for recipe in RECIPES)


def forecast(model: Model, recent: Hourly, issued_at: datetime, hours: int = 96) -> Outlook:
    """Say what comes, from the hour of ``issued_at`` on.

    Args:
        model: from ``train``, on this zone's history and not on later hours than are known now.
        recent: what is known now, the last ``WINDOW_DAYS`` days of it at least; with fewer than the model's
            windows have, the seasonal baseline alone speaks.
        issued_at: the moment at which it is asked; hours from its own on are not looked at.
        hours: how many to say.

    Raises:
        DataError: less than two days of it are known.
    """
    start = hour_of(issued_at)
    seen = _enough(recent.until(start).trimmed())
    past = _Past(model.scale.into(filled(seen.values)), ~np.isnan(seen.values), seen.first)
    if len(past.logs) < model.days * DAY:
        days, blend = len(past.logs) // DAY, assumed(AHEAD)
        told = _go_on((), past.windows(np.array([past.after]), days), baseline=True)
    else:
        blend = model.blend
        told = _go_on(model.maps, past.windows(np.array([past.after]), model.days), baseline=model.baseline)
    logs = np.tensordot(blend.weights, told[:, 0], axes=1)
    ahead = np.arange(start - past.after, start - past.after + hours)
    lead = np.where(ahead < AHEAD, ahead, AHEAD - DAY + ahead % DAY)
    values, low, high = (
        model.scale.back(logs[lead] + about) for about in (0.0, blend.low[lead], blend.high[lead])
    )
    return Outlook(Hourly(start, values), Band(low, high, SHARE), past.after)


def _enough(history: Hourly) -> Hourly:
    if history.known < FEWEST:
        raise DataError(
            f"{history.known} known hours are too few for a forecast of our own: it takes {FEWEST}"
        )
    return history


def _maps(past: _Past, recipe: Recipe, after: int) -> Maps:
    """Train the maps on what lies before an hour; none where gaps leave too few windows to learn from."""
    last = after - AHEAD + 1
    maps: list[ByLead | ByHour] = []
    for kind, step, lengths in (
        (ByLead, BY_LEAD_STEP, recipe.by_lead),
        (ByHour, BY_HOUR_STEP, recipe.by_hour),
    ):
        for days in lengths:
            windows, followed, measured = _lessons(past, days, last, step)
            if len(windows.origins) * step < LEAST_HOURS:
                return ()
            maps.append(kind.train(windows, followed, measured))
    return tuple(maps)


def _lessons(past: _Past, days: int, after: int, step: int) -> tuple[Windows, Floats, Floats]:
    """Return windows, what followed (gaps filled) and how much each counts: what part was measured."""
    origins = past.origins(days, past.first, after, step)
    here = (origins - past.first)[:, None] + np.arange(AHEAD)
    measured = past.there[here].mean(axis=1)
    kept = measured >= WHOLE
    return past.windows(origins[kept], days), past.logs[here[kept]], measured[kept]


def _tried(past: _Past, days: int, maps: Maps, first: int, *, baseline: bool) -> Blend:
    """Try the members on the hours from ``first`` on."""
    origins = past.origins(days, first, past.after - DAY + 1, HELD_STEP)
    followed = past.followed(origins)
    if np.isnan(followed).all():
        return assumed(AHEAD)
    return tried(_go_on(maps, past.windows(origins, days), baseline=baseline), followed, HELD_STEP)


def _go_on(maps: Maps, windows: Windows, *, baseline: bool) -> Floats:
    """Return shape (members, k, AHEAD): what each member says after each window, the baseline first."""
    told = [seasonal(windows.last(SEASONAL_DAYS).logs, AHEAD)] if baseline else []
    return np.stack(told + [learned.go_on(windows) for learned in maps])
