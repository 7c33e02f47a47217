"""What an owner's past runs, and the past plans of a partition, say of a job that is about to be submitted.

Of lengths: what half of the runs stayed below, and between which most lay. Where enough runs had the same
time limit as the new job they speak for it by themselves; else all of them do, by the share of their limits
that they used. Only runs that came to an end of their own or at their limit count: a run that failed at once
says nothing of the next one's length.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import TypeVar

Amount = TypeVar("Amount", timedelta, float)

FEW = 5  # fewer say nothing
LOW, HIGH = 0.1, 0.9  # most: what lies between these shares


@dataclass(frozen=True, slots=True)
class EndedRun:
    """A run that ended.

    Attributes:
        length: from start to end.
        limit: its time limit, None where it had none.
        at_limit: whether Slurm ended it there.
    """

    length: timedelta
    limit: timedelta | None
    at_limit: bool = False


@dataclass(frozen=True, slots=True)
class Habit:
    """How long an owner's runs take.

    Attributes:
        runs: how many this rests on.
        length: what half of them stayed below.
        low: what one in ten stayed below.
        high: what nine in ten stayed below.
        share: of the limit that was used by the half of the runs that had one, None where none had.
        at_limit: how many were ended by their limit.
        same_limit: whether these are runs with the new job's own limit.
    """

    runs: int
    length: timedelta
    low: timedelta
    high: timedelta
    share: float | None
    at_limit: int
    same_limit: bool


@dataclass(frozen=True, slots=True)
class Punctuality:
    """How late jobs start after their planned time: ``usual`` half of them, ``most`` nine in ten at most."""

    jobs: int
    usual: timedelta
    most: timedelta


@dataclass(frozen=True, slots=True)
class Kept:
    """What came of the savings that plans had expected.

    Attributes:
        jobs: how many runs this rests on.
        expected_g: grams that their last plans expected to save.
        saved_g: grams that they saved, against the simple baseline.
    """

    jobs: int
    expected_g: float
    saved_g: float

    @property
    def share(self) -> float | None:
        """How much of what was expected came about, None where nothing was expected."""
        return self.saved_g / self.expected_g if self.expected_g > 0 else None


def kept(savings: Sequence[tuple[float, float]]) -> Kept | None:
    """Return what came of plans, None where too few say so.

    Args:
        savings: of each run, what was expected and what it saved, in grams.
    """
    if len(savings) < FEW:
        return None
    return Kept(len(savings), sum(it for it, _ in savings), sum(it for _, it in savings))


def habit(past: Sequence[EndedRun], limit: timedelta | None) -> Habit | None:
    """Return how long such a job is likely to take, None where too few runs say so.

    Args:
        past: the owner's.
        limit: of the new job, None where it has none; no run takes longer.
    """
    alike = [run for run in past if run.limit == limit]
    same = len(alike) >= FEW
    chosen = alike if same else [run for run in past if run.limit] if limit is not None else list(past)
    if len(chosen) < FEW:
        return None
    shares = sorted(run.length / run.limit for run in chosen if run.limit)
    if same or limit is None:
        lengths = sorted(run.length for run in chosen)
        low, half, high = (_quantile(lengths, share) for share in (LOW, 0.5, HIGH))
    else:
        low, half, high = (min(_quantile(shares, it), 1.0) * limit for it in (LOW, 0.5, HIGH))
    at_limit = sum(run.at_limit for run in chosen)
    share = _quantile(shares, 0.5) if shares else None
    return Habit(len(chosen), half, low, high, share, at_limit, same)


def punctuality(delays: Sequence[timedelta]) -> Punctuality | None:
    """Return how late jobs start after their planned time, None where too few say so."""
    if len(delays) < FEW:
        return None
    ordered = sorted(max(delay, timedelta()) for delay in delays)
    return Punctuality(len(ordered), _quantile(ordered, 0.5), _quantile(ordered, HIGH))


def _quantile(ordered: Sequence[Amount], share: float) -> Amount:
    """Return the smallest value below or at which a share of them lies."""
    return ordered[min(int(share * len(ordered)), len(ordered) - 1)]
