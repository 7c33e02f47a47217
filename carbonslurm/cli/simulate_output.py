"""What ``carbonslurm simulate`` prints: a table or a list of objects, and warnings."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from carbonslurm.sim.comparison import Run

HEADER = ["POLICY", "LENGTH", "CARBON_KG", "RELATIVE", "SAVED%", "MEAN_W_H", "P95_W_H", "MAX_W_H"]
HEADER += ["LATE", "STOPS", "LOST_H", "SECONDS"]
DISTRUSTED = 100 / 3  # percent saved
RIGHT = frozenset(range(2, len(HEADER)))


def warnings(run: Run) -> list[str]:
    """Return what a reader of a row must know, a line each."""
    lines = []
    if run.row.carbon_kg is None:
        lines.append(f"{run.row.policy}: runs reach beyond the intensities, so its carbon is unknown")
    if timed_out := int(run.outcome.timed_out.sum()):
        lines.append(f"{run.row.policy}: {timed_out} runs met their time limit with work left after a stop")
    return lines


def distrust(runs: Sequence[Run]) -> str:
    """Return a warning of savings that few grids give; empty where there are none."""
    large = [run.row.policy for run in runs if (run.row.saved_percent or 0.0) > DISTRUSTED]
    words = f"{', '.join(large)}: a saving above a third deserves distrust, see docs/simulate.md"
    return words if large else ""


def as_json(runs: Sequence[Run]) -> str:
    """Write the rows as a list of objects."""
    import json
    from dataclasses import asdict

    return json.dumps([asdict(run.row) for run in runs])


def as_table(runs: Sequence[Run]) -> str:
    """Write the rows as a table."""
    from carbonslurm.formats.terminal import columns

    return columns(HEADER, [cells(run) for run in runs], RIGHT)


def cells(run: Run) -> list[str]:
    """Return a row of the table."""
    row = run.row
    unknown = "unknown"
    return [
        row.policy,
        row.length or "",
        unknown if row.carbon_kg is None else f"{row.carbon_kg:.2f}",
        unknown if row.relative is None else f"{row.relative:.4f}",
        unknown if row.saved_percent is None else f"{row.saved_percent:.1f}",
        f"{row.mean_wait_h:.2f}",
        f"{row.p95_wait_h:.2f}",
        f"{row.max_wait_h:.2f}",
        str(row.late),
        str(row.stops),
        f"{row.lost_work_h:.1f}",
        f"{row.seconds:.2f}",
    ]
