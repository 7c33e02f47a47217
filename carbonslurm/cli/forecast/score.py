"""``carbonslurm forecast score``: how well each source foresaw, and what deciding by it would have saved."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from carbonslurm.cli.forecast.asking import (
    config_option,
    laid_out,
    ledger_config,
    meant_zones,
    read_window,
    say,
    table_options,
    window_options,
)

if TYPE_CHECKING:
    from carbonslurm.app.scoring import Job, SourceScore
    from carbonslurm.core.score import Score

HEADER = ["Zone", "Source", "Lead", "Hours", "MAE", "MAPE", "wMAPE", "Bias", "InBand", "Releases"]
HEADER += ["Realised", "Saved", "Possible", "Kind", "Scope"]
RIGHT = frozenset(range(2, 13))
ALL = "all"


@click.command(short_help="How well each source foresaw.")
@config_option
@click.argument("zones", nargs=-1, metavar="[ZONE]...")
@window_options("two weeks ago", "now")
@click.option("--source", metavar="NAME", help="Only this source; own is our own forecaster.  [default: all]")
@click.option(
    "--duration", default="4h", show_default=True, metavar="LENGTH", help="Of the job to decide for."
)
@click.option(
    "--window", default="24h", show_default=True, metavar="LENGTH", help="In which it must be done."
)
@table_options
def score(config_path: Path | None, zones: tuple[str, ...], source: str | None, **given: Any) -> int:
    """Hold forecasts, as they were issued, against what was measured later, by how far ahead they spoke.

    \b
    Lead       hours from the hour of publication to the hour spoken of; all: up to 96
    Hours      that were compared
    MAE        mean absolute error, g/kWh; MAPE the mean of its shares of the measured, percent
    wMAPE      sum of errors by sum of measured, percent: clean hours weigh little
    Bias       mean of forecast less measured, g/kWh: above 0 where it says too much
    InBand     percent of the measured that lay in the forecast's band
    Releases   decisions that could be judged: a job of --duration, released with each forecast,
               started where that forecast is lowest within --window
    Realised   percent of the saving by perfect foresight that deciding so would have had
    Saved      percent saved against starting at once; Possible: with perfect foresight

    -S and -E are when the forecasts were published. Of several in one hour the last counts.

    \b
    Examples:
      carbonslurm forecast score
      carbonslurm forecast score GB -S now-30days --source own
      carbonslurm forecast score --duration 8h --window 2d --json
    """
    from datetime import timedelta

    from carbonslurm import wiring
    from carbonslurm.app.scoring import scored
    from carbonslurm.core.interval import Interval

    job = _job(given["duration"], given["window"])
    config, now = ledger_config(config_path, "score"), wiring.now()
    meant = meant_zones(config, zones, every=True)
    default = Interval(now - timedelta(days=14), now)
    window = read_window(given["starttime"], given["endtime"], now, default)
    with wiring.reading(config) as book:
        found = {zone: scored(book, zone, window, job, source) for zone in meant}
    every = [each for scores in found.values() for each in scores if each.overall.hours]
    if given["as_json"]:
        click.echo(_as_json(every, job, window))
    elif every:
        rows = [row for each in every for row in _rows(each)]
        click.echo(laid_out(HEADER, rows, RIGHT, parsable=given["parsable2"], noheader=given["noheader"]))
    for zone in meant:
        if zone not in {each.zone for each in every}:
            say(f"{zone}: no forecast of this time can be held against measured values")
    return 0 if every else 65


def _job(duration: str, window: str) -> Job:
    from datetime import timedelta

    from carbonslurm.app.scoring import Job
    from carbonslurm.core.tag import parse_duration
    from carbonslurm.errors import UsageError

    hours = []
    for option, text in (("--duration", duration), ("--window", window)):
        length = parse_duration(text)
        if length % timedelta(hours=1):
            raise UsageError(f"{option} {text}: forecasts are scored by whole hours")
        hours.append(length // timedelta(hours=1))
    return Job(*hours)


def _rows(each: SourceScore) -> list[list[str]]:
    """Return a row for each lead that says anything, and one for all of them with what was realised."""
    nature = [str(each.nature.kind), str(each.nature.scope)]
    rows = [
        [each.zone, each.source, f"{first}-{after}", *_numbers(part), *[""] * 4, *nature]
        for (first, after), part in each.by_lead
        if part.hours
    ]
    saved = each.realised
    shares = [None] * 3 if saved is None else [saved.share, saved.saved, saved.possible]
    releases = "" if saved is None else str(saved.releases)
    return [
        *rows,
        [each.zone, each.source, ALL, *_numbers(each.overall), releases, *map(_percent, shares), *nature],
    ]


def _numbers(part: Score) -> list[str]:
    values = [part.mae, part.mape, part.wmape, part.bias]
    return [str(part.hours), *map(_number, values), _percent(part.inside)]


def _percent(share: float | None) -> str:
    return _number(None if share is None else 100 * share)


def _number(value: float | None) -> str:
    return "" if value is None else f"{round(value, 1) + 0.0:.1f}"  # + 0.0: no minus before a zero


def _as_json(every: list[SourceScore], job: Job, window: Any) -> str:
    import json

    from carbonslurm.core.interval import iso

    made = {
        "start": iso(window.start),
        "end": iso(window.end),
        "duration_s": job.length * 3600,
        "window_s": job.window * 3600,
        "scores": [_object(each) for each in every],
    }
    return json.dumps(made, indent=1)


def _object(each: SourceScore) -> dict[str, Any]:
    saved = each.realised
    return {
        "zone": each.zone,
        "source": each.source,
        "kind": each.nature.kind,
        "scope": each.nature.scope,
        "issues": each.issues,
        "by_lead": [
            {"from_h": first, "to_h": after, **_errors(part)} for (first, after), part in each.by_lead
        ],
        "overall": _errors(each.overall),
        "releases": 0 if saved is None else saved.releases,
        "realised": None if saved is None else saved.share,
        "saved": None if saved is None else saved.saved,
        "possible": None if saved is None else saved.possible,
    }


def _errors(part: Score) -> dict[str, float | None]:
    return {
        "hours": part.hours,
        "mae_g_per_kwh": part.mae,
        "mape_percent": part.mape,
        "wmape_percent": part.wmape,
        "bias_g_per_kwh": part.bias,
        "in_band": part.inside,
    }
