"""Bringing a ledger up to the newest revision, by Alembic, from inside the package.

All revisions run in one transaction that holds the writer's lock from its first statement: a process killed
within it leaves the old ledger, and a second one that came at the same time finds nothing left to do.
"""

from datetime import timedelta
from pathlib import Path

from carbonslurm.ledger.database import translated
from carbonslurm.ledger.place import Place

FOLDER = Path(__file__).parent / "migrations"


def migrate(place: Place, patience: timedelta) -> None:
    """Run the revisions that are missing.

    Raises:
        LedgerError: the database cannot be written.
    """
    from alembic import command  # noqa: PLC0415  # 0.3 s, needed once in a ledger's life
    from alembic.config import Config  # noqa: PLC0415

    config = Config()
    config.set_main_option("script_location", str(FOLDER).replace("%", "%%"))
    engine = place.writer(patience, migrating=True)
    try:
        with translated(place), engine.begin() as connection:
            config.attributes["connection"] = connection
            command.upgrade(config, "head")
    finally:
        engine.dispose()
