"""First sights of flexible jobs: what our own changes would hide from us later.

Slurm uses its job ids again, and a requeue resets the submit time while it raises Restarts. So the newest
row with a job's id is that job, unless the snapshot shows a first run (Restarts 0) with another submit time:
then the id has a new owner. ``last_submitted`` follows the requeues; every run that was submitted between
the first and the last belongs to the row for certain.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, insert, select, update

from carbonslurm.core.job import JobKey, Queue, QueuedJob
from carbonslurm.ledger.database import Room, in_batches, insert_one
from carbonslurm.ledger.encoding import Columns, job_columns
from carbonslurm.ledger.tables import JOB


class JobReader(Room):
    """What earlier snapshots showed."""

    def seen_waiting(self, queue: Queue) -> frozenset[JobKey]:
        """Return the jobs of this queue that an earlier one showed with unmet dependencies.

        Raises:
            LedgerError: it could not be read.
        """
        with self._database.reading() as connection:
            rows = current_jobs(connection, queue.jobs)
        return frozenset(key for key, row in rows.items() if row.waited)


class JobBook(JobReader):
    """The daemon's side: keeps what this snapshot shows."""

    def note(self, queue: Queue, first_eligible: Mapping[JobKey, datetime | None]) -> None:
        """Keep each flexible job of the queue; a first eligible time once known never changes.

        Raises:
            LedgerError: it could not be written.
        """
        tagged = [job for job in queue.jobs if job.tag is not None]
        with self._database.writing() as connection:
            rows = current_jobs(connection, tagged)
            new = []
            for key, sights in _by_key(tagged).items():
                row = rows.get(key)
                if row is None:
                    new.append(_first_sight(sights, first_eligible.get(key)))
                else:
                    _bring_up_to_date(connection, row, sights, first_eligible.get(key))
            if new:
                connection.execute(insert(JOB), new)


def current_jobs(connection: Connection, jobs: Iterable[QueuedJob]) -> dict[JobKey, Row[Any]]:
    """Return the row of each of these jobs that has one."""
    sights = _by_key(jobs)
    newest = _newest_rows(connection, sights)
    return {
        key: row
        for key, row in newest.items()
        if any(job.restarts > 0 or job.submitted == row.first_submitted for job in sights[key])
    }


def job_number(connection: Connection, job: QueuedJob) -> int:
    """Return the number of a job's row, making one where there is none."""
    row = current_jobs(connection, [job]).get(job.key)
    if row is not None:
        return int(row.id)
    return insert_one(connection, JOB, _first_sight([job], None))


def _newest_rows(connection: Connection, keys: Iterable[JobKey]) -> dict[JobKey, Row[Any]]:
    ids = defaultdict(set)
    for key in keys:
        ids[key.cluster].add(key.job_id)
    newest: dict[JobKey, Row[Any]] = {}
    for cluster, numbers in ids.items():
        for batch in in_batches(sorted(numbers)):
            mine = select(JOB).where(JOB.c.cluster == cluster, JOB.c.job_id.in_(batch)).order_by(JOB.c.id)
            newest |= {JobKey(cluster, row.job_id): row for row in connection.execute(mine)}
    return newest


def _by_key(jobs: Iterable[QueuedJob]) -> dict[JobKey, list[QueuedJob]]:
    """Group rows of the queue: the tasks of one array may come in several."""
    groups: defaultdict[JobKey, list[QueuedJob]] = defaultdict(list)
    for job in jobs:
        groups[job.key].append(job)
    return dict(groups)


def _first_sight(sights: Sequence[QueuedJob], first_eligible: datetime | None) -> Columns:
    first = min(sights, key=lambda job: job.submitted)
    return {**job_columns(first), **_sight_columns(sights), "first_eligible": first_eligible}


def _sight_columns(sights: Sequence[QueuedJob]) -> Columns:
    return {
        "last_submitted": max(job.submitted for job in sights),
        "waited": any(job.waits_for_others for job in sights),
    }


def _bring_up_to_date(
    connection: Connection, row: Row[Any], sights: Sequence[QueuedJob], first_eligible: datetime | None
) -> None:
    seen = _sight_columns(sights)
    wanted = {
        "last_submitted": max(row.last_submitted, seen["last_submitted"]),
        "waited": row.waited or seen["waited"],
        "first_eligible": row.first_eligible or first_eligible,
    }
    if any(getattr(row, name) != value for name, value in wanted.items()):
        connection.execute(update(JOB).where(JOB.c.id == row.id).values(wanted))
