"""Small traces and intensities for tests of the simulator, and a run of them by a policy's name."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

import numpy as np

from carbonslurm.core.forecast import Kind, Nature, Scope, Series
from carbonslurm.formats.traces import TracedJob, TracedJobs
from carbonslurm.sim.comparison import Run, Setting, run
from carbonslurm.sim.foresight import Foresight, Perfect
from carbonslurm.sim.trace import MaxWait, Reading, Trace, lay_out

HOUR = 3600.0
DAY = 24 * HOUR
NATURE = Nature(Kind.AVERAGE, Scope.LIFECYCLE)
START = 1_700_006_400.0  # a midnight, UTC: a Wednesday


@dataclass(frozen=True, slots=True)
class J:
    """A job in hours: arrival after START, length, units, limit."""

    at: float
    length: float
    units: float = 1.0
    limit: float | None = None
    user: str = ""


def hourly(values: Sequence[float], start: float = START) -> Series:
    edges = start + HOUR * np.arange(len(values) + 1)
    return Series(
        "GB", "toy", NATURE, edges, np.array(values, dtype=float), np.zeros(len(values), dtype=np.bool_)
    )


def trace_of(jobs: Sequence[J], wait_h: float = 24, start: float = START) -> Trace:
    traced = tuple(
        TracedJob(
            str(number),
            start + job.at * HOUR,
            job.length * HOUR,
            None if job.limit is None else job.limit * HOUR,
            cpus=job.units,
            user=job.user,
        )
        for number, job in enumerate(jobs)
    )
    wait = timedelta(hours=wait_h)
    return lay_out(TracedJobs(traced, dated=True, left_out={}), Reading("cpus", MaxWait(wait, wait)))


QUICK = "4"


def setting_of(
    jobs: Sequence[J],
    truth: Series,
    *,
    wait_h: float = 24,
    units: float = float("inf"),
    length: str = "true",
    foresight: Foresight | None = None,
    start: float = START,
    parameters: Mapping[str, str] | None = None,
) -> Setting:
    trace = trace_of(jobs, wait_h, start)
    return Setting(
        trace=trace,
        truth=truth,
        foresight=foresight or Perfect(truth),
        forecast="toy",
        length=length,
        partitions=None,
        pool_units=[units],
        pool_of=[0] * len(trace),
        watts=1000.0,
        parameters=parameters or {},
    )


def simulated(
    policy: str,
    jobs: Sequence[J],
    truth: Series,
    *,
    wait_h: float = 24,
    units: float = float("inf"),
    length: str = "true",
    foresight: Foresight | None = None,
    start: float = START,
    **parameters: str,
) -> Run:
    if policy == "joint":  # whose properties hold however few times it searches for prices
        parameters = {"iterations": QUICK, **parameters}
    setting = setting_of(
        jobs,
        truth,
        wait_h=wait_h,
        units=units,
        length=length,
        foresight=foresight,
        start=start,
        parameters=parameters,
    )
    return run(setting, policy, lambda: 0.0, lambda _: None)


def starts_h(done: Run) -> list[float]:
    """When each job first started, hours after START."""
    return [(start - START) / HOUR for start in done.outcome.first_start.tolist()]


def ends_h(done: Run) -> list[float]:
    return [(end - START) / HOUR for end in done.outcome.end.tolist()]


def runs_h(done: Run, job: int = 0) -> list[tuple[float, float]]:
    """The runs of a job, hours after START."""
    outcome = done.outcome
    mine = outcome.run_job == job
    return [
        ((start - START) / HOUR, (end - START) / HOUR)
        for start, end in zip(outcome.run_start[mine].tolist(), outcome.run_end[mine].tolist(), strict=True)
    ]


def most_busy(done: Run, units: Mapping[int, float]) -> float:
    """The most units that were busy at once; what ends at an instant has left before what starts then."""
    outcome = done.outcome
    held = np.array([units[job] for job in outcome.run_job.tolist()])
    moments = np.concatenate((outcome.run_start, outcome.run_end))
    changes = np.concatenate((held, -held))
    return float(np.cumsum(changes[np.lexsort((changes, moments))]).max(initial=0.0))
