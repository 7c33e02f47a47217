"""When stopping a running job pays.

Going on costs the rest of the run at the intensities ahead; stopping costs the time from signal to kill (lost
work), then the rest plus the restart at a cleaner hour. It pays when it saves more than a margin, within a
minimum run time, a maximum number of stops, the bound, and a forecast that covers both sides. While
electricity is no dirtier now than it will be after the restart, running on loses nothing: the stop waits.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from carbonslurm.core.forecast import Series
from carbonslurm.core.interval import Interval, whole_second
from carbonslurm.core.job import QueuedJob
from carbonslurm.core.policies import Question, lowest_window
from carbonslurm.core.stop import StopRules


@dataclass(frozen=True, slots=True)
class Worth:
    """A stop that pays: when to go on, and the mean intensities that say so (g/kWh x h of either way)."""

    restart_at: datetime
    g_per_kwh_now: float
    g_per_kwh_then: float
    saved_g_per_w: float


def worth_stopping(
    job: QueuedJob, rest: timedelta, bound: datetime, series: Series, now: datetime, rules: StopRules
) -> Worth | None:
    """Return the best restart for a job that declared a checkpoint, None where stopping does not pay.

    Args:
        job: a running job.
        rest: what is left of its run, as predicted.
        bound: the latest moment at which it may start again.
        series: the zone's forecast; where it does not cover both sides nothing is stopped.
        now: the moment of the decision.
        rules: the site's limits.
    """
    checkpoint = job.tag.checkpoint if job.tag else None
    if checkpoint is None or rest <= timedelta() or rest < rules.min_run:
        return None
    again = checkpoint.restart or rules.restart
    earliest = whole_second(now + checkpoint.grace + rules.settle, up=True)
    if earliest > bound:
        return None
    choice = lowest_window(Question(earliest, bound, rest + again, series))
    going_on = series.mean(Interval(now, now + rest))
    saving_work = series.mean(Interval(now, now + checkpoint.grace))
    later = series.mean(Interval(choice.start, choice.start + rest + again))
    if going_on is None or saving_work is None or later is None or saving_work <= later:
        return None
    cost_on = going_on * _hours(rest)
    cost_stop = saving_work * _hours(checkpoint.grace) + later * _hours(rest + again)
    if cost_on <= 0 or (cost_on - cost_stop) / cost_on < rules.min_saving:
        return None
    return Worth(choice.start, going_on, later, (cost_on - cost_stop) / 1000)


def _hours(length: timedelta) -> float:
    return length / timedelta(hours=1)
