"""The queue without us: the history that it is worked out from, and each start that came of it.

A start is added where a run has none yet, or where it moved by more than a minute: later readings of sacct
move the queue a little, and figures should not follow each breath of it. Its run's figure is due again then.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from sqlalchemy import func, insert, or_, select, update

from carbonslurm.core.interval import Interval
from carbonslurm.core.job import RunKey
from carbonslurm.ledger.database import Room, in_batches, insert_one
from carbonslurm.ledger.encoding import read_run
from carbonslurm.ledger.queue_starts import queue_starts, run_numbers
from carbonslurm.ledger.runs import to_figure
from carbonslurm.ledger.tables import QUEUE_PASS, QUEUE_START, RUN
from carbonslurm.ports import QueuePass, RunToFigure

STILL = timedelta(minutes=1)  # a start that moved by no more is the same


class QueueBook(Room):
    """When a queue without us would have started runs."""

    def last_queue_pass(self, cluster: str, machines: str) -> datetime | None:
        """Return when the queue of these machines was last worked out, None where it never was.

        Raises:
            LedgerError: it could not be read.
        """
        mine = (QUEUE_PASS.c.cluster == cluster, QUEUE_PASS.c.machines == machines)
        newest = select(func.max(QUEUE_PASS.c.id)).where(*mine).scalar_subquery()
        with self._database.reading() as connection:
            return connection.execute(
                select(QUEUE_PASS.c.computed_at).where(QUEUE_PASS.c.id == newest)
            ).scalar_one_or_none()

    def queue_history(
        self, cluster: str, partitions: Sequence[str], window: Interval
    ) -> Sequence[RunToFigure]:
        """Return the runs that held room of these partitions within a window, attempts of a job in order.

        Raises:
            LedgerError: it could not be read.
        """
        held = select(RUN).where(
            RUN.c.cluster == cluster,
            RUN.c.partition.in_(partitions),
            RUN.c.started < window.end,
            or_(RUN.c.ended.is_(None), RUN.c.ended > window.start),
        )
        with self._database.reading() as connection:
            rows = connection.execute(held.order_by(RUN.c.job_id, RUN.c.submitted)).mappings().all()
            return to_figure(connection, cluster, [read_run(row) for row in rows])

    def keep_queue_starts(self, passed: QueuePass, starts: Mapping[RunKey, datetime], at: datetime) -> int:
        """Add the starts that are news, so that their runs get new figures; return how many those were.

        Args:
            passed: what was simulated.
            starts: of runs that were kept before.
            at: when working it out began.

        Raises:
            KeyError: a run that the ledger does not know.
            LedgerError: it could not be written.
        """
        with self._database.writing() as connection:
            number = insert_one(connection, QUEUE_PASS, {**_columns(passed), "computed_at": at})
            old = queue_starts(connection, starts)
            runs = run_numbers(connection, starts)
            news = [
                {"run": runs[key], "queue_pass": number, "starts_at": start}
                for key, start in starts.items()
                if key not in old or abs(start - old[key]) > STILL
            ]
            if news:
                connection.execute(insert(QUEUE_START), news)
            for batch in in_batches([row["run"] for row in news]):
                due = {"settled": False, "figured_at": None}
                connection.execute(update(RUN).where(RUN.c.id.in_(batch)).values(due))
        return len(news)


def _columns(passed: QueuePass) -> dict[str, object]:
    return {
        "cluster": passed.cluster,
        "machines": passed.machines,
        "starts_at": passed.window.start,
        "ends_at": passed.window.end,
        "model": passed.model,
    }
