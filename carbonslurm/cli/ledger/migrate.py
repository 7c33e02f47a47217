"""``carbonslurm ledger migrate``."""

from pathlib import Path

import click

from carbonslurm.cli.ledger.place import path_option
from carbonslurm.cli.program import config_option, load_config


@click.command(short_help="Make the ledger, or bring its tables up to date.")
@config_option
@path_option
def migrate(config_path: Path | None, path: Path | None) -> None:
    """Make the ledger, or bring its tables up to this version, as the account that the daemon runs as.

    The daemon does the same when it starts. Doing it twice changes nothing; cut off, it has changed nothing.

    \b
    Examples:
      carbonslurm ledger migrate
      carbonslurm ledger migrate --path /var/lib/carbonslurm/ledger.sqlite
    """
    from carbonslurm import wiring
    from carbonslurm.ledger.tables import REVISIONS
    from carbonslurm.ledger.writing import Ledger

    where = path or wiring.place(load_config(config_path))
    with Ledger.open(where):
        click.echo(f"{where}: revision {REVISIONS[-1]}")
