"""A private Slurm that is up: its facts, and what can be done with it.

The facts are written to DIR/sandbox.json before the first daemon starts, so that `down` can clear away even
what a killed `up` left behind. Pids live in files beside it, since slurmctld may be restarted by tests.
How one comes into being is told in founding.py.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from carbonslurm.errors import RefusedError, UnavailableError, UsageError
from carbonslurm.sandbox import daemons, processes
from carbonslurm.sandbox.accounts import account, demotion
from carbonslurm.sandbox.layout import Layout, cluster_name
from carbonslurm.sandbox.machine import Machine, clean_environment
from carbonslurm.sandbox.processes import DaemonStatus
from carbonslurm.sandbox.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

# While slurmctld was down somebody's connection may have taken its port for a moment.
_TRIALS = 5
_PATHS = ("directory", "root")
_LISTS = ("users", "nodes")


@dataclass(frozen=True, slots=True)
class Sandbox:
    """One private Slurm."""

    directory: Path
    cluster: str
    owner: str
    """The account that runs the daemons."""
    operator: str
    users: tuple[str, ...]
    nodes: tuple[str, ...]
    slurm_version: str
    address: str
    root: Path | None = None

    @property
    def slurm_conf(self) -> Path:
        """What SLURM_CONF points to."""
        return self._layout.slurm_conf

    @property
    def bin(self) -> Path:
        """The folder of wrappers: with it first in PATH, sbatch and the others speak to this Slurm."""
        return self._layout.bin

    @property
    def work(self) -> Path:
        """A folder open to all users, where commands and jobs run unless told otherwise."""
        return self._layout.work

    @property
    def log(self) -> Path:
        """One log per daemon."""
        return self._layout.log

    @property
    def hook_directory(self) -> Path:
        """Where job_submit.lua and its site settings lie. After a change, touch job_submit.lua."""
        return self._layout.etc

    @property
    def daemons(self) -> tuple[str, ...]:
        """The names of all daemons, in the order in which they start."""
        return ("munged", "mariadbd", "slurmdbd", "slurmctld", *(f"slurmd-{node}" for node in self.nodes))

    @property
    def _layout(self) -> Layout:
        return Layout(self.directory)

    def environment(self) -> dict[str, str]:
        """The variables that make Slurm's commands speak to this Slurm."""
        path = os.pathsep.join([str(self.bin), os.environ.get("PATH", "/usr/bin:/bin")])
        return {"SLURM_CONF": str(self.slurm_conf), "PATH": path}

    def run(
        self,
        argv: Sequence[str],
        *,
        user: str | None = None,
        input: str | None = None,  # noqa: A002 - subprocess.run's own word
        timeout: float = 60,
        check: bool = True,
        env: Mapping[str, str] | None = None,
    ) -> subprocess.CompletedProcess[str]:
        """Run a command against this Slurm, in DIR/work, as that user (by default the caller).

        Args:
            argv: the command; Slurm's own are found among the wrappers.
            user: an account of the machine; only root can act as another.
            input: what the command reads; by default nothing.
            timeout: seconds.
            check: raise when the command fails.
            env: further variables.

        Raises:
            RefusedError: it failed, with the last line that it said.
            UnavailableError: it is not there, or took too long.
        """
        environment = {**clean_environment(), **self.environment()}
        if user is not None:
            environment |= {"HOME": str(self.work), "USER": user, "LOGNAME": account(user).pw_name}
        environment |= env or {}
        program = shutil.which(argv[0], path=environment["PATH"])
        if program is None:
            raise UnavailableError(f"{argv[0]} is not installed")
        try:
            result = subprocess.run(  # type: ignore[call-overload]  # demotion's dict has the right keys
                [program, *argv[1:]],
                input=input if input is not None else "",
                capture_output=True,
                encoding="utf-8",
                errors="replace",
                timeout=timeout,
                check=False,
                env=environment,
                cwd=self.work,
                **(demotion(user) if user else {}),
            )
        except subprocess.TimeoutExpired as error:
            raise UnavailableError(f"{argv[0]} did not answer within {timeout:g} s") from error
        if check and result.returncode != 0:
            raise RefusedError(f"{' '.join(argv)}: {last_line(result.stderr or result.stdout)}")
        done: subprocess.CompletedProcess[str] = result
        return done

    def start(self, daemon: str) -> None:
        """Start one of the daemons, and record its pid; whether it answers is for the caller to see."""
        argv = daemons.command(Machine(self._layout, self.root), daemon, self.owner)
        log = self._layout.log / f"{daemon}.out"
        pid = processes.launch(argv, log, daemons.environment(self._layout))
        self._layout.pid_file(daemon).write_text(f"{pid}\n")

    def stop(self, daemon: str) -> None:
        """End one of the daemons in good order; nothing if it is down."""
        if (pid := self._pid(daemon)) is not None:
            processes.stop(pid, self.directory)

    def start_slurmctld(self) -> None:
        """Start slurmctld, and return once it answers and has heard of every node whose slurmd is alive.

        Raises:
            UnavailableError: it ended, or did not answer within 30 s.
        """
        for trial in range(1, _TRIALS + 1):
            self.start("slurmctld")
            try:
                self.wait_for("slurmctld", self._answers)
                break
            except UnavailableError as error:
                if "Address already in use" not in str(error) or trial == _TRIALS:
                    raise
        self.wait_for_nodes()

    def _answers(self) -> bool:
        return " is UP" in self.run(["scontrol", "ping"], check=False).stdout

    def wait_for_nodes(self) -> None:
        """Wait until slurmctld may start jobs on every node whose slurmd is alive.

        Raises:
            UnavailableError: one of them is still unknown or down after 30 s.
        """
        alive = {status.daemon for status in self.status() if status.alive}
        nodes = {node for node in self.nodes if f"slurmd-{node}" in alive}

        def not_ready() -> list[str]:
            told = self.run(["sinfo", "-h", "-N", "-p", "main", "-o", "%N %T"], check=False).stdout
            states = dict.fromkeys(nodes, "unknown") | dict(line.split() for line in told.splitlines())
            # A trailing star is Slurm's mark for a node that does not answer; drained nodes are left alone.
            bad = {node for node in nodes if states[node].startswith(("unk", "down")) or "*" in states[node]}
            return [f"{node} {states[node]}" for node in sorted(bad)]

        wait_until(lambda: not not_ready(), 30, lambda: f"the nodes: {', '.join(not_ready())}")

    def stop_slurmctld(self) -> None:
        """End slurmctld in good order: it saves its state."""
        self.stop("slurmctld")

    def kill_slurmctld(self) -> None:
        """End slurmctld at once (SIGKILL), as a crash does, and return once it is gone."""
        pid = self._pid("slurmctld")
        if pid is not None and processes.is_daemon(pid, self.directory):
            processes.kill([pid])
            wait_until(lambda: not processes.is_daemon(pid, self.directory), 20, "slurmctld to end")

    def restart_slurmctld(self) -> None:
        """Stop slurmctld in good order and start it again."""
        self.stop_slurmctld()
        self.start_slurmctld()

    def status(self) -> list[DaemonStatus]:
        """Each daemon, its recorded pid, and whether it is alive."""
        pids = [(daemon, self._pid(daemon)) for daemon in self.daemons]
        return [
            DaemonStatus(daemon, pid, pid is not None and processes.is_daemon(pid, self.directory))
            for daemon, pid in pids
        ]

    def wait_for(self, daemon: str, condition: Callable[[], bool], timeout: float = 30) -> None:
        """Wait until a starting daemon is ready.

        Raises:
            UnavailableError: it ended, with what its log says, or took longer than `timeout` seconds.
        """

        def ready() -> bool:
            pid = self._pid(daemon)
            if pid is None or not processes.exists(pid):
                raise UnavailableError(f"{daemon} ended at once: {self._complaint(daemon)}")
            return condition()

        wait_until(ready, timeout, lambda: f"{daemon} to be ready: {self._complaint(daemon)}")

    def down(self) -> None:
        """End every process of this sandbox, running jobs too, and remove its folder. May be repeated.

        Raises:
            UnavailableError: some processes did not end within 20 s.
        """
        clear(self._layout, self.root)

    def save(self) -> None:
        """Write the facts down."""
        facts = {key: str(value) if isinstance(value, Path) else value for key, value in asdict(self).items()}
        self._layout.facts.write_text(json.dumps(facts, indent=2) + "\n")

    def _pid(self, daemon: str) -> int | None:
        return _read_pid(self._layout.pid_file(daemon))

    def _complaint(self, daemon: str) -> str:
        """The last two lines with the word error or fatal in a daemon's logs, else the last line at all."""
        logs = [self._layout.log / f"{daemon}{suffix}" for suffix in (".out", ".log")]
        texts = [log.read_text(errors="replace") for log in logs if log.exists()]
        lines = [line for text in texts for line in text.splitlines()]
        bad = [line for line in lines if "error" in line.lower() or "fatal" in line]
        return "; ".join(bad[-2:]) or last_line("\n".join(lines))


def load(directory: Path) -> Sandbox:
    """The sandbox that was brought up in a folder.

    Raises:
        UsageError: there is none.
    """
    file = Layout(directory.resolve()).facts
    try:
        facts = json.loads(file.read_text())
    except (OSError, ValueError) as error:
        raise UsageError(f"there is no sandbox in {directory}") from error
    facts |= {key: Path(facts[key]) for key in _PATHS if facts[key] is not None}
    return Sandbox(**facts | {key: tuple(facts[key]) for key in _LISTS})


def clear(layout: Layout, root: Path | None) -> None:
    """End all processes that belong to a folder and remove it; nothing else has to be known.

    Raises:
        UnavailableError: some processes did not end within 20 s.
    """
    recorded = [pid for file in layout.pid_files() if (pid := _read_pid(file)) is not None]
    processes.end_all(layout.directory, cluster_name(layout.directory), recorded)
    Machine(layout, root).forget()
    layout.remove()


def _read_pid(file: Path) -> int | None:
    try:
        return int(file.read_text())
    except (OSError, ValueError):
        return None


def last_line(text: str) -> str:
    """The last line that says something, for a message of one line."""
    lines = [line for line in text.splitlines() if line.strip()]
    return lines[-1].strip() if lines else "it said nothing"
