"""What tests of several folders share: one PostgreSQL for all of them, and databases of it.

Where PostgreSQL is not installed the tests that ask for it fail, with the sentence that names the package.
"""

from __future__ import annotations

import itertools
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from carbonslurm.ledger.tables import METADATA
from carbonslurm.ledger.writing import Ledger
from carbonslurm.sandbox.postgres import PrivatePostgres

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from carbonslurm.ledger.postgres import PostgresServer

MIGRATED = "migrated"


@pytest.fixture(scope="session")
def postgres() -> Iterator[PrivatePostgres]:
    """A running server; do not stop it, others use it."""
    with tempfile.TemporaryDirectory(prefix="postgres-", ignore_cleanup_errors=True) as name:
        Path(name).chmod(0o755)
        server = PrivatePostgres(Path(name) / "s")
        try:
            server.create()
            yield server
        finally:
            server.kill()


@pytest.fixture
def own_postgres() -> Iterator[PrivatePostgres]:
    """A server that a test may stop and start."""
    with tempfile.TemporaryDirectory(prefix="postgres-", ignore_cleanup_errors=True) as name:
        Path(name).chmod(0o755)
        server = PrivatePostgres(Path(name) / "s")
        try:
            server.create()
            yield server
        finally:
            server.kill()


@pytest.fixture(scope="session")
def migrated(postgres: PrivatePostgres) -> str:
    """A database with tables, to copy: migrating takes longer than most tests."""
    postgres.database(MIGRATED)
    Ledger.open(_place(postgres, MIGRATED)).close()
    return MIGRATED


def _place(server: PrivatePostgres, name: str) -> PostgresServer:
    from carbonslurm.ledger.postgres import PostgresServer  # only these tests need the driver

    return PostgresServer(server.url(name), server.password_file())


@pytest.fixture(scope="session")
def _numbers() -> Iterator[int]:
    return itertools.count()


@pytest.fixture
def new_database(
    postgres: PrivatePostgres, migrated: str, _numbers: Iterator[int]
) -> Iterator[Callable[..., PostgresServer]]:
    """Make a database, with tables or empty; return where it is."""
    made: list[str] = []

    def make(*, empty: bool = False) -> PostgresServer:
        made.append(f"test_{next(_numbers)}")
        postgres.database(made[-1], "template1" if empty else migrated)
        return _place(postgres, made[-1])

    yield make
    for name in made:
        postgres.drop(name)


@pytest.fixture(scope="session")
def _scratch(postgres: PrivatePostgres, migrated: str) -> PostgresServer:
    postgres.database("scratch", migrated)
    return _place(postgres, "scratch")


@pytest.fixture
def empty_tables(postgres: PrivatePostgres, _scratch: PostgresServer) -> PostgresServer:
    """A ledger without a row, the same for all tests: emptying it is faster than making one."""
    tables = ", ".join(f'"{name}"' for name in METADATA.tables)
    postgres.sql(f"TRUNCATE {tables} RESTART IDENTITY", "scratch")
    return _scratch
