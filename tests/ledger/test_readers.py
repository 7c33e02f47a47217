"""Another user reads SQLite's file: daemon running, stopped, killed, or the file only a copy.

The folder is read-only for the time of reading; where the tests run as root, to whom that means nothing, the
reader is ``nobody``.
"""

import os
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from carbonslurm.ledger.place import Place
from carbonslurm.ledger.reading import Reading
from carbonslurm.ledger.writing import Ledger
from carbonslurm.ports import RunFilter

Hours = Callable[[float], datetime]

# Becomes the other user only once all is imported, since Python itself may lie where only root may look.
READER = """
import os, pwd, sys, tempfile
from pathlib import Path
from carbonslurm.ledger.reading import Reading
from carbonslurm.ledger.writing import Ledger
from carbonslurm.ports import RunFilter

def count(path):
    with Reading.open(path) as reading:
        return len(reading.runs(RunFilter()))

with tempfile.TemporaryDirectory() as folder:
    Ledger.open(Path(folder) / "ledger.db").close()
    assert count(Path(folder) / "ledger.db") == 0
if os.geteuid() == 0:
    nobody = pwd.getpwnam("nobody")
    os.setgroups([])
    os.setgid(nobody.pw_gid)
    os.setuid(nobody.pw_uid)
path = Path(sys.argv[1])
assert not os.access(path, os.W_OK) or not os.access(path.parent, os.W_OK)
print(count(path))
"""
# A daemon with a closed umask that writes one run, and is then told how to end.
DAEMON = """
import os, sys
os.umask(0o077)
from datetime import UTC, datetime
from pathlib import Path
from carbonslurm.core.job import AccountedRun, RunKey, Tres
from carbonslurm.ledger.tables import RUN
from carbonslurm.ledger.encoding import run_columns
from carbonslurm.ledger.writing import Ledger
now = datetime(2026, 11, 22, tzinfo=UTC)
def run(number):
    return AccountedRun(RunKey("green", number, now), None, "ada", "physics", "gpu", "normal", now, now,
                        now, "COMPLETED", "0:0", None, Tres(), None, None)
ledger = Ledger.open(Path(sys.argv[1]))
ledger.keep_runs([run(1)], now)
print("written", flush=True)
how = sys.stdin.readline().strip()
if how == "close":
    ledger.close()
if how == "begin":
    with ledger._database.writing() as connection:
        connection.exec_driver_sql("PRAGMA cache_size = 1")  # so that pages reach the disk before the end
        rows = [run_columns(run(number)) for number in range(2, 2000)]
        more = {"recorded_at": now, "changed_at": now, "settled": False}
        connection.execute(RUN.insert(), [row | more for row in rows])
        print("in the middle", flush=True)
        sys.stdin.readline()
"""


@pytest.fixture
def shared() -> Iterator[Path]:
    """A ledger in a folder that others may enter, unlike pytest's own."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        yield Path(folder) / "ledger.db"


def _called_as_another(path: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", READER, str(path)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def _read_as_another(path: Path) -> int:
    path.parent.chmod(0o555)
    done = _called_as_another(path)
    path.parent.chmod(0o755)
    assert done.returncode == 0, done.stderr
    return int(done.stdout)


@contextmanager
def _daemon(path: Path) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-c", DAEMON, str(path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "written\n"
        yield process


def _tell(process: subprocess.Popen[str], words: str) -> None:
    assert process.stdin is not None
    process.stdin.write(words + "\n")
    process.stdin.flush()


def _files(path: Path) -> dict[str, int]:
    return {file.name: stat.S_IMODE(file.stat().st_mode) for file in path.parent.iterdir()}


ALL_READABLE = {"ledger.db": 0o644, "ledger.db-wal": 0o644, "ledger.db-shm": 0o644}


def test_while_the_daemon_runs(shared: Path) -> None:
    with _daemon(shared) as process:
        assert _read_as_another(shared) == 1
        _tell(process, "close")
    assert process.returncode == 0


def test_after_the_daemon_stopped(shared: Path) -> None:
    with _daemon(shared) as process:
        _tell(process, "close")
    assert process.returncode == 0
    assert _files(shared) == ALL_READABLE
    assert shared.with_name("ledger.db-wal").stat().st_size == 0
    assert _read_as_another(shared) == 1


def test_after_the_daemon_ended_without_closing(shared: Path) -> None:
    with _daemon(shared) as process:
        _tell(process, "go")
    assert process.returncode == 0
    assert _read_as_another(shared) == 1


def test_after_the_daemon_was_killed(shared: Path) -> None:
    with _daemon(shared) as process:
        os.kill(process.pid, signal.SIGKILL)
    assert _files(shared) == ALL_READABLE
    assert _read_as_another(shared) == 1


def test_while_and_after_the_daemon_was_killed_in_the_middle_of_writing(shared: Path) -> None:
    with _daemon(shared) as process:
        _tell(process, "begin")
        assert process.stdout is not None
        assert process.stdout.readline() == "in the middle\n"
        assert _read_as_another(shared) == 1
        os.kill(process.pid, signal.SIGKILL)
    assert _read_as_another(shared) == 1
    Ledger.open(shared).close()
    assert _read_as_another(shared) == 1


def test_a_copy_without_side_files(shared: Path) -> None:
    with _daemon(shared) as process:
        _tell(process, "close")
    copy = shared.with_name("copy.db")
    shutil.copy(shared, copy)
    assert _read_as_another(copy) == 1


def test_a_reader_sees_what_is_written_after_it_opened(place: Place, make_run: Any, clock: Hours) -> None:
    with Ledger.open(place) as ledger, Reading.open(place) as reading:
        assert reading.runs(RunFilter()) == []
        ledger.keep_runs([make_run()], clock(4))
        assert len(reading.runs(RunFilter())) == 1


def test_a_reader_does_not_hold_up_the_daemon(place: Place, make_run: Any, clock: Hours) -> None:
    with Ledger.open(place) as ledger, Reading.open(place) as reading:
        with reading._database.reading() as connection:  # noqa: SLF001  # a reader in the middle of a question
            connection.exec_driver_sql("SELECT count(*) FROM run").fetchone()
            assert ledger.keep_runs([make_run()], clock(4)) == 1
        assert len(reading.runs(RunFilter())) == 1


def test_a_closed_ledger_stays_closed_to_others(shared: Path) -> None:
    """A site that took away the right to read finds it taken away after the next start too."""
    Ledger.open(shared).close()
    for file in shared.parent.iterdir():
        file.chmod(0o600)
    with Ledger.open(shared) as ledger:
        ledger.begin_cycle(datetime.fromisoformat("2026-11-22T00:00:00Z"), observe=False)
    assert set(_files(shared).values()) == {0o600}


def test_a_reader_cannot_write(place: Place) -> None:
    Ledger.open(place).close()
    with Reading.open(place) as reading:
        assert not hasattr(reading, "intend")
        from carbonslurm.errors import LedgerError

        with pytest.raises(LedgerError, match=r"read-?only"), reading._database.writing() as connection:  # noqa: SLF001
            connection.exec_driver_sql("DELETE FROM run")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can close a file to another user and open it again")
@pytest.mark.parametrize(
    ("closed", "said"),
    [("file", "may not be read by this user"), ("folder", "there is none, or this user may not see it")],
)
def test_what_is_closed_to_a_user_is_said(shared: Path, closed: str, said: str) -> None:
    Ledger.open(shared).close()
    (shared if closed == "file" else shared.parent).chmod(0o700)
    assert _called_as_another(shared).stderr.endswith(f"LedgerError: ledger {shared}: {said}\n")
