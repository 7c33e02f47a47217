"""What ``carbonslurm replay`` prints beside simulate's table: who was counted, and how far to believe it."""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import TYPE_CHECKING

import numpy as np

from carbonslurm.cli import simulate_output as output
from carbonslurm.sim.comparison import Run, grams, grams_at_once, row_of, waits_h
from carbonslurm.sim.history import HISTORY

if TYPE_CHECKING:
    from collections.abc import Sequence

    from carbonslurm.core.forecast import Floats
    from carbonslurm.sim.comparison import Bools, Setting

HEADER = [*output.HEADER[:-1], "FLEX_W_H", "OTHER_W_H", output.HEADER[-1]]
RIGHT = frozenset(range(2, len(HEADER)))
NAMED = 5  # rows that cannot be read are named, the first of them
NOTABLE_H = 0.05  # three minutes: what others wait longer is said from there on


def fairly(setting: Setting, runs: Sequence[Run]) -> tuple[list[Run], int]:
    """Return the runs with the same jobs summed in all, and how many jobs no sum has.

    A job that ran through hours of unknown intensity under one policy is left out of the grams of all.
    """
    each = [grams(setting, run.outcome) for run in runs]
    known: Bools = ~np.isnan(grams_at_once(setting))
    for one in each:
        known &= ~np.isnan(one)
    again = [
        replace(run, row=row_of(setting, run.row.policy, run.row.length, run.outcome, run.row.seconds, known))
        for run in runs
    ]
    return again, int(np.count_nonzero(~known))


def told(setting: Setting) -> str:
    """Return how many jobs take part, how many may wait, and why others do not take part."""
    trace = setting.trace
    may = int(np.count_nonzero(trace.flexible))
    share = 100 * _work(setting)[trace.flexible].sum() / _work(setting).sum()
    size = "no limit" if np.isinf(setting.units) else f"{setting.units:.6g}"
    words = [f"{len(trace)} jobs, of which {may} may wait, with {share:.0f} % of the energy"]
    words += [f"capacity: {size}{'' if setting.partitions is None else ' nodes'}"]
    out = [f"{count} {why}" for why, count in trace.left_out.items() if count]
    return "; ".join([*words, *([f"left out: {', '.join(out)}"] if out else [])])


def _work(setting: Setting) -> Floats:
    return setting.watts_of * setting.trace.length


def unread(lines: Sequence[str]) -> list[str]:
    """Return how many rows could not be read, and the first of them."""
    if not lines:
        return []
    more = [f"and {len(lines) - NAMED} more"] if len(lines) > NAMED else []
    return [f"{len(lines)} rows could not be read:", *lines[:NAMED], *more]


def uncounted(jobs: int) -> str:
    """Return that some jobs are in no sum of grams; empty where there are none."""
    words = "ran through hours without a measured intensity under some policy: in no row's carbon"
    return f"{jobs} jobs {words}" if jobs else ""


def trust(setting: Setting, real: Run | None, model: Run) -> str:
    """Return how far waits without a policy are from those that really were."""
    if real is None:
        return "the past does not say when jobs started: nothing to hold the model against"
    off = np.abs(waits_h(setting.trace, model.outcome) - waits_h(setting.trace, real.outcome))
    one, other = model.row, real.row
    return (
        f"the model without waiting: jobs wait {one.mean_wait_h:.2f} h (95 %: {one.p95_wait_h:.2f} h); "
        f"they really waited {other.mean_wait_h:.2f} h (95 %: {other.p95_wait_h:.2f} h); "
        f"a job's wait is off by {off.mean():.2f} h on average: compare rows with no-wait, not with {HISTORY}"
    )


def burdens(setting: Setting, model: Run, runs: Sequence[Run]) -> str:
    """Return under which policies jobs that may not wait do wait longer; empty where there are none."""
    others = ~setting.trace.flexible
    if not bool(others.any()):
        return ""
    before = _mean(setting, model, others) or 0.0
    found = [
        f"{run.row.policy} {after - before:+.2f} h"
        for run in runs
        if run.row.policy != HISTORY and (after := _mean(setting, run, others) or 0.0) - before > NOTABLE_H
    ]
    return f"jobs that may not wait do wait longer than under no-wait: {', '.join(found)}" if found else ""


def _mean(setting: Setting, run: Run, which: Bools) -> float | None:
    waits = waits_h(setting.trace, run.outcome)[which]
    return float(waits.mean()) if len(waits) else None


def as_json(setting: Setting, runs: Sequence[Run]) -> str:
    """Write the rows as a list of objects, simulate's and three more fields."""
    import json

    flexible = setting.trace.flexible
    more = [
        {
            "flexible": int(np.count_nonzero(flexible)),
            "flexible_wait_h": _mean(setting, run, flexible),
            "other_wait_h": _mean(setting, run, ~flexible),
        }
        for run in runs
    ]
    return json.dumps([asdict(run.row) | fields for run, fields in zip(runs, more, strict=True)])


def as_table(setting: Setting, runs: Sequence[Run]) -> str:
    """Write the rows as a table."""
    from carbonslurm.formats.terminal import columns

    flexible = setting.trace.flexible
    rows = []
    for run in runs:
        *cells, seconds = output.cells(run)
        waits = [_mean(setting, run, which) for which in (flexible, ~flexible)]
        rows.append([*cells, *("" if wait is None else f"{wait:.2f}" for wait in waits), seconds])
    return columns(HEADER, rows, RIGHT)
