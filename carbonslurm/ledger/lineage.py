"""Which runs are attempts of one job, and which of our rows that job is.

Two runs with one job id follow each other in one job where the earlier ended in a state that requeues (and
the owner is the same), or where both were submitted within what one row of ``job`` spans. A task of an array
is known twice: under the array's id while it waited, under its own once it ran. The array's row saw it wait,
so its first eligible time goes first.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import Connection, Row, select

from carbonslurm.core.job import AccountedRun
from carbonslurm.ledger.database import in_batches
from carbonslurm.ledger.encoding import read_run
from carbonslurm.ledger.tables import JOB, RUN

# What sacct -D calls an attempt that Slurm put back into the queue, and one that went on in another size.
REQUEUING = frozenset({"REQUEUED", "NODE_FAIL", "PREEMPTED", "RESIZING"})


class Lineage:
    """The attempts and the job rows around some runs.

    Args:
        connection: to read them with, now.
        cluster: whose runs these are.
        runs: the runs in question.
    """

    def __init__(self, connection: Connection, cluster: str, runs: Iterable[AccountedRun]) -> None:
        runs = list(runs)
        own = {run.key.job_id for run in runs}
        arrays = {run.array_job_id for run in runs if run.array_job_id is not None}
        self._attempts: defaultdict[int, list[AccountedRun]] = defaultdict(list)
        self._rows: defaultdict[int, list[Row[Any]]] = defaultdict(list)
        for run in (*runs, *_others(connection, cluster, runs)):
            self._attempts[run.key.job_id].append(run)
        for attempts in self._attempts.values():
            attempts.sort(key=lambda run: run.key.submitted)
        for batch in in_batches(own | arrays):
            for job in connection.execute(
                select(JOB).where(JOB.c.cluster == cluster, JOB.c.job_id.in_(batch))
            ):
                self._rows[job.job_id].append(job)

    def earlier(self, run: AccountedRun) -> tuple[AccountedRun, ...]:
        """Return the attempts before this one, oldest first."""
        chain: list[AccountedRun] = []
        later = run
        before = [
            other for other in self._attempts[run.key.job_id] if other.key.submitted < run.key.submitted
        ]
        for other in reversed(before):
            if not self._leads_to(other, later):
                break
            chain.append(other)
            later = other
        return tuple(reversed(chain))

    def rows(self, attempts: Sequence[AccountedRun]) -> list[Row[Any]]:
        """Return the job rows that saw any of these attempts of one job, the array's first."""
        found: dict[int, Row[Any]] = {}
        for attempt in attempts:
            row = self._row(attempt.array_job_id, attempt)
            if row is not None:
                found[row.id] = row
        for attempt in attempts:
            row = self._row(attempt.key.job_id, attempt)
            if row is not None:
                found.setdefault(row.id, row)
        return list(found.values())

    def _leads_to(self, earlier: AccountedRun, later: AccountedRun) -> bool:
        if earlier.state in REQUEUING and earlier.user == later.user:
            return True
        row = self._row(earlier.key.job_id, earlier)
        return row is not None and row is self._row(later.key.job_id, later)

    def _row(self, job_id: int | None, run: AccountedRun) -> Row[Any] | None:
        if job_id is None:
            return None
        submitted = run.key.submitted
        return next(
            (row for row in self._rows[job_id] if row.first_submitted <= submitted <= row.last_submitted),
            None,
        )


def _others(connection: Connection, cluster: str, runs: Sequence[AccountedRun]) -> list[AccountedRun]:
    """Return the other attempts of some runs' jobs; most have none, and reading whole rows takes longest."""
    known = {(run.key.job_id, run.key.submitted) for run in runs}
    numbers: list[int] = []
    for batch in in_batches({run.key.job_id for run in runs}):
        keys = select(RUN.c.id, RUN.c.job_id, RUN.c.submitted)
        rows = connection.execute(keys.where(RUN.c.cluster == cluster, RUN.c.job_id.in_(batch)))
        numbers += [row.id for row in rows if (row.job_id, row.submitted) not in known]
    return [
        read_run(row)
        for batch in in_batches(numbers)
        for row in connection.execute(select(RUN).where(RUN.c.id.in_(batch))).mappings()
    ]
