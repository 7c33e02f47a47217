"""How much one cycle may tell Slurm: a budget of RPCs, spent on what is most urgent.

The site sets the most updates of a cycle; a look at slurmctld's settings is paid from it. Where slurmctld
limits rates (rl_enable, Slurm 23.02 and later) each user has a bucket: a call takes one token, some flow in
each second, and whoever finds it empty is sent away to sleep and try again, for as long as it takes. So a
cycle sends no more than its bucket holds, with its own reads taken off first, and hands over so few jobs at
once that a call would end in time even if the bucket turned out to be empty (a daemon that was just restarted
cannot know).

What flows in while a cycle is sending is not counted: it is there for the stops in flight, and for the next.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from carbonslurm.core.action import Action

# RPCs of our reads, counted by sdiag on 22.05, 24.11 and 26.05.
SNAPSHOT = 2  # text squeue: jobs, and partitions whatever it is asked
OUTAGE = 2  # scontrol show reservation: reservations, and a ping
CAPACITY = 2  # sinfo: nodes, and partitions
CONTROLLER = 2  # scontrol show config: the settings, and a ping
WHOLE = 1_000_000  # a batch without a limit


@dataclass(frozen=True, slots=True)
class RateLimit:
    """The bucket that slurmctld keeps for our user; Slurm's own defaults.

    Attributes:
        bucket: calls that it holds when it is full.
        refill: calls that flow in each ``period``.
    """

    bucket: int = 30
    refill: int = 2
    period: timedelta = timedelta(seconds=1)

    def refilled(self, passed: timedelta) -> int:
        """Return how many calls flow in within a time; Slurm counts whole periods."""
        return max(passed // self.period, 0) * self.refill


@dataclass(frozen=True, slots=True)
class Level:
    """What our bucket held at a moment, as far as we know."""

    calls: int
    at: datetime


def level(limit: RateLimit, last: Level | None, now: datetime) -> Level:
    """Return what the bucket holds now; full where nothing is known."""
    if last is None:
        return Level(limit.bucket, now)
    return Level(min(last.calls + limit.refilled(now - last.at), limit.bucket), now)


def tokens(updates: int, reads: int, held: int | None) -> int:
    """Return how many calls a cycle may make for its actions.

    Args:
        updates: the site's own limit.
        reads: calls that this cycle has made already.
        held: what the bucket held before them, None where rates are not limited.

    One at least: a bucket that holds no more than our reads would stop us for good, and libslurm knows how to
    wait for one call.
    """
    own = updates - max(reads - SNAPSHOT, 0)
    return max(own if held is None else min(own, held - reads), 1)


def within(actions: Sequence[Action], given: int) -> list[Action]:
    """Return the first actions, as many as the tokens pay for, and those that cost nothing.

    The first that costs anything goes even where it costs more: else it would be in the way for good.
    """
    chosen: list[Action] = []
    paid = False
    for action in actions:
        given -= action.calls
        if action.calls == 0 or given >= 0 or not paid:
            chosen.append(action)
        paid = paid or action.calls > 0
    return chosen


def most_updates(updates: int, limit: RateLimit | None, interval: timedelta) -> int:
    """Return how many updates each of many cycles can make, one after the other at this interval."""
    flows_in = None if limit is None else min(limit.refilled(interval), limit.bucket)
    return tokens(updates, SNAPSHOT, flows_in)


def batch_size(limit: RateLimit | None, timeout: timedelta) -> int:
    """Return how many jobs one call may name, so that it ends in half its timeout with an empty bucket."""
    return WHOLE if limit is None else max(limit.refilled(timeout / 2), 1)
