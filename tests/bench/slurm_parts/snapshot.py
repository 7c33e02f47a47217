"""The snapshot as text, with all the fields that we ask for, beside squeue's JSON of the same queue."""

from __future__ import annotations

import sys
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

from carbonslurm.formats.marks import Marks
from carbonslurm.formats.squeue import snapshot_argv
from slurm_parts.place import meter

if TYPE_CHECKING:
    from collections.abc import Sequence

    from carbonslurm.sandbox.stage import Stage
    from slurm_parts.place import Cost

ROUNDS = 7
FORMS = {"text": snapshot_argv(Marks("~01234567~", "~01234567.")), "json": ["squeue", "--json"]}


def measure(stage: Stage) -> dict[str, Any]:
    """Read the queue in both forms, in turn; medians of what it cost."""
    found: dict[str, list[tuple[float, int, float]]] = {name: [] for name in FORMS}
    costs: dict[str, list[Cost]] = {name: [] for name in FORMS}
    reading = meter(stage, None)
    for _ in range(ROUNDS):
        for name, argv in FORMS.items():
            with reading.measuring(costs[name]):
                found[name].append(read(stage, argv))
    return {
        name: {
            "seconds": round(median(row[0] for row in rows), 3),
            "bytes": rows[0][1],
            "memory_mb": round(median(row[2] for row in rows), 1),
            # One of the calls is the sdiag that was asked before.
            "calls": median(cost.calls for cost in costs[name]) - 1,
            "handled": round(median(cost.handled for cost in costs[name]), 4),
        }
        for name, rows in found.items()
    }


def read(stage: Stage, argv: Sequence[str]) -> tuple[float, int, float]:
    """Run a command once: its seconds, the bytes that it printed, and the most memory that it held in MB."""
    target = stage.sandbox.work / "printed"
    words = [sys.executable, "-I", "-S", str(Path(__file__).with_name("measured.py")), str(target)]
    words += [str(stage.sandbox.bin / argv[0]), *argv[1:]]
    environment = {"SLURM_TIME_FORMAT": "%s", "SLURM_BITSTR_LEN": "0"}
    seconds, memory = stage.sandbox.run(words, env=environment).stdout.split()
    return float(seconds), target.stat().st_size, float(memory)


def table(found: dict[str, Any]) -> list[str]:
    """Lines for people."""
    lines = [
        "    the queue, read",
        f"{'':<28} {'RPCs':>7} {'wall s':>8} {'RPC s':>8} {'MB':>8} {'memory MB':>11}",
    ]
    return lines + [
        f"{f'squeue, {name}':<28} {row['calls']:>7.0f} {row['seconds']:>8.3f} {row['handled']:>8.4f}"
        f" {row['bytes'] / 1e6:>8.1f} {row['memory_mb']:>11.0f}"
        for name, row in found.items()
    ]
