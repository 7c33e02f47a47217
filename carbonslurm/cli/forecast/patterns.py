"""``carbonslurm forecast patterns``: the best hours and months of a zone, from what was measured."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from carbonslurm.cli.forecast.asking import asked, config_option, read_window, window_options

if TYPE_CHECKING:
    from carbonslurm.core.forecast import Series
    from carbonslurm.core.interval import Interval
    from carbonslurm.core.patterns import Patterns

BEST = 3  # hours and months that are named
FEWEST_MONTHS = 6  # of fewer the best says more of the year's season than of the grid
TWO_DAYS = 2  # below, hours are counted


@click.command(short_help="Best hours and months of a zone.")
@config_option
@click.argument("zone", required=False)
@window_options("a year ago", "now")
@click.option(
    "--plot",
    "picture",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Write a picture instead, or beside --json: .png or .svg.",
)
@click.option("--json", "as_json", is_flag=True, help="An object; what is unknown is null.")
def patterns(config_path: Path | None, zone: str | None, picture: Path | None, **given: Any) -> None:
    """Show by what hours and months a zone's electricity is usually clean, from measured values.

    Hours are those of your own clock; TZ=Europe/Berlin before the command takes another one. What counts is
    what the ledger holds: carbonslurm forecast fetch --since fills it.

    \b
    Examples:
      carbonslurm forecast patterns GB
      carbonslurm forecast patterns GB -S 2026-06-01 -E 2026-09-01
      carbonslurm forecast patterns GB --plot heat.png
    """
    from datetime import timedelta

    from carbonslurm.cli import pictures
    from carbonslurm.core.interval import Interval
    from carbonslurm.errors import UnavailableError

    if picture is not None:
        pictures.checked(picture)
    year = timedelta(days=365)
    with asked(config_path, [zone] if zone else [], history=year) as site:
        window = read_window(
            given["starttime"], given["endtime"], site.now, Interval(site.now - year, site.now)
        )
        look = site.look(site.zones[0], window)
        advice = f": carbonslurm forecast fetch --since TIME {look.zone}" if site.config else ""
    if (cause := site.cause(look.zone)) is not None:
        raise UnavailableError(f"{look.zone}: {cause}")
    series, found = _found(look.measured, look.zone, window, advice)
    if picture is not None:
        title = f"{look.zone}: mean carbon intensity by weekday and hour"
        pictures.save_patterns(picture, found, title, _source_line(series, found, window), _clocks(window))
        pictures.tell(picture, beside=given["as_json"])
    if given["as_json"]:
        click.echo(_as_json(series, found, window))
    elif picture is None:
        click.echo(_as_text(series, found, window))


def _clocks(window: Interval) -> str:
    """Return the names of the times by which hours count: two where a window meets summer and winter."""
    from datetime import timedelta

    days = range(0, window.length // timedelta(days=1) + 1, 30)
    moments = [window.start + timedelta(days=number) for number in days]
    return " and ".join(dict.fromkeys(each.astimezone().strftime("%Z") for each in moments))


def _found(series: Series | None, zone: str, window: Interval, advice: str) -> tuple[Series, Patterns]:
    from carbonslurm.core.patterns import patterns as patterns_of
    from carbonslurm.errors import DataError

    found = None if series is None else patterns_of(series, window)
    if series is None or found is None:
        raise DataError(f"{zone}: nothing was measured in this time{advice}")
    return series, found


def _source_line(series: Series, found: Patterns, window: Interval) -> str:
    from datetime import timedelta

    days, hours = found.known / timedelta(days=1), found.known / timedelta(hours=1)
    known = f"{days:.0f} days" if days >= TWO_DAYS else f"{hours:.0f} hours"
    first, last = (moment.astimezone().strftime("%Y-%m-%d") for moment in (window.start, window.end))
    share = found.known / window.length
    return f"{series.nature}; {series.source}: {known} measured, {share:.0%} of {first} to {last}"


def _as_text(series: Series, found: Patterns, window: Interval) -> str:
    from carbonslurm.cli.forecast.heat import MONTHS, bars, heat_map
    from carbonslurm.cli.forecast.paper import paper_here
    from carbonslurm.formats.terminal import cleaned

    paper = paper_here()
    hours = ", ".join(f"{hour:02}:00 ({found.by_hour[hour]:.0f})" for hour in found.best_hours(BEST))
    months = ", ".join(
        f"{MONTHS[month - 1]} ({found.by_month[month - 1]:.0f})" for month in found.best_months(BEST)
    )
    return "\n".join(
        [
            cleaned(f"{series.zone}: {_source_line(series, found, window)}"),
            f"mean         {found.mean:.0f} g/kWh",
            f"best hours   {hours}, local time ({_clocks(window)})",
            *([f"best months  {months}"] if len(found.best_months(12)) >= FEWEST_MONTHS else []),
            "",
            heat_map(found, unicode=paper.unicode, colour=paper.colour),
            "",
            bars(found, unicode=paper.unicode),
        ]
    )


def _as_json(series: Series, found: Patterns, window: Interval) -> str:
    import json

    from carbonslurm.core.interval import iso

    made = {
        "zone": series.zone,
        "source": series.source,
        "kind": series.nature.kind,
        "scope": series.nature.scope,
        "start": iso(window.start),
        "end": iso(window.end),
        "known_s": found.known.total_seconds(),
        "g_per_kwh": found.mean,
        "by_hour": _numbers(found.by_hour.tolist()),
        "by_month": _numbers(found.by_month.tolist()),
        "by_weekday_and_hour": [_numbers(row) for row in found.by_weekday_and_hour.tolist()],
        "hours_by_month": found.hours_by_month.tolist(),
        "best_hours": list(found.best_hours(24)),
        "best_months": list(found.best_months(12)),
    }
    return json.dumps(made, indent=1)


def _numbers(values: list[float]) -> list[float | None]:
    """JSON has no NaN."""
    import math

    return [None if math.isnan(value) else value for value in values]
