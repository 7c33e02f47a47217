"""One daemon acts on a cluster by a ledger: whoever has the lease."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from carbonslurm.core.action import Action, Verb
from carbonslurm.errors import LedgerError, UnavailableError
from carbonslurm.ledger.lease import FileLease, lock_path
from carbonslurm.ledger.reading import Reading
from carbonslurm.ledger.writing import Ledger

# A daemon that takes the lease, says so, and lives until it is killed.
HOLDER = """
import sys
from pathlib import Path
from carbonslurm.ledger.lease import FileLease
lease = FileLease(Path(sys.argv[1]), "green", "the first")
print(lease.held(), flush=True)
sys.stdin.readline()
"""


@pytest.fixture
def other(path: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process that has the lease."""
    words = [sys.executable, "-c", HOLDER, str(path)]
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


def test_the_first_has_it_and_keeps_it(lease: FileLease, path: Path) -> None:
    assert [lease.held(), lease.held()] == [True, True]
    assert not FileLease(path, "green", "the third").held()
    assert lease.holder() == "the second"


def test_it_is_free_as_soon_as_its_holder_was_killed(lease: FileLease, other: Any) -> None:
    assert not lease.held()
    assert lease.holder() == "the first"
    os.kill(other.pid, signal.SIGKILL)
    other.wait()
    assert lease.held()
    assert lease.holder() == "the second"


def test_it_is_free_when_it_was_let_go(lease: FileLease, path: Path) -> None:
    assert lease.held()
    third = FileLease(path, "green", "the third")
    lease.let_go()
    assert third.held()
    assert not lease.held()
    third.let_go()


@pytest.mark.parametrize("cluster", ["blue", "gr/een", ".."])
def test_each_cluster_has_its_own(lease: FileLease, path: Path, cluster: str) -> None:
    theirs = FileLease(path, cluster, "the third")
    assert lease.held()
    assert theirs.held()
    assert lock_path(path, cluster).parent == path.parent
    theirs.let_go()


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


def test_a_ledger_whose_lease_another_took_is_written_no_more(
    lease: FileLease, path: Path, clock: Callable[[float], datetime]
) -> None:
    assert lease.held()
    with Ledger.open(path, cluster="green", lease=lease) as ledger:
        ledger.begin_cycle(clock(0), observe=False)
        lease.let_go()
        third = FileLease(path, "green", "the third")
        assert third.held()
        with pytest.raises(UnavailableError, match="the third has taken over"):
            ledger.begin_cycle(clock(1), observe=False)
        assert ledger.last_cycle("green") == (clock(0), None)
        third.let_go()
