"""``carbonslurm forecast compare``: zones side by side, the cleanest next day first."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from carbonslurm.cli.forecast.asking import asked, config_option, laid_out, say, table_options

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime, timedelta

    from carbonslurm.app.outlook import Candidate, Now
    from carbonslurm.core.forecast import Nature
    from carbonslurm.core.windows import NextDay

HEADER = ["Rank", "Zone", "Now", "Mean24h", "Min24h", "Max24h", "Trend", "BestStart", "Best", "Source"]
RIGHT = frozenset({0, 2, 3, 4, 5, 8})
FULL_DAY_H = 24


class Compared(NamedTuple):
    """One zone; ``day`` and ``rank`` are None where its forecast cannot be used."""

    each: Candidate
    day: NextDay | None
    rank: int | None


@click.command(short_help="Zones side by side.")
@config_option
@click.argument("zones", nargs=-1, metavar="[ZONE]...")
@click.option("--duration", default="4h", show_default=True, metavar="LENGTH", help="Of the best window.")
@table_options
def compare(config_path: Path | None, zones: tuple[str, ...], **given: Any) -> int:
    """Rank zones by the mean of their next 24 hours, the cleanest first.

    \b
    Now        g/kWh that holds now: measured, or else expected, with an e (with -P in NowIs)
    Trend      the mean of the next 6 hours against now: rising, falling, or steady (within 5 %)
    BestStart  start of the best window of --duration within the forecast; Best is its mean

    Zones whose figures are of different kind or scope say different things: each has a table of its own, and
    they are not ranked against each other. Without ZONE: all zones.

    \b
    Examples:
      carbonslurm forecast compare DE FR GB
      carbonslurm forecast compare --duration 8h --json
    """
    from carbonslurm.app.outlook import candidate
    from carbonslurm.core.interval import Interval
    from carbonslurm.core.tag import parse_duration
    from carbonslurm.formats.times import local_text

    length = parse_duration(given["duration"])
    with asked(config_path, zones, every=True) as found:
        window = Interval(found.now, found.now + length)
        looks = [found.look(zone, window) for zone in found.zones]
    candidates = [candidate(look, length, written=local_text) for look in looks]
    groups = _grouped(candidates)
    if given["as_json"]:
        click.echo(_as_json(groups, length, found.now))
    else:
        text = _as_text(groups, parsable=given["parsable2"], noheader=given["noheader"])
        if text:
            click.echo(text)
        for line in _notes(groups):
            say(line)
    return 0 if any(row.day is not None for rows in groups.values() for row in rows) else 65


def _grouped(candidates: Sequence[Candidate]) -> dict[Nature | None, list[Compared]]:
    from carbonslurm.app.outlook import next_day_of

    groups: dict[Nature | None, list[tuple[Candidate, NextDay | None]]] = {}
    for each in candidates:
        groups.setdefault(each.look.nature, []).append((each, next_day_of(each.look)))
    found: dict[Nature | None, list[Compared]] = {}
    for nature, group in sorted(groups.items(), key=lambda item: (item[0] is None, str(item[0]))):
        group.sort(key=lambda pair: (pair[1] is None, pair[1].mean if pair[1] else 0.0))
        found[nature] = [
            Compared(each, day, rank if day else None) for rank, (each, day) in enumerate(group, 1)
        ]
    return found


def _as_text(groups: dict[Nature | None, list[Compared]], *, parsable: bool, noheader: bool) -> str:
    """Return a table for each nature, or one for programs, in which kind and scope are columns."""
    if parsable:
        rows = [
            [*_cells(row, apart=True), nature.kind if nature else "", nature.scope if nature else ""]
            for nature, group in groups.items()
            for row in group
        ]
        header = [*HEADER[:3], "NowIs", *HEADER[3:], "Kind", "Scope"]
        return laid_out(header, rows, RIGHT, parsable=True, noheader=noheader)
    parts = []
    for nature, group in groups.items():
        if nature is None:
            continue  # nothing is known of these zones: that is said beside the tables
        table = laid_out(HEADER, [_cells(row) for row in group], RIGHT, parsable=False, noheader=noheader)
        parts.append(table if noheader else f"{nature}:\n{table}")
    return "\n\n".join(parts)


def _cells(row: Compared, *, apart: bool = False) -> list[str]:
    """Return a row; with ``apart`` whether now is measured stands in a column of its own."""
    from carbonslurm.formats.times import local_text

    look, best, day = row.each.look, row.each.best, row.day
    now = ["", ""] if apart else [""]
    if look.current is not None:
        level = f"{look.current.step.g_per_kwh:.0f}"
        how = _how(look.current)
        now = [level, how] if apart else [f"{level}e" if look.current.expected else level]
    numbers = [f"{value:.0f}" for value in (day.mean, day.least, day.most)] if day else ["", "", ""]
    window = [local_text(best.window.start), f"{best.mean:.0f}"] if best else ["", ""]
    source = look.issue.series.source if look.issue else ""
    rank = "" if row.rank is None else str(row.rank)
    return [rank, look.zone, *now, *numbers, day.trend if day else "", *window, source]


def _how(current: Now) -> str:
    return "expected" if current.expected else "measured"


def _notes(groups: dict[Nature | None, list[Compared]]) -> list[str]:
    from datetime import timedelta

    from carbonslurm.formats.times import age_text

    rows = [row for group in groups.values() for row in group]
    lines = [f"{row.each.look.zone}: {row.each.trouble}" for row in rows if row.each.trouble]
    lines += [
        f"{row.each.look.zone}: the forecast covers only {age_text(row.day.covered)} of the next 24 h"
        for row in rows
        if row.day and row.day.covered < timedelta(hours=FULL_DAY_H)
    ]
    if len([nature for nature in groups if nature is not None]) > 1:
        lines.append("the tables are of different kind or scope: their figures cannot be compared")
    return lines


def _as_json(groups: dict[Nature | None, list[Compared]], length: timedelta, now: datetime) -> str:
    import json

    from carbonslurm.core.interval import iso

    found = {
        "at": iso(now),
        "duration_s": length.total_seconds(),
        "zones": [_object(row) for group in groups.values() for row in group],
    }
    return json.dumps(found, indent=1)


def _object(row: Compared) -> dict[str, Any]:
    from carbonslurm.core.interval import iso

    look, best, day = row.each.look, row.each.best, row.day
    return {
        "rank": row.rank,
        "zone": look.zone,
        "kind": look.nature.kind if look.nature else None,
        "scope": look.nature.scope if look.nature else None,
        "source": look.issue.series.source if look.issue else None,
        "g_per_kwh_now": look.current.step.g_per_kwh if look.current else None,
        "now_is": None if look.current is None else _how(look.current),
        "mean_24h": day.mean if day else None,
        "min_24h": day.least if day else None,
        "max_24h": day.most if day else None,
        "covered_s": day.covered.total_seconds() if day else None,
        "trend": day.trend if day else None,
        "best_start": iso(best.window.start) if best else None,
        "best_end": iso(best.window.end) if best else None,
        "best_g_per_kwh": best.mean if best else None,
        "trouble": row.each.trouble,
    }
