"""The tables, the revisions that make them, and what they refuse."""

from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Engine, create_engine, text
from sqlalchemy.exc import IntegrityError

from carbonslurm.errors import LedgerError
from carbonslurm.ledger.migrating import FOLDER
from carbonslurm.ledger.reading import Reading
from carbonslurm.ledger.tables import METADATA, OUTCOME, REVISIONS
from carbonslurm.ledger.writing import Ledger


def _engine(path: Path) -> Engine:
    return create_engine(f"sqlite:///{path}")


def _statements(engine: Engine) -> dict[str, str]:
    with engine.connect() as connection:
        rows = connection.execute(text("SELECT name, sql FROM sqlite_master WHERE name NOT LIKE 'sqlite_%'"))
        found = {name: " ".join(sql.split()) for name, sql in rows}
    engine.dispose()
    return {name: sql for name, sql in found.items() if name != "alembic_version"}


def test_revisions_make_what_the_tables_say(ledger: Ledger, path: Path) -> None:
    engine = _engine(path)
    with engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), METADATA) == []
    engine.dispose()


def test_revisions_make_the_same_constraints_too(ledger: Ledger, path: Path, tmp_path: Path) -> None:
    """Alembic does not compare CHECKs on SQLite, so the statements themselves are compared."""
    direct = _engine(tmp_path / "direct.db")
    METADATA.create_all(direct)
    migrated, created = _statements(_engine(path)), _statements(direct)
    assert migrated.keys() == created.keys()
    for name, sql in created.items():
        assert sorted(_clauses(migrated[name])) == sorted(_clauses(sql))


def _clauses(sql: str) -> list[str]:
    return [clause.strip(" )") for clause in sql.split(", ")]


def test_the_list_of_revisions_is_alembics() -> None:
    config = Config()
    config.set_main_option("script_location", str(FOLDER))
    script = ScriptDirectory.from_config(config)
    assert tuple(reversed([revision.revision for revision in script.walk_revisions()])) == REVISIONS


def test_every_column_says_what_it_holds() -> None:
    assert [
        f"{table}.{column.name}" for table in METADATA.tables.values() for column in table.c if not column.doc
    ] == []


def test_a_newer_ledger_is_left_alone(path: Path) -> None:
    Ledger.open(path).close()
    engine = _engine(path)
    with engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    engine.dispose()
    for opens in (Ledger.open, Reading.open):
        with pytest.raises(LedgerError, match="a newer carbonslurm wrote it") as caught:
            opens(path)
        assert "\n" not in str(caught.value)


def test_an_older_ledger_is_migrated_by_the_writer_only(path: Path) -> None:
    engine = _engine(path)
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL)"))
    engine.dispose()
    with pytest.raises(LedgerError, match="carbonslurm ledger migrate"):
        Reading.open(path)
    Ledger.open(path).close()
    Reading.open(path).close()


def test_opening_twice_changes_nothing(path: Path) -> None:
    Ledger.open(path).close()
    first = _statements(_engine(path))
    Ledger.open(path).close()
    assert _statements(_engine(path)) == first


def test_foreign_keys_and_words_are_checked(ledger: Ledger) -> None:
    row = {"action": 1, "state": "applied", "at": None, "detail": ""}
    database = ledger._database  # noqa: SLF001  # what the database refuses can only be tried below the API
    for change in ({}, {"state": "maybe"}):
        with pytest.raises(IntegrityError), database.writing() as connection:
            connection.execute(OUTCOME.insert().values(row | {"at": None} | change))
