"""Bringing a ledger up to the newest revision, by Alembic, from inside the package.

All revisions run in one transaction that holds the writer's lock from its first statement: a process killed
within it leaves the old ledger, and a second one that came at the same time finds nothing left to do.
"""

from datetime import timedelta
from pathlib import Path

from carbonslurm.ledger import sqlite
from carbonslurm.ledger.database import translated

FOLDER = Path(__file__).parent / "migrations"


def migrate(path: Path, patience: timedelta) -> None:
    """Run the revisions that are missing.

    Raises:
        LedgerError: the database cannot be written.
    """
    from alembic import command  # noqa: PLC0415  # 0.3 s, needed once in a ledger's life
    from alembic.config import Config  # noqa: PLC0415

    config = Config()
    config.set_main_option("script_location", str(FOLDER).replace("%", "%%"))
    # Rebuilding a table, which is how SQLite alters one, must not trip over its foreign keys.
    engine = sqlite.engine_for_writing(path, patience, foreign_keys=False)
    try:
        with translated(path), engine.begin() as connection:
            config.attributes["connection"] = connection
            command.upgrade(config, "head")
    finally:
        engine.dispose()
