"""Budgets of emissions: what a user, an account or a partition may emit in a month, and what follows.

(The budget of calls to slurmctld is another thing: ``budget``.) A budget never rejects a job, and never makes
one wait past its own bound, which the site's maximum limits. It only decides how a flexible job is planned
once the month's grams are used up: as any other; or flexible by default; or for the greenest hours within its
bound.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from carbonslurm.core.job import JobKey, QueuedJob


class AtEnd(StrEnum):
    """What happens when a budget is used up.

    WARN says so and does nothing. FLEXIBLE lets jobs wait whose owners said nothing, as the site's policy has
    it. GREEN does that, too, and plans all flexible jobs for the greenest hours, whatever the site's policy.
    """

    WARN = "warn"
    FLEXIBLE = "flexible"
    GREEN = "green"


class OwnerKind(StrEnum):
    """Whose a budget is."""

    USER = "user"
    ACCOUNT = "account"
    PARTITION = "partition"


@dataclass(frozen=True, slots=True)
class Allowance:
    """One budget.

    Attributes:
        kind: whose it is.
        name: of the user, account or partition.
        grams: of CO2e, per month by the machine's clocks.
        at_end: what happens when they are used up.
    """

    kind: OwnerKind
    name: str
    grams: float
    at_end: AtEnd = AtEnd.WARN

    @property
    def owner(self) -> str:
        """Whose it is, in words."""
        return f"{self.kind} {self.name}"

    def concerns(self, user: str | None, account: str | None, partition: str | None) -> bool:
        """Tell whether jobs of these count in it."""
        mine = {OwnerKind.USER: user, OwnerKind.ACCOUNT: account, OwnerKind.PARTITION: partition}
        return mine[self.kind] == self.name


@dataclass(frozen=True, slots=True)
class Standing:
    """How a budget stands in a month.

    Attributes:
        allowance: the budget.
        month: such as ``2026-11``.
        used_g: grams of the runs that started in it and have a figure.
        runs: how many started in it.
        unknown: how many of them are not in ``used_g``: without a figure, or with grams of another nature.
    """

    allowance: Allowance
    month: str
    used_g: float
    runs: int = 0
    unknown: int = 0

    @property
    def left_g(self) -> float:
        """Grams that are left; negative where more was emitted."""
        return self.allowance.grams - self.used_g

    @property
    def share(self) -> float:
        """Used, as a share of the budget."""
        return self.used_g / self.allowance.grams

    @property
    def is_used_up(self) -> bool:
        """Whether nothing is left."""
        return self.left_g <= 0


def effects(jobs: Iterable[QueuedJob], standings: Sequence[Standing]) -> Mapping[JobKey, Allowance]:
    """Return for each job the used-up budget that decides how it is planned; jobs without one are left out.

    Of several the strictest counts, and of equals the first. One that only warns decides nothing.
    """
    if not any(it.is_used_up for it in standings):
        return {}
    found = {job.key: effect_on(job.user, job.account, job.partition, standings) for job in jobs}
    return {key: allowance for key, allowance in found.items() if allowance is not None}


def effect_on(
    user: str | None, account: str | None, partition: str | None, standings: Sequence[Standing]
) -> Allowance | None:
    """Return the used-up budget that decides how a job of these is planned, None where there is none."""
    mine = [
        it.allowance
        for it in standings
        if it.is_used_up and it.allowance.at_end is not AtEnd.WARN
        if it.allowance.concerns(user, account, partition)
    ]
    return min(mine, key=lambda it: it.at_end is not AtEnd.GREEN, default=None)
