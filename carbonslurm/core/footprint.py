"""Energy and intensity of a run -> grams, and against what they are counted.

Emissions: energy is spread evenly over the run and multiplied, step by step, by the intensity of that step;
with constant power this equals energy x time-weighted mean intensity (docs/figures.md, equation 2).

A saving is baseline minus emitted; it may be negative and is shown so. There are two baselines, and a figure
says which of its grams is counted against which:

- *simple*: the same run, earlier by the delay that we alone caused, and without the work that our stops lost:
  when it first could have started, taking the rest of its wait as it was. A run that we never withheld or
  stopped has itself as baseline.
- *queue*: when a queue without us would have started it (``core.without_us``), where its machines are known.
  It moves runs that we never touched, too, since ours made room for them or took it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from carbonslurm.core.forecast import Nature, Series
from carbonslurm.core.interval import Interval


class Baseline(StrEnum):
    """What a saving is counted against; see the module."""

    SIMPLE = "simple"
    QUEUE = "queue"


@dataclass(frozen=True, slots=True)
class Figure:
    """What one run emitted, and would have.

    Attributes:
        energy_kwh: of the whole run, PUE included.
        energy_method: ``modelled`` or ``slurm``.
        emitted_g: grams, None where any part of the run's intensity is unknown.
        baseline: the interval that the simple baseline is counted over.
        baseline_g: its grams, None where unknown.
        lost: time of the run spent on work that our stop threw away or on loading a checkpoint.
        nature: of the intensity that was used, None where there was none.
        source: who gave the intensity.
        estimated: whether any value used was an estimate and may yet be revised.
        queue: the interval of the baseline of a queue without us, None where nobody simulated it.
        queue_g: its grams, None where unknown.
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
    queue: Interval | None = None
    queue_g: float | None = None

    @property
    def saved_g(self) -> float | None:
        """Grams saved against the simple baseline, as ``saved``."""
        return self.saved(Baseline.SIMPLE)

    @property
    def is_final(self) -> bool:
        """Whether all of it is known and rests on measured intensities: only a revision changes it."""
        known = self.emitted_g is not None and self.baseline_g is not None
        return known and (self.queue is None or self.queue_g is not None) and not self.estimated

    def against(self, baseline: Baseline) -> float | None:
        """Return the grams of a baseline, None where they are not known."""
        return self.baseline_g if baseline is Baseline.SIMPLE else self.queue_g

    def saved(self, baseline: Baseline) -> float | None:
        """Return the g saved, negative where we made it worse, None where either side is unknown."""
        without = self.against(baseline)
        return None if self.emitted_g is None or without is None else without - self.emitted_g


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


def grams(series: Series | None, window: Interval, kwh: float) -> float | None:
    """Return the g that energy spread evenly over a window emits, None where its intensity is not known."""
    if kwh == 0:
        return 0.0
    mean = series.mean(window) if series is not None else None
    return None if mean is None else kwh * mean


def figure(
    *,
    ran: Interval,
    baseline: Interval,
    energy: tuple[float, str],
    series: Series | None,
    lost: timedelta,
    queue: Interval | None = None,
) -> Figure:
    """Work out one run's figure.

    Args:
        ran: the run.
        baseline: where its work would have run without us.
        energy: kWh of the run and the method behind it.
        series: the zone's intensity over all of these intervals.
        lost: see Attempt.
        queue: where its work would have run in a queue without us, None where that is not known.
    """
    kwh, method = energy
    windows = [window for window in (ran, baseline, queue) if window is not None]
    return Figure(
        energy_kwh=kwh,
        energy_method=method,
        emitted_g=grams(series, ran, kwh),
        baseline=baseline,
        baseline_g=grams(series, baseline, kwh * _share(baseline, ran)),
        lost=lost,
        nature=series.nature if series else None,
        source=series.source if series else None,
        estimated=series is not None and any(_estimated_within(series, window) for window in windows),
        queue=queue,
        queue_g=None if queue is None else grams(series, queue, kwh * _share(queue, ran)),
    )


def _share(window: Interval, ran: Interval) -> float:
    """Return how much of the run's energy its work needs without what was lost."""
    return window.length / ran.length if ran.length else 0.0


def _estimated_within(series: Series, window: Interval) -> bool:
    return any(
        step.estimated and step.interval.start < window.end and window.start < step.interval.end
        for step in series.steps()
    )


def percent_saved(emitted_g: float, baseline_g: float) -> float | None:
    """Return the saving in percent of the baseline, None where there is no baseline to save from."""
    return None if baseline_g <= 0 else 100 * (baseline_g - emitted_g) / baseline_g
