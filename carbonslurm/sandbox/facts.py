"""The figures of the demo, from what carbon-sacct --json and the ledger's actions say. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from itertools import pairwise
from typing import Any

from carbonslurm.ports import ActionRow

_DONE = frozenset({"applied", "confirmed", "overridden"})
_STOPPED = frozenset({"requeued", "delayed", "done", "confirmed"})


def demo_facts(
    report: Mapping[str, Any], actions: Sequence[ActionRow], flexible: Iterable[int], gpus: int
) -> dict[str, Any]:
    """Return what bin/demo --json writes, but for the Slurm version.

    Args:
        report: carbon-sacct's JSON of all jobs of the demo.
        actions: the ledger's.
        flexible: ids of the flexible jobs; all others count as inflexible.
        gpus: of the whole cluster.
    """
    runs, totals = report["runs"], report["totals"]
    withheld = {row.key.job_id for row in actions if row.verb == "withhold" and row.state in _DONE}
    stopped = {row.key.job_id for row in actions if row.verb == "stop" and row.state in _STOPPED}
    started = {run["job_id"] for run in runs if run["start"] is not None}
    return {
        "jobs": len({run["job_id"] for run in runs}),
        "withheld": len(withheld),
        "released": len(withheld & started),
        "stopped": len(stopped),
        "requeued": sum(run["state"] == "REQUEUED" for run in runs),
        "past_bound": sum(run["late"] for run in runs),
        "inflexible_delay_s": _inflexible_delay(runs, set(flexible), gpus),
        "emitted_g": totals["emitted_g"],
        "baseline_g": totals["baseline_g"],
        "saved_percent": totals["saved_percent"],
    }


def _inflexible_delay(runs: Sequence[Mapping[str, Any]], flexible: set[int], gpus: int) -> float:
    """The longest time, in s, that an inflexible job waited while GPUs for it were free.

    Free GPUs change only when a run starts or ends, so it is enough to look between those moments.
    """
    busy = [
        (_moment(run["start"]), _moment(run["end"]), int(run["gpus"]))
        for run in runs
        if run["start"] is not None and run["end"] is not None
    ]
    delays = [
        _free_time(_moment(run["submit"]), _moment(run["start"]), int(run["gpus"]), busy, gpus)
        for run in runs
        if run["job_id"] not in flexible and run["start"] is not None
    ]
    return max(delays, default=0.0)


def _free_time(
    since: datetime,
    until: datetime,
    wanted: int,
    busy: Sequence[tuple[datetime, datetime, int]],
    gpus: int,
) -> float:
    moments = sorted({since, until, *(at for run in busy for at in run[:2] if since < at < until)})
    free = 0.0
    for left, right in pairwise(moments):
        used = sum(count for start, end, count in busy if start <= left < end)
        if gpus - used >= wanted:
            free += (right - left).total_seconds()
    return free


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text)
