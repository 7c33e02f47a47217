"""One daemon acts on a cluster by a ledger: whoever has the lease."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from carbonslurm.core.action import Action, Verb
from carbonslurm.errors import LedgerError, UnavailableError
from carbonslurm.ledger.lease import FileLease, lock_path
from carbonslurm.ledger.place import Place
from carbonslurm.ledger.postgres import PostgresLease, PostgresServer
from carbonslurm.ledger.reading import Reading
from carbonslurm.ledger.sqlite import SqliteFile
from carbonslurm.ledger.writing import Ledger
from carbonslurm.ports import Lease
from carbonslurm.sandbox.postgres import PrivatePostgres
from carbonslurm.sandbox.waiting import wait_until

# A daemon that takes the lease, says so, and lives until it is killed.
HOLDER = """
import sys
from pathlib import Path
if len(sys.argv) > 2:
    from carbonslurm.ledger.postgres import PostgresLease, PostgresServer
    lease = PostgresLease(PostgresServer(sys.argv[1], Path(sys.argv[2])), "green", "the first")
else:
    from carbonslurm.ledger.lease import FileLease
    lease = FileLease(Path(sys.argv[1]), "green", "the first")
print(lease.held(), flush=True)
sys.stdin.readline()
"""

MakeLease = Callable[..., Lease]


@pytest.fixture
def make(place: Place) -> Iterator[MakeLease]:
    """Make leases of the place, one for each daemon."""
    made: list[Lease] = []

    def build(name: str, cluster: str = "green") -> Lease:
        if isinstance(place, PostgresServer):
            made.append(PostgresLease(place, cluster, name))
        else:
            assert isinstance(place, SqliteFile)
            made.append(FileLease(place.path, cluster, name))
        return made[-1]

    yield build
    for lease in made:
        lease.let_go()


@pytest.fixture
def other(place: Place) -> Iterator[subprocess.Popen[str]]:
    """Another process that has the lease."""
    where = [place.url, str(place.password_file)] if isinstance(place, PostgresServer) else [str(place)]
    words = [sys.executable, "-c", HOLDER, *where]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "True\n"
        yield process
        process.kill()


@pytest.fixture
def lease(path: Path) -> Iterator[FileLease]:
    made = FileLease(path, "green", "the second")
    yield made
    made.let_go()


def test_the_first_has_it_and_keeps_it(make: MakeLease) -> None:
    first, second = make("the first"), make("the second")
    assert [first.held(), first.held()] == [True, True]
    assert not second.held()
    assert first.holder() == second.holder() == "the first"


def test_it_is_free_as_soon_as_its_holder_was_killed(make: MakeLease, other: Any) -> None:
    second = make("the second")
    assert not second.held()
    assert second.holder() == "the first"
    os.kill(other.pid, signal.SIGKILL)
    other.wait()
    wait_until(second.held, 10, "the lease to be free")
    assert second.holder() == "the second"


def test_it_is_free_when_it_was_let_go(make: MakeLease) -> None:
    first, second = make("the first"), make("the second")
    assert first.held()
    first.let_go()
    wait_until(second.held, 10, "the lease to be free")
    assert not first.held()


def test_threads_share_it(make: MakeLease) -> None:
    first, second = make("the first"), make("the second")
    with ThreadPoolExecutor(8) as threads:
        assert all(threads.map(lambda _: first.held(), range(80)))
    assert not second.held()


def test_a_ledger_whose_lease_another_took_is_written_no_more(
    make: MakeLease, place: Place, clock: Callable[[float], datetime]
) -> None:
    lease, third = make("the first"), make("the third")
    assert lease.held()
    with Ledger.open(place, cluster="green", lease=lease) as ledger:
        ledger.begin_cycle(clock(0), observe=False)
        lease.let_go()
        wait_until(third.held, 10, "the lease to be free")
        with pytest.raises(UnavailableError, match="the third has taken over"):
            ledger.begin_cycle(clock(1), observe=False)
        assert ledger.last_cycle("green") == (clock(0), None)


@pytest.mark.parametrize("cluster", ["blue", "gr/een", ".."])
def test_each_cluster_has_its_own(make: MakeLease, path: Path, cluster: str) -> None:
    assert make("the first").held()
    assert make("theirs", cluster).held()
    assert lock_path(path, cluster).parent == path.parent


def test_a_lock_file_that_was_removed_locks_nothing(lease: FileLease, path: Path) -> None:
    """Whoever comes next makes and locks a new one, so the old one is worth nothing."""
    assert lease.held()
    lock_path(path, "green").unlink()
    third = FileLease(path, "green", "the third")
    assert third.held()
    assert not lease.held()
    third.let_go()
    assert lease.held()


def test_a_folder_that_is_not_there_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(LedgerError, match="No such file or directory") as caught:
        FileLease(tmp_path / "no" / "ledger.db", "green", "x").held()
    assert "\n" not in str(caught.value)


def _delete(path: Path) -> None:
    path.unlink()


def _replace(path: Path) -> None:
    path.rename(path.with_suffix(".old"))
    Ledger.open(path, cluster="green").close()


@pytest.mark.parametrize(("change", "word"), [(_delete, "deleted"), (_replace, "replaced")])
def test_a_ledger_that_was_taken_away_is_written_no_more(
    lease: FileLease,
    path: Path,
    make_job: Any,
    clock: Callable[[float], datetime],
    change: Callable[[Path], None],
    word: str,
) -> None:
    assert lease.held()
    with Ledger.open(path, cluster="green", lease=lease) as ledger:
        assert lease.held()
        change(path)
        with pytest.raises(LedgerError, match=word):
            lease.held()
        with pytest.raises(LedgerError, match="restart carbonslurmd"):
            ledger.intend(None, [Action(Verb.LEAVE, make_job(), "a reason")], clock(0))
    if path.exists():
        with Reading.open(path) as reading:
            assert reading.actions("green", clock(0)) == []


# --- on PostgreSQL


def test_a_lost_connection_is_taken_up_again_where_nobody_came_between(
    empty_tables: PostgresServer, postgres: PrivatePostgres
) -> None:
    lease = PostgresLease(empty_tables, "green", "the first")
    assert lease.held()
    assert _cut(postgres, "the first") == 1
    assert lease.held()
    lease.let_go()


def test_a_lost_connection_is_a_lost_lease_where_somebody_waits(
    empty_tables: PostgresServer, postgres: PrivatePostgres
) -> None:
    first, second = (PostgresLease(empty_tables, "green", name) for name in ("the first", "the second"))
    assert first.held()
    _cut(postgres, "the first")
    wait_until(second.held, 10, "the lease to be free")
    assert not first.held()
    assert first.holder() == "the second"
    first.let_go()
    second.let_go()


def _cut(postgres: PrivatePostgres, name: str) -> int:
    """End a session, as a network or an admin does."""
    sessions = postgres.sql("SELECT application_name, pid FROM pg_stat_activity")
    ended = [pid for whose, pid in sessions if whose == name]
    for pid in ended:
        postgres.sql(f"SELECT pg_terminate_backend({pid})")
    return len(ended)


def test_a_dead_hosts_lease_ends_within_a_minute(empty_tables: PostgresServer) -> None:
    """No test can unplug a host; the server's own settings for this session say when it gives up."""
    with empty_tables.connect() as connection:
        settings = [
            connection.execute(f"SELECT current_setting('tcp_keepalives_{what}')".encode()).fetchone()
            for what in ("idle", "interval", "count")
        ]
        unheard = connection.execute(b"SELECT current_setting('tcp_user_timeout')").fetchone()
    idle, interval, count = (int(row[0]) for row in settings if row)
    assert idle + interval * count <= 60
    assert unheard == ("30000",)


def test_nobody_has_the_lease_of_a_server_that_is_away(own_postgres: PrivatePostgres) -> None:
    own_postgres.database("ledger")
    server = PostgresServer(own_postgres.url("ledger"), own_postgres.password_file())
    first, second = (PostgresLease(server, "green", name) for name in ("the first", "the second"))
    assert first.held()
    own_postgres.kill()
    for lease in (first, second, first):
        with pytest.raises(LedgerError) as caught:
            lease.held()
        assert "\n" not in str(caught.value)
    assert first.holder() == "another carbonslurmd"
    own_postgres.start()
    assert second.held()
    assert not first.held()
    first.let_go()
    second.let_go()
