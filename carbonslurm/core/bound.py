"""The bound: the latest moment until which a job may be withheld, whatever the forecast says.

bound = min(first eligible + flex, first eligible + site maximum, the hook's absolute latest start,
            finish - limit - margin, deadline - limit - margin,
            latest start of every job that depends on it - limit - margin) - predicted wait in the queue

Slurm cancels a job whose deadline cannot be met any more, and a dependent one with it, so a deadline counts
with the whole time limit, not with the predicted length.
"""

from collections import Counter, deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from carbonslurm.core.job import QueuedJob

EPOCH = datetime.fromtimestamp(0, tz=UTC)


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


def latest_by_deadlines(
    jobs: Iterable[QueuedJob], rules: BoundRules, now: datetime
) -> Mapping[int, datetime]:
    """Return by job id the latest start that a job's own deadline and those of the jobs behind it allow.

    Deadlines are handed from each job to those that it waits for. Worked out once for the whole queue, and
    without recursion: its owner may make a chain as long, and a net as dense, as Slurm lets them.
    """
    jobs = tuple(jobs)
    if not any(job.deadline is not None or job.needs for job in jobs):  # nearly always
        return {}
    by_id = {job.key.job_id: job for job in jobs}
    latest = {
        number: _latest_start(job.deadline, job, rules, now)
        for number, job in by_id.items()
        if job.deadline is not None
    }
    if not any(job.needs for job in by_id.values()):
        return latest
    unordered = set(by_id)
    for job in _dependents_first(by_id):
        start = latest.get(job.key.job_id)
        for needed in job.needs if start is not None else ():
            if start is not None and needed in by_id:
                theirs = _latest_start(start, by_id[needed], rules, now)
                latest[needed] = min(theirs, latest.get(needed, theirs))
        unordered.discard(job.key.job_id)
    # A circle can only come of a stale snapshot: nothing in it waits for us.
    return latest | dict.fromkeys(unordered, EPOCH)


def _dependents_first(by_id: Mapping[int, QueuedJob]) -> Iterator[QueuedJob]:
    """Yield each job after all that wait for it; jobs in a circle, which Slurm refuses, never."""
    waiting = Counter(needed for job in by_id.values() for needed in set(job.needs) if needed in by_id)
    ready = deque(number for number in by_id if waiting[number] == 0)
    while ready:
        job = by_id[ready.popleft()]
        yield job
        for needed in set(job.needs):
            if needed in by_id:
                waiting[needed] -= 1
                if waiting[needed] == 0:
                    ready.append(needed)


def bound_of(
    job: QueuedJob,
    first_eligible: datetime | None,
    latest: Mapping[int, datetime],
    rules: BoundRules,
    now: datetime,
) -> datetime:
    """Return the bound of a flexible job; a moment in the past where it may not wait at all.

    Args:
        job: with a tag.
        first_eligible: None while its dependencies are unmet; it is planned as if they were met now.
        latest: from latest_by_deadlines.
        rules: the site's.
        now: stands in for an unknown first eligible time.
    """
    tag = job.tag
    if tag is None:
        return now
    last = (first_eligible or now) + min(tag.flex, rules.max_wait)
    if tag.latest is not None:
        last = min(last, tag.latest)
    for finish in (tag.finish, job.deadline):
        if finish is not None:
            last = min(last, _latest_start(finish, job, rules, now))
    if latest:
        last = min(last, latest.get(job.key.job_id, last))
    return last - rules.queue_wait[job.partition] if job.partition in rules.queue_wait else last


def is_late(started: datetime | None, bound: datetime | None) -> bool:
    """Tell whether a run for which there was a bound started after it, in Slurm's whole seconds."""
    return started is not None and bound is not None and started > bound + timedelta(seconds=1)


def _latest_start(finish: datetime, job: QueuedJob, rules: BoundRules, now: datetime) -> datetime:
    """Without a time limit no start is known to be in time: the job must not wait at all.

    Never before the epoch, which says the same: a chain of long limits would leave the calendar.
    """
    if job.time_limit is None:
        return now
    return EPOCH if job.time_limit + rules.margin > finish - EPOCH else finish - job.time_limit - rules.margin
