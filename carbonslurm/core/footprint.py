"""Energy and intensity of a run -> grams, and against what they are counted.

Emissions: energy is spread evenly over the run and multiplied, step by step, by the intensity of that step;
with constant power this equals energy x time-weighted mean intensity (docs/figures.md, equation 2).

Baseline: the same run, earlier by the delay that we alone caused, and without the work that our stops lost.
A saving is baseline minus emitted; it may be negative and is shown so. A run that we never withheld or
stopped has itself as baseline.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from carbonslurm.core.forecast import Nature, Series
from carbonslurm.core.interval import Interval


@dataclass(frozen=True, slots=True)
class Figure:
    """What one run emitted, and would have.

    Attributes:
        energy_kwh: of the whole run, PUE included.
        energy_method: ``modelled`` or ``slurm``.
        emitted_g: grams, None where any part of the run's intensity is unknown.
        baseline: the interval that the baseline is counted over.
        baseline_g: grams, None where unknown.
        lost: time of the run spent on work that our stop threw away or on loading a checkpoint.
        nature: of the intensity that was used, None where there was none.
        source: who gave the intensity.
        estimated: whether any value used was an estimate and may yet be revised.
    """

    energy_kwh: float
    energy_method: str
    emitted_g: float | None
    baseline: Interval
    baseline_g: float | None
    lost: timedelta
    nature: Nature | None
    source: str | None
    estimated: bool

    @property
    def saved_g(self) -> float | None:
        """Grams saved, negative where we made it worse, None where either side is unknown."""
        if self.emitted_g is None or self.baseline_g is None:
            return None
        return self.baseline_g - self.emitted_g


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
    total = timedelta()
    for number, change in enumerate(changes):
        if change.until is None:
            continue
        after = changes[number + 1].at if number + 1 < len(changes) else started
        begins = max(change.at, eligible or change.at)
        total += max(min(change.until, after, started) - begins, timedelta())
    return total


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


def baselines(attempts: list[Attempt]) -> list[Interval]:
    """Return for each attempt the interval in which its work would have run without us, in order.

    A stopped job's attempts are one run cut in pieces: without us they would have followed each other.
    """
    intervals: list[Interval] = []
    for attempt in attempts:
        if attempt.continues and intervals:
            start = intervals[-1].end
        else:
            start = min(attempt.could_start, attempt.ran.start)
        work = max(attempt.ran.length - attempt.lost, timedelta())
        intervals.append(Interval(start, start + work))
    return intervals


def grams(series: Series | None, window: Interval, kwh: float) -> float | None:
    """Return the g that energy spread evenly over a window emits, None where its intensity is not known."""
    if kwh == 0:
        return 0.0
    mean = series.mean(window) if series is not None else None
    return None if mean is None else kwh * mean


def figure(
    *, ran: Interval, baseline: Interval, energy: tuple[float, str], series: Series | None, lost: timedelta
) -> Figure:
    """Work out one run's figure.

    Args:
        ran: the run.
        baseline: where its work would have run without us.
        energy: kWh of the run and the method behind it.
        series: the zone's intensity over both intervals.
        lost: see Attempt.
    """
    kwh, method = energy
    share = baseline.length / ran.length if ran.length else 0.0
    return Figure(
        energy_kwh=kwh,
        energy_method=method,
        emitted_g=grams(series, ran, kwh),
        baseline=baseline,
        baseline_g=grams(series, baseline, kwh * share),
        lost=lost,
        nature=series.nature if series else None,
        source=series.source if series else None,
        estimated=series is not None and any(_estimated_within(series, window) for window in (ran, baseline)),
    )


def _estimated_within(series: Series, window: Interval) -> bool:
    return any(
        step.estimated and step.interval.start < window.end and window.start < step.interval.end
        for step in series.steps()
    )


def percent_saved(emitted_g: float, baseline_g: float) -> float | None:
    """Return the saving in percent of the baseline, None where there is no baseline to save from."""
    return None if baseline_g <= 0 else 100 * (baseline_g - emitted_g) / baseline_g
