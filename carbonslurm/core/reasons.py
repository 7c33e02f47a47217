"""Why a job that was placed together with others starts when it does: one line each, for carbon-squeue."""

import numpy as np

from carbonslurm.core.forecast import Floats
from carbonslurm.core.line import Flags
from carbonslurm.core.patience import Ints

SPENT = "it may wait no longer"
NO_ROOM = "it would run now, but there is no room: it starts as soon as there is"
SCARCE = 1.0  # g/kWh: a price from which on room is said to be scarce


def reasons(
    must: Flags, wishes: Flags, chosen: Flags, slots: Ints, intensity: Floats, scarcity: Floats
) -> tuple[str, ...]:
    """Return the reasons of n jobs.

    Args:
        must: shape (n,), who may wait no longer.
        wishes: shape (n,), who would run now.
        chosen: shape (n,), who runs now.
        slots: shape (n,), in which slot each starts.
        intensity: shape (t,), g/kWh.
        scarcity: shape (t,), g/kWh.
    """
    here = [SPENT, f"{intensity[0]:.0f} g/kWh now, and waiting would not pay", NO_ROOM]
    # There are as many different lines as slots, however many jobs there are.
    lines = np.array([*here, *_later(intensity, scarcity)], dtype=object)
    slot = np.clip(slots, 0, len(intensity) - 1)
    return tuple(lines[np.select([must, chosen, wishes], [0, 1, 2], len(here) + slot)].tolist())


def _later(intensity: Floats, scarcity: Floats) -> list[str]:
    """Return what is said of each slot."""
    now = f"{intensity[0]:.0f} now"
    room = ["room is scarce then" if price >= SCARCE else "there is room then" for price in scarcity.tolist()]
    return [f"{then:.0f} g/kWh then, {now}; {it}" for then, it in zip(intensity.tolist(), room, strict=True)]
