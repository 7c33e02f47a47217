"""What is ours: the jobs of a queue against the intent log."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from carbonslurm.core.action import Verb
from carbonslurm.core.job import JobKey, Queue
from carbonslurm.core.ownership import Known
from carbonslurm.ledger.database import Room
from carbonslurm.ledger.deeds import Deed, claim, deeds_of
from carbonslurm.ledger.jobs import current_jobs


class Memory(Room):
    """What the ledger remembers of jobs, for the daemon and for those who only look."""

    def known(self, queue: Queue) -> Mapping[JobKey, Known]:
        """Return what the ledger remembers of the jobs in this queue; jobs it never saw are missing.

        Raises:
            LedgerError: it could not be read.
        """
        with self._database.reading() as connection:
            rows = current_jobs(connection, queue.jobs)
            deeds = deeds_of(connection, [row.id for row in rows.values()])
        return {key: _known(row.first_eligible, deeds.get(row.id, [])) for key, row in rows.items()}


def _known(first_eligible: datetime | None, deeds: Sequence[Deed]) -> Known:
    return Known(
        first_eligible=first_eligible,
        hands_off=any(deed.verb is Verb.LEAVE and deed.final for deed in deeds),
        claim=claim(deeds),
        stops=sum(deed.stopped for deed in deeds),
        stopping=any(deed.in_flight for deed in deeds),
    )
