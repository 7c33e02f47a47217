"""``carbonslurm ledger``: care of the database. Reports are carbon-sacct's."""

from pathlib import Path

import click


@click.group()
def ledger() -> None:
    """Look after the ledger."""


@ledger.command()
@click.option(
    "--path",
    type=click.Path(dir_okay=False, path_type=Path),
    required=True,
    help="The ledger's file; its folder must be there.",
)
def migrate(path: Path) -> None:
    """Make the ledger, or bring its tables up to this version.

    The daemon does the same when it starts. Doing it twice changes nothing; cut off, it has changed nothing.

    \b
    Example:
      carbonslurm ledger migrate --path /var/lib/carbonslurm/ledger.db
    """  # noqa: D301  # click's mark for a paragraph that is not to be wrapped
    from carbonslurm.ledger.tables import REVISIONS
    from carbonslurm.ledger.writing import Ledger

    with Ledger.open(path):
        click.echo(f"{path}: revision {REVISIONS[-1]}")
