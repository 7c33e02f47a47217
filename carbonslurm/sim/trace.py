"""A trace as the simulator runs it: columns, in order of arrival, with the wait that each job allows.

A job's *unit* is what it occupies and what power is counted by: its CPUs, GPUs or nodes, whichever the
caller names. Its *class* is short or long, split at two hours of true length, as GAIA's two queues are: an
owner chooses the queue, so that the class, unlike the length, is known when the job arrives.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
import numpy.typing as npt

from carbonslurm.core.forecast import Floats
from carbonslurm.core.scene import Ints
from carbonslurm.errors import DataError
from carbonslurm.formats.traces import TracedJob, TracedJobs

SHORT = timedelta(hours=2)  # GAIA (ASPLOS 2024): its short queue takes jobs of up to two hours


@dataclass(frozen=True, slots=True)
class MaxWait:
    """How long jobs of each class may wait."""

    short: timedelta
    long: timedelta


@dataclass(frozen=True, slots=True)
class Reading:
    """How a trace is to be read.

    Attributes:
        unit: cpus, gpus or nodes.
        wait: what each class allows.
        anchor: the beginning of a trace of offsets; None refuses such a trace.
        shift: added to every time: whole weeks keep the day of the week.
    """

    unit: str
    wait: MaxWait
    anchor: datetime | None = None
    shift: timedelta = timedelta()


@dataclass(frozen=True, eq=False)
class Trace:
    """n jobs, by arrival.

    Attributes:
        jobs: n of them, as they were read.
        arrival: shape (n,), Unix seconds.
        length: shape (n,), true length in seconds.
        limit: shape (n,), time limit in seconds; NaN where none.
        units: shape (n,).
        wait: shape (n,), how long each may wait before it starts, seconds.
        short: shape (n,), whether it is of the short class.
        owner: shape (n,), a number for each user; -1 where the trace names none.
        flexible: shape (n,), whether its owner or the site was promised a latest start: the others have
            no wait, run as they come, and are late by nobody's doing.
        left_out: why jobs of the file are not here, and how many.
    """

    jobs: tuple[TracedJob, ...]
    arrival: Floats
    length: Floats
    limit: Floats
    units: Floats
    wait: Floats
    short: npt.NDArray[np.bool_]
    owner: Ints
    flexible: npt.NDArray[np.bool_]
    left_out: Mapping[str, int]

    def __len__(self) -> int:
        return len(self.jobs)

    def only(self, kept: npt.NDArray[np.bool_], why: str) -> "Trace":
        """Return the jobs that are kept; the others are counted under why."""
        if bool(kept.all()):
            return self
        jobs = tuple(job for job, keep in zip(self.jobs, kept, strict=True) if keep)
        return Trace(
            jobs=jobs,
            arrival=self.arrival[kept],
            length=self.length[kept],
            limit=self.limit[kept],
            units=self.units[kept],
            wait=self.wait[kept],
            short=self.short[kept],
            owner=self.owner[kept],
            flexible=self.flexible[kept],
            left_out=Counter(self.left_out) + Counter({why: int(np.count_nonzero(~kept))}),
        )


def lay_out(traced: TracedJobs, reading: Reading) -> Trace:
    """Return a trace in columns.

    Raises:
        DataError: it has no jobs, it is of offsets and there is no anchor, or no job has the unit.
    """
    if not traced.jobs:
        out = [f"{count} {why}" for why, count in traced.left_out.items() if count]
        raise DataError("no jobs in the trace" + (f"; left out: {', '.join(out)}" if out else ""))
    if not traced.dated and reading.anchor is None:
        raise DataError("the jobs have offsets instead of times: say when they begin, with --anchor")
    begin = 0.0 if traced.dated or reading.anchor is None else reading.anchor.timestamp()
    jobs = tuple(sorted(traced.jobs, key=lambda job: job.submitted))
    units = np.array([getattr(job, reading.unit) or 0.0 for job in jobs])
    if not bool((units > 0).any()):
        raise DataError(f"no job of the trace has {reading.unit}")
    length = np.array([job.length for job in jobs])
    short = length <= SHORT.total_seconds()
    trace = Trace(
        jobs=jobs,
        arrival=np.array([job.submitted for job in jobs]) + begin + reading.shift.total_seconds(),
        length=length,
        limit=np.array([np.nan if job.limit is None else job.limit for job in jobs]),
        units=units,
        wait=np.where(short, reading.wait.short.total_seconds(), reading.wait.long.total_seconds()),
        short=short,
        owner=_numbered([job.user for job in jobs]),
        flexible=np.ones(len(jobs), dtype=np.bool_),
        left_out=Counter(traced.left_out),
    )
    return trace.only(units > 0, f"without {reading.unit}")


def _numbered(names: Sequence[str]) -> Ints:
    numbers: dict[str, int] = {}
    return np.array(
        [numbers.setdefault(name, len(numbers)) if name else -1 for name in names], dtype=np.int64
    )


def peak(trace: Trace) -> float:
    """Return the most units that are busy at once when every job starts at its arrival."""
    moments = np.concatenate((trace.arrival, trace.arrival + trace.length))
    changes = np.concatenate((trace.units, -trace.units))
    order = np.lexsort((changes, moments))  # at one instant, what ends goes first
    return float(np.cumsum(changes[order]).max(initial=0.0))
