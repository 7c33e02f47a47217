"""One reading of sacct, every row accounted for: as a run, as a step of one, or set aside with the reason.

A row that cannot be true (or not be read) stops nothing and is not lost: it is kept as it was printed, so
that an admin can list it, mend it in Slurm, and see it become a run with the next reading.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from carbonslurm.core.job import AccountedRun, AccountedStep, RunKey

# Slurm ends a run soon after its limit; what a suspension, OverTimeLimit and a slow node add is less.
BEYOND_LIMIT = timedelta(days=30)
LONGEST_UNLIMITED = timedelta(days=366)  # no node is up longer


def longest(time_limit: timedelta | None) -> timedelta:
    """Return how long a run can last at most: one that lasts longer is a *runaway job*."""
    return LONGEST_UNLIMITED if time_limit is None else time_limit + BEYOND_LIMIT


@dataclass(frozen=True, slots=True)
class SetAside:
    """A row that is no run.

    Attributes:
        cluster: whose row it is.
        job: the job id as it was printed, empty where there was none to be read.
        submitted: None where the row has no submit time that can be read.
        reason: why, for people.
        row: what was printed, fields divided by ``|``.
    """

    cluster: str
    job: str
    submitted: datetime | None
    reason: str
    row: str


@dataclass(frozen=True, slots=True)
class Accounted:
    """What one reading gave; ``rows`` is what was printed, whatever became of it.

    Attributes:
        steps: how many rows were steps'.
        known_steps: those of them whose run was read, and which can be true.
    """

    runs: tuple[AccountedRun, ...] = ()
    steps: int = 0
    aside: tuple[SetAside, ...] = ()
    known_steps: tuple[AccountedStep, ...] = ()

    @property
    def rows(self) -> int:
        """How many rows there were."""
        return len(self.runs) + self.steps + len(self.aside)


def one_each(
    read: Iterable[tuple[AccountedRun, Sequence[str]]],
) -> tuple[list[AccountedRun], list[SetAside]]:
    """Return one run for each key; what shares its key with another is set aside.

    Of two rows with one job id and one submit time the ended one counts, then the one that started last: so
    the same rows give the same run in whatever order they come.

    Args:
        read: runs, each with the fields of the row that it was read from.
    """
    kept: dict[RunKey, tuple[AccountedRun, Sequence[str]]] = {}
    aside: list[SetAside] = []
    for item in read:
        key = item[0].key
        other = kept.setdefault(key, item)
        if other is item:
            continue
        loser, kept[key] = sorted((other, item), key=_weight)
        reason = TWICE if loser[0] == kept[key][0] else SHADOWED
        aside.append(SetAside(key.cluster, str(key.job_id), key.submitted, reason, "|".join(loser[1])))
    return [run for run, _ in kept.values()], aside


TWICE = "the same row again"
SHADOWED = "another row has this job id and submit time, and counts"


def _weight(item: tuple[AccountedRun, Sequence[str]]) -> tuple[bool, float, float, Sequence[str]]:
    run, row = item
    started = run.started.timestamp() if run.started else 0.0
    return run.ended is not None, started, run.ended.timestamp() if run.ended else 0.0, row
