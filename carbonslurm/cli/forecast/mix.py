"""``carbonslurm forecast mix``: from what a zone's electricity is made now."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from carbonslurm.cli.forecast.asking import config_option, direct, laid_out, table_options

if TYPE_CHECKING:
    from collections.abc import Mapping

    from carbonslurm.core.mix import Fuel, Mix

HEADER = ["Fuel", "Percent", "MW", "g/kWh"]
RIGHT = frozenset({1, 2, 3})
_BAR = 30  # columns of the whole


@click.command(short_help="From what electricity is made now.")
@config_option
@click.argument("zone", required=False)
@table_options
def mix(config_path: Path | None, zone: str | None, **given: Any) -> None:
    """Show from what a zone's electricity is made now.

    The provider is asked directly: this account needs to reach it, and may need its key. g/kWh is the fuel's
    lifecycle factor (IPCC AR5, median), which is not what the zone's own figures need be made from.

    \b
    Examples:
      carbonslurm forecast mix GB
      carbonslurm forecast mix DE --json
    """
    from carbonslurm.core.mix import LIFECYCLE

    asked = direct(config_path, zone)
    found = asked.mix(asked.zones[0])
    if given["as_json"]:
        click.echo(_as_json(found, LIFECYCLE))
        return
    rows = _rows(found, LIFECYCLE, bars=not given["parsable2"])
    header = HEADER if given["parsable2"] else [*HEADER, ""]
    click.echo(laid_out(header, rows, RIGHT, parsable=given["parsable2"], noheader=given["noheader"]))
    if not given["parsable2"]:
        click.echo(_summary(found), err=True)


def _rows(found: Mix, factors: Mapping[Fuel, float], *, bars: bool) -> list[list[str]]:
    from carbonslurm.cli.forecast.paper import paper_here

    mark = "█" if paper_here().unicode else "#"
    rows = []
    for fuel, share in sorted(found.shares.items(), key=lambda item: -item[1]):
        power = "" if found.megawatts is None else f"{share * found.megawatts:.0f}"
        factor = f"{factors[fuel]:.0f}" if fuel in factors else ""
        bar = [mark * round(share * _BAR)] if bars else []
        rows.append([fuel, f"{100 * share:.1f}", power, factor, *bar])
    return rows


def _summary(found: Mix) -> str:
    from carbonslurm.formats.terminal import cleaned
    from carbonslurm.formats.times import local_text

    power = "" if found.megawatts is None else f", {found.megawatts:.0f} MW in all"
    when = f"{local_text(found.interval.start)} to {local_text(found.interval.end)}"
    return cleaned(f"{found.zone}: {when}, by {found.source}{power}")


def _as_json(found: Mix, factors: Mapping[Fuel, float]) -> str:
    import json

    from carbonslurm.core.interval import iso

    made = {
        "zone": found.zone,
        "source": found.source,
        "start": iso(found.interval.start),
        "end": iso(found.interval.end),
        "megawatts": found.megawatts,
        "shares": {str(fuel): share for fuel, share in found.shares.items()},
        "lifecycle_g_per_kwh": {str(fuel): factors.get(fuel) for fuel in found.shares},
    }
    return json.dumps(made, indent=1)
