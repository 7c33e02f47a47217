"""One job's life in the engine: where it is, and what is left of it."""

from dataclasses import dataclass
from enum import IntEnum

from carbonslurm.sim.pools import Place

NEVER = float("inf")


class State(IntEnum):
    """Where a job is in its life."""

    AHEAD = 0
    WITHHELD = 1
    QUEUED = 2
    RUNNING = 3
    DONE = 4


@dataclass(slots=True)
class Life:
    """A job between its events; all times in Unix seconds, all lengths in seconds.

    Attributes:
        left: running that is still needed, lost work and restarts included.
        state: where it is.
        started: this run's start, or the last one's.
        run: how many runs have begun or ended: an end that was foreseen for another run is none.
        place: what it occupies.
        wake_at: when its policy is asked next.
        planned: the start that a planner answered last; NaN before.
        first_start: NaN before.
        end: NaN before.
        lasted: all its ended runs together.
        stops: how often it was paused or stopped.
        lost: of its runs, what was no work: done again, or writing and loading checkpoints.
        timed_out: how often a run met its time limit with work left.
        saving: whether it runs only to write its checkpoint.
    """

    left: float
    state: State = State.AHEAD
    started: float = 0.0
    run: int = 0
    place: Place = ()
    wake_at: float = NEVER
    planned: float = float("nan")
    first_start: float = float("nan")
    end: float = float("nan")
    lasted: float = 0.0
    stops: int = 0
    lost: float = 0.0
    timed_out: int = 0
    saving: bool = False
