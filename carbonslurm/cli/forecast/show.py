"""``carbonslurm forecast show``: one zone, what was measured and what is expected."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from carbonslurm.cli.forecast.asking import (
    asked,
    config_option,
    laid_out,
    read_window,
    say,
    source_option,
    table_options,
    window_options,
)

if TYPE_CHECKING:
    from carbonslurm.app.outlook import Outlook


@click.command(short_help="What was measured, and is expected.")
@config_option
@click.argument("zone", required=False)
@click.option(
    "--hours", type=click.IntRange(1, 24 * 14), default=48, show_default=True, help="How far ahead."
)
@window_options("a day ago", "--hours from now")
@source_option
@click.option("--table", is_flag=True, help="A line for each step, instead of a drawing.")
@click.option(
    "--plot",
    "picture",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Write a picture: .png or .svg; it is drawn instead of here, or beside --json, --table and -P.",
)
@table_options
def show(config_path: Path | None, zone: str | None, source: str | None, **given: Any) -> None:
    """Show what was measured in a zone and what is expected.

    Without ZONE it is the cluster's. Times are local. The forecast is drawn from where the measured values
    end, and moved to there, as planning reads it; its band, if its maker says how sure it is, lies around it.

    \b
    Examples:
      carbonslurm forecast show GB
      carbonslurm forecast show GB --hours 24 --table
      carbonslurm forecast show GB -S now-7days -E now --plot week.png
      carbonslurm forecast show GB --json
    """
    from datetime import timedelta

    from carbonslurm.cli import pictures
    from carbonslurm.cli.forecast import show_output as output
    from carbonslurm.core.interval import Interval
    from carbonslurm.errors import UsageError

    if given["as_json"] and given["table"]:
        raise UsageError("--json and --table are two forms: say one")
    picture: Path | None = given["picture"]
    if picture is not None:
        pictures.checked(picture)
    with asked(config_path, [zone] if zone else [], history=timedelta(days=7)) as found:
        now, hours = found.now, timedelta(hours=given["hours"])
        default = Interval(now - timedelta(days=1), now + hours)
        window = read_window(given["starttime"], given["endtime"], now, default)
        look = found.look(found.zones[0], window, source)
    _needs_something(look, source, found.cause(look.zone))
    text = _printed(look, given)
    if picture is not None:
        pictures.save_curve(
            picture, output.curve_of(look), f"{look.zone}: carbon intensity", output.source_line(look)
        )
        pictures.tell(picture, beside=text is not None)
    if text is not None:
        click.echo(text)
    elif picture is None:
        click.echo(_drawn(look))
    if look.trouble is not None and window.end > now:
        say(f"{look.zone}: {look.trouble}")


def _printed(look: Outlook, given: dict[str, Any]) -> str | None:
    """Return the form that was asked for by name, None where none was."""
    from carbonslurm.cli.forecast import show_output as output

    if given["as_json"]:
        return output.as_json(look)
    if not given["table"] and not given["parsable2"]:
        return None
    rows = [output.cells_of(row) for row in output.rows_of(look)]
    plain = {"parsable": given["parsable2"], "noheader": given["noheader"]}
    return laid_out(output.HEADER, rows, output.RIGHT, **plain)


def _needs_something(look: Outlook, source: str | None, cause: str | None) -> None:
    from carbonslurm.errors import DataError, UnavailableError

    if cause is not None:
        raise UnavailableError(f"{look.zone}: {cause}")
    if source is not None and look.issue is None:
        raise DataError(f"{look.zone}: {look.trouble}")
    if look.nature is None:
        raise DataError(f"{look.zone}: nothing is known of it yet")


def _drawn(look: Outlook) -> str:
    from carbonslurm.cli.forecast import show_output as output
    from carbonslurm.cli.forecast.drawing import drawn, legend
    from carbonslurm.cli.forecast.paper import paper_here

    paper, curve = paper_here(), output.curve_of(look)
    picture = drawn(curve, paper)
    if not picture:
        picture = "nothing is known of this time"
    lines = [*output.facts(look), "", picture]
    return "\n".join([*lines, legend(curve, paper)] if picture.startswith("g/kWh") else lines)
