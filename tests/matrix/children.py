"""Running commands side by side, each with its log, and ending all of them."""

import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

from carbonslurm.errors import UnavailableError


@dataclass(frozen=True, slots=True)
class Children:
    """The commands that run now, of whichever thread."""

    running: set["subprocess.Popen[Any]"] = field(default_factory=set)

    def run(
        self,
        argv: Sequence[str],
        log: Path,
        *,
        timeout: timedelta,
        cwd: Path | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> int:
        """Run a command to its end, what it says appended to a log; return its exit code.

        Raises:
            UnavailableError: it did not end in time, and was killed.
        """
        with log.open("ab") as out:
            process = subprocess.Popen(
                list(argv), stdin=subprocess.DEVNULL, stdout=out, stderr=out, cwd=cwd, env=environment
            )
            self.running.add(process)
            try:
                return process.wait(timeout.total_seconds())
            except subprocess.TimeoutExpired as error:
                raise UnavailableError(f"did not end in {timeout.total_seconds() / 60:.0f} min") from error
            finally:
                process.kill()
                process.wait()
                self.running.discard(process)

    def end(self) -> None:
        """Kill what still runs; the namespaces take everything in them along."""
        for process in list(self.running):
            process.kill()
