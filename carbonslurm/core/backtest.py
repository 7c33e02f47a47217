"""What the hold-out teaches: which member of the forecaster to trust how far, and how sure to be.

Errors are differences of logs, actual minus predicted, shape (k, leads), NaN where the actual is unknown.
"""

from dataclasses import dataclass

import numpy as np

from carbonslurm.core.forecast import Floats
from carbonslurm.core.seasonal import DAY

SHARE = 0.8  # of actuals that the band is to hold
SHARPNESS = 8.0  # weights go with error^-8: twice the error, no weight to speak of
NEIGHBOURS = 3  # leads on either side that share a quantile
# Without a hold-out: half a band at lead h is 0.08 h^(1/4), half as wide again as the baseline's own on the
# nine grids of CarbonCast in 2020 (0.05 at the first hour, 0.14 after a day, 0.19 after six).
ASSUMED_WIDTH, ASSUMED_POWER = 0.08, 0.25
UNSEEN_DAYS = 5.0  # a hold-out of d days has not seen all weather: its band is widened by 5/d of itself
ASSUMED_DAYS = 4.0  # days of hold-out that this assumption counts for


@dataclass(frozen=True, eq=False)
class Blend:
    """How to make one forecast of several.

    Attributes:
        weights: shape (members,), sum 1.
        low: shape (leads,), added to the logs for the band; at most 0.
        high: shape (leads,), at least 0.
    """

    weights: Floats
    low: Floats
    high: Floats


def assumed(leads: int) -> Blend:
    """Return the blend of a single member that was never tried."""
    width = np.asarray(ASSUMED_WIDTH * np.arange(1, leads + 1) ** ASSUMED_POWER, dtype=float)
    return Blend(np.ones(1), -width, width)


def tried(predicted: Floats, actual: Floats, step: int) -> Blend:
    """Weigh members by how they did, and measure how sure the whole is.

    Args:
        predicted: shape (members, k, leads), transformed.
        actual: shape (k, leads), transformed, NaN where unknown; some of it is known.
        step: hours from one row to the next.
    """
    scores = np.nanmean(np.abs(actual - predicted), axis=(1, 2))
    weights = ((scores.min() + 1e-9) / (scores + 1e-9)) ** SHARPNESS
    weights /= weights.sum()
    rest = actual - np.tensordot(weights, predicted, axes=1)
    days = np.count_nonzero(~np.isnan(rest), axis=0) * step / DAY
    trust = days / (days + ASSUMED_DAYS)
    low, high = _quantiles(rest) * (1 + UNSEEN_DAYS / np.maximum(days, 1.0))
    before = assumed(rest.shape[1])
    return Blend(weights, trust * low + (1 - trust) * before.low, trust * high + (1 - trust) * before.high)


def _quantiles(rest: Floats) -> Floats:
    """Return shape (2, leads): the band about each lead, from its errors and its neighbours'."""
    leads = rest.shape[1]
    tails = ((1 - SHARE) / 2, (1 + SHARE) / 2)
    found = np.zeros((2, leads))
    for lead in range(leads):
        near = rest[:, max(lead - NEIGHBOURS, 0) : lead + NEIGHBOURS + 1]
        near = near[~np.isnan(near)]
        if len(near):
            found[:, lead] = np.quantile(near, tails)
    return np.stack([np.minimum(found[0], 0.0), np.maximum(found[1], 0.0)])
