"""When a queue without us would have started runs, as it was last worked out: read by keys."""

from collections import defaultdict
from collections.abc import Collection
from datetime import datetime

from sqlalchemy import Connection, func, select

from carbonslurm.core.job import RunKey
from carbonslurm.ledger.database import in_batches
from carbonslurm.ledger.tables import QUEUE_START, RUN


def run_numbers(connection: Connection, keys: Collection[RunKey]) -> dict[RunKey, int]:
    """Return our numbers of runs; one that the ledger does not know is missing."""
    ids: defaultdict[str, set[int]] = defaultdict(set)
    for key in keys:
        ids[key.cluster].add(key.job_id)
    wanted, found = set(keys), {}
    for cluster, jobs in ids.items():
        for batch in in_batches(sorted(jobs)):
            mine = select(RUN.c.id, RUN.c.job_id, RUN.c.submitted)
            for row in connection.execute(mine.where(RUN.c.cluster == cluster, RUN.c.job_id.in_(batch))):
                key = RunKey(cluster, row.job_id, row.submitted)
                if key in wanted:
                    found[key] = row.id
    return found


def queue_starts(connection: Connection, keys: Collection[RunKey]) -> dict[RunKey, datetime]:
    """Return the newest start in a queue without us of each run that has one; many sites have none."""
    if connection.execute(select(QUEUE_START.c.id).limit(1)).first() is None:
        return {}
    keys_of = {number: key for key, number in run_numbers(connection, keys).items()}
    found: dict[RunKey, datetime] = {}
    for batch in in_batches(sorted(keys_of)):
        newest = select(func.max(QUEUE_START.c.id)).where(QUEUE_START.c.run.in_(batch))
        rows = select(QUEUE_START.c.run, QUEUE_START.c.starts_at)
        for row in connection.execute(rows.where(QUEUE_START.c.id.in_(newest.group_by(QUEUE_START.c.run)))):
            found[keys_of[row.run]] = row.starts_at
    return found
