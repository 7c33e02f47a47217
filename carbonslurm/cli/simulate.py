"""carbonslurm simulate: what policies would do to a trace of jobs, side by side."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import click

from carbonslurm.cli.program import say

FILE = click.Path(path_type=Path, readable=False)


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
@click.option(
    "--policy", "names", default="all", show_default=True, metavar="NAME,...", help="Which policies."
)
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
@click.option(
    "--length",
    type=click.Choice(["true", "limit", "class-mean", "learned"]),
    default="true",
    show_default=True,
    help="What policies know of lengths.",
)
@click.option(
    "--unit",
    type=click.Choice(["cpus", "gpus", "nodes"]),
    default="cpus",
    show_default=True,
    help="What capacity and power count.",
)
@click.option(
    "--power-w",
    default=1000.0,
    show_default=True,
    help="Watts of one unit: set it before you believe kilograms.",
)
@click.option(
    "--param", "words", multiple=True, metavar="[POLICY.]NAME=VALUE", help="Of policies; docs/simulate.md."
)
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
@click.option("--anchor", metavar="TIME", help="When a trace of offsets begins, UTC.")
@click.option(
    "--shift",
    type=click.IntRange(-5200, 5200),  # a century
    default=0,
    show_default=True,
    metavar="WEEKS",
    help="Move jobs by whole weeks.",
)
@click.option("--seed", type=int, hidden=True, help="For policies that draw lots; none does.")
@click.option("--json", "as_json", is_flag=True, help="A list of objects.")
@click.option(
    "--plot",
    "picture",
    type=FILE,
    metavar="FILE",
    help="Draw load, intensity, waits and savings (.png, .svg).",
)
def simulate(
    jobs_path: Path,
    carbon_paths: tuple[Path, ...],
    column: str | None,
    forecast: str,
    names: str,
    capacity: float | None,
    cluster_path: Path | None,
    max_wait: str,
    length: str,
    unit: str,
    power_w: float,
    words: tuple[str, ...],
    transfer: str,
    data_gb: float,
    anchor: str | None,
    shift: int,
    seed: int | None,  # noqa: ARG001 - nothing draws lots yet
    picture: Path | None,
    *,
    as_json: bool,
) -> None:
    """Run policies on a trace of jobs and a history of intensity, and compare what each emits.

    \b
    Examples:
      carbonslurm simulate --jobs jobs.csv --carbon GB-2024.csv
      carbonslurm simulate --jobs jobs.csv --carbon GB-2024.csv --capacity 24 --length class-mean --json
      carbonslurm simulate --jobs log.swf --carbon DE-2022.csv --shift 600 --policy no-wait,lowest-window
      carbonslurm simulate --jobs jobs.csv --carbon DE=DE-2024.csv --carbon SE=SE-2024.csv --transfer 5g
    """
    from carbonslurm.cli import simulate_output as output
    from carbonslurm.cli import simulate_run as running
    from carbonslurm.cli.simulate_input import Wanted, setting
    from carbonslurm.cli.simulate_places import moves
    from carbonslurm.sim.parameters import read_parameters
    from carbonslurm.sim.placing import PLACING
    from carbonslurm.sim.registry import POLICIES

    chosen = running.chosen_policies(names, several_zones=any("=" in str(path) for path in carbon_paths))
    running.check_size(capacity, cluster_path, power_w)
    if picture is not None:
        from carbonslurm.cli.simulate_pictures import checked

        checked(picture)
    wanted = Wanted(
        jobs=jobs_path,
        carbon=carbon_paths,
        column=column,
        forecast=forecast,
        capacity=capacity,
        cluster=cluster_path,
        wait=running.read_max_wait(max_wait),
        length=length,
        unit=unit,
        watts=power_w,
        anchor=running.read_anchor(anchor),
        shift=timedelta(weeks=shift),
        parameters=read_parameters(words, [*POLICIES, *PLACING]),
        transfer=transfer,
        data_gb=data_gb,
    )
    laid_out, words_of_it = setting(wanted)
    say(words_of_it)
    runs = [running.lived(laid_out, name) for name in chosen]
    for run in runs:
        for line in filter(None, [*output.warnings(run), moves(laid_out, run)]):
            say(line)
    if line := output.distrust(runs):
        say(line)
    click.echo(output.as_json(runs) if as_json else output.as_table(runs))
    if picture is not None:
        from carbonslurm.cli.simulate_pictures import draw

        draw(picture, laid_out, runs)
