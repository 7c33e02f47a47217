"""A sandbox to measure in: quick submissions, sdiag's counts by user, slurmctld's CPU time."""

from __future__ import annotations

import os
import pwd
import subprocess
import tempfile
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from carbonslurm.formats.sdiag import read_sdiag
from carbonslurm.sandbox import Sandbox, SandboxSpec, up
from carbonslurm.sandbox.accounts import demotion
from carbonslurm.sandbox.stage import Stage

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

TICKS = os.sysconf("SC_CLK_TCK")
SETTINGS = {
    "MaxJobCount": "50000",
    # As often as Slurm's own defaults have it: a sandbox's looks each second would drown what we measure.
    "SchedulerParameters": "sched_interval=60,bf_interval=30,default_queue_depth=100",
}
FLEXIBLE = ("--gres=gpu:1", "--time=60", "--comment=carbon:flex=12h", "--output=/dev/null")


@contextmanager
def place(root: Path | None, **settings: str) -> Iterator[Stage]:
    """A sandbox of its own, whose nodes are drained: what is submitted stays pending."""
    with tempfile.TemporaryDirectory(prefix="bench-", ignore_cleanup_errors=True) as name:
        Path(name).chmod(0o755)
        sandbox = up(SandboxSpec(Path(name) / "s", nodes=1, root=root, settings=SETTINGS | settings))
        try:
            yield Stage(sandbox)
        finally:
            sandbox.down()


def drain(sandbox: Sandbox) -> None:
    """Let no job start."""
    words = ["scontrol", "update", f"NodeName={','.join(sandbox.nodes)}", "State=drain", "Reason=bench"]
    sandbox.run(words)


def submit(stage: Stage, count: int, *, workers: int = 4) -> None:
    """Submit flexible jobs as the plain user, by a few shells at once."""
    words = " ".join(["sbatch", "--quiet", *FLEXIBLE, "--wrap=true"])
    line = f"for i in $(seq {count // workers}); do {words} || exit 1; done >/dev/null"
    shells = [spawn(stage.sandbox, ["/bin/sh", "-c", line], stage.user) for _ in range(workers)]
    if any(shell.wait() for shell in shells):
        raise SystemExit("sbatch failed")


def spawn(sandbox: Sandbox, argv: Sequence[str], user: str | None, **streams: Any) -> subprocess.Popen[str]:
    """Start a command against the sandbox as a user."""
    identity: dict[str, Any] = dict(demotion(user)) if user else {}
    environment = {**os.environ, **sandbox.environment(), "HOME": str(sandbox.work)}
    return subprocess.Popen(argv, env=environment, cwd=sandbox.work, text=True, **identity, **streams)


@dataclass(frozen=True, slots=True)
class Cost:
    """What something cost.

    Attributes:
        seconds: of wall time.
        calls: RPCs of the user.
        handled: seconds that slurmctld spent on them, by its own count.
        cpu: seconds of slurmctld's CPU time, its other work included.
    """

    seconds: float
    calls: int
    handled: float
    cpu: float


@dataclass(slots=True)
class Meter:
    """Reads before and after; sdiag is asked by root, so that it does not count itself."""

    sandbox: Sandbox
    uid: int

    @contextmanager
    def measuring(self, found: list[Cost]) -> Iterator[None]:
        """Add what the body cost to a list."""
        calls, handled, cpu = *self._calls(), self._cpu()
        start = time.perf_counter()
        yield
        seconds = time.perf_counter() - start
        used = self._cpu() - cpu
        after, handled_after = self._calls()
        found.append(Cost(seconds, after - calls, handled_after - handled, used))

    def _calls(self) -> tuple[int, float]:
        share = read_sdiag(self.sandbox.run(["sdiag"]).stdout).users.get(self.uid)
        return (share.calls, share.seconds) if share else (0, 0.0)

    def _cpu(self) -> float:
        pid = next(status.pid for status in self.sandbox.status() if status.daemon == "slurmctld")
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / TICKS


def meter(stage: Stage, user: str | None) -> Meter:
    """A meter of one account's calls; None for the caller's."""
    return Meter(stage.sandbox, pwd.getpwnam(user or stage.sandbox.owner).pw_uid)


def pending_ids(sandbox: Sandbox) -> list[str]:
    """The ids of all pending jobs."""
    return sandbox.run(["squeue", "--noheader", "--states=PENDING", "--format=%i"]).stdout.split()
