"""The tables, the revisions that make them, and what they refuse."""

from collections.abc import Callable
from datetime import timedelta
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
from carbonslurm.ledger.place import Place
from carbonslurm.ledger.postgres import PostgresServer
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


def test_revisions_make_what_the_tables_say(ledger: Ledger, place: Place) -> None:
    engine = place.reader()
    with engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), METADATA) == []
    engine.dispose()


CATALOGUE = (
    """SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid) FROM pg_constraint
    WHERE connamespace = 'public'::regnamespace""",
    "SELECT tablename, indexname, indexdef FROM pg_indexes WHERE schemaname = 'public'",
    """SELECT table_name, column_name, data_type, is_nullable, column_default FROM information_schema.columns
    WHERE table_schema = 'public'""",
)


def test_revisions_make_the_same_catalogue_on_postgresql(
    new_database: Callable[..., PostgresServer],
) -> None:
    """What Alembic does not compare: CHECKs, names of keys, the numbering of rows."""
    migrated, direct = new_database(), new_database(empty=True)
    engine = direct.writer(timedelta(seconds=5))
    METADATA.create_all(engine)
    engine.dispose()
    for question in CATALOGUE:
        assert _rows(migrated, question) == _rows(direct, question)


def _rows(server: PostgresServer, question: str) -> set[tuple[object, ...]]:
    with server.connect() as connection:
        rows = connection.execute(question.encode()).fetchall()
    return {row for row in rows if row[0] != "alembic_version"}


def test_revisions_make_the_same_constraints_too(path: Path, tmp_path: Path) -> None:
    """Alembic does not compare CHECKs on SQLite, so the statements themselves are compared."""
    Ledger.open(path).close()
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


def test_a_newer_ledger_is_left_alone(bare_place: Place) -> None:
    Ledger.open(bare_place).close()
    engine = bare_place.writer(timedelta(seconds=5))
    with engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    engine.dispose()
    for opens in (Ledger.open, Reading.open):
        with pytest.raises(LedgerError, match="a newer carbonslurm wrote it") as caught:
            opens(bare_place)
        assert "\n" not in str(caught.value)


def test_an_older_ledger_is_migrated_by_the_writer_only(bare_place: Place) -> None:
    bare_place.prepare()
    engine = bare_place.writer(timedelta(seconds=5))
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL)"))
    engine.dispose()
    with pytest.raises(LedgerError, match="carbonslurm ledger migrate"):
        Reading.open(bare_place)
    Ledger.open(bare_place).close()
    Reading.open(bare_place).close()


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
