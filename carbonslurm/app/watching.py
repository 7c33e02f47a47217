"""What observe mode would let go: jobs that it would have made wait, and no longer would.

A job that is ours is released when the forecast turns; one that was only watched is nobody's, so the plan has
nothing to say of it. For the report (``observed``) its turn is written down, too.
"""

from collections.abc import Callable, Mapping, Sequence

from carbonslurm.core.action import Action, Verb
from carbonslurm.core.job import JobKey, Queue, QueuedJob
from carbonslurm.core.ownership import UNKNOWN, Known


def no_longer_withheld(
    queue: Queue,
    known: Mapping[JobKey, Known],
    planned: Sequence[Action],
    watches: Callable[[QueuedJob], bool],
) -> list[Action]:
    """Return for each job that waits, and was to be withheld when it was last watched, that it no longer is.

    Args:
        queue: of this cycle.
        known: what the ledger remembers of its jobs.
        planned: this cycle's plan, for all jobs.
        watches: whether nothing is to be done to a job.
    """
    spoken_of = {action.job.key for action in planned}
    return [
        Action(Verb.RELEASE, job, "may start now, by this forecast")
        for job in queue.pending()
        if job.key not in spoken_of and watches(job) and _was_to_wait(job, known.get(job.key, UNKNOWN))
    ]


def _was_to_wait(job: QueuedJob, known: Known) -> bool:
    if known.watched is None:
        return False
    verb, _, restarts = known.watched
    return verb is Verb.WITHHOLD and restarts == job.restarts
