"""When a queue without us would have started each run: the baseline of a cluster that is full.

Two queues are lived through, alike but for our doing. In the one each run may start when it really could,
after our delays; in the other when it first could have without us, and what our stops cut in pieces is one
run without the work that they lost. Room and lengths are those of the runs themselves. What the second queue
starts earlier or later than the first is our doing, and the run's baseline is its real start moved by that:

    start without us = real start - (start in the queue with us - start in the queue without us)

but not before it could have started. The difference, and not the second queue alone, because no simulation
knows all that Slurm's priorities and limits know: what both queues get wrong in the same way drops out, and
where we did nothing each run is its own baseline, to the second. Runs that we never touched have a baseline,
too: ours that made room, or took it, moved them.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from carbonslurm.core.job import RunKey, Tres

SHORTEST = timedelta(seconds=1)  # a run of no length still asks for room


@dataclass(frozen=True, slots=True)
class Waiter:
    """What a queue must know of one run.

    Attributes:
        arrived: from when on it could start.
        length: how long it holds its room once it has started.
        limit: its time limit, by which others are let past it; None where it has none.
        tres: what it needs.
    """

    arrived: datetime
    length: timedelta
    limit: timedelta | None
    tres: Tres


# Lives through a queue: when each of these starts; None where it does not fit into the machines at all.
Queueing = Callable[[Sequence[Waiter]], Sequence[datetime | None]]


@dataclass(frozen=True, slots=True)
class Lived:
    """One run as it was, and as it could have been.

    Attributes:
        key: of the run.
        eligible: when it could have started without us, had there been room.
        released: when it could start with us, had there been room.
        started: when it did.
        length: from start to end.
        work: the same without what our stops lost.
        limit: its time limit.
        tres: what it held.
        continues: whether it goes on with what our stop of the run before it in the list cut off.
    """

    key: RunKey
    eligible: datetime
    released: datetime
    started: datetime
    length: timedelta
    work: timedelta
    limit: timedelta | None
    tres: Tres
    continues: bool = False


def starts_without_us(lived: Sequence[Lived], queueing: Queueing) -> dict[RunKey, datetime]:
    """Return when a queue without us would have started each run that continues no other.

    Args:
        lived: every run that held room of the same machines; the attempts of one job side by side, in order.
        queueing: how the queue of these machines works.
    """
    chains = _chains(lived)
    first = [chain[0] for chain in chains]
    with_us = queueing([_as_it_was(run) for chain in chains for run in chain])
    without = queueing([_in_one_piece(chain) for chain in chains])
    places = [0]
    for chain in chains:
        places.append(places[-1] + len(chain))
    found = {}
    for number, run in enumerate(first):
        real, other = with_us[places[number]], without[number]
        if real is not None and other is not None:
            found[run.key] = max(run.started - (real - other), min(run.eligible, run.started))
    return found


def _chains(lived: Sequence[Lived]) -> list[list[Lived]]:
    """Return what would have been one run each."""
    chains: list[list[Lived]] = []
    for run in lived:
        if run.continues and chains:
            chains[-1].append(run)
        else:
            chains.append([run])
    return chains


def _as_it_was(run: Lived) -> Waiter:
    return Waiter(run.released, max(run.length, SHORTEST), run.limit, run.tres)


def _in_one_piece(chain: Sequence[Lived]) -> Waiter:
    first = chain[0]
    if len(chain) == 1 and first.work == first.length:
        return Waiter(first.eligible, max(first.length, SHORTEST), first.limit, first.tres)
    work = sum((run.work for run in chain), timedelta())
    return Waiter(first.eligible, max(work, SHORTEST), first.limit, first.tres)
