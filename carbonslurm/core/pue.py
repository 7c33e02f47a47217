"""Power usage effectiveness over time: the room's total power over the machines' power."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise

from carbonslurm.core.interval import Interval, aware
from carbonslurm.errors import DataError


@dataclass(frozen=True, slots=True)
class Pue:
    """Piecewise constant; before the first moment that is named its value holds as well.

    Attributes:
        steps: from when on which value holds, in order of time.

    Raises:
        DataError: there is none, they are not in order, or a time is naive.
    """

    steps: tuple[tuple[datetime, float], ...]

    def __post_init__(self) -> None:
        moments = [aware(moment) for moment, _ in self.steps]
        if not moments or any(later <= earlier for earlier, later in pairwise(moments)):
            raise DataError("PUE: expected values in order of time, at least one")

    @classmethod
    def constant(cls, value: float) -> "Pue":
        """Return one that never changes."""
        return cls(((_ALWAYS, value),))

    def at(self, moment: datetime) -> float:
        """Return the value at a moment."""
        begun = [value for start, value in self.steps if start <= moment]
        return begun[-1] if begun else self.steps[0][1]

    def mean(self, window: Interval) -> float:
        """Return the time-weighted mean over a window; of one without length the value at its moment."""
        if not window.length or len(self.steps) == 1:
            return self.at(window.start)
        total = sum(value * seconds for value, seconds in self._within(window))
        return total / window.length.total_seconds()

    def _within(self, window: Interval) -> Sequence[tuple[float, float]]:
        """Return values and for how many seconds of the window each holds."""
        starts = [window.start, *(start for start, _ in self.steps[1:])]
        ends = [*(start for start, _ in self.steps[1:]), window.end]
        return [
            (value, max(min(end, window.end) - max(start, window.start), timedelta()).total_seconds())
            for (_, value), start, end in zip(self.steps, starts, ends, strict=True)
        ]


_ALWAYS = datetime.fromisoformat("1970-01-01T00:00:00+00:00")
