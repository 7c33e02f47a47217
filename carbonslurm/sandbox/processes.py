"""Starting, recognising and ending the processes of one sandbox, by pid and never by name alone.

A daemon is started in the foreground, in a session of its own, through a shell that tells its pid and ends:
so it is no child of ours, needs no reaping, and outlives us. A recorded pid is believed only if the process
still mentions the sandbox's folder. Job processes are found by what Slurm puts into their environment (the
name of the cluster, which is the folder's own), and by descent.

Everything is read from /proc. Ending is SIGKILL, since `down` deletes what the daemons would save.
"""

from __future__ import annotations

import os
import signal
import subprocess
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from carbonslurm.errors import UnavailableError
from carbonslurm.sandbox.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

_PROC = Path("/proc")
# The caller's umask may close slurmd's spool, where the users' job scripts are run from.
_LAUNCH = 'umask 022; log=$1; shift; "$@" </dev/null >>"$log" 2>&1 & echo $!'
_OTHER_NAMES = ("munged", "mariadbd", "mariadb-install")
_SLURM_NAMES = ("slurmstepd", "srun", "salloc", "sbatch", "sattach", "slurmd", "slurmctld", "slurmdbd")


class DaemonStatus(NamedTuple):
    """One line of `carbonslurm sandbox status`."""

    daemon: str
    pid: int | None
    alive: bool


@dataclass(frozen=True, slots=True)
class Process:
    """What /proc tells about one process."""

    pid: int
    parent: int
    name: str
    command: bytes
    environment: bytes


def launch(argv: Sequence[str], log: Path, environment: Mapping[str, str]) -> int:
    """Start a daemon in the background, its output appended to a log; its pid."""
    result = subprocess.run(
        ["/bin/sh", "-c", _LAUNCH, "sh", str(log), *argv],
        env=environment,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
        start_new_session=True,
        cwd=log.parent,
    )
    return int(result.stdout)


def read(pid: int) -> Process | None:
    """What is known of a process; None where it is gone, a zombie, or a thread of the kernel."""
    folder = _PROC / str(pid)
    try:
        # "pid (name) state parent ...": the name may hold blanks and brackets, so split after the last one.
        head, _, tail = (folder / "stat").read_bytes().rpartition(b")")
        state, parent = tail.split()[:2]
        command = (folder / "cmdline").read_bytes()
    except (OSError, ValueError):
        return None
    if state in {b"Z", b"X"} or not command:
        return None
    try:
        environment = (folder / "environ").read_bytes()
    except OSError:
        environment = b""
    name = head.partition(b"(")[2].decode(errors="replace")
    return Process(pid, int(parent), name, command, environment)


def exists(pid: int) -> bool:
    """Whether a process that we have just started is still there, be it in the middle of its exec."""
    try:
        return (_PROC / str(pid) / "stat").read_bytes().rpartition(b")")[2].split()[0] not in {b"Z", b"X"}
    except (OSError, IndexError):
        return False


def everything() -> list[Process]:
    """All processes that can be read now."""
    pids = (int(entry.name) for entry in _PROC.iterdir() if entry.name.isdigit())
    return [process for pid in pids if (process := read(pid))]


def is_daemon(pid: int, directory: Path) -> bool:
    """Whether that pid is still a process that was started for this folder."""
    process = _settled(pid)
    if process is None:
        return False
    mark = os.fsencode(directory) + b"/"
    return mark in process.command or mark in process.environment


def _settled(pid: int) -> Process | None:
    """A process in the middle of its exec has no command for an instant; a thread of the kernel never has."""
    try:
        wait_until(lambda: read(pid) or not exists(pid), 0.5)
    except UnavailableError:
        return None
    return read(pid)


def belonging(directory: Path, cluster: str, recorded: Iterable[int]) -> list[int]:
    """The pids of all processes of a sandbox: its daemons, Slurm's commands waiting on it, and its jobs.

    A shell, an editor or a carbonslurmd that merely points to the folder is not one of them.
    """
    processes = everything()
    spared = _ancestors(os.getpid(), processes)
    mine = {pid for pid in recorded if is_daemon(pid, directory)}
    mine |= {process.pid for process in processes if _is_of(process, directory, cluster)}
    mine -= spared
    return sorted(_with_descendants(mine, processes) - spared)


def _is_of(process: Process, directory: Path, cluster: str) -> bool:
    variables = process.environment.split(b"\0")
    if b"SLURM_CLUSTER_NAME=" + cluster.encode() in variables:
        return True
    if process.name.startswith(_OTHER_NAMES):
        return os.fsencode(directory) + b"/" in process.command
    conf = os.fsencode(directory / "etc" / "slurm.conf")
    points_here = b"SLURM_CONF=" + conf in variables or conf in process.command.split(b"\0")
    return process.name.startswith(_SLURM_NAMES) and points_here


def _ancestors(pid: int, processes: Sequence[Process]) -> set[int]:
    parents = {process.pid: process.parent for process in processes}
    found = {pid}
    while (pid := parents.get(pid, 0)) > 0 and pid not in found:
        found.add(pid)
    return found


def _with_descendants(pids: set[int], processes: Sequence[Process]) -> set[int]:
    found = set(pids)
    grown = True
    while grown:
        children = {process.pid for process in processes if process.parent in found} - found
        found |= children
        grown = bool(children)
    return found


def kill(pids: Iterable[int], number: signal.Signals = signal.SIGKILL) -> None:
    """Signal each of them; one that is gone already is no matter."""
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, number)


def stop(pid: int, directory: Path, timeout: float = 20.0) -> None:
    """End one daemon in good order: SIGTERM, and SIGKILL if that is not heard within `timeout` seconds."""
    if not is_daemon(pid, directory):
        return
    kill([pid], signal.SIGTERM)
    try:
        wait_until(lambda: not is_daemon(pid, directory), timeout)
    except UnavailableError:
        kill([pid])
        wait_until(lambda: not is_daemon(pid, directory), timeout, f"process {pid} to end")


def end_all(directory: Path, cluster: str, recorded: Sequence[int]) -> None:
    """Kill every process of a sandbox, and those that they started meanwhile.

    Raises:
        UnavailableError: some are still there after 20 s.
    """

    def none_left() -> bool:
        left = belonging(directory, cluster, recorded)
        kill(left)
        return not left

    wait_until(none_left, 20, f"the processes of {directory} to end")
