"""What reports and commands read of the ledger: any user may, whether the daemon runs or not."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Protocol

from carbonslurm.core.means import Means

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from carbonslurm.core.accounted import SetAside
    from carbonslurm.core.footprint import Figure
    from carbonslurm.core.forecast import Floats, Nature
    from carbonslurm.core.interval import Interval
    from carbonslurm.core.job import AccountedRun, JobKey
    from carbonslurm.core.past import EndedRun


@dataclass(frozen=True, slots=True)
class RunFilter:
    """Which runs a report is about; an empty tuple means any.

    Attributes:
        window: runs that ran, or waited to, at any time within it; None for all time.
        ids: job ids; an array's id stands for all of its tasks.
        clusters: only runs of these.
        started: runs that started within it.
        running: only runs that have started and, when last read, had not ended.
        states: as sacct -s: runs that were pending, running or suspended at any time within the window, or
            that came to their end in one of the other states within it; in Slurm's whole words.
        names: what people called their jobs.
        as_of: with the figures that counted at this moment; None for now.
    """

    window: Interval | None = None
    users: tuple[str, ...] = ()
    accounts: tuple[str, ...] = ()
    ids: tuple[int, ...] = ()
    clusters: tuple[str, ...] = ()
    partitions: tuple[str, ...] = ()
    qos: tuple[str, ...] = ()
    states: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    started: Interval | None = None
    running: bool = False
    as_of: datetime | None = None


@dataclass(frozen=True, slots=True)
class RunRow:
    """One run with its newest figure, as reports read it. None is unknown.

    Attributes:
        flexible: whether its job carried a tag.
        withheld: whether we made this run wait, after a stop of ours too.
        stopped: whether a stop of ours ended this run.
        bound: the latest start that was promised, from the newest action that named one.
        figure: None where none was worked out yet.
    """

    run: AccountedRun
    first_eligible: datetime | None
    flexible: bool
    withheld: bool
    stopped: bool
    bound: datetime | None
    figure: Figure | None


class Dimension(StrEnum):
    """By what runs can be summed up; months are those of the start, as numbers of the months asked for."""

    CLUSTER = "cluster"
    USER = "user"
    ACCOUNT = "account"
    PARTITION = "partition"
    QOS = "qos"
    NAME = "name"
    STATE = "state"
    MONTH = "month"
    ZONE = "zone"
    METHOD = "method"
    QUALITY = "quality"
    SOURCE = "source"
    ESTIMATED = "estimated"


@dataclass(frozen=True, slots=True)
class RunSum:
    """A sum over started runs that are alike in some dimensions, and in the nature of their grams.

    Attributes:
        by: their values, in the order of the dimensions asked for; None where the ledger has none.
        nature: of the grams, None where there are none, or none were needed.
        runs: how many.
        known: how many of them have emissions and a baseline; energy and grams are of these.
        late: how many started after their bound.
        stops: how many were ended by a stop of ours.
        withheld: how many we made wait.
        waited: how long those did, together, from when they could first have started.
        gpu_hours: of those that have ended.
        energy_kwh: PUE included.
        emitted_g: grams.
        baseline_g: grams.
        queued: how many of the known ones have the baseline of a queue without us, too; the next two are of
            these.
        queued_g: grams emitted.
        queue_g: grams of that baseline.
    """

    by: tuple[Any, ...]
    nature: Nature | None
    runs: int = 0
    known: int = 0
    late: int = 0
    stops: int = 0
    withheld: int = 0
    waited: timedelta = timedelta()
    gpu_hours: float = 0.0
    energy_kwh: float = 0.0
    emitted_g: float = 0.0
    baseline_g: float = 0.0
    queued: int = 0
    queued_g: float = 0.0
    queue_g: float = 0.0


@dataclass(frozen=True, slots=True)
class BesideSum:
    """A sum over runs by the intensities of another kind, which stand beside their own and are never added.

    Attributes:
        own: nature of the runs' own grams.
        nature: of these.
        runs: how many have grams of both.
        energy_kwh: of these, PUE included.
        emitted_g: grams.
        with_baseline: how many of them have a baseline by these intensities, too; the next are of these.
        counted_g: grams emitted.
        baseline_g: grams of the simple baseline.
    """

    own: Nature
    nature: Nature
    runs: int
    energy_kwh: float
    emitted_g: float
    with_baseline: int
    counted_g: float
    baseline_g: float

    @property
    def saved_g(self) -> float | None:
        """Grams saved against the simple baseline; None where no run has one."""
        return self.baseline_g - self.counted_g if self.with_baseline else None


@dataclass(frozen=True, slots=True)
class AsideRow:
    """A row of sacct that is no run, when it was first read, and whether a later reading made a run of it."""

    item: SetAside
    recorded_at: datetime
    mended: bool


@dataclass(frozen=True, slots=True)
class PlanRow:
    """The newest decision about a job, as carbon-squeue shows it."""

    verb: str
    state: str
    at: datetime
    until: datetime | None
    bound: datetime | None
    reason: str
    g_per_kwh_now: float | None
    g_per_kwh_then: float | None
    saving_g: float | None
    means: Means = Means.BEGIN


@dataclass(frozen=True, slots=True)
class ActionRow:
    """One action with its newest outcome, for the event log of demo and release, and what was only observed.

    Attributes:
        submitted: of the run that it is about, None where the reader does not say.
        saving_g: that were expected of it.
    """

    number: int
    key: JobKey
    spec: str
    verb: str
    state: str
    at: datetime
    until: datetime | None
    bound: datetime | None
    reason: str
    submitted: datetime | None = None
    saving_g: float | None = None


class LedgerReader(Protocol):
    """Read-only questions; any user may ask them, whether the daemon runs or not."""

    def runs(self, wanted: RunFilter) -> Sequence[RunRow]:
        """Return runs in order of start (never started ones by submit), with their newest figures."""

    def plans(self, cluster: str, job_ids: Sequence[int]) -> Mapping[int, PlanRow]:
        """Return the newest decision about each of these jobs that has one."""

    def actions(self, cluster: str, since: datetime) -> Sequence[ActionRow]:
        """Return the actions intended since a moment, oldest first."""

    def last_cycle(self, cluster: str) -> tuple[datetime, str | None] | None:
        """Return when the newest cycle began and its error, None before the first."""


class HabitReader(Protocol):
    """What is known of jobs that are over, for one that is about to be submitted."""

    def own_runs(self, cluster: str, user: str, since: datetime) -> Sequence[EndedRun]:
        """Return the newest runs of a user that came to an end of their own, or at their limit."""

    def past_savings(self, cluster: str, user: str, since: datetime) -> Sequence[tuple[float, float]]:
        """Return what the newest runs of a user's that waited were expected to save, and did, in grams."""

    def past_delays(self, cluster: str, partition: str, since: datetime) -> Sequence[timedelta]:
        """Return how much later than planned jobs that waited started, the newest; any partition's for ''."""


class SumReader(Protocol):
    """Sums over many runs, worked out where they lie: a year of a cluster is much for one process."""

    def sums(
        self, wanted: RunFilter, by: Sequence[Dimension], months: Sequence[datetime] = ()
    ) -> Sequence[RunSum]:
        """Return sums of runs by some dimensions, in no order; ``months`` are the firsts of rising months."""

    def sums_beside(self, wanted: RunFilter) -> Sequence[BesideSum]:
        """Return sums of started runs by intensities of another kind, for each pair of natures."""

    def span(self, wanted: RunFilter) -> Interval | None:
        """Return from the first to the last start among some runs, None where none has started."""


class LoadReader(Protocol):
    """When energy was taken, run by run."""

    def loads(self, wanted: RunFilter) -> Floats:
        """Return when runs took their energy, and when they would have without us.

        Returns:
            Shape (n, 6), a row for each ended run with a figure: start and end, Unix seconds, kWh; and start,
            end and kWh of its baseline.
        """
