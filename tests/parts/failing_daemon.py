"""carbonslurmd with one failpoint: failing_daemon.py CONFIG FAILPOINT SIGNAL.

The first time that it comes to the place it sends itself the signal: KILL, as a crash does, or STOP, so that
whoever started it can do there what should come in between.
"""

import os
import signal
import sys
from functools import partial
from pathlib import Path
from typing import Any

from failpoints import Call, Failpoint, behind

from carbonslurm import config, daemon
from carbonslurm.cli.program import log_to_stderr


class Trap:
    """Sends this process a signal at the first passing of a failpoint."""

    def __init__(self, point: Failpoint, number: signal.Signals) -> None:
        self._point, self._number, self._armed = point, number, True

    def __call__(self, call: Call, *, done: bool) -> None:
        if self._armed and self._point.is_at(call, done=done):
            self._armed = False
            os.kill(os.getpid(), self._number)


def failing(trap: Trap, *given: Any, **named: Any) -> daemon.Daemon:
    """Return the daemon that is run in production, its ports behind the trap."""
    built = daemon.wired(*given, **named)
    built.cycling, built.stopping = behind(built.cycling, trap), behind(built.stopping, trap)
    return built


if __name__ == "__main__":
    path, point, word = sys.argv[1:]
    log_to_stderr(verbose=True)
    trap = Trap(Failpoint.read(point), signal.Signals[f"SIG{word}"])
    daemon.run(config.load(Path(path)), build=partial(failing, trap))
