"""How long a run is predicted to take.

The owner's own word (``length=`` in the tag) counts first. Else, where past runs are looked at, what they
teach (``Past``, by ``core.runtime``): the owner's runs, judged by those of the account, those by those of the
partition, those by the shares of their limits that runs have lasted, and those by the limit. Else the time
limit. None may exceed the limit, since Slurm ends the run there. Where there is no limit at all the site's
assumption stands in.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cached_property
from typing import NamedTuple

import numpy as np

from carbonslurm.core.forecast import Floats
from carbonslurm.core.job import QueuedJob, Tres
from carbonslurm.core.runtime import SHORTEST, Runs, Survival, learned

QUANTILES = np.array([0.1, 0.3, 0.5, 0.7, 0.9])
MEDIAN = 2  # of them
OUTLIVED = 0.1  # of what it has lasted: the rest of a run that outlived its prediction
_Key = tuple[str, str, str, float]  # owner, account, partition, limit in seconds
REMEMBERED = 1000  # runs of a circle, the newest: what a survival curve is made of


@dataclass(frozen=True, slots=True)
class PastRun:
    """One attempt of a job, for what it says of others.

    Attributes:
        seconds: how long it has lasted, above zero.
        ended: whether it came to its own end; one that was requeued, or runs still, lasts longer.
        flex: how long its job could wait; None where it was not flexible.
    """

    user: str
    account: str
    partition: str
    submitted: datetime
    seconds: float
    ended: bool
    time_limit: timedelta | None
    tres: Tres
    flex: timedelta | None = None


class Expected(NamedTuple):
    """What a run is expected to last that has not begun.

    Attributes:
        rests: shape (5,), equally likely lengths, seconds.
        length: the middle one, in whole seconds.
    """

    rests: Floats
    length: timedelta


@dataclass(frozen=True, eq=False)
class Past:
    """What past runs teach of lengths.

    Attributes:
        runs: the newest first.
    """

    runs: Sequence[PastRun]
    _circles: dict[tuple[str, str], Runs] = field(init=False, default_factory=dict)
    _curves: dict[_Key, Survival] = field(init=False, default_factory=dict)
    _whole: dict[tuple[str, str, str, timedelta | None, timedelta], Expected] = field(
        init=False, default_factory=dict
    )

    def __post_init__(self) -> None:
        members: defaultdict[tuple[str, str], list[PastRun]] = defaultdict(list)
        for run in self.runs:
            for circle in (("user", run.user), ("account", run.account), ("partition", run.partition)):
                if len(members[circle]) < REMEMBERED:
                    members[circle].append(run)
        self._circles.update({name: _together(found) for name, found in members.items()})

    @cached_property
    def first(self) -> datetime | None:
        """When the first of them was submitted; None where there are none."""
        return min((run.submitted for run in self.runs), default=None)

    @cached_property
    def _submitted(self) -> Floats:
        return np.array([run.submitted.timestamp() for run in self.runs], dtype=float)

    def submitted_within(self, since: float, until: float) -> list[PastRun]:
        """Return the runs submitted after one moment and up to another, Unix seconds, in their order."""
        within = (since < self._submitted) & (self._submitted <= until)
        return [self.runs[place] for place in np.flatnonzero(within).tolist()]

    @cached_property
    def _shares(self) -> Runs:
        """Shares of their limits that runs have lasted."""
        limited = [run for run in self.runs if run.time_limit][:REMEMBERED]
        shares = [
            (run.seconds / run.time_limit.total_seconds(), run.ended) for run in limited if run.time_limit
        ]
        ended = np.array([share for share, over in shares if over], dtype=float)
        return Runs(ended, np.array([share for share, over in shares if not over], dtype=float))

    def expected(self, job: QueuedJob, assumed: timedelta) -> Expected:
        """Return how long a run is expected to last that has not begun; ``assumed`` as for ``rests``."""
        key = job.user, job.account, job.partition, job.time_limit, assumed
        found = self._whole.get(key)
        if found is None:
            rests = self.rests(job, assumed, 0.0)
            found = self._whole[key] = Expected(rests, _whole_seconds(rests))
        return found

    def rests(self, job: QueuedJob, assumed: timedelta, done: float) -> Floats:
        """Return what is left of a run that has lasted so many seconds, shape (5,).

        Nothing lasts beyond its limit; ``assumed`` stands in for that where there is none.
        """
        limit = job.time_limit
        curve = self.curve(job, assumed if limit is None else limit)
        most = np.inf if limit is None else max(limit.total_seconds() - done, 1.0)
        return np.asarray(np.minimum(curve.rests(np.array([done]), QUANTILES)[0], most), dtype=float)

    def curve(self, job: QueuedJob, longest: timedelta) -> Survival:
        """Return the survival curve of a job, given its limit or what stands in for it.

        Where nothing was learned yet it is the limit itself: whoever knows less must not expect less.
        """
        seconds, key = longest.total_seconds(), _key(job, longest)
        if key not in self._curves:
            names = (("partition", job.partition), ("account", job.account), ("user", job.user))
            shares = Runs(self._shares.ended * seconds, self._shares.lasting * seconds)
            circles = [shares, *(self._circles[name] for name in names if name in self._circles)]
            limit = Survival(np.array([seconds]), np.zeros(1), OUTLIVED * seconds)
            self._curves[key] = learned([it for it in circles if len(it.ended) or len(it.lasting)], limit)
        return self._curves[key]


def _key(job: QueuedJob, longest: timedelta) -> _Key:
    return job.user, job.account, job.partition, longest.total_seconds()


def _together(runs: Sequence[PastRun]) -> Runs:
    ended = np.array([run.seconds for run in runs if run.ended], dtype=float)
    return Runs(ended, np.array([run.seconds for run in runs if not run.ended], dtype=float))


def predicted_length(job: QueuedJob, assumed: timedelta, past: Past | None = None) -> timedelta:
    """Return the predicted length of a whole run.

    Args:
        job: pending or running.
        assumed: for a job without a limit that says nothing of itself.
        past: of which the median is taken; None where past runs are not looked at.
    """
    if past is None:
        declared = job.tag.length if job.tag else None
        return min((it for it in (declared, job.time_limit) if it is not None), default=assumed)
    if _declared(job) is None:
        return past.expected(job, assumed).length
    return _whole_seconds(rests(job, timedelta(), assumed, past))


def predicted_rest(
    job: QueuedJob, lasted: timedelta, assumed: timedelta, past: Past | None = None
) -> timedelta:
    """Return what is left of a run as predicted; zero or less where nothing is known of one that is over."""
    if past is None or _declared(job) is not None:
        return predicted_length(job, assumed) - lasted
    return timedelta(seconds=round(float(rests(job, lasted, assumed, past)[MEDIAN])))


def rests(job: QueuedJob, lasted: timedelta, assumed: timedelta, past: Past | None) -> Floats:
    """Return what is left of a run as equally likely lengths, shape (5,), seconds, above zero.

    Args:
        job: pending or running.
        lasted: how long it has run.
        assumed: for a job without a limit that says nothing of itself.
        past: None where past runs are not looked at.
    """
    done = lasted.total_seconds()
    declared = _declared(job)
    if past is not None and declared is None:
        return past.rests(job, assumed, done) if done > 0 else past.expected(job, assumed).rests
    whole = (declared or (assumed if job.time_limit is None else job.time_limit)).total_seconds()
    return np.full(len(QUANTILES), max(whole - done, OUTLIVED * done, min(SHORTEST, whole)))


def whole_rests(jobs: Sequence[QueuedJob], assumed: timedelta, past: Past | None) -> Floats:
    """Return the lengths of runs that have not begun, shape (n, 5): ``rests`` of many at once."""
    if past is None or not jobs:
        whole = [(_declared(job) or job.time_limit or assumed).total_seconds() for job in jobs]
        return np.repeat(np.array(whole, dtype=float)[:, None], len(QUANTILES), axis=1)
    rows = [past.expected(job, assumed).rests if _declared(job) is None else None for job in jobs]
    none = timedelta()
    found = [
        rests(job, none, assumed, None) if row is None else row for job, row in zip(jobs, rows, strict=True)
    ]
    return np.concatenate(found).reshape(len(jobs), len(QUANTILES))


def _whole_seconds(rests: Floats) -> timedelta:
    return timedelta(seconds=max(round(float(rests[MEDIAN])), 1))


def _declared(job: QueuedJob) -> timedelta | None:
    length = job.tag.length if job.tag else None
    return length if length is None or job.time_limit is None else min(length, job.time_limit)
