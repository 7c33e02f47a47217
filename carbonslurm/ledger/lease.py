"""Who may act by a ledger that is one file: a lock beside the file, one for each cluster.

The lock is the kernel's (flock): it ends with the process that has it, however that ends, and no clock is
asked. The lock file stays when the lock goes, since a second file of the same name could be locked as well;
for the same reason it is compared at each look with the file that its name leads to. What is written in it is
for people. docs/adr/0007 has the reasons.

The ledger itself is looked at too: whoever deletes or replaces the file of a running daemon leaves it writing
into a file that nobody else sees. It then stops acting and says so.
"""

import fcntl
import os
import threading
from pathlib import Path
from typing import TextIO
from urllib.parse import quote

from carbonslurm.errors import LedgerError
from carbonslurm.formats.terminal import cleaned


class FileLease:
    """The lease of one cluster on one SQLite file: Lease of ``ports``. Threads may share it.

    A child process that is forked without an exec has the lock too, and keeps it if it outlives us.

    Args:
        ledger: the database's file; it need not be there yet.
        cluster: the cluster to act on.
        name: who we are, for people.
    """

    def __init__(self, ledger: Path, cluster: str, name: str) -> None:
        self._ledger = ledger
        self._path = lock_path(ledger, cluster)
        self._name = name
        self._file: TextIO | None = None
        self._ledger_is: tuple[int, int] | None = None
        self._one_at_a_time = threading.Lock()

    def held(self) -> bool:
        """Take the lease where it is free; return whether we have it.

        Raises:
            LedgerError: the lock file cannot be written, or the ledger is not the file that it was.
        """
        with self._one_at_a_time:
            if self._file is not None and _identity(self._file.fileno()) != _identity(self._path):
                self._let_go()
            if self._file is None:
                self._take()
            if self._file is None:
                return False
            self._look_at_ledger()
            return True

    def holder(self) -> str:
        """Return who took it last."""
        try:
            words = cleaned(self._path.read_text(encoding="utf-8", errors="replace").strip())
        except OSError:
            words = ""
        return words or "another carbonslurmd"

    def let_go(self) -> None:
        """Leave it to others."""
        with self._one_at_a_time:
            self._let_go()

    def _let_go(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None

    def _take(self) -> None:
        try:
            file = self._path.open("a", encoding="utf-8")
        except OSError as error:
            raise LedgerError(f"ledger {self._path}: {error.strerror}") from error
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if _identity(file.fileno()) != _identity(self._path):
                file.close()  # removed between opening and locking: the next look finds the new one
                return
            file.truncate(0)
            file.write(f"{self._name}\n")
            file.flush()
        except BlockingIOError:
            file.close()
        except OSError as error:
            file.close()
            raise LedgerError(f"ledger {self._path}: {error.strerror}") from error
        else:
            self._file = file

    def _look_at_ledger(self) -> None:
        found = _identity(self._ledger)
        if self._ledger_is is None:
            self._ledger_is = found
        elif found != self._ledger_is:
            what = "deleted" if found is None else "replaced"
            raise LedgerError(
                f"ledger {self._ledger}: {what} while this daemon had it open: nothing is withheld; "
                f"restart carbonslurmd"
            )


def lock_path(ledger: Path, cluster: str) -> Path:
    """Return where the lock of a cluster lies."""
    return ledger.with_name(f"{ledger.name}.{quote(cluster, safe='')}.lock")


def _identity(file: Path | int) -> tuple[int, int] | None:
    """Return what tells a file from another of the same name, None where there is none."""
    try:
        status = os.stat(file)  # noqa: PTH116  # of a name or of an open file
    except OSError:
        return None
    return status.st_dev, status.st_ino
