"""doctor: everything that we need, looked at once, one line each. It changes nothing."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from carbonslurm.app.forecasts import ForecastState
from carbonslurm.app.telling import UNMARKED
from carbonslurm.core.capacity import pools
from carbonslurm.core.interval import iso
from carbonslurm.core.job import Queue
from carbonslurm.core.ownership import UNKNOWN, is_held_by_us
from carbonslurm.core.rest import NEVER, Asked
from carbonslurm.errors import CarbonslurmError, RefusedError, UnavailableError
from carbonslurm.ports import CarbonSource, HoldReader, JobMemory, LedgerReader, QueueReader

STALE_CYCLES = 5  # a daemon whose last cycle began longer ago than this many intervals does not run


@dataclass(frozen=True, slots=True)
class Finding:
    """What one look found."""

    name: str
    ok: bool
    finding: str


@dataclass(frozen=True, slots=True)
class Look:
    """One thing to look at: returns what it found, or raises what is wrong with it."""

    name: str
    take: Callable[[], str]


@dataclass(frozen=True, slots=True)
class Doctor:
    """All the looks."""

    looks: Sequence[Look]

    def run(self) -> list[Finding]:
        """Take every look; one that fails stops none of the others."""
        return [_take(look) for look in self.looks]


def _take(look: Look) -> Finding:
    try:
        return Finding(look.name, ok=True, finding=look.take())
    except CarbonslurmError as error:
        return Finding(look.name, ok=False, finding=str(error))


def look_at_forecast(state: ForecastState) -> str:
    """Say whose forecast a zone is planned by; fail where there is none."""
    if state.series is None:
        raise UnavailableError(state.reason or "no forecast yet")
    return str(state).removeprefix(f"zone {state.zone}: ")


def look_at_daemon(book: LedgerReader, cluster: str, interval: timedelta, now: datetime) -> str:
    """Say when the last cycle was; fail where that is too long ago, or it failed."""
    last = book.last_cycle(cluster)
    if last is None:
        raise UnavailableError("no cycle yet: start carbonslurmd")
    at, failure = last
    if now - at > STALE_CYCLES * interval:
        raise UnavailableError(f"last cycle {iso(at)}: the daemon does not run")
    if failure:
        raise UnavailableError(f"last cycle {iso(at)} failed: {failure}")
    return f"last cycle {iso(at)}"


def look_at_holds(queue: Queue, book: JobMemory, holds: HoldReader) -> str:
    """Say how many jobs we hold; fail where one of them carries no mark: no rescue could end it.

    Raises:
        RefusedError: a hold of ours carries no mark.
    """
    known = book.known(queue)
    ours = [job for job in queue.pending() if is_held_by_us(job, known.get(job.key, UNKNOWN), None)]
    marked = {hold.spec.partition("_")[0] for hold in holds.marked()}
    bare = [job.spec for job in ours if job.spec.partition("_")[0] not in marked]
    if bare:
        raise RefusedError(
            f"{len(bare)} of our {len(ours)} holds carry no mark, the first job {bare[0]}: {UNMARKED}"
        )
    marks = (
        f"{len(ours)} jobs held, all marked"
        if ours
        else "no job is held now; whether the hook marks shows then"
    )
    return f"{marks}; carbonslurm-rescue.timer must run on slurmctld's host"


def look_at_room(queue: QueueReader) -> str:
    """Say which pools joint places jobs in, by a partition of each; fail where no node takes any.

    Raises:
        UnavailableError: none does.
    """
    found = pools(queue.capacity(), queue.snapshot().jobs)
    known = [f"{name} {units}" for name, units in zip(found.names, found.units, strict=True) if units]
    if not known:
        raise UnavailableError("no node takes jobs: each is placed alone")
    return f"placed together: {', '.join(known)}"


def look_at_source(
    source: CarbonSource, now: Callable[[], datetime], remembered: Callable[[], Asked] = lambda: NEVER
) -> str:
    """Say what a source gives now; one that the daemon leaves alone after a failure is not asked."""
    asked, moment = remembered(), now()
    if asked.reason and asked.left_until is not None and moment < asked.left_until:
        times = f"{asked.failures} failures" if asked.failures != 1 else "a failure"
        raise UnavailableError(
            f"{source.name}: left alone until {iso(asked.left_until)}, after {times}: {asked.reason}"
        )
    try:
        answer = source.fetch(now())
    except CarbonslurmError as error:
        raise UnavailableError(f"{source.name}: {error}") from error
    forecast = answer.forecast.series if answer.forecast else None
    given = {what: it for what, it in (("forecast", forecast), ("measured", answer.actual)) if it is not None}
    if not given:
        raise UnavailableError(f"{source.name} gives nothing now")
    reach = [f"{what} to {iso(series.horizon)}" for what, series in given.items()]
    nature = next(iter(given.values())).nature
    return f"{source.name}: {nature}, {', '.join(reach)}"
