"""The ledger as the daemon holds it: open for writing, all ports of writing in one object.

One process writes; its threads may share a ``Ledger``, each call is a transaction of its own.
"""

from datetime import timedelta
from pathlib import Path
from typing import Self

from carbonslurm.errors import UnavailableError
from carbonslurm.ledger import sqlite
from carbonslurm.ledger.actions import ActionLog, CycleLog
from carbonslurm.ledger.archive import Archive
from carbonslurm.ledger.aside import AsideBook
from carbonslurm.ledger.asked import AskedBook
from carbonslurm.ledger.database import Database
from carbonslurm.ledger.jobs import JobBook
from carbonslurm.ledger.loads import Loads
from carbonslurm.ledger.measurements import MeasurementBook
from carbonslurm.ledger.memory import Memory
from carbonslurm.ledger.migrating import migrate
from carbonslurm.ledger.past import PastReader
from carbonslurm.ledger.place import Place
from carbonslurm.ledger.plain import TableWriter
from carbonslurm.ledger.pruning import Pruner
from carbonslurm.ledger.queue_book import QueueBook
from carbonslurm.ledger.reports import Reports
from carbonslurm.ledger.running import RunningReader
from carbonslurm.ledger.runs import RunBook
from carbonslurm.ledger.steps import StepBook
from carbonslurm.ledger.sums import Sums
from carbonslurm.ledger.switch import Switch
from carbonslurm.ledger.tables import REVISIONS
from carbonslurm.ports import Lease

PATIENCE = timedelta(seconds=10)


class Ledger(
    Archive,
    AskedBook,
    AsideBook,
    ActionLog,
    CycleLog,
    JobBook,
    Memory,
    PastReader,
    Pruner,
    RunBook,
    RunningReader,
    QueueBook,
    MeasurementBook,
    Reports,
    StepBook,
    Sums,
    Loads,
    Switch,
    TableWriter,
):
    """An open ledger; close it, so that others can go on reading it.

    Implements IntensityReader, ArchiveReader, AskedBook, ActionLog, JobBook, CycleLog, RunBook, QueueBook,
    MeasurementBook, RunningReader, LedgerReader, SumReader and LoadReader of ``ports``.
    """

    @classmethod
    def open(
        cls,
        where: Path | Place,
        *,
        cluster: str | None = None,
        patience: timedelta = PATIENCE,
        lease: Lease | None = None,
    ) -> Self:
        """Open a ledger for writing, making or migrating it where needed.

        Args:
            where: its place, or SQLite's file, whose folder must be there.
            cluster: whose cycles are written, None where there is only one.
            patience: how long to wait for another writer.
            lease: asked before anything is written, None for commands that write whoever acts.

        Raises:
            LedgerError: it cannot be made or written, or a newer carbonslurm wrote it.
        """
        place = sqlite.at(where)
        place.prepare()
        engine = place.writer(patience)
        database = Database(place, engine, lambda: place.close_writer(engine), lambda: _must_hold(lease))
        try:
            if database.revision() != REVISIONS[-1]:
                migrate(place, patience)
        except BaseException:
            database.close()
            raise
        return cls(database, cluster)

    def close(self) -> None:
        """Close it; threads must have finished with it."""
        self._database.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _must_hold(lease: Lease | None) -> None:
    if lease is not None and not lease.held():
        raise UnavailableError(f"{lease.holder()} has taken over: nothing is written")
