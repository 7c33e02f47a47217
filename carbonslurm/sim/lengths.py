"""What a policy may know of a job's length: the truth, its limit, its class's mean, or what the past taught.

Only ``true`` knows the future, and only ``class-mean`` counts jobs that have not run yet (GAIA's definition:
the mean over the whole trace). ``learned`` knows the runs that had ended when it was asked.
"""

from collections import defaultdict, deque
from typing import Protocol

import numpy as np

from carbonslurm.core.forecast import Floats
from carbonslurm.core.runtime import Runs, assumed, learned
from carbonslurm.errors import UsageError
from carbonslurm.sim.trace import Trace

ASSUMED = 4 * 3600.0  # of a job of which nothing is known, as policy.assumed_length of the configuration
REMEMBERED = 1000  # runs of a class: the past that a survival curve is made of
OUTLIVED = 0.1  # of what it has lasted: the rest of a run that outlived its prediction
SHORTEST = 60.0  # seconds
QUANTILES = np.array([0.1, 0.3, 0.5, 0.7, 0.9])
LAST_RUNS = 2  # Tsafrir, Etsion and Feitelson 2007: the mean of the user's last two runs predicts best


class Lengths(Protocol):
    """Predicted lengths of whole runs."""

    def of(self, job: int) -> float:
        """Return the predicted length of a job in seconds, above zero."""
        ...

    def many(self, jobs: list[int]) -> Floats:
        """Return likewise for several."""
        ...

    def rests(self, jobs: list[int], worked: Floats) -> Floats:
        """Shape (k, q), seconds: equally likely rests of jobs that have done so much, in as many columns."""
        ...

    def ended(self, job: int) -> None:
        """Take in that a job has ended, and with it its true length."""
        ...


class Known:
    """Lengths that are known beforehand."""

    def __init__(self, seconds: Floats) -> None:
        self._array = seconds
        self._list: list[float] = seconds.tolist()

    def of(self, job: int) -> float:
        """Return the predicted length."""
        return self._list[job]

    def many(self, jobs: list[int]) -> Floats:
        """Return the predicted lengths."""
        return self._array[jobs]

    def rests(self, jobs: list[int], worked: Floats) -> Floats:
        """Return the one rest that is known."""
        left = self._array[jobs] - worked
        return np.maximum(left, np.maximum(OUTLIVED * worked, SHORTEST))[:, None]

    def ended(self, job: int) -> None:
        """Learn nothing."""


class Spread:
    """A guess, and the spread of lengths around it that the ended runs of its class have shown."""

    def __init__(self, guess: Lengths, trace: Trace) -> None:
        self._guess, self._trace = guess, trace
        self._ended: dict[bool, deque[float]] = {short: deque(maxlen=REMEMBERED) for short in (False, True)}

    def of(self, job: int) -> float:
        """Return the guess."""
        return self._guess.of(job)

    def many(self, jobs: list[int]) -> Floats:
        """Return the guesses."""
        return self._guess.many(jobs)

    def rests(self, jobs: list[int], worked: Floats) -> Floats:
        """Return quantiles of the class's survival curve, given how much each has done."""
        found = np.empty((len(jobs), len(QUANTILES)))
        short = self._trace.short[jobs]
        guess = self.many(jobs)
        for members, ended in ((short, self._ended[True]), (~short, self._ended[False])):
            if bool(members.any()):
                lasting = worked[members]
                runs = Runs(np.array(ended), lasting[lasting > 0])
                curve = learned([runs], assumed(float(guess[members].mean())))
                found[members] = curve.rests(lasting, QUANTILES)
        return found

    def ended(self, job: int) -> None:
        """Remember a run."""
        self._guess.ended(job)
        self._ended[bool(self._trace.short[job])].append(float(self._trace.length[job]))


class Learned:
    """The mean of the owner's last two runs of the class; else of all runs of it; else a limit or a guess."""

    def __init__(self, trace: Trace) -> None:
        self._trace = trace
        self._last: defaultdict[tuple[int, bool], deque[float]] = defaultdict(lambda: deque(maxlen=LAST_RUNS))
        self._sums: dict[bool, tuple[float, int]] = {}

    def of(self, job: int) -> float:
        """Return the predicted length, never more than the limit."""
        short, owner = bool(self._trace.short[job]), int(self._trace.owner[job])
        limit = float(self._trace.limit[job])
        runs = self._last.get((owner, short)) if owner >= 0 else None
        if runs:
            guess = sum(runs) / len(runs)
        elif short in self._sums:
            total, count = self._sums[short]
            guess = total / count
        else:
            guess = ASSUMED if np.isnan(limit) else limit
        return guess if np.isnan(limit) else min(guess, limit)

    def many(self, jobs: list[int]) -> Floats:
        """Return the predicted lengths."""
        return np.array([self.of(job) for job in jobs])

    def rests(self, jobs: list[int], worked: Floats) -> Floats:
        """Return the one rest that is guessed."""
        left = self.many(jobs) - worked
        return np.maximum(left, np.maximum(OUTLIVED * worked, SHORTEST))[:, None]

    def ended(self, job: int) -> None:
        """Remember a run."""
        short, length = bool(self._trace.short[job]), float(self._trace.length[job])
        self._last[int(self._trace.owner[job]), short].append(length)
        total, count = self._sums.get(short, (0.0, 0))
        self._sums[short] = (total + length, count + 1)


def lengths(name: str, trace: Trace) -> Lengths:
    """Return the estimate of a name.

    Raises:
        UsageError: there is none of that name, or it is the limit and no job has one.
    """
    if name == "learned":
        return Spread(Learned(trace), trace)
    if name == "true":
        return Known(trace.length)
    if name == "class-mean":
        return Spread(Known(_class_means(trace)), trace)
    if name == "limit":
        if bool(np.isnan(trace.limit).all()):
            raise UsageError("--length limit: no job of the trace has a time limit")
        return Known(np.where(np.isnan(trace.limit), ASSUMED, trace.limit))
    raise UsageError(f"--length: expected true, limit, class-mean or learned, got {name}")


def _class_means(trace: Trace) -> Floats:
    means = np.full(len(trace), ASSUMED)
    for members in (trace.short, ~trace.short):
        if bool(members.any()):
            means[members] = trace.length[members].mean()
    return means
