"""carbonslurm simulate: what policies would do to a trace of jobs, side by side."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, cast

import click

from carbonslurm.cli.program import say
from carbonslurm.cli.trial_options import (
    FILE,
    anchor_option,
    json_option,
    length_option,
    parameters_option,
    plot_option,
    policies_option,
    unit_option,
)

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from carbonslurm.cli.simulate_input import Wanted
    from carbonslurm.sim.comparison import Run, Setting


@click.command(short_help="Run policies on a trace, and compare them.")
@click.option(
    "--jobs",
    "jobs_path",
    required=True,
    type=FILE,
    help="The trace: our CSV, GAIA's, SWF or sacct -P; .gz too.",
)
@click.option(
    "--carbon",
    "carbon_paths",
    required=True,
    multiple=True,
    type=FILE,
    help="Intensities (CSV or YAML, .gz too); again for each further year; ZONE=FILE for several zones.",
)
@click.option("--column", help="Of the intensities.  [default: gCO2eq_per_kWh, which is lifecycle]")
@click.option(
    "--forecast",
    default="perfect",
    show_default=True,
    help="perfect, persistence, own, or a FILE of forecasts as they were published.",
)
@policies_option
@click.option(
    "--capacity",
    type=float,
    help="Units of the cluster.  [default: no limit]",
)
@click.option(
    "--cluster", "cluster_path", type=FILE, help="Partitions and nodes (YAML), in place of --capacity."
)
@click.option(
    "--max-wait",
    default="short=6h,long=24h",
    show_default=True,
    help="How long jobs may wait: one for all, or by class (short: up to 2 h long).",
)
@length_option("true")
@unit_option("What capacity and power count.")
@click.option(
    "--power-w",
    default=1000.0,
    show_default=True,
    help="Watts of one unit: set it before you believe kilograms.",
)
@parameters_option
@click.option(
    "--transfer",
    default="0g",
    show_default=True,
    help="What moving a GB to another zone costs: 20g, 0.06kWh.",
)
@click.option(
    "--data-gb",
    default=0.0,
    show_default=True,
    help="To be moved with a job of which the trace does not say.",
)
@anchor_option
@click.option(
    "--shift",
    type=click.IntRange(-5200, 5200),  # a century
    default=0,
    show_default=True,
    metavar="WEEKS",
    help="Move jobs by whole weeks.",
)
@click.option("--seed", type=int, hidden=True, help="For policies that draw lots; none does.")
@json_option
@plot_option
def simulate(
    names: str,
    seed: int | None,  # noqa: ARG001 - nothing draws lots yet
    picture: Path | None,
    *,
    as_json: bool,
    **given: object,
) -> None:
    """Run policies on a trace of jobs and a history of intensity, and compare what each emits.

    \b
    Examples:
      carbonslurm simulate --jobs jobs.csv --carbon GB-2024.csv
      carbonslurm simulate --jobs jobs.csv --carbon GB-2024.csv --capacity 24 --length class-mean --json
      carbonslurm simulate --jobs log.swf --carbon DE-2022.csv --shift 600 --policy no-wait,lowest-window
      carbonslurm simulate --jobs jobs.csv --carbon DE=DE-2024.csv --carbon SE=SE-2024.csv --transfer 5g
    """
    from carbonslurm.cli import simulate_run as running
    from carbonslurm.cli.simulate_input import setting

    places = any("=" in str(path) for path in cast("tuple[Path, ...]", given["carbon_paths"]))
    chosen = running.chosen_policies(names, several_zones=places)
    size, cluster = cast("float | None", given["capacity"]), cast("Path | None", given["cluster_path"])
    running.check_size(size, cluster, cast("float", given["power_w"]))
    if picture is not None:
        from carbonslurm.cli.simulate_pictures import checked

        checked(picture)
    laid_out, words_of_it = setting(_wanted(given))
    say(words_of_it)
    runs = [running.lived(laid_out, name) for name in chosen]
    _print(laid_out, runs, as_json=as_json)
    if picture is not None:
        from carbonslurm.cli.simulate_pictures import draw

        draw(picture, laid_out, runs)


def _wanted(given: dict[str, object]) -> Wanted:
    from carbonslurm.cli import simulate_run as running
    from carbonslurm.cli.simulate_input import Wanted
    from carbonslurm.sim.parameters import read_parameters
    from carbonslurm.sim.placing import PLACING
    from carbonslurm.sim.registry import POLICIES

    return Wanted(
        jobs=cast("Path", given["jobs_path"]),
        carbon=cast("tuple[Path, ...]", given["carbon_paths"]),
        column=cast("str | None", given["column"]),
        forecast=str(given["forecast"]),
        capacity=cast("float | None", given["capacity"]),
        cluster=cast("Path | None", given["cluster_path"]),
        wait=running.read_max_wait(str(given["max_wait"])),
        length=str(given["length"]),
        unit=str(given["unit"]),
        watts=cast("float", given["power_w"]),
        anchor=running.read_anchor(cast("str | None", given["anchor"])),
        shift=timedelta(weeks=cast("int", given["shift"])),
        parameters=read_parameters(cast("tuple[str, ...]", given["words"]), [*POLICIES, *PLACING]),
        transfer=str(given["transfer"]),
        data_gb=cast("float", given["data_gb"]),
    )


def _print(setting: Setting, runs: Sequence[Run], *, as_json: bool) -> None:
    """Say what is to be known of the runs, and print them."""
    from carbonslurm.cli import simulate_output as output
    from carbonslurm.cli.simulate_places import moves

    for run in runs:
        for line in filter(None, [*output.warnings(run), moves(setting, run)]):
            say(line)
    if line := output.distrust(runs):
        say(line)
    click.echo(output.as_json(runs) if as_json else output.as_table(runs))
