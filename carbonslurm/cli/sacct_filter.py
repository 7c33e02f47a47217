"""carbon-sacct's words -> which runs: sacct's time windows, states, users and job ids."""

from __future__ import annotations

import getpass
import os
import pwd
from dataclasses import dataclass
from typing import TYPE_CHECKING

from carbonslurm.core.interval import Interval
from carbonslurm.errors import UsageError
from carbonslurm.formats.job_ids import JobPick, read_job_picks
from carbonslurm.formats.times import read_moment
from carbonslurm.ports import RunFilter

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from carbonslurm.ports import RunRow

# sacct's JOB STATE CODES.
STATES: Mapping[str, str] = {
    "BF": "BOOT_FAIL",
    "CA": "CANCELLED",
    "CD": "COMPLETED",
    "DL": "DEADLINE",
    "F": "FAILED",
    "NF": "NODE_FAIL",
    "OOM": "OUT_OF_MEMORY",
    "PD": "PENDING",
    "PR": "PREEMPTED",
    "R": "RUNNING",
    "RQ": "REQUEUED",
    "RS": "RESIZING",
    "RV": "REVOKED",
    "S": "SUSPENDED",
    "TO": "TIMEOUT",
}
LASTING = frozenset({"PENDING", "RUNNING", "SUSPENDED"})
ALL_CLUSTERS = "all"


@dataclass(frozen=True, slots=True)
class Wanted:
    """What was asked for.

    Attributes:
        runs: for the ledger.
        picks: job ids, of which the ledger knows no tasks and components.
        hint: what may surprise about it, None where nothing does.
    """

    runs: RunFilter
    picks: tuple[JobPick, ...] = ()
    hint: str | None = None

    def of(self, rows: Sequence[RunRow]) -> Sequence[RunRow]:
        """Leave out other tasks of an array where single ones were asked for."""
        if all(pick.tasks is None for pick in self.picks):
            return rows
        return [row for row in rows if self.picks_of(row)]

    def picks_of(self, row: RunRow) -> Sequence[JobPick]:
        """Return the ids that pick a run, or a step of it."""
        return [pick for pick in self.picks if _picked(pick, row)]

    @property
    def by_tasks(self) -> bool:
        """Whether single tasks of arrays were asked for."""
        return any(pick.tasks is not None for pick in self.picks)

    @property
    def by_steps(self) -> bool:
        """Whether single steps of jobs were asked for."""
        return any(pick.step is not None for pick in self.picks)


def read_filter(given: Mapping[str, object], cluster: str, now: datetime) -> Wanted:
    """Read the options that choose runs.

    Raises:
        UsageError: one of them cannot be understood.
    """
    picks = read_job_picks(str(given["ids"])) if given["ids"] else ()
    states = _states(given["states"])
    window, hint = _window(given, now, by_state=bool(states), by_id=bool(picks))
    runs = RunFilter(
        window=window,
        users=_users(given),
        accounts=_words(given["accounts"]),
        ids=tuple(_raw_id(pick) for pick in picks),
        clusters=_clusters(given, cluster),
        partitions=_words(given["partitions"]),
        qos=_words(given["qos"]),
        states=states,
        names=_words(given["names"]),
        as_of=read_moment(str(given["as_of"]), now) if given["as_of"] else None,
    )
    return Wanted(runs, picks, hint if any(word not in LASTING for word in states) else None)


def _window(
    given: Mapping[str, object], now: datetime, *, by_state: bool, by_id: bool
) -> tuple[Interval | None, str | None]:
    """Return the window as sacct has it (its DEFAULT TIME WINDOW), and what may surprise about it."""
    start_word, end_word = given["starttime"], given["endtime"]
    if by_id and not (start_word or end_word or by_state):
        return None, None
    if start_word:
        start = read_moment(str(start_word), now)
    elif by_id:
        start = read_moment("uts0", now)
    else:
        start = now if by_state else read_moment("today", now)
    usual = start if by_state and start_word else now
    end = read_moment(str(end_word), now) if end_word else usual
    if end < start and not end_word:
        raise UsageError(f"--starttime {start_word} lies ahead: nothing has run yet")
    if end < start:
        raise UsageError(f"--endtime {end_word} lies before --starttime {start_word or 'today'}")
    hint = "with -s and without -E only one moment is looked at, as in sacct: add -S and -E now"
    return Interval(start, end), hint if by_state and not end_word and not by_id else None


def _states(text: object) -> tuple[str, ...]:
    found = []
    for word in _words(text):
        name = STATES.get(word.upper(), word.upper())
        if name not in STATES.values():
            raise UsageError(f'no state "{word[:40]}": {", ".join(f"{k} ({v})" for k, v in STATES.items())}')
        found.append(name)
    return tuple(found)


def _users(given: Mapping[str, object]) -> tuple[str, ...]:
    """sacct's habit: your own unless you ask for others, everybody's for root; numbers are uids."""
    if given["users"]:
        return tuple(_name_of(word) for word in _words(given["users"]))
    return () if given["allusers"] or given["ids"] or os.geteuid() == 0 else (getpass.getuser(),)


def _name_of(word: str) -> str:
    """Return the name of a uid; of one that nobody has (any more) accounting shows the number."""
    if not (word.isascii() and word.isdigit()):
        return word
    try:
        return pwd.getpwuid(int(word)).pw_name
    except (KeyError, OverflowError):
        return word


def _clusters(given: Mapping[str, object], cluster: str) -> tuple[str, ...]:
    words = _words(given["clusters"])
    if given["allclusters"] or ALL_CLUSTERS in words:
        return ()
    return words or (cluster,)


def _raw_id(pick: JobPick) -> int:
    """Return the id by which the ledger knows it: Slurm numbers components on from their leader."""
    return pick.job_id + (pick.offset or 0)


def _picked(pick: JobPick, row: RunRow) -> bool:
    run = row.run
    if _raw_id(pick) not in {run.key.job_id, run.array_job_id}:
        return False
    return pick.has_task(run.array_task)


def _words(text: object) -> tuple[str, ...]:
    """Read a list; sacct takes one with an empty word in it."""
    return tuple(word for word in str(text).split(",") if word) if text else ()
