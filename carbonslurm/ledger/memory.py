"""What is ours: the jobs of a queue against the intent log."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from carbonslurm.core.action import Verb
from carbonslurm.core.job import JobKey, Queue, QueuedJob
from carbonslurm.core.ownership import UNKNOWN, Known
from carbonslurm.ledger.database import Room
from carbonslurm.ledger.deeds import Deed, claims, compensation, deeds_of
from carbonslurm.ledger.jobs import current_jobs
from carbonslurm.ports import OutcomeState

SECOND = timedelta(seconds=1)


class Memory(Room):
    """What the ledger remembers of jobs, for the daemon and for those who only look."""

    def known(self, queue: Queue) -> Mapping[JobKey, Known]:
        """Return what the ledger remembers of the jobs in this queue; jobs it never saw are missing.

        Raises:
            LedgerError: it could not be read.
        """
        with self._database.reading() as connection:
            rows = current_jobs(connection, queue.jobs)
            arrays = current_jobs(connection, [_its_array(job) for job in queue.jobs if "_" in job.spec])
            deeds = deeds_of(connection, {row.id for row in (*rows.values(), *arrays.values())})
        known = {key: _known(row.first_eligible, deeds.get(row.id, [])) for key, row in rows.items()}
        whole = {key: _known(row.first_eligible, deeds.get(row.id, [])) for key, row in arrays.items()}
        for job in queue.jobs:
            array = whole.get(_its_array(job).key) if "_" in job.spec else None
            if array is not None and job.key not in whole:
                known[job.key] = _as_task(known.get(job.key, UNKNOWN), array, job)
        return known


def _its_array(job: QueuedJob) -> QueuedJob:
    """A task under its array's number, by which our claim and the owner's word were kept while it waited."""
    return replace(job, key=JobKey(job.key.cluster, int(job.spec.partition("_")[0])))


def _as_task(own: Known, array: Known, job: QueuedJob) -> Known:
    """What is known of a task with a record of its own, which waited with its array before.

    A change of the array from after the task had started was none of the task. Slurm says when only to the
    second: of the same second it is taken for one from before, so that no owner's word is lost.
    """
    before = [
        claim
        for claim in array.claims
        if job.started is None or (claim.at is not None and claim.at < job.started + SECOND)
    ]
    mine = {claim.means for claim in own.claims}
    return replace(
        own,
        first_eligible=own.first_eligible or array.first_eligible,
        hands_off=own.hands_off or array.hands_off,
        claims=(*own.claims, *(claim for claim in before if claim.means not in mine)),
        compensation=own.compensation or array.compensation,
    )


def _is_final(deed: Deed) -> bool:
    """Whether somebody else decided for good; an admin whose release Slurm refused has not."""
    return deed.verb is Verb.LEAVE and deed.final and deed.state is not OutcomeState.REFUSED


def _watched(deed: Deed) -> tuple[Verb, datetime | None, int]:
    return deed.verb, deed.until, deed.restarts


def _known(first_eligible: datetime | None, deeds: Sequence[Deed]) -> Known:
    return Known(
        first_eligible=first_eligible,
        hands_off=any(map(_is_final, deeds)),
        claims=claims(deeds),
        stops=sum(deed.stopped for deed in deeds),
        stopping=any(deed.in_flight for deed in deeds),
        watched=next(
            (_watched(deed) for deed in reversed(deeds) if deed.state is OutcomeState.OBSERVED), None
        ),
        compensation=compensation(deeds),
    )
