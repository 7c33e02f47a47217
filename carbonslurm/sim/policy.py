"""What the engine asks of a policy: the seam between the simulator and ``core``.

A ``Strategy`` holds one policy as the engine runs it. It has one of three shapes:

- a ``Pacing`` decides for one job at a time whether it runs now, and when it wants to be asked again;
- a ``Planner`` (``core.scene``) places all waiting jobs together, each cycle, and may stop running ones;
- a ceiling says how many units may be busy, and leaves the jobs to the queue.

The policies of ``core.policies`` and ``core.scene`` are the functions that the daemon calls, unchanged.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from carbonslurm.core.forecast import Floats
from carbonslurm.core.scene import Planner, StopCost
from carbonslurm.sim.foresight import Foresight


@dataclass(frozen=True, slots=True)
class Asked:
    """One job at one moment.

    Attributes:
        job: its index in the trace.
        now: Unix seconds.
        worked: seconds of its work that are done.
        running: whether it runs.
    """

    job: int
    now: float
    worked: float
    running: bool


@dataclass(frozen=True, slots=True)
class Wish:
    """Whether the job is to run, and until when that holds (infinite: for good)."""

    run: bool
    until: float


class Pacing(Protocol):
    """A policy that decides for one job at a time."""

    def wish(self, asked: Asked) -> Wish:
        """Return whether a job is to run now."""
        ...


@dataclass(frozen=True, eq=False)
class Strategy:
    """A policy as the engine runs it.

    Attributes:
        name: of the policy.
        foresight: which forecasts it sees; the engine asks it for nothing else.
        discipline: of the queue behind it.
        pacing: see the module; None where a planner or nobody decides.
        planner: see the module.
        ceiling: units that may be busy at a moment; None for all of them.
        pauses: whether a running job is asked, too.
        stops: whether the planner stops jobs.
        stop_cost: what a pause or a stop costs.
        cycle: seconds between two questions to the planner.
        length: the estimate that its definition names; None for the one that the user chose.
        edges: moments at which room may change, besides those of the forecasts.
    """

    name: str
    foresight: Foresight
    discipline: str = "first-fit"
    pacing: Pacing | None = None
    planner: Planner | None = None
    ceiling: Callable[[float], float] | None = None
    pauses: bool = False
    stops: bool = False
    stop_cost: StopCost = field(default_factory=StopCost)
    cycle: float = 600.0
    length: str | None = None
    edges: Floats | None = None

    def news(self, since: float) -> Floats:
        """Shape (k,): the moments after some moment at which something new is to be seen."""
        moments = self.foresight.moments
        if self.edges is not None:
            moments = np.union1d(moments, self.edges)
        return np.asarray(moments[moments > since], dtype=float)
