"""What a policy emits and what it makes jobs wait: the figures of its row.

The figures of a row, as ``--json`` prints them (docs/simulate.md says what each means). Carbon counts all
runs of a job, lost work too, at constant power of its units. ``relative`` is against the same jobs all
started at their arrival, as if there were room without end. A wait is the delay of a job's end: end less
arrival less length; where nothing is paused or stopped that is the wait for its start. Jobs that may not wait
are in every sum but ``late``: nobody promised them anything.
"""

from dataclasses import dataclass

import numpy as np

from carbonslurm.core.forecast import Floats
from carbonslurm.core.scene import Ints
from carbonslurm.sim.outcome import Outcome
from carbonslurm.sim.trace import Trace
from carbonslurm.sim.work import Bools, Setting

HOUR = 3600.0
TOLERANCE = 1.0  # seconds: starts are rounded up to whole ones


@dataclass(frozen=True, slots=True)
class Row:
    """One policy's figures; None is unknown."""

    policy: str
    length: str | None
    forecast: str | None
    capacity: float | None
    jobs: int
    carbon_kg: float | None
    relative: float | None
    saved_percent: float | None
    mean_wait_h: float
    p95_wait_h: float
    max_wait_h: float
    late: int
    stops: int
    lost_work_h: float
    seconds: float


def row_of(
    setting: Setting,
    policy: str,
    length: str | None,
    outcome: Outcome,
    seconds: float,
    counted: Bools | None = None,
) -> Row:
    """Return a policy's figures.

    Args:
        setting: jobs, intensity and cluster.
        policy: its name.
        length: which estimate it had.
        outcome: what became of the jobs.
        seconds: of wall time.
        counted: shape (n,), whose grams are summed; None for all.
    """
    trace = setting.trace
    waits = waits_h(trace, outcome)
    summed = np.ones(len(trace), dtype=np.bool_) if counted is None else counted
    kilograms = _kilograms(grams(setting, outcome)[summed])
    at_once = _kilograms(grams_at_once(setting)[summed])
    relative = None if kilograms is None or not at_once else kilograms / at_once
    return Row(
        policy=policy,
        length=length,
        forecast=None if length is None else setting.forecast,
        capacity=None if np.isinf(setting.units) else setting.units,
        jobs=len(trace),
        carbon_kg=kilograms,
        relative=relative,
        saved_percent=None if relative is None else 100 * (1 - relative),
        mean_wait_h=float(waits.mean()),
        p95_wait_h=float(np.percentile(waits, 95)),
        max_wait_h=float(waits.max()),
        late=int(np.count_nonzero(late(trace, outcome))),
        stops=int(outcome.stops.sum()),
        lost_work_h=float((outcome.lost * trace.units).sum() / HOUR),
        seconds=seconds,
    )


def waits_h(trace: Trace, outcome: Outcome) -> Floats:
    """Shape (n,): by how much each job's end was delayed, hours."""
    return np.asarray(np.maximum(outcome.end - trace.arrival - trace.length, 0.0) / HOUR, dtype=float)


def late(trace: Trace, outcome: Outcome) -> Bools:
    """Shape (n,): whether each job first started after its arrival and its longest wait."""
    after = outcome.first_start > trace.arrival + trace.wait + TOLERANCE
    return np.asarray(after & trace.flexible, dtype=np.bool_)


def grams(setting: Setting, outcome: Outcome) -> Floats:
    """Shape (n,): what all runs of each job emitted; NaN where the intensity of any part is unknown."""
    jobs = outcome.run_job
    zone = setting.zone_of_pool[outcome.pool[jobs]]
    each = _run_grams(setting, jobs, zone, outcome.run_start, outcome.run_end - outcome.run_start)
    return np.asarray(np.bincount(jobs, each, minlength=len(setting.trace)), dtype=float) + moving_grams(
        setting, outcome
    )


def moved(setting: Setting, outcome: Outcome) -> Bools:
    """Shape (n,): whether each job ran in another pool than its own."""
    return np.asarray(outcome.pool != np.array(setting.pool_of), dtype=np.bool_)


def moving_grams(setting: Setting, outcome: Outcome) -> Floats:
    """Shape (n,): what moving the data of jobs that ran elsewhere emitted; NaN where unknown."""
    found = np.zeros(len(setting.trace))
    places, went = setting.places, np.flatnonzero(moved(setting, outcome))
    if places is None or not len(went):
        return found
    zone_of, starts = setting.zone_of_pool, outcome.first_start[went]
    homes, theres = zone_of[np.array(setting.pool_of)[went]], zone_of[outcome.pool[went]]
    truths = [zone.truth for zone in setting.zones]
    pairs = zip(homes.tolist(), theres.tolist(), starts.tolist(), strict=True)
    each = [
        float(places.transfer.grams(1.0, truths[home], truths[there], np.array([start]))[0])
        for home, there, start in pairs
    ]
    found[went] = np.array(each) * places.data_gb[went]
    return found


def grams_at_once(setting: Setting) -> Floats:
    """Shape (n,): what each job would have emitted had it started at its arrival; NaN where unknown."""
    jobs = np.arange(len(setting.trace))
    zone = setting.zone_of_pool[np.array(setting.pool_of)]
    return _run_grams(setting, jobs, zone, setting.trace.arrival, setting.trace.length)


def _run_grams(setting: Setting, jobs: Ints, zone: Ints, starts: Floats, seconds: Floats) -> Floats:
    each = np.zeros(len(jobs))
    for index, there in enumerate(setting.zones):
        here = (zone == index) & (seconds > 0)
        kwh = setting.watts_of[jobs[here]] * seconds[here] / HOUR / 1000
        each[here] = there.truth.means(starts[here], seconds[here]) * kwh
    return each


def _kilograms(each: Floats) -> float | None:
    total = float(each.sum()) / 1000
    return None if np.isnan(total) else total
