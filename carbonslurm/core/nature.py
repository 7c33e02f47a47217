"""What kind of number an intensity is; it travels with every value.

In a module of its own, so that a command that only shows figures need not import numpy (0.1 s).
"""

from dataclasses import dataclass
from enum import StrEnum


class Kind(StrEnum):
    """Whether a number speaks of all generation or of the next plant."""

    AVERAGE = "average"
    MARGINAL = "marginal"


class Scope(StrEnum):
    """What a number includes, in the provider's own terms."""

    LIFECYCLE = "lifecycle"
    DIRECT = "direct"
    OPERATIONAL = "operational"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Nature:
    """Kind and scope: what must be equal before two intensities may meet."""

    kind: Kind
    scope: Scope

    def __str__(self) -> str:
        return f"{self.kind}, {self.scope}"
