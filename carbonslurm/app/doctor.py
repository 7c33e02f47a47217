"""doctor: everything that we need, looked at once, one line each. It changes nothing."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from carbonslurm.errors import CarbonslurmError


@dataclass(frozen=True, slots=True)
class Finding:
    """What one look found."""

    name: str
    ok: bool
    finding: str


@dataclass(frozen=True, slots=True)
class Look:
    """One thing to look at: returns what it found, or raises what is wrong with it."""

    name: str
    take: Callable[[], str]


@dataclass(frozen=True, slots=True)
class Doctor:
    """All the looks."""

    looks: Sequence[Look]

    def run(self) -> list[Finding]:
        """Take every look; one that fails stops none of the others."""
        return [_take(look) for look in self.looks]


def _take(look: Look) -> Finding:
    try:
        return Finding(look.name, ok=True, finding=look.take())
    except CarbonslurmError as error:
        return Finding(look.name, ok=False, finding=str(error))
