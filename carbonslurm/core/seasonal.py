"""The seasonal baseline, from two days of history on: the usual day, moved to where the zone stands now.

The usual day is the mean of the last seven days at each hour. Two things are added to it: how far the last
day's mean lies from the usual one, which fades over a day and a half, and how far the last hour lies from
both, which fades over four hours. The two time constants were set by hand and not tuned (in
``docs/forecaster.md``).

All of it works on transformed values, log(value + offset), in which an error is a share of the level, so that
a forecast is never negative and a clean grid counts as much as a dirty one.
"""

from dataclasses import dataclass

import numpy as np

from carbonslurm.core.forecast import Floats

DAY = 24
LEVEL_HOURS, ERROR_HOURS = 36.0, 4.0  # set by hand, not tuned
OFFSET = 0.05  # of the median: near enough to a logarithm, and zero stays a value
LEAST_LEVEL = 1e-3  # g/kWh: of less, no logarithm is worth taking
HEADROOM = 1.25  # a forecast goes that far above what was ever seen


@dataclass(frozen=True, slots=True)
class Scale:
    """The way from g/kWh to log(value + offset) and back.

    Attributes:
        offset: g/kWh, above zero.
        top: g/kWh, the highest that comes back.
    """

    offset: float
    top: float

    @classmethod
    def of(cls, values: Floats) -> "Scale":
        """Fit it to a history, shape (n,), g/kWh, NaN ignored; at least one value is known."""
        known = values[~np.isnan(values)]
        level = max(
            float(np.median(known)), float(known.mean()) / 10
        )  # the median of mostly zeros tells nothing
        return cls(OFFSET * (level if level >= LEAST_LEVEL else 1.0), HEADROOM * float(known.max()))

    def into(self, values: Floats) -> Floats:
        """Transform g/kWh; negative ones count as zero."""
        return np.asarray(np.log(np.maximum(values, 0.0) + self.offset), dtype=float)

    def back(self, logs: Floats) -> Floats:
        """Return g/kWh, from zero to the top."""
        highest = np.log(self.top + self.offset)
        return np.maximum(np.exp(np.minimum(logs, highest)) - self.offset, 0.0)


def seasonal(windows: Floats, leads: int) -> Floats:
    """Continue each window by its usual day, its level and its last error.

    Args:
        windows: shape (k, 24 x days), transformed values, hour by hour up to the origin; one to seven days.
        leads: how many hours to go on.

    Returns:
        Shape (k, leads), transformed.
    """
    usual = windows.reshape(len(windows), -1, DAY).mean(axis=1)
    level = windows[:, -DAY:].mean(axis=1) - usual.mean(axis=1)
    error = windows[:, -1] - usual[:, -1] - level
    ahead = np.arange(1, leads + 1)
    return np.asarray(
        usual[:, (ahead - 1) % DAY]
        + np.outer(level, np.exp(-ahead / LEVEL_HOURS))
        + np.outer(error, np.exp(-ahead / ERROR_HOURS)),
        dtype=float,
    )
