"""By what means a job is made to wait, which the site chooses per partition; the three of docs/policies.md.

``begin`` sets its begin time: Slurm starts it by itself, whoever is alive. ``hold`` is a user hold, which its
owner can release, and which needs us (or the rescue) to end. ``gate`` is a licence that flexible jobs carry
and that a short reservation takes away while the gate is shut: one change of state for all of them.

Where Slurm does not bear a hold or a gate, begin times take its place. A job goes by its partition's means
only where that suits it. Slurm turns a user hold on a job with unmet
dependencies into an admin's, which its owner could not release; and a gate holds only jobs that carry its
licence, which the hook gives at submit. Those wait by their begin time, which suits every job.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from carbonslurm.core.job import QueuedJob


class Means(StrEnum):
    """How withholding is done in Slurm, as the configuration and the ledger spell it."""

    BEGIN = "begin"
    HOLD = "hold"
    GATE = "gate"


@dataclass(frozen=True, slots=True)
class MarkedHold:
    """A job that says itself that we hold it.

    Attributes:
        until: when it may be held at the latest.
        since: from when on waiting has cost it its age, None where it does not show that (it waited for
            others).
    """

    spec: str
    until: datetime
    since: datetime | None = None


@dataclass(frozen=True, slots=True)
class GateRules:
    """The site's gate.

    Attributes:
        licence: what flexible jobs carry, one each.
        count: how many of it slurm.conf has.
        keep_open: how many flexible jobs may run while the gate is shut; 0 shuts it for all.
        life: the reservation ends so long after we were last alive.
    """

    licence: str = "carbon"
    count: int = 100_000
    keep_open: int = 0
    life: timedelta = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class MeansRules:
    """The site's choice of means.

    Attributes:
        default: for partitions that are not named.
        partitions: by name.
        gate: None where no partition uses it.
    """

    default: Means = Means.BEGIN
    partitions: Mapping[str, Means] = field(default_factory=dict)
    gate: GateRules | None = None

    def of(self, job: QueuedJob) -> Means:
        """Return by what means this job is to wait; by its begin time where its partitions differ."""
        if not self.partitions and self.default is Means.BEGIN:
            return Means.BEGIN
        names = job.partitions or (job.partition,)
        each = {self.partitions.get(name, self.default) for name in names}
        wanted = each.pop() if len(each) == 1 else Means.BEGIN
        suits = {
            Means.BEGIN: True,
            Means.HOLD: not job.waits_for_others,
            Means.GATE: job.gated,
        }
        return wanted if suits[wanted] else Means.BEGIN

    def without(self, refused: Collection[Means]) -> "MeansRules":
        """Return the same with begin times in place of means that this Slurm does not bear."""
        begin = dict.fromkeys(refused, Means.BEGIN)
        partitions = {name: begin.get(means, means) for name, means in self.partitions.items()}
        gate = None if Means.GATE in begin else self.gate
        return MeansRules(begin.get(self.default, self.default), partitions, gate)

    def in_use(self) -> frozenset[Means]:
        """Return every means that some partition uses."""
        return frozenset({self.default, *self.partitions.values()})
