"""Runs that were, for what they say of the lengths of others: the newest, by one reading."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import RowMapping, select

from carbonslurm.core.job import Tres
from carbonslurm.core.length import PastRun
from carbonslurm.ledger.database import Room
from carbonslurm.ledger.encoding import read_gpus, read_tag
from carbonslurm.ledger.tables import RUN

MOST = 20_000  # the newest: a thousand runs of a circle are remembered at most
LOOK_BACK = timedelta(days=60)
# Slurm's words for runs that came to an end of their own, in time or not; others would have lasted longer.
ENDED = frozenset({"COMPLETED", "FAILED", "TIMEOUT", "OUT_OF_MEMORY", "CANCELLED", "DEADLINE"})
_COLUMNS = (
    *(RUN.c.user_name, RUN.c.account, RUN.c.partition, RUN.c.submitted, RUN.c.started, RUN.c.ended),
    *(RUN.c.state, RUN.c.time_limit, RUN.c.cpus, RUN.c.nodes, RUN.c.gpus, RUN.c.tag),
)


class PastReader(Room):
    """What planning asks of past runs."""

    def past_runs(self, cluster: str, at: datetime) -> Sequence[PastRun]:
        """Return the newest runs of a cluster that had started by some moment, those that run still ahead.

        Raises:
            LedgerError: it could not be read.
        """
        mine = select(*_COLUMNS).where(RUN.c.cluster == cluster, RUN.c.started < at)
        running = mine.where(RUN.c.ended.is_(None), RUN.c.submitted > at - LOOK_BACK)
        ended = mine.where(RUN.c.ended > at - LOOK_BACK).order_by(RUN.c.ended.desc())
        with self._database.reading() as connection:
            rows = [
                row
                for question in (running.order_by(RUN.c.id.desc()), ended)
                for row in connection.execute(question.limit(MOST)).mappings()
            ]
        return [run for row in rows if (run := _read(row, at)).seconds > 0]


def _read(row: RowMapping, at: datetime) -> PastRun:
    tag = read_tag(row["tag"])
    return PastRun(
        user=row["user_name"],
        account=row["account"],
        partition=row["partition"],
        submitted=row["submitted"],
        seconds=((row["ended"] or at) - row["started"]).total_seconds(),
        ended=row["ended"] is not None and row["state"] in ENDED,
        time_limit=row["time_limit"],
        tres=Tres(row["cpus"], row["nodes"], read_gpus(row["gpus"])),
        flex=None if tag is None else tag.flex,
    )
