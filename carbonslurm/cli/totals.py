"""``carbonslurm totals``: what the machines emitted and saved, with the nodes that idled meanwhile."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from carbonslurm.cli.forecast.asking import laid_out, read_window, table_options, window_options
from carbonslurm.cli.program import config_option, load_config

if TYPE_CHECKING:
    from carbonslurm.app.cluster_totals import Counted, GroupTotals
    from carbonslurm.core.interval import Interval

HEADER = ["Machines", "Against", "Runs", "Counted", "EmittedG", "SavedG", "SavedPct", "Used"]
HEADER += ["IdleNodeH", "IdleKWh", "IdleG", "ClusterPct"]
RIGHT = frozenset(range(2, len(HEADER)))


@click.command(short_help="What the machines emitted and saved, idle nodes included.")
@config_option
@window_options("30 days ago", "now")
@table_options
def totals(config_path: Path | None, **given: Any) -> int:
    """Sum up what the runs of each group of machines emitted and saved, and what idle nodes took meanwhile.

    \b
    Against     the baseline: simple, or queue (a queue without us); docs/figures.md
    Runs        that started within the window; Counted: those in the sums, both sides of which are known
    SavedPct    of the baseline; negative where waiting made it worse
    Used        percent of the node-hours of the window that runs held
    IdleNodeH   node-hours that they did not; IdleKWh and IdleG what those took, PUE included
    ClusterPct  SavedPct with idle power: what the machines as a whole saved

    The machines are those of `machines` in the configuration; IdleKWh needs idle_watts there.

    \b
    Examples:
      carbonslurm totals
      carbonslurm totals -S 2026-10-01 -E 2026-11-01 --json
    """
    from datetime import timedelta

    from carbonslurm import wiring
    from carbonslurm.app.cluster_totals import cluster_totals
    from carbonslurm.core.interval import Interval
    from carbonslurm.errors import UsageError

    config, now = load_config(config_path), wiring.now()
    groups = wiring.machine_groups(config)
    if not groups:
        raise UsageError("the configuration has no machines: describe the nodes there")
    default = Interval(now - timedelta(days=30), now)
    window = read_window(given["starttime"], given["endtime"], now, default)
    with wiring.reading(config) as book:
        found = cluster_totals(book, config.cluster, groups, window)
    if given["as_json"]:
        click.echo(_as_json(found, window))
    else:
        rows = [row for each in found for row in _rows(each)]
        click.echo(laid_out(HEADER, rows, RIGHT, parsable=given["parsable2"], noheader=given["noheader"]))
    return 0


def _rows(item: GroupTotals) -> list[list[str]]:
    name = ",".join(item.group.partitions)
    idle = [f"{100 * item.utilisation:.1f}", f"{item.idle_node_hours:.1f}"]
    idle += [_number(item.idle_kwh, ".4g"), _number(item.idle_g, ".1f")]
    if not item.counted:
        return [[name, "", str(item.runs), "0", *["unknown"] * 3, *idle, "unknown"]]
    return [
        [
            name,
            counted.baseline,
            str(item.runs),
            str(counted.runs),
            *_sums(counted),
            *idle,
            _number(item.cluster_percent(counted) if counted.runs else None, ".1f"),
        ]
        for counted in item.counted
    ]


def _sums(counted: Counted) -> list[str]:
    if not counted.runs:
        return ["unknown"] * 3
    return [f"{counted.emitted_g:.1f}", f"{counted.saved_g:.1f}", _number(counted.saved_percent, ".1f")]


def _number(value: float | None, form: str) -> str:
    return "unknown" if value is None else format(value, form)


def _as_json(found: list[GroupTotals], window: Interval) -> str:
    import json

    from carbonslurm.core.interval import iso

    span = {"start": iso(window.start), "end": iso(window.end)}
    return json.dumps({**span, "machines": [_object(each) for each in found]}, indent=1)


def _object(item: GroupTotals) -> dict[str, Any]:
    return {
        "partitions": list(item.group.partitions),
        "nodes": item.group.nodes.count,
        "nature": item.nature,
        "runs": item.runs,
        "utilisation": item.utilisation,
        "idle_node_hours": item.idle_node_hours,
        "idle_kwh": item.idle_kwh,
        "idle_g": item.idle_g,
        "against": {counted.baseline: _counted(item, counted) for counted in item.counted},
    }


def _counted(item: GroupTotals, counted: Counted) -> dict[str, Any]:
    known = counted.runs > 0
    return {
        "runs": counted.runs,
        "emitted_g": counted.emitted_g if known else None,
        "baseline_g": counted.baseline_g if known else None,
        "saved_g": counted.saved_g if known else None,
        "saved_percent": counted.saved_percent if known else None,
        "cluster_saved_percent": item.cluster_percent(counted) if known else None,
    }
