"""Where everything lies inside a sandbox's folder, and whether a folder can carry one.

::

    DIR/sandbox.json    what `load` reads
    DIR/etc/            slurm.conf, slurmdbd.conf, gres.conf, cgroup.conf and the Lua hook
    DIR/bin/            wrappers of Slurm's commands that know this slurm.conf
    DIR/work            open to all, as /tmp is: where jobs run unless told otherwise
    DIR/log/ run/       logs, and sockets and pids
    DIR/munge/ db/ state/    private to the daemons
    DIR/spool/          slurmd's, with the scripts of running jobs
"""

from __future__ import annotations

import hashlib
import os
import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING

from carbonslurm.errors import RefusedError, UsageError

if TYPE_CHECKING:
    from pathlib import Path

_SOCKET_PATH_MAX = 107  # sun_path in <sys/un.h> less its end mark
_LONGEST_NODE = "n64"
_LONGEST_SOCKET = len(f"/spool/{_LONGEST_NODE}/{_LONGEST_NODE}_") + len(
    "s0123456789abc.4294967295.4294967295"
)
DIRECTORY_MAX = _SOCKET_PATH_MAX - _LONGEST_SOCKET
"""Longest path of a sandbox's folder: slurmstepd opens a socket below it, named by node, job and step."""


@dataclass(frozen=True, slots=True)
class Layout:
    """The paths inside one sandbox's folder."""

    directory: Path

    @property
    def facts(self) -> Path:
        """The state file."""
        return self.directory / "sandbox.json"

    @property
    def etc(self) -> Path:
        """Slurm's configuration and the hook."""
        return self.directory / "etc"

    @property
    def slurm_conf(self) -> Path:
        """The configuration that clients and daemons read."""
        return self.etc / "slurm.conf"

    @property
    def bin(self) -> Path:
        """The wrappers."""
        return self.directory / "bin"

    @property
    def enter(self) -> Path:
        """The script that enters the root folder."""
        return self.etc / "enter"

    @property
    def work(self) -> Path:
        """Where jobs run."""
        return self.directory / "work"

    @property
    def log(self) -> Path:
        """One log per daemon."""
        return self.directory / "log"

    @property
    def munge(self) -> Path:
        """Munge's key and seed."""
        return self.directory / "munge"

    @property
    def munge_socket(self) -> Path:
        """What clients authenticate with."""
        return self.directory / "run" / "munge.socket"

    @property
    def database(self) -> Path:
        """MariaDB's files and its socket, closed to all others: its own grants are off."""
        return self.directory / "db"

    @property
    def database_socket(self) -> Path:
        """The only way into MariaDB."""
        return self.database / "socket"

    def pid_file(self, daemon: str) -> Path:
        """Where we record the process that we started."""
        return self.directory / "run" / f"{daemon}.pid"

    def pid_files(self) -> list[Path]:
        """Those that were written."""
        return sorted((self.directory / "run").glob("*.pid"))

    def create(self) -> None:
        """Make the folders, with the rights that munged, MariaDB and the users of Slurm need.

        Raises:
            RefusedError: the file system denies it.
        """
        try:
            self._create()
        except OSError as error:
            raise RefusedError(f"cannot make {error.filename}: {error.strerror}") from error

    def _create(self) -> None:
        make_open(self.directory)
        self.directory.chmod(0o755)
        for name in ("etc", "bin", "log", "run", "spool"):
            make_open(self.directory / name)
        for folder in (self.munge, self.database, self.directory / "state"):
            folder.mkdir(exist_ok=True)
            folder.chmod(0o700)
        make_open(self.work)
        self.work.chmod(0o1777)

    def remove(self) -> None:
        """Remove all of it, the state file last, so that an interrupted `down` can be repeated.

        Raises:
            RefusedError: the file system denies it.
        """
        if not self.directory.exists():
            return
        try:
            for entry in self.directory.iterdir():
                if entry.is_dir() and not entry.is_symlink():
                    shutil.rmtree(entry)
                elif entry != self.facts:
                    entry.unlink()
            self.facts.unlink(missing_ok=True)
            self.directory.rmdir()
        except OSError as error:
            raise RefusedError(f"cannot remove {error.filename}: {error.strerror}") from error


def make_open(directory: Path) -> None:
    """Make a folder, and those above it that are missing, for all to read, whatever the umask."""
    if not directory.parent.exists():
        make_open(directory.parent)
    if not directory.exists():
        directory.mkdir()
        directory.chmod(0o755)


def cluster_name(directory: Path) -> str:
    """A cluster name of this folder's own: job processes are told apart by it."""
    return "sandbox_" + hashlib.sha256(os.fsencode(directory)).hexdigest()[:8]


def check_directory(directory: Path, *, as_root: bool) -> None:
    """Refuse a folder that cannot carry a sandbox.

    Raises:
        UsageError: the folder is in use, has a sandbox already, its path is too long for Unix sockets or has
            characters that Slurm's configuration cannot quote, or the users of Slurm could not reach it.
    """
    text = str(directory)
    if len(os.fsencode(text)) > DIRECTORY_MAX:
        raise UsageError(f"{text} is too long for the sockets below it: at most {DIRECTORY_MAX} characters")
    if not text.isprintable() or not text.isascii() or set(text) & set(" #\"'\\%[]$,;=()*?"):
        raise UsageError(f"{text!r} has characters that slurm.conf cannot hold: choose a plainer folder")
    if Layout(directory).facts.exists():
        raise UsageError(f"there is a sandbox in {text} already: `carbonslurm sandbox down {text}` first")
    if directory.exists() and (not directory.is_dir() or any(directory.iterdir())):
        raise UsageError(f"{text} is not an empty folder")
    if as_root and (closed := closed_parent(directory)):
        raise UsageError(f"jobs of other users could not reach {text}: {closed} is closed to them")


def closed_parent(directory: Path) -> Path | None:
    """The nearest folder above that other users cannot pass, None where all are open."""
    for parent in directory.parents:
        if parent.is_dir() and not parent.stat().st_mode & 0o001:
            return parent
    return None
