"""What a policy sees that places all jobs together, and what it answers.

A ``Planner`` is a pure function from a ``Scene`` (the jobs that wait, those that run, room and forecast at
one moment) to a ``Placement`` (when each waiting job is to start, which running ones are to stop). It is
asked again each cycle with the newest of all four, and is told what it answered last, so that it need not
remember anything. What it does not place is let go, to wait in the queue like everybody else's jobs.

Jobs are columns, not objects: shape (n,) arrays aligned with ``ids``, so that a hundred thousand of them can
be placed by numpy. All times are Unix seconds, all lengths seconds.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from carbonslurm.core.forecast import Band, Floats, Series
from carbonslurm.core.patience import Patience

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class WaitingJobs:
    """Jobs that could start now or later, in the order of the queue.

    Attributes:
        ids: shape (n,), what names a job between cycles.
        arrived: shape (n,), since when it waits.
        earliest: shape (n,), the first moment it may start, never before now.
        latest: shape (n,), the last moment at which it was promised to start, or to start again: later by
            the work that is done already, so that all its waiting counts together. Before now where the
            promise is broken already, equal to ``earliest`` for a job that is not flexible.
        length: shape (n,), what is left of its run as predicted, with the time to load its checkpoint.
        longest: shape (n,), likewise, pessimistic: its time limit where it has one, else as ``length``.
        units: shape (n,), what it occupies of its pool.
        pool: shape (n,), index into the scene's pools.
        owner: shape (n,), a number for each owner.
        planned: shape (n,), the start that was answered last; NaN where it is new.
        stops: shape (n,), how often it was stopped.
        rests: shape (n, q), what is left of its run as equally likely lengths; one column repeats ``length``
            where nothing more is known.
        choices: shape (n, p), the pools that each may start in, ``pool`` being where it and its data are;
            None where each stays there.
        watts: shape (n,), W of each job, to weigh its run against moving its data; None with ``choices``.
        data_gb: shape (n,), what has to be moved with it; likewise.
    """

    ids: Ints
    arrived: Floats
    earliest: Floats
    latest: Floats
    length: Floats
    longest: Floats
    units: Floats
    pool: Ints
    owner: Ints
    planned: Floats
    stops: Ints
    rests: Floats
    choices: npt.NDArray[np.bool_] | None = None
    watts: Floats | None = None
    data_gb: Floats | None = None


@dataclass(frozen=True, eq=False)
class RunningJobs:
    """Jobs that hold units now.

    Attributes:
        ids: shape (n,).
        started: shape (n,), when this run began.
        rest: shape (n,), what is left of it as predicted, above zero: a run that outlived its prediction has
            some share of its elapsed time left.
        latest: shape (n,), the last moment at which it may start again if it is stopped now.
        units: shape (n,).
        pool: shape (n,).
        owner: shape (n,).
        stops: shape (n,), how often it was stopped.
        can_stop: shape (n,), whether it can be stopped now.
        rests: shape (n, q), see WaitingJobs.
    """

    ids: Ints
    started: Floats
    rest: Floats
    latest: Floats
    units: Floats
    pool: Ints
    owner: Ints
    stops: Ints
    can_stop: npt.NDArray[np.bool_]
    rests: Floats


@dataclass(frozen=True, slots=True)
class StopCost:
    """What a stop costs, in seconds of the job's units.

    Attributes:
        lost: work that was done and is done again.
        checkpoint: writing the checkpoint, before the units are given back.
        restart: loading the checkpoint, before work goes on.
        min_run: no run is stopped before it has lasted so long, nor when less than that is left.
        max_stops: for each job.
    """

    lost: float = 0.0
    restart: float = 0.0
    min_run: float = 0.0
    max_stops: int = 1_000_000
    checkpoint: float = 0.0

    @property
    def again(self) -> float:
        """All that is run and is no work."""
        return self.lost + self.checkpoint + self.restart


@dataclass(frozen=True, eq=False)
class Arrivals:
    """What came lately, and so may be expected to come: shape (n,) each, but for ``rests``, shape (n, q).

    Attributes:
        span: seconds in which these jobs came.
        slack: seconds that each could wait at its arrival.
        rests: seconds, equally likely lengths.
        units: of its pool.
        pool: index into the scene's pools.
    """

    span: float
    slack: Floats
    rests: Floats
    units: Floats
    pool: Ints


@dataclass(frozen=True, eq=False)
class Scarcity:
    """What a unit of each pool was found to be worth on top of its intensity.

    Attributes:
        since: where the first slot begins, Unix seconds.
        slot: seconds.
        g_per_kwh: shape (p, t).
        found_at: the moment of the search.
        tables: p of them, what waiting is worth at these prices; None where none was needed.
    """

    since: float
    slot: float
    g_per_kwh: Floats
    found_at: float
    tables: tuple[Patience | None, ...] = ()


@dataclass(frozen=True, eq=False)
class Scene:
    """Everything that may be known at one moment.

    Attributes:
        now: the moment.
        waiting: jobs to be placed.
        running: jobs that hold units.
        room: shape (p,), units of each pool; infinite where nothing limits them.
        forecasts: p of them, the forecast that holds for each pool, covering now; None where there is none.
        bands: p of them, how sure each forecast is; None where nobody says.
        stop: what a stop costs.
        cycle: how long until it is asked again.
        arrivals: what came lately; None where nobody knows.
        scarcity: what the last placement found; None before.
    """

    now: float
    waiting: WaitingJobs
    running: RunningJobs
    room: Floats
    forecasts: tuple[Series | None, ...]
    bands: tuple[Band | None, ...]
    stop: StopCost
    cycle: float
    arrivals: Arrivals | None = None
    scarcity: Scarcity | None = None


@dataclass(frozen=True, slots=True)
class Stop:
    """Stop a running job, to go on at a moment that the next cycles may still move."""

    job: int
    restart_at: float


@dataclass(frozen=True, eq=False)
class Placement:
    """When each job is to start, and which are to stop.

    Attributes:
        starts: shape (n,), aligned with the scene's waiting jobs; at or before now is at once. NaN leaves a
            job to the queue: it starts when there is room, in its order.
        stops: of running jobs.
        scarcity: for the next scene.
        reasons: why each waiting job starts then, one line each; empty where nobody says.
        pools: shape (n,), where each is to start; None leaves each where it is.
        order: shape (n,), Unix seconds, the place of each in the queue, the lowest first; NaN where the
            queue's own order counts, None where it does for all.
    """

    starts: Floats
    stops: tuple[Stop, ...] = field(default=())
    scarcity: Scarcity | None = None
    reasons: tuple[str, ...] = field(default=())
    pools: Ints | None = None
    order: Floats | None = None


Planner = Callable[[Scene], Placement]
