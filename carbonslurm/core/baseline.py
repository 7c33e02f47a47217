"""Where the work of a job's attempts would have run without us: delays of ours, and runs cut in pieces.

The simple baseline is here; when a queue without us would have started a run is in ``core.without_us``.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from carbonslurm.core.interval import Interval


@dataclass(frozen=True, slots=True)
class BeginChange:
    """One change of a run's begin time: ours, or the word of somebody else that ended ours.

    Attributes:
        at: when it was made.
        until: the begin time that we set; None where we let the job go, or its owner took it.
    """

    at: datetime
    until: datetime | None


def delay_caused(changes: Sequence[BeginChange], eligible: datetime | None, started: datetime) -> timedelta:
    """Return for how long our changes alone kept a run from starting.

    Each change holds from when it was made, or from when the job could start at all, until the time that it
    set, the next change, or the start. What came after that (a full cluster, a throttle of the array, the
    owner's own later time) is not ours, and must not be claimed.

    Args:
        changes: of this run, oldest first.
        eligible: when the job could first have started, None where that is not known.
        started: when the run did.
    """
    stretches = _withheld(changes, eligible, started)
    return sum((end - begin for begin, end in stretches), timedelta())


def released_at(
    changes: Sequence[BeginChange], eligible: datetime | None, started: datetime
) -> datetime | None:
    """Return from when on none of our changes kept a run from starting, None where none ever did.

    Args:
        changes: as for ``delay_caused``.
        eligible: likewise.
        started: likewise.
    """
    stretches = _withheld(changes, eligible, started)
    return stretches[-1][1] if stretches else None


def _withheld(
    changes: Sequence[BeginChange], eligible: datetime | None, started: datetime
) -> list[tuple[datetime, datetime]]:
    """Return the stretches in which we alone kept a run from starting, in order."""
    found = []
    for number, change in enumerate(changes):
        if change.until is None:
            continue
        after = changes[number + 1].at if number + 1 < len(changes) else started
        begins = max(change.at, eligible or change.at)
        ends = min(change.until, after, started)
        if ends > begins:
            found.append((begins, ends))
    return found


@dataclass(frozen=True, slots=True)
class Attempt:
    """One run of a job, as its baseline needs it.

    Attributes:
        ran: from start to end.
        could_start: when this attempt would have started without us: its start less the delay that we caused.
        lost: the part of ``ran`` that exists only because of our stops: from the signal to the end of a
            stopped run, and loading the checkpoint in the run after it.
        continues: whether our stop of the attempt before is why this one exists.
    """

    ran: Interval
    could_start: datetime
    lost: timedelta = timedelta()
    continues: bool = False


def baselines(attempts: Sequence[Attempt]) -> list[Interval]:
    """Return for each attempt the interval in which its work would have run without us, in order.

    A stopped job's attempts are one run cut in pieces: without us they would have followed each other.
    """
    starts = [min(attempt.could_start, attempt.ran.start) for attempt in attempts]
    return [window for window in laid_out(attempts, starts) if window is not None]


def laid_out(attempts: Sequence[Attempt], starts: Sequence[datetime | None]) -> list[Interval | None]:
    """Return likewise for given starts, of those attempts that continue no other; None where one is unknown.

    Args:
        attempts: of one job, in order.
        starts: one for each of them; of one that continues another it is not looked at.
    """
    found: list[Interval | None] = []
    for attempt, given in zip(attempts, starts, strict=True):
        start = given
        if attempt.continues and found:
            before = found[-1]
            start = before.end if before else None
        work = max(attempt.ran.length - attempt.lost, timedelta())
        found.append(None if start is None else Interval(start, start + work))
    return found
