"""``carbonslurm ledger copy``: the whole ledger into another database."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from carbonslurm.cli.ledger.place import path_option, place_of
from carbonslurm.cli.program import config_option

if TYPE_CHECKING:
    from carbonslurm.ledger.place import Place


@click.command(short_help="Copy the ledger to another database: SQLite to PostgreSQL, or back.")
@config_option
@path_option
@click.option("--to", "target", required=True, metavar="URL", help="postgresql://user@host/name, or a file.")
@click.option(
    "--password-file",
    type=click.Path(path_type=Path),
    help="With the password of the URL's user, which stands in no URL.",
)
@click.option("--json", "as_json", is_flag=True, help="How many rows of each table, as an object.")
def copy(
    config_path: Path | None,
    path: Path | None,
    *,
    target: str,
    password_file: Path | None,
    as_json: bool,
) -> None:
    """Copy every row of the ledger into another database, all of it or nothing, and compare the counts.

    The tables are made there; they must be empty. The other ledger stays as it is. Stop the daemon first, and
    start it with the new place in its configuration: what it writes meanwhile is not in the copy.

    \b
    Examples:
      carbonslurm ledger copy --to postgresql://carbonslurm@db.example.org/carbonslurm --password-file secret
      carbonslurm ledger copy --to /var/lib/carbonslurm/ledger.sqlite
    """
    from carbonslurm.cli.ledger.counting import told
    from carbonslurm.ledger.plain import TABLES
    from carbonslurm.ledger.reading import Reading
    from carbonslurm.ledger.writing import Ledger

    where = _place(target, password_file)
    with (
        Reading.open(place_of(config_path, path, to_read=True)) as reading,
        reading.view() as view,
        Ledger.open(where) as book,
    ):
        counts = {name: view.count(name) for name in TABLES}
        book.fill({name: view.batches(name) for name in TABLES}, counts)
    click.echo(told(counts, target, as_json=as_json))


def _place(target: str, password_file: Path | None) -> Path | Place:
    from carbonslurm.wiring.books import POSTGRES

    if not target.startswith(POSTGRES):
        return Path(target)
    from carbonslurm.ledger.postgres import PostgresServer

    return PostgresServer(target, password_file)
