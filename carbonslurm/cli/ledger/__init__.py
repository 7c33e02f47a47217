"""``carbonslurm ledger``: care of the database. Reports are carbon-sacct's."""

import click

from carbonslurm.cli.ledger.aside import aside
from carbonslurm.cli.ledger.backup import backup
from carbonslurm.cli.ledger.copy import copy
from carbonslurm.cli.ledger.export import export
from carbonslurm.cli.ledger.importing import import_
from carbonslurm.cli.ledger.migrate import migrate
from carbonslurm.cli.ledger.prune import prune


@click.group()
def ledger() -> None:
    """Look after the ledger."""


for command in (migrate, import_, aside, prune, export, copy, backup):
    ledger.add_command(command)
