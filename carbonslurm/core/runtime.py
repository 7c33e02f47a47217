"""How long a run will take, as a spread and not as one number, from the runs that have ended.

Lengths have heavy tails: half of an owner's jobs may end within minutes and one in ten run for days, so that
a job which has run for long is likely to run for long still. What is kept is therefore a survival curve
(which share of runs lasts longer than x), estimated after Kaplan and Meier (1958) so that runs which have
not ended count for as long as they have lasted: leaving them out would make the long ones too rare.

An owner with few runs is judged by others, too. From the widest circle to the closest (a share of the limit,
the partition, the account, the owner) each curve enters the next as so many runs' worth of evidence
(``TRUST``).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from carbonslurm.core.forecast import Floats

TRUST = 10.0  # runs: what the wider circle weighs in the closer one
POINTS = 50  # as which it enters
TINY = 1e-12
SHORTEST = 60.0  # seconds: no rest is predicted shorter


@dataclass(frozen=True, eq=False)
class Runs:
    """Runs of one circle.

    Attributes:
        ended: shape (n,), lengths in seconds.
        lasting: shape (m,), how long those have lasted that have not ended.
    """

    ended: Floats
    lasting: Floats


@dataclass(frozen=True, eq=False)
class Survival:
    """A survival curve; it falls at k lengths.

    Attributes:
        lengths: shape (k,), seconds, rising.
        shares: shape (k,), of runs that last longer, falling; beyond the last it falls exponentially.
        scale: seconds in which it falls to 1/e there.
    """

    lengths: Floats
    shares: Floats
    scale: float

    @cached_property
    def _known(self) -> tuple[Floats, Floats]:
        return np.concatenate(([0.0], self.lengths)), np.concatenate(([1.0], self.shares))

    def rests(self, lasted: Floats, quantiles: Floats) -> Floats:
        """Shape (n, q), seconds: quantiles of what is left of runs, given how long each has lasted.

        Args:
            lasted: shape (n,), seconds.
            quantiles: shape (q,), between 0 and 1.
        """
        lengths, shares = self._known
        left = shares[np.searchsorted(lengths, lasted, side="right") - 1][:, None]
        wanted = left * (1.0 - quantiles)
        place = np.searchsorted(-shares, -wanted)
        inside = (place < len(lengths)) & (left > 0)
        found = lengths[np.minimum(place, len(lengths) - 1)]
        # Beyond what has been seen: of those that are left there, or here if that is later, each e-th part.
        there = np.minimum(left, shares[-1])
        times = np.where(
            (there > 0) & (wanted > 0), there / np.maximum(wanted, TINY), 1.0 / (1.0 - quantiles)
        )
        tail = np.maximum(lengths[-1], lasted[:, None]) + self.scale * np.log(np.maximum(times, 1.0))
        return np.maximum(np.where(inside, found, tail) - lasted[:, None], SHORTEST)


def assumed(mean: float) -> Survival:
    """Return the curve of which only the mean is known: exponential, the least that can be said."""
    shares = 1.0 - (np.arange(POINTS) + 0.5) / POINTS
    return Survival(-np.log(shares) * mean, shares, mean)


def learned(circles: Sequence[Runs], widest: Survival) -> Survival:
    """Return the curve of the closest circle, each judged by its own runs and the wider one's curve."""
    curve = widest
    for circle in circles:
        curve = _closer(circle, curve)
    return curve


def _closer(circle: Runs, wider: Survival) -> Survival:
    quantiles = (np.arange(POINTS) + 0.5) / POINTS
    believed = wider.rests(np.zeros(1), quantiles)[0]
    lengths = np.concatenate((circle.ended, believed, circle.lasting))
    ends = np.concatenate((np.ones(len(circle.ended) + POINTS), np.zeros(len(circle.lasting))))
    weight = np.concatenate(
        (np.ones(len(circle.ended)), np.full(POINTS, TRUST / POINTS), np.ones(len(circle.lasting)))
    )
    order = np.lexsort((-ends, lengths))
    lengths, ends, weight = lengths[order], ends[order], weight[order]
    at_risk = np.cumsum(weight[::-1])[::-1]
    shares = np.cumprod(np.clip(1.0 - ends * weight / at_risk, 0.0, 1.0))
    return Survival(lengths, shares, wider.scale)
