"""What is PostgreSQL's own: roles, passwords, a server that goes away and comes back."""

import os
import pwd
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from carbonslurm import config, wiring
from carbonslurm.app.importing import keep_all
from carbonslurm.app.ingest import MANY
from carbonslurm.core.accounted import Accounted
from carbonslurm.core.action import Action, Verb
from carbonslurm.core.interval import Interval
from carbonslurm.errors import LedgerError
from carbonslurm.ledger.plain import TABLES
from carbonslurm.ledger.postgres import WRITERS, PostgresServer
from carbonslurm.ledger.reading import Reading
from carbonslurm.ledger.tables import REVISIONS
from carbonslurm.ledger.writing import Ledger
from carbonslurm.ports import RunFilter
from carbonslurm.sandbox.postgres import PrivatePostgres

Hours = Callable[[float], datetime]


def _one_line(error: pytest.ExceptionInfo[LedgerError], server: PostgresServer) -> str:
    words = str(error.value)
    assert "\n" not in words
    assert words.startswith(f"ledger {server.url}: ")
    if server.password_file is not None and server.password_file.exists():
        assert server.password_file.read_text().strip() not in words
    return words


@pytest.fixture
def reader(empty_tables: PostgresServer, postgres: PrivatePostgres) -> PostgresServer:
    """The same ledger as the role that may only read."""
    return PostgresServer(postgres.url("scratch", "reader"), postgres.password_file("reader"))


def test_the_reading_role_reads_and_cannot_write(
    empty_tables: PostgresServer, reader: PostgresServer, make_run: Any, clock: Hours
) -> None:
    with Ledger.open(empty_tables) as ledger:
        ledger.keep_runs([make_run()], clock(4))
    with Reading.open(reader) as reading:
        assert len(reading.runs(RunFilter())) == 1
    with Ledger.open(reader) as ledger, pytest.raises(LedgerError) as caught:
        ledger.keep_runs([make_run(job_id=8)], clock(4))
    assert "permission denied" in _one_line(caught, reader)
    assert empty_tables.is_writable()
    assert not reader.is_writable()


def test_a_role_that_may_not_even_read_is_told_so(
    new_database: Callable[..., PostgresServer], postgres: PrivatePostgres
) -> None:
    server = new_database()
    name = server.url.rsplit("/", maxsplit=1)[1]
    postgres.sql("REVOKE SELECT ON ALL TABLES IN SCHEMA public FROM reader", name)
    theirs = PostgresServer(postgres.url(name, "reader"), postgres.password_file("reader"))
    with pytest.raises(LedgerError) as caught:
        Reading.open(theirs)
    assert "permission denied" in _one_line(caught, theirs)


def test_no_tables_yet_is_not_an_empty_ledger(new_database: Callable[..., PostgresServer]) -> None:
    server = new_database(empty=True)
    with pytest.raises(LedgerError) as caught:
        Reading.open(server)
    assert "it has no tables: run carbonslurm ledger migrate" in _one_line(caught, server)


@pytest.mark.parametrize("opens", [Ledger.open, Reading.open])
def test_a_wrong_password_is_one_line_without_it(
    empty_tables: PostgresServer, tmp_path: Path, opens: Callable[[PostgresServer], Any]
) -> None:
    (tmp_path / "password").write_text("guessed\n")
    server = replace(empty_tables, password_file=tmp_path / "password")
    with pytest.raises(LedgerError) as caught:
        opens(server)
    assert "password authentication failed" in _one_line(caught, server)


@pytest.mark.parametrize("opens", [Ledger.open, Reading.open])
def test_a_password_that_cannot_be_read_is_named(
    empty_tables: PostgresServer, tmp_path: Path, opens: Callable[[PostgresServer], Any]
) -> None:
    server = replace(empty_tables, password_file=tmp_path / "nowhere")
    with pytest.raises(LedgerError) as caught:
        opens(server)
    assert f"its password: {tmp_path / 'nowhere'}: No such file" in _one_line(caught, server)


@pytest.mark.parametrize("opens", [Ledger.open, Reading.open])
def test_nobody_at_that_address_is_one_line(
    empty_tables: PostgresServer, opens: Callable[[PostgresServer], Any]
) -> None:
    server = PostgresServer("postgresql://carbon@127.0.0.1:9/ledger", empty_tables.password_file)
    with pytest.raises(LedgerError) as caught:
        opens(server)
    assert "Connection refused" in _one_line(caught, server)


def test_locked_too_long_is_an_error_and_writes_nothing(
    empty_tables: PostgresServer, make_job: Any, clock: Hours
) -> None:
    with Ledger.open(empty_tables, patience=timedelta(milliseconds=50)) as ledger:
        with empty_tables.connect() as other:
            other.execute(f"SELECT pg_advisory_xact_lock({WRITERS})".encode())
            with pytest.raises(LedgerError) as caught:
                ledger.intend(None, [Action(Verb.LEAVE, make_job(), "a reason")], clock(0))
        assert "lock timeout" in _one_line(caught, empty_tables)
        assert ledger.actions("green", clock(0)) == []
        assert len(ledger.intend(None, [Action(Verb.LEAVE, make_job(), "a reason")], clock(0))) == 1


@pytest.fixture
def server(own_postgres: PrivatePostgres) -> PostgresServer:
    """A ledger on a server that a test may stop."""
    own_postgres.database("ledger")
    return PostgresServer(own_postgres.url("ledger"), own_postgres.password_file())


@pytest.mark.parametrize("end", ["stop", "kill"])
def test_a_server_that_comes_back_is_written_to_again(
    server: PostgresServer, own_postgres: PrivatePostgres, make_run: Any, clock: Hours, end: str
) -> None:
    with Ledger.open(server) as ledger:
        ledger.keep_runs([make_run(job_id=1)], clock(4))
        getattr(own_postgres, end)()
        for _ in range(2):
            with pytest.raises(LedgerError) as caught:
                ledger.keep_runs([make_run(job_id=2)], clock(4))
            _one_line(caught, server)
            with pytest.raises(LedgerError):
                ledger.runs(RunFilter())
        own_postgres.start()
        assert ledger.keep_runs([make_run(job_id=3)], clock(4)) == 1
        assert [row.run.key.job_id for row in ledger.runs(RunFilter())] == [1, 3]


def test_a_server_that_takes_no_writes_is_still_read(
    server: PostgresServer, own_postgres: PrivatePostgres, make_run: Any, clock: Hours
) -> None:
    """As one does that has become a standby, or was told so since its disk is full."""
    with Ledger.open(server) as ledger:
        ledger.keep_runs([make_run(job_id=1)], clock(4))
        own_postgres.sql("ALTER DATABASE ledger SET default_transaction_read_only = on")
        own_postgres.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = 'ledger'")
        with pytest.raises(LedgerError) as caught:
            ledger.keep_runs([make_run(job_id=2)], clock(4))
        assert "read-only transaction" in _one_line(caught, server)
        assert len(ledger.runs(RunFilter())) == 1
        assert not server.is_writable()
    with Reading.open(server) as reading:
        assert len(reading.runs(RunFilter())) == 1


# --- through the configuration


@pytest.fixture
def site(empty_tables: PostgresServer, reader: PostgresServer, tmp_path: Path) -> Path:
    """A configuration that everybody may read, with a password that only its owner may."""
    tmp_path.chmod(0o755)
    assert empty_tables.password_file is not None
    secret = tmp_path / "password"
    secret.write_text(empty_tables.password_file.read_text())
    secret.chmod(0o600)
    path = tmp_path / "carbonslurm.yaml"
    values = {
        "cluster": "green",
        "ledger": empty_tables.url,
        "ledger_password_file": str(secret),
        "ledger_reader": reader.url,
        "ledger_reader_password_file": str(reader.password_file),
        "zone": "gb",
        "sources": [{"provider": "neso", "zone": "gb"}],
    }
    path.write_text(yaml.safe_dump(values))
    return path


READ = """
import os, sys
from pathlib import Path
from carbonslurm import config, wiring
from carbonslurm.ledger.postgres import PostgresServer
from carbonslurm.ledger.reading import Reading
from carbonslurm.ports import RunFilter
import numpy, sqlalchemy.dialects.postgresql.psycopg, psycopg_binary
text = Path(sys.argv[1]).read_text()
if len(sys.argv) > 2:
    os.setgroups([]); os.setgid(int(sys.argv[3])); os.setuid(int(sys.argv[2]))
site = config.parse(text)
with wiring.reading(site) as reading:
    print(len(reading.runs(RunFilter())))
print(wiring.place(site).is_writable())
"""


class Nothing:
    """A sacct that has nothing new to say."""

    def accounted(self, _window: Interval, _now: datetime, _jobs: Sequence[int] = ()) -> Accounted:
        return Accounted()


def _counted(postgres: PrivatePostgres, database: str, table: str) -> int:
    """Return how many rows the server believes a table has; -1: it has never looked."""
    words = f"SELECT reltuples::bigint FROM pg_class WHERE relname = '{table}'"  # noqa: S608  # the name is ours
    ((count,),) = postgres.sql(words, database)
    return int(count)


def test_the_server_counts_what_was_copied(
    new_database: Callable[..., PostgresServer], postgres: PrivatePostgres, make_run: Any, clock: Hours
) -> None:
    """Else it plans for a few hundred rows until its autovacuum comes by, and takes several times as long."""
    source, target = new_database(), new_database()
    name = target.url.rpartition("/")[2]
    assert _counted(postgres, name, "run") == -1
    with Ledger.open(source) as ledger, Ledger.open(target) as book:
        ledger.keep_runs([make_run(job_id=number) for number in range(1, 8)], clock(4))
        with ledger.view() as view:
            counts = {table: view.count(table) for table in TABLES}
            book.fill({table: view.batches(table) for table in TABLES}, counts)
    assert _counted(postgres, name, "run") == 7


def test_the_server_counts_many_runs_and_many_figures(
    site: Path, postgres: PrivatePostgres, make_run: Any, clock: Hours
) -> None:
    values = config.load(site)
    with wiring.ledger(values) as book:
        keep_all([Accounted((make_run(job_id=1),))], book, lambda: clock(4))
        assert _counted(postgres, "scratch", "run") == -1
        many = tuple(make_run(job_id=number) for number in range(2, MANY + 2))
        keep_all([Accounted(many)], book, lambda: clock(4))
        assert _counted(postgres, "scratch", "run") == MANY + 1
        assert _counted(postgres, "scratch", "figure") == 0
        replace(wiring.ingest(values, book, print), accounting=Nothing()).run()
    assert _counted(postgres, "scratch", "figure") == MANY + 1


def test_any_user_reads_by_the_role_for_readers(site: Path, make_run: Any, clock: Hours) -> None:
    with wiring.ledger(config.load(site)) as ledger:
        ledger.keep_runs([make_run()], clock(4))
    nobody = pwd.getpwnam("nobody")
    identity = [str(nobody.pw_uid), str(nobody.pw_gid)] if os.geteuid() == 0 else []
    done = subprocess.run(
        [sys.executable, "-c", READ, str(site), *identity], capture_output=True, text=True, check=False
    )
    assert done.stderr == ""
    assert done.stdout.split() == ["1", str(os.geteuid() != 0)]


def test_doctor_and_migrate_speak_of_it(site: Path) -> None:
    commands = Path(sys.executable).parent
    words = [str(commands / "carbonslurm"), "ledger", "migrate", "--config", str(site)]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    address = config.load(site).ledger
    assert (done.stdout, done.stderr) == (f"{address}: revision {REVISIONS[-1]}\n", "")
    words = [str(commands / "carbonslurm"), "doctor", "--config", str(site)]
    found = subprocess.run(words, capture_output=True, text=True, check=False).stdout.splitlines()
    ledger = next(line for line in found if "  ledger  " in line)
    assert ledger.startswith("ok ")
    assert ledger.endswith(f"{address}: readable and writable")
