"""``carbonslurm ledger backup``: a copy of the file, while the daemon runs."""

from __future__ import annotations

from pathlib import Path

import click

from carbonslurm.cli.ledger.place import path_option, place_of
from carbonslurm.cli.program import config_option


@click.command(short_help="Write a backup of the ledger, while the daemon runs.")
@config_option
@path_option
@click.argument("file", type=click.Path(path_type=Path))
def backup(config_path: Path | None, path: Path | None, *, file: Path) -> None:
    """Write a copy of the ledger as it is now to FILE, while others read and write it.

    SQLite's own backup, looked through afterwards; FILE must not be there yet, and is only when all of it is
    on the disk. It is a ledger like any other: to go back, stop the daemon and put it in the ledger's place.
    On PostgreSQL pg_dump does this, and this command says how.

    \b
    Examples:
      carbonslurm ledger backup /backup/ledger-2026-11-26.sqlite
    """
    from carbonslurm.ledger import sqlite

    sqlite.at(place_of(config_path, path)).back_up(file)
    click.echo(f"{file}: {file.stat().st_size} bytes")
