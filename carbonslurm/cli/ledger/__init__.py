"""``carbonslurm ledger``: care of the database. Reports are carbon-sacct's."""

import click

from carbonslurm.cli.ledger.aside import aside
from carbonslurm.cli.ledger.importing import import_
from carbonslurm.cli.ledger.migrate import migrate


@click.group()
def ledger() -> None:
    """Look after the ledger."""


for command in (migrate, import_, aside):
    ledger.add_command(command)
