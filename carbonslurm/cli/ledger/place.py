"""Which ledger a command is about: the configuration's, or a file that is named."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from carbonslurm.cli.program import Command, load_config

if TYPE_CHECKING:
    from carbonslurm.ledger.place import Place


def path_option(command: Command) -> Command:
    """Give a command --path."""
    return click.option(
        "--path",
        type=click.Path(dir_okay=False, path_type=Path),
        help="The ledger's file, instead of the configuration's; its folder must be there.",
    )(command)


def place_of(config_path: Path | None, path: Path | None, *, to_read: bool = False) -> Path | Place:
    """Return where the ledger lies."""
    from carbonslurm import wiring

    return path or wiring.place(load_config(config_path), to_read=to_read)


def cluster_of(config_path: Path | None, path: Path | None, cluster: str | None) -> str:
    """Return whose rows a command is about.

    Raises:
        UsageError: a file is named, and no cluster.
    """
    from carbonslurm.errors import UsageError

    if cluster is not None:
        return cluster
    if path is not None:
        raise UsageError("--path leaves the configuration aside: name the --cluster, too")
    config: Any = load_config(config_path)
    return str(config.cluster)
