"""carbon-sbatch --plan: what would happen to the job, as a table or an object.

Only here does carbon-sbatch read the configuration and the ledger. What the hook would refuse is refused, as
far as it can be seen in sbatch's words.
"""

from __future__ import annotations

import getpass
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from carbonslurm import wiring
from carbonslurm.app.forecasts import ForecastState, usable_forecasts
from carbonslurm.app.preview import Basis, Preview, preview
from carbonslurm.cli.program import load_config, say
from carbonslurm.core.interval import iso
from carbonslurm.core.length import Past
from carbonslurm.core.tag import Declaration, parse_declaration
from carbonslurm.errors import UsageError
from carbonslurm.formats.terminal import columns, grams_text
from carbonslurm.formats.times import length_text, local_text, read_moment

if TYPE_CHECKING:
    from datetime import datetime

    from carbonslurm.formats.sbatch import Request

BASIS = {
    Basis.DECLARED: "as declared",
    Basis.PAST: "from past runs: half of such runs are longer",
    Basis.LIMIT: "the time limit",
    Basis.ASSUMED: "assumed: no --time was given",
}


def show_plan(config_path: Path | None, tag: str | None, request: Request, *, as_json: bool) -> None:
    """Print the plan for a job with this tag.

    Raises:
        UsageError: such a job would not wait.
    """
    declared = parse_declaration(tag) if tag else None
    if declared is None or declared.now or not (declared.flex or declared.finish):
        raise UsageError("--plan needs a job that may wait: --flex or --finish-by")
    found, state = _preview(load_config(config_path), declared, request)
    click.echo(plan_json(found, request, state) if as_json else plan_text(found, request, state))
    if state.reason:
        say(state.reason)


def _preview(config: Any, declared: Declaration, request: Request) -> tuple[Preview, ForecastState]:
    """Return the plan, and by which forecast it was made."""
    if config.flexible.gpu_only and not request.tres.gpu_count:
        raise UsageError("such a job is not flexible here: it asks for no GPU, and only GPU jobs can wait")
    if declared.finish and request.time is None:
        raise UsageError("a job that must have ended by some time needs a time limit to be planned: --time")
    rules, now = wiring.plan_rules(config), wiring.now().replace(microsecond=0)  # Slurm's times are whole
    partition = request.partition or ""
    zone = rules.zones.partitions.get(partition, rules.zones.default)
    with wiring.reading(config) as book:
        state = usable_forecasts(book, [zone], now, wiring.forecast_rules(config))[zone]
        past = Past(book.past_runs(config.cluster, now)) if wiring.learns(config) else None
    found = preview(
        declared,
        limit=request.time,
        partition=partition,
        tres=request.tres,
        series=state.series,
        rules=rules,
        now=now,
        begin=_begin(request.begin, now),
        user=getpass.getuser(),
        past=past,
    )
    return found, state


def _begin(text: str | None, now: datetime) -> datetime | None:
    try:
        return None if text is None else read_moment(text, now, ahead=True)
    except UsageError as error:
        raise UsageError(f"--begin: {error}") from error


def plan_text(found: Preview, request: Request, state: ForecastState) -> str:
    """Lay out the plan as a table; grams are those of one task where the job is an array."""
    each = ", for each task" if request.array else ""
    rows = [
        ["planned start", local_text(found.start), found.reason],
        ["latest start", local_text(found.bound), ""],
        ["length", length_text(found.length), BASIS[found.basis]],
        [
            "at its begin" if found.begin else "if started now",
            grams_text(found.g_now),
            _intensity(found.mean_now) + each,
        ],
        ["as planned", grams_text(found.g_then), _intensity(found.mean_then) + each],
    ]
    if state.series is not None:
        rows.append(["forecast", str(state.source), f"{state.age_text}, {state.series.nature}"])
    if found.begin:
        rows.insert(0, ["own begin time", local_text(found.begin), "--begin"])
    if found.g_now and found.g_then is not None:
        saved = found.g_now - found.g_then
        rows.append(["expected saving", grams_text(saved), f"{100 * saved / found.g_now:.1f} %{each}"])
    return columns([], rows)


def _intensity(mean: float | None) -> str:
    return "unknown" if mean is None else f"{mean:.0f} g/kWh"


def plan_json(found: Preview, request: Request, state: ForecastState) -> str:
    """Write the plan as an object: times in UTC, ``g_now`` for a start as soon as --begin allows."""
    values: dict[str, Any] = {
        "begin": iso(found.begin) if found.begin else None,
        "planned_start": iso(found.start),
        "latest_start": iso(found.bound),
        "length_s": found.length.total_seconds(),
        "length_basis": str(found.basis),
        "g_now": found.g_now,
        "g_planned": found.g_then,
        "g_per_task": request.array,
        "g_per_kwh_now": found.mean_now,
        "g_per_kwh_planned": found.mean_then,
        "reason": found.reason,
        "forecast_source": state.source if state.series is not None else None,
        "forecast_age_s": state.age.total_seconds() if state.series is not None and state.age else None,
        "forecast_data_age_s": state.data_age.total_seconds() if state.data_age is not None else None,
        "passed_over": list(state.passed_over),
    }
    return json.dumps(values, indent=1)
