"""One job's life in the engine: where it is, and what is left of it."""

from dataclasses import dataclass
from enum import IntEnum

from carbonslurm.core.scene import StopCost

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
        wake_at: when its policy is asked next.
        planned: the start that a planner answered last; NaN before.
        order: its place in the queue as a planner answered last; NaN for the queue's own.
        aim: the pool that a planner answered last; -1 for its own.
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
    wake_at: float = NEVER
    planned: float = float("nan")
    aim: int = -1
    order: float = float("nan")
    first_start: float = float("nan")
    end: float = float("nan")
    lasted: float = 0.0
    stops: int = 0
    lost: float = 0.0
    timed_out: int = 0
    saving: bool = False

    def stops_from(self, cost: StopCost, length: float, now: float) -> float:
        """Return from when its policy may pause it, by the limits for stops; its length is predicted."""
        ready = self.started + cost.min_run
        rest = length + self.lost - self.lasted - (now - self.started)
        spent = self.stops >= cost.max_stops or (now >= ready and 0 < rest < cost.min_run)
        return NEVER if spent else ready

    def stop(self, worked: float, cost: StopCost) -> None:
        """Lose what a run did since its last checkpoint, and the time to write one and to load it again."""
        again = min(cost.lost, worked) + cost.checkpoint + cost.restart
        self.left += again - (worked + cost.checkpoint)
        self.saving = False
        self.lost += again
        self.stops += 1
        self.state = State.WITHHELD

    def never_ran(self, started: float) -> None:
        """Forget the run that began and ended at one instant."""
        if self.first_start == started:
            self.first_start = float("nan")
        self.state = State.WITHHELD
