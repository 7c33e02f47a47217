"""``carbonslurm ledger export``: the tables as Parquet or CSV."""

from __future__ import annotations

from pathlib import Path

import click

from carbonslurm.cli.ledger.place import path_option, place_of
from carbonslurm.cli.program import config_option


@click.command(short_help="Write the ledger to Parquet or CSV.")
@config_option
@path_option
@click.argument("folder", type=click.Path(path_type=Path))
@click.option(
    "--format",
    "kind",
    type=click.Choice(["parquet", "csv"]),
    default="parquet",
    show_default=True,
    help="Of the files; Parquet needs the extra carbonslurm[parquet].",
)
@click.option("--table", "tables", multiple=True, metavar="NAME", help="Only this, or runs; repeatable.")
@click.option("--json", "as_json", is_flag=True, help="How many rows of each, as an object.")
def export(
    config_path: Path | None,
    path: Path | None,
    *,
    folder: Path,
    kind: str,
    tables: tuple[str, ...],
    as_json: bool,
) -> None:
    """Write each table of the ledger to a file in FOLDER, all at one moment, while the daemon runs.

    runs is no table but every run with the figure that counts, for a spreadsheet or a notebook. Moments are
    timestamps in UTC, durations seconds, unknown is null (in CSV an empty field).

    \b
    Examples:
      carbonslurm ledger export exported/
      carbonslurm ledger export --table runs --format csv for-the-report/
    """
    from carbonslurm.cli.ledger.counting import told
    from carbonslurm.errors import UsageError
    from carbonslurm.ledger.exporting import export as write
    from carbonslurm.ledger.plain import RUNS, TABLES
    from carbonslurm.ledger.reading import Reading

    known = (*TABLES, RUNS)
    if unknown := [name for name in tables if name not in known]:
        raise UsageError(f"--table {unknown[0]}: there are {', '.join(known)}")
    with Reading.open(place_of(config_path, path, to_read=True)) as reading, reading.view() as view:
        done = write(view, folder, kind, tables or tuple(TABLES))
    click.echo(told(done.rows, str(folder), as_json=as_json))
