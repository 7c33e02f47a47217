"""The bound: the latest moment until which a job may be withheld, whatever the forecast says.

bound = min(first eligible + flex, first eligible + site maximum, the hook's absolute latest start,
            finish - limit - margin, deadline - limit - margin,
            latest start of every job that depends on it - limit - margin) - predicted wait in the queue

Slurm cancels a job whose deadline cannot be met any more, and a dependent one with it, so a deadline counts
with the whole time limit, not with the predicted length.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from carbonslurm.core.job import QueuedJob


@dataclass(frozen=True, slots=True)
class BoundRules:
    """The site's share of the bound.

    Attributes:
        max_wait: no job is withheld longer than this, whatever it declares.
        margin: kept free before a deadline, for starting up and for Slurm's own cycle.
        queue_wait: predicted time from release to start, by partition.
    """

    max_wait: timedelta = timedelta(hours=24)
    margin: timedelta = timedelta(minutes=5)
    queue_wait: Mapping[str, timedelta] = field(default_factory=dict)


def dependents_by_id(jobs: Iterable[QueuedJob]) -> Mapping[int, Sequence[QueuedJob]]:
    """Return for each job id the jobs of the queue that wait for it."""
    waiting: defaultdict[int, list[QueuedJob]] = defaultdict(list)
    for job in jobs:
        for needed in job.needs:
            waiting[needed].append(job)
    return dict(waiting)


def bound_of(
    job: QueuedJob,
    first_eligible: datetime | None,
    dependents: Mapping[int, Sequence[QueuedJob]],
    rules: BoundRules,
    now: datetime,
) -> datetime:
    """Return the bound of a flexible job; a moment in the past where it may not wait at all.

    Args:
        job: with a tag.
        first_eligible: None while its dependencies are unmet; it is planned as if they were met now.
        dependents: from dependents_by_id.
        rules: the site's.
        now: stands in for an unknown first eligible time.
    """
    tag = job.tag
    if tag is None:
        return now
    first = first_eligible or now
    limits = [first + tag.flex, first + rules.max_wait]
    limits += [tag.latest] if tag.latest is not None else []
    limits += [_latest_start(tag.finish, job, rules, now)] if tag.finish is not None else []
    chain = _latest_by_deadlines(job, dependents, rules, now, frozenset())
    limits += [chain] if chain is not None else []
    return min(limits) - rules.queue_wait.get(job.partition, timedelta())


def _latest_start(finish: datetime, job: QueuedJob, rules: BoundRules, now: datetime) -> datetime:
    """Without a time limit no start is known to be in time: the job must not wait at all."""
    return now if job.time_limit is None else finish - job.time_limit - rules.margin


def _latest_by_deadlines(
    job: QueuedJob,
    dependents: Mapping[int, Sequence[QueuedJob]],
    rules: BoundRules,
    now: datetime,
    above: frozenset[int],
) -> datetime | None:
    """Return the latest start that its own deadline and those of the jobs behind it allow, None for any."""
    if job.key.job_id in above:  # Slurm refuses circles; a stale snapshot might still show one
        return None
    limits = [] if job.deadline is None else [_latest_start(job.deadline, job, rules, now)]
    for dependent in dependents.get(job.key.job_id, ()):
        theirs = _latest_by_deadlines(dependent, dependents, rules, now, above | {job.key.job_id})
        if theirs is not None:
            limits.append(_latest_start(theirs, job, rules, now))
    return min(limits, default=None)
