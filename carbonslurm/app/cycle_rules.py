"""The site's choices for cycles: how to plan, by which forecast, where only to watch, how much at once."""

from dataclasses import dataclass, field

from carbonslurm.core.choice import ForecastRules
from carbonslurm.core.job import QueuedJob
from carbonslurm.core.situation import PlanRules


@dataclass(frozen=True, slots=True)
class CycleRules:
    """The site's choices for cycles.

    Attributes:
        plan: how to plan.
        forecasts: which forecast counts.
        updates: the most jobs that one cycle changes; fewer where slurmctld limits rates.
        observe: the partitions for which is written what would be done, and nothing is done; ``*`` is all.
        compensate: give jobs back what waiting cost them in priority.
        cluster: whose past runs say how long jobs run.
        learn: whether they are asked.
    """

    plan: PlanRules
    forecasts: ForecastRules = field(default_factory=ForecastRules)
    updates: int = 500
    observe: frozenset[str] = frozenset()
    compensate: bool = False
    cluster: str = ""
    learn: bool = False

    def watches(self, job: QueuedJob) -> bool:
        """Whether nothing is to be done to a job: one of its partitions is only watched."""
        return "*" in self.observe or not self.observe.isdisjoint((job.partition, *job.partitions))
