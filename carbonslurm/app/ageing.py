"""What age counts, for those who ask once: a release by an admin, and the rescue."""

from carbonslurm.core.priority import AgeWeight
from carbonslurm.errors import CarbonslurmError
from carbonslurm.ports import QueueReader


def age_to_give_back(queue: QueueReader, *, compensate: bool) -> AgeWeight | None:
    """Return what age counts; None where none is given back, or where that cannot be told just now.

    Letting go must not wait for slurmdbd: without its word, what was given is taken back whole.
    """
    if not compensate:
        return None
    try:
        return queue.controller().age if queue.limit_of_ageing() is None else None
    except CarbonslurmError:
        return None
