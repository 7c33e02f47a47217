"""What became of a trace: the columns that the engine hands on, from which every figure is worked out."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from carbonslurm.core.forecast import Floats
from carbonslurm.core.scene import Ints
from carbonslurm.sim.life import Life


@dataclass(frozen=True, eq=False)
class Outcome:
    """What became of a trace; n jobs, m runs.

    Attributes:
        first_start: shape (n,), Unix seconds.
        end: shape (n,).
        run_job: shape (m,), whose run it is.
        run_start: shape (m,).
        run_end: shape (m,).
        stops: shape (n,), how often each was paused or stopped.
        lost: shape (n,), seconds of its runs that were no work: done again, or loading checkpoints.
        timed_out: shape (n,), how often a run of it met its time limit with work left.
        pool: shape (n,), the pool that each ran in.
    """

    first_start: Floats
    end: Floats
    run_job: Ints
    run_start: Floats
    run_end: Floats
    stops: Ints
    lost: Floats
    timed_out: Ints
    pool: Ints = field(default_factory=lambda: np.empty(0, dtype=np.int64))


def outcome_of(
    lives: Sequence[Life], runs: Sequence[tuple[int, float, float]], pool_of: Sequence[int]
) -> Outcome:
    """Return the columns.

    Args:
        lives: of all jobs, at their end.
        runs: (job, start, end) of each run.
        pool_of: the pool of each job.
    """

    def column(name: str) -> list[float]:
        return [getattr(life, name) for life in lives]

    jobs, starts, ends = zip(*runs, strict=True) if runs else ((), (), ())
    return Outcome(
        first_start=np.array(column("first_start")),
        end=np.array(column("end")),
        run_job=np.array(jobs, dtype=np.int64),
        run_start=np.array(starts, dtype=float),
        run_end=np.array(ends, dtype=float),
        stops=np.array(column("stops"), dtype=np.int64),
        lost=np.array(column("lost")),
        timed_out=np.array(column("timed_out"), dtype=np.int64),
        pool=np.array(pool_of, dtype=np.int64),
    )


def joined_outcomes(parts: Sequence[tuple[Ints, Ints, Outcome]], jobs: int) -> Outcome:
    """Return one outcome from several that lived apart.

    Args:
        parts: each with the places of its jobs among all, and of its pools among all.
        jobs: how many there are.
    """
    whole = Outcome(
        first_start=np.empty(jobs),
        end=np.empty(jobs),
        run_job=np.concatenate([places[part.run_job] for places, _, part in parts]),
        run_start=np.concatenate([part.run_start for *_, part in parts]),
        run_end=np.concatenate([part.run_end for *_, part in parts]),
        stops=np.empty(jobs, dtype=np.int64),
        lost=np.empty(jobs),
        timed_out=np.empty(jobs, dtype=np.int64),
        pool=np.empty(jobs, dtype=np.int64),
    )
    for places, pools, part in parts:
        for name in ("first_start", "end", "stops", "lost", "timed_out"):
            getattr(whole, name)[places] = getattr(part, name)
        whole.pool[places] = pools[part.pool]
    return whole
