"""A sandbox with carbonslurmd running in it: what the demo and the tests of the whole stand on.

As root, the daemon runs as the Operator and jobs as plain users, as on a real site; where those accounts
cannot run this checkout's Python (a folder above it is closed to them) the caller runs the daemon. Anybody
else's sandbox knows one person, who is everything.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from carbonslurm import wiring
from carbonslurm.config import load as load_config
from carbonslurm.errors import LedgerError, UnavailableError
from carbonslurm.sandbox.accounts import demotion
from carbonslurm.sandbox.site import config_path, write_site
from carbonslurm.sandbox.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from carbonslurm.config import Config
    from carbonslurm.sandbox.cluster import Sandbox

COMMANDS = Path(sys.executable).parent
_TO_END_S = 20


@dataclass(slots=True)
class Stage:
    """A sandbox, the site written for it, and the daemon.

    Attributes:
        sandbox: one that is up.
        changes: of the site's configuration, see site.write_site.
        process: the daemon, None while it does not run.
    """

    sandbox: Sandbox
    changes: Mapping[str, Any] = field(default_factory=dict)
    process: subprocess.Popen[bytes] | None = None

    @property
    def config(self) -> Config:
        """The site's configuration."""
        return load_config(config_path(self.sandbox))

    @property
    def log(self) -> Path:
        """The daemon's log."""
        return self.sandbox.directory / "log" / "carbonslurmd.log"

    @property
    def daemon_account(self) -> str | None:
        """Who runs the daemon, None for the caller."""
        return _account(self.sandbox.operator)

    @property
    def user(self) -> str | None:
        """Whose jobs are submitted, None for the caller's."""
        return self.sandbox.users[0] if os.geteuid() == 0 else None

    def write_site(self) -> None:
        """Write configuration, carbon data and the hook's settings."""
        write_site(self.sandbox, self.changes)

    def start(self, *options: str) -> None:
        """Start the daemon, and return once it has been through a cycle.

        Raises:
            UnavailableError: it ended, or has not got there after 80 s.
        """
        program = str(COMMANDS / "carbonslurmd")
        self.launch([program, "--config", str(config_path(self.sandbox)), *options, "run"])
        wait_until(self._has_cycled, 80, "the daemon's first cycle")

    def launch(self, argv: Sequence[str]) -> subprocess.Popen[bytes]:
        """Start a program as the daemon: with its account, in its log. It is ``process`` from then on."""
        account = self.daemon_account
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                list(argv),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self.sandbox.work,
                env={**os.environ, "HOME": str(self.sandbox.work)},
                **(_identity(account) if account else {}),
            )
        return self.process

    def check(self) -> None:
        """Say so where the daemon has ended.

        Raises:
            UnavailableError: with the last line of its log.
        """
        if self.process is not None and self.process.poll() is not None:
            lines = self.log.read_text(errors="replace").splitlines()
            raise UnavailableError(
                f"carbonslurmd ended with {self.process.returncode}: {lines[-1] if lines else ''}"
            )

    def stop(self) -> int | None:
        """End the daemon in good order; return its exit code, None where it did not run."""
        if self.process is None:
            return None
        self.process.send_signal(signal.SIGTERM)
        try:
            code = self.process.wait(_TO_END_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            code = self.process.wait(_TO_END_S)
        self.process = None
        return code

    def kill(self) -> None:
        """End the daemon at once (SIGKILL), as a crash does."""
        if self.process is not None:
            self.process.kill()
            self.process.wait(_TO_END_S)
            self.process = None

    def command(self, *words: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run one of our commands as the caller, with this site's configuration."""
        environment = {"CARBONSLURM_CONFIG": str(config_path(self.sandbox))}
        return self.sandbox.run([str(COMMANDS / words[0]), *words[1:]], env=environment, check=check)

    def submitting(self, words: Sequence[str]) -> list[str]:
        """Return the command that submits a job with carbon-sbatch's words, as its user can run it."""
        if self.user is None or _can_run(self.user):
            return [str(COMMANDS / "carbon-sbatch"), *words]
        return list(_as_plain_sbatch(words))

    def _has_cycled(self) -> bool:
        self.check()
        try:
            with wiring.reading(self.config) as reading:
                return reading.last_cycle(self.config.cluster) is not None
        except LedgerError:
            return False  # its tables are just being made


def _as_plain_sbatch(words: Sequence[str]) -> Iterator[str]:
    """Our options as the tag that they make: the words come as ``--name value`` pairs, then sbatch's own."""
    items = []
    rest = list(words)
    while len(rest) > 1 and rest[0] in {"--flex", "--length", "--checkpoint", "--restart"}:
        items.append(f"{rest.pop(0).removeprefix('--')}={rest.pop(0)}")
    yield "sbatch"
    yield from [f"--comment=carbon:{','.join(items)}"] if items else []
    yield from rest


def _account(name: str) -> str | None:
    return name if os.geteuid() == 0 and _can_run(name) else None


@cache
def _can_run(name: str) -> bool:
    """Whether an account can run this checkout: a folder above it, or above its Python, may be closed."""
    words = [str(COMMANDS / "python"), "-c", "import carbonslurm.daemon"]
    try:
        done = subprocess.run(words, check=False, capture_output=True, cwd="/", **_identity(name))
    except PermissionError:
        return False
    return done.returncode == 0


def _identity(name: str) -> dict[str, Any]:
    """What subprocess takes to become an account; only root can, for others it is nothing."""
    return dict(demotion(name)) if os.geteuid() == 0 else {}
