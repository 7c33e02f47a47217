"""How far a forecast is to be believed: as far as earlier ones were right, as far as that is known by now.

A forecast that is taken at its word makes jobs wait for hours that do not become clean. So each of its hours
is weighed against what the zone's day usually is, what was measured last and what was measured a day before:

    believed = usual + a (said - usual) + b (measured last - usual) + c (measured a day before - usual)

a, b and c are found for each lead by least squares over earlier forecasts and what came of them (a little
ridge keeps them small where two of these are alike). So a forecast that was always right is left as it is,
and one that never was becomes the usual day. What that would have missed by, lead by lead, is its band.

A forecast of which nothing is known but what it says is taken for one whose likeness to what comes (their
correlation) falls with the lead as e^(-lead / 72 h): its band is as wide as that leaves open (``by_nature``).
It is left as it is, for jobs that wait by it lose little; only what is stopped for it must be sure. The time
constant is set by hand, and not tuned.
"""

from dataclasses import dataclass

import numpy as np

from carbonslurm.core.forecast import Band, Floats
from carbonslurm.core.hourly import Hourly

DAY = 24
MEMORY_DAYS = 28  # of which what is usual, and what a forecast is worth, is learned
FEWEST = 24  # earlier forecasts whose hour has come: fewer say nothing about a lead
RIDGE = 1e-3  # of the mean square of each
WIDTH = 1.2816  # standard deviations on either side that hold 80 of 100, if they are normal
LIKENESS = 72.0  # hours
SHARE = 0.8


@dataclass(frozen=True, eq=False)
class Past:
    """Earlier forecasts of one zone, and what was measured.

    Attributes:
        origins: shape (k,), rising: the number of the hour in which each was the newest.
        said: shape (k, leads), g/kWh: what each said of that hour and of those after it; NaN where nothing.
        measured: what has been measured by now.
        lag: hours before this one of which the newest are not measured yet, as it was each time.
    """

    origins: np.ndarray
    said: Floats
    measured: Hourly
    lag: int = 0


def believed(said: Hourly, past: Past) -> tuple[Hourly, Band] | None:
    """Return what is to be believed of a forecast, and how sure it is; None where its past tells nothing.

    Args:
        said: the forecast, from the hour that contains now.
        past: no longer than it is known: nothing measured at or after that hour.
    """
    usual, leads = _usual(past.measured, said.first), len(said.values)
    if usual is None or not len(past.origins):
        return None
    day = usual[(said.first + np.arange(leads)) % DAY]
    aside = _told(np.array([said.first]), said.values[None], past, usual)[0]
    weights, misses = _learned(past, usual, leads)
    known = ~np.isnan(misses)
    if not known.any():
        return None
    # A lead of which nothing is known is worth what the last known one before it is.
    place = np.maximum.accumulate(np.where(known, np.arange(leads), np.flatnonzero(known)[0]))
    aside[:, 1:] = np.nan_to_num(aside[:, 1:])
    values = np.maximum(day + (aside * weights[place]).sum(axis=1), 0.0)
    return Hourly(said.first, values), _band(values, WIDTH * misses[place])


def by_nature(said: Floats, hours: Floats) -> Band:
    """Return the band of a forecast of which nothing is known but what it says.

    Args:
        said: shape (n,), g/kWh.
        hours: shape (n,), how far ahead each lies.
    """
    likeness = np.exp(-hours / LIKENESS)
    return _band(said, WIDTH * float(said.std()) * np.sqrt(1 - likeness**2))


def _band(values: Floats, miss: Floats) -> Band:
    return Band(np.maximum(values - miss, 0.0), values + miss, SHARE)


def _usual(measured: Hourly, now: int) -> Floats | None:
    """Shape (24,): the mean of each hour of the day lately; None before each was measured once."""
    first = (now // DAY - MEMORY_DAYS) * DAY
    days = measured.between(first, first + (MEMORY_DAYS + 1) * DAY).reshape(-1, DAY)
    there = ~np.isnan(days)
    if not there.any(axis=0).all():
        return None
    return np.asarray(np.where(there, days, 0.0).sum(axis=0) / there.sum(axis=0), dtype=float)


def _told(origins: np.ndarray, said: Floats, past: Past, usual: Floats) -> Floats:
    """Shape (k, leads, 3): what is told of each hour ahead, less what is usual; NaN where unknown.

    What was not measured yet at an origin is not told there: of its day before, the one before that.
    """
    leads, lag = said.shape[1], past.lag
    first = int(origins[0]) - 2 * DAY - lag
    aside = _aside(past.measured, first, int(origins[-1]) + 1, usual)
    hours = np.arange(leads) % DAY
    last = aside[origins - 1 - lag - first]
    days = DAY * (1 + (hours + lag) // DAY)
    before = aside[origins[:, None] - days + hours - first]
    said = said - usual[(origins[:, None] + np.arange(leads)) % DAY]
    return np.stack((said, np.broadcast_to(last[:, None], said.shape), before), axis=2)


def _aside(measured: Hourly, first: int, after: int, usual: Floats) -> Floats:
    return np.asarray(measured.between(first, after) - usual[np.arange(first, after) % DAY], dtype=float)


def _learned(past: Past, usual: Floats, leads: int) -> tuple[Floats, Floats]:
    """Shapes (leads, 3) and (leads,): a, b, c of the module, and what they missed by; NaN where unknown."""
    origins, first = past.origins, int(past.origins[0])
    told = _told(origins, past.said[:, :leads], past, usual)
    aside = _aside(past.measured, first, int(origins[-1]) + leads, usual)
    came = aside[origins[:, None] + np.arange(leads) - first]
    there = ~(np.isnan(came) | np.isnan(told).any(axis=2))
    told, came = np.where(there[:, :, None], told, 0.0), np.where(there, came, 0.0)
    count = there.sum(axis=0)
    by_lead = told.transpose(1, 2, 0)
    gram = by_lead @ by_lead.transpose(0, 2, 1)
    each = np.arange(3)
    gram[:, each, each] = gram[:, each, each] * (1 + RIDGE) + 1e-9 * (1 + count[:, None])
    weights = np.linalg.solve(gram, (by_lead @ came.T[:, :, None]))[..., 0]
    left = came - (told * weights).sum(axis=2)
    misses = np.sqrt((left**2).sum(axis=0) / np.maximum(count, 1))
    return np.asarray(weights, dtype=float), np.where(count >= FEWEST, misses, np.nan)
