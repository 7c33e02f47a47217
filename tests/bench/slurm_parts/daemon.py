"""Our cycles under a meter: a process of the Operator's, told when to cycle."""

from __future__ import annotations

import json
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from carbonslurm.sandbox.site import config_path, write_site
from slurm_parts.place import spawn

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from carbonslurm.sandbox.stage import Stage

DIRTY_G, CLEAN_G = 500.0, 50.0


class Cycles:
    """The daemon's cycles, one at a time."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        self._answer()

    def fetch(self) -> None:
        """Ask the sources."""
        self._tell("fetch")

    def cycle(self) -> dict[str, Any]:
        """Run one cycle; its report."""
        report = self._tell("cycle")
        if report["error"]:
            raise SystemExit(f"a cycle failed: {report['error']}")
        return report

    def _tell(self, word: str) -> dict[str, Any]:
        assert self._process.stdin is not None
        print(word, file=self._process.stdin, flush=True)
        return self._answer()

    def _answer(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise SystemExit("the daemon's cycles ended")
        found: dict[str, Any] = json.loads(line)
        return found


@contextmanager
def cycles(stage: Stage, changes: Mapping[str, Any]) -> Iterator[Cycles]:
    """Our cycles, with a site of their own and an empty ledger."""
    write_site(stage.sandbox, changes)
    here = Path(__file__).with_name("cycles.py")
    argv = [sys.executable, str(here), str(config_path(stage.sandbox))]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    process = spawn(stage.sandbox, argv, stage.daemon_account, **pipes)
    try:
        yield Cycles(process)
    finally:
        process.communicate(timeout=60)


def grid(stage: Stage, hours: list[float]) -> None:
    """Write the day's profile that the site's source reads."""
    profile = {"hours": hours, "kind": "average", "scope": "lifecycle"}
    path = stage.sandbox.directory / "carbon.yaml"
    path.write_text(yaml.safe_dump(profile))
    path.chmod(0o644)
