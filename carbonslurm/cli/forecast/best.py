"""``carbonslurm forecast best``: when, and in which zone, work of some length would meet the least carbon."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from carbonslurm.cli.forecast.asking import asked, config_option, laid_out, say, source_option, table_options

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime, timedelta

    from carbonslurm.app.outlook import Candidate

HEADER = ["Zone", "Start", "End", "g/kWh", "Low", "High", "IfNow", "SavedPct", "Kind", "Scope", "Source"]
RIGHT = frozenset({3, 4, 5, 6, 7})


@click.command(short_help="When, and where, to run.")
@config_option
@click.argument("zones", nargs=-1, metavar="[ZONE]...")
@click.option("--duration", required=True, metavar="LENGTH", help="Of the work: 8h, 90m, 1d12h.")
@click.option("--before", metavar="TIME", help="When it must have ended.  [default: the forecast's end]")
@source_option
@table_options
def best(config_path: Path | None, zones: tuple[str, ...], source: str | None, **given: Any) -> int:
    """Find the best window for work of some length, from now on; of several zones the best place too.

    \b
    g/kWh     mean over the window, by the forecast; Low and High over the forecast's band
    IfNow     mean if it started now, by the same forecast
    SavedPct  what waiting saves against that

    Only windows that the forecast covers whole are compared: nothing is assumed behind its end. Zones whose
    figures are of different kind or scope are not ranked against each other. Without ZONE: all zones.

    \b
    Examples:
      carbonslurm forecast best --duration 8h
      carbonslurm forecast best --duration 8h --before tomorrow GB DE FR
      carbonslurm forecast best --duration 90m --json GB
    """
    from carbonslurm.app.outlook import candidate, ranked
    from carbonslurm.core.interval import Interval
    from carbonslurm.core.tag import parse_duration
    from carbonslurm.errors import UsageError
    from carbonslurm.formats.times import local_text, read_moment

    length = parse_duration(given["duration"])
    with asked(config_path, zones, every=True) as found:
        before = read_moment(given["before"], found.now, ahead=True) if given["before"] else None
        if before is not None and before - found.now < length:
            raise UsageError(f"--before {given['before']}: less than {given['duration']} from now")
        window = Interval(found.now, found.now + length)
        looks = [found.look(zone, window, source) for zone in found.zones]
    groups = ranked(candidate(look, length, before, local_text) for look in looks)
    candidates = [each for group in groups.values() for each in group]
    if given["as_json"]:
        click.echo(_as_json(candidates, length, before, found.now))
    else:
        rows = [_cells(each) for each in candidates if each.best is not None]
        if rows:
            plain = {"parsable": given["parsable2"], "noheader": given["noheader"]}
            click.echo(laid_out(HEADER, rows, RIGHT, **plain))
        for line in [*_troubles(candidates), *_notes(candidates, before)]:
            say(line)
    return 0 if any(each.best for each in candidates) else 65


def _cells(each: Candidate) -> list[str]:
    from carbonslurm.formats.times import local_text

    best, look = each.best, each.look
    if best is None or look.nature is None or look.issue is None:
        return []
    numbers = [
        "" if value is None else f"{value:.1f}"
        for value in (best.mean, best.low, best.high, best.mean_at_once, best.saved_percent)
    ]
    window = [local_text(best.window.start), local_text(best.window.end)]
    return [look.zone, *window, *numbers, look.nature.kind, look.nature.scope, look.issue.series.source]


def _troubles(candidates: Sequence[Candidate]) -> list[str]:
    return [f"{each.look.zone}: {each.trouble}" for each in candidates if each.trouble]


def _notes(candidates: Sequence[Candidate], before: datetime | None) -> list[str]:
    from carbonslurm.formats.times import local_text

    lines = []
    for each in candidates:
        issue = each.look.issue
        if (
            each.best is not None
            and issue is not None
            and before is not None
            and issue.series.horizon < before
        ):
            end = local_text(issue.series.horizon)
            lines.append(f"{each.look.zone}: the forecast ends at {end}: later windows were not compared")
    if len({each.look.nature for each in candidates if each.best is not None}) > 1:
        lines.append("zones of different kind or scope are not ranked against each other")
    return lines


def _as_json(
    candidates: Sequence[Candidate], length: timedelta, before: datetime | None, now: datetime
) -> str:
    import json

    from carbonslurm.core.interval import iso

    found = {
        "at": iso(now),
        "duration_s": length.total_seconds(),
        "before": iso(before) if before else None,
        "zones": [_object(each) for each in candidates],
    }
    return json.dumps(found, indent=1)


def _object(each: Candidate) -> dict[str, Any]:
    from carbonslurm.core.interval import iso

    look, best = each.look, each.best
    issue = look.issue
    return {
        "zone": look.zone,
        "kind": look.nature.kind if look.nature else None,
        "scope": look.nature.scope if look.nature else None,
        "source": issue.series.source if issue else None,
        "published": iso(issue.published) if issue else None,
        "horizon": iso(issue.series.horizon) if issue else None,
        "start": iso(best.window.start) if best else None,
        "end": iso(best.window.end) if best else None,
        "g_per_kwh": best.mean if best else None,
        "low": best.low if best else None,
        "high": best.high if best else None,
        "g_per_kwh_if_now": best.mean_at_once if best else None,
        "saved_percent": best.saved_percent if best else None,
        "trouble": each.trouble,
    }
