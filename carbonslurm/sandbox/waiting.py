"""Waiting for a condition, with a deadline: the one place where the sandbox sleeps.

Tests wait with this too, so that none of them guesses how long something takes.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, TypeVar

from carbonslurm.errors import UnavailableError

if TYPE_CHECKING:
    from collections.abc import Callable

_FIRST_PAUSE_S = 0.02
_LONGEST_PAUSE_S = 0.25

T = TypeVar("T")


def wait_until(
    condition: Callable[[], T | None],
    timeout: float = 30.0,
    describe: str | Callable[[], str] = "the condition",
) -> T:
    """Ask until the answer is true, and return that answer.

    Args:
        condition: asked again and again, at first every 20 ms, later every 250 ms.
        timeout: seconds until we give up.
        describe: what was waited for, for the message; a function is called only when we give up.

    Raises:
        UnavailableError: the answer was still not true at the deadline.
    """
    deadline = time.monotonic() + timeout
    pause = _FIRST_PAUSE_S
    while not (answer := condition()):
        if time.monotonic() >= deadline:
            what = describe if isinstance(describe, str) else describe()
            raise UnavailableError(f"waited {timeout:g} s for {what}")
        time.sleep(pause)
        pause = min(pause * 1.5, _LONGEST_PAUSE_S)
    return answer
