"""How long a run is predicted to take.

The owner's own word (``length=`` in the tag) counts first, then the time limit; neither may exceed the limit,
since Slurm ends the run there. Where there is no limit at all the site's assumption stands in.
"""

from datetime import timedelta

from carbonslurm.core.job import QueuedJob


def predicted_length(job: QueuedJob, assumed: timedelta) -> timedelta:
    """Return the predicted length of a whole run.

    Args:
        job: pending or running.
        assumed: for a job without a limit that says nothing of itself.
    """
    declared = job.tag.length if job.tag else None
    candidates = [length for length in (declared, job.time_limit) if length is not None]
    return min(candidates, default=assumed)
