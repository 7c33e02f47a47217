"""Why a job that was placed together with others starts when it does: one line each, for carbon-squeue."""

import numpy as np

from carbonslurm.core.forecast import Floats
from carbonslurm.core.line import Flags
from carbonslurm.core.patience import Ints

SPENT = "it may wait no longer"
NO_ROOM = "it would run now, but there is no room: it starts as soon as there is"


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
    slot = np.clip(slots, 0, len(intensity) - 1)
    now, then, price = float(intensity[0]), intensity[slot], scarcity[slot]
    lines = []
    for index in range(len(slots)):
        if must[index]:
            lines.append(SPENT)
        elif chosen[index]:
            lines.append(f"{now:.0f} g/kWh now, and waiting would not pay")
        elif wishes[index]:
            lines.append(NO_ROOM)
        elif price[index] >= 1:
            lines.append(f"{then[index]:.0f} g/kWh then, {now:.0f} now; room is scarce then")
        else:
            lines.append(f"{then[index]:.0f} g/kWh then, {now:.0f} now; there is room then")
    return tuple(lines)
