"""Job ids as sacct -j takes them: ``12``, ``13_4``, ``13_[1-3,7]``, ``20+1``, each with ``.step`` or without.

A task of an array is ``array_task``, a component of a heterogeneous job ``leader+offset``. Brackets hold
numbers, ranges, and ranges with a step (``0-8:2``); ``%2`` behind them limits how many run at once, and says
nothing of which are meant. Digits only: Python would read 6_3 as 63, which is somebody else's job.
"""

import re
from dataclasses import dataclass

from carbonslurm.errors import UsageError

MOST_TASKS = 4_000_001  # Slurm's own limit of MaxArraySize
_ID = re.compile(
    r"(?P<job>[0-9]{1,10})"
    r"(?:_(?P<task>[0-9]{1,10})|_\[(?P<tasks>[0-9,:-]+)(?:%[0-9]{1,10})?\]|\+(?P<offset>[0-9]{1,5}))?"
    r"(?:\.(?P<step>[a-z]+|[0-9]{1,10}))?"
)
_RANGE = re.compile(r"([0-9]{1,7})(?:-([0-9]{1,7})(?::([0-9]{1,7}))?)?")


@dataclass(frozen=True, slots=True)
class JobPick:
    """What one id picks.

    Attributes:
        job_id: a job, an array, or the leader of a heterogeneous job.
        tasks: only these of an array; None for the whole job.
        offset: only this component of a heterogeneous job.
        step: only this step.
    """

    job_id: int
    tasks: tuple[range, ...] | None = None
    offset: int | None = None
    step: str | None = None

    def has_task(self, task: int | None) -> bool:
        """Tell whether a task of the array is among those picked."""
        return self.tasks is None or (task is not None and any(task in part for part in self.tasks))


def read_job_picks(text: str) -> tuple[JobPick, ...]:
    """Read a list of ids.

    Raises:
        UsageError: one of them is none.
    """
    return tuple(_read_pick(word) for word in re.split(r",(?![^\[]*\])", text))


def _read_pick(word: str) -> JobPick:
    match = _ID.fullmatch(word)
    if match is None:
        raise UsageError(f'expected job ids such as 12, 13_4, 13_[1-3] or 20+1, got "{word[:40]}"')
    tasks: tuple[range, ...] | None = None
    if match["task"]:
        tasks = (range(int(match["task"]), int(match["task"]) + 1),)
    elif match["tasks"]:
        tasks = tuple(_read_range(part, word) for part in match["tasks"].split(","))
    offset = int(match["offset"]) if match["offset"] else None
    return JobPick(int(match["job"]), tasks, offset, match["step"])


def _read_range(part: str, word: str) -> range:
    match = _RANGE.fullmatch(part)
    first = int(match[1]) if match else 0
    last = int(match[2]) if match and match[2] else first
    step = int(match[3]) if match and match[3] else 1
    if match is None or last < first or last > MOST_TASKS or step == 0:
        raise UsageError(f'expected tasks such as [1-3,7], got "{word[:40]}"')
    return range(first, last + 1, step)
