"""What reports and commands read of the ledger: any user may, whether the daemon runs or not."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from carbonslurm.core.accounted import SetAside
from carbonslurm.core.footprint import Figure
from carbonslurm.core.forecast import Nature
from carbonslurm.core.interval import Interval
from carbonslurm.core.job import AccountedRun, JobKey
from carbonslurm.core.means import Means


@dataclass(frozen=True, slots=True)
class RunFilter:
    """Which runs a report is about; an empty tuple means any.

    Attributes:
        window: runs that ran, or waited to, at any time within it; None for all time.
        ids: job ids; an array's id stands for all of its tasks.
        cluster: only runs of this one, None for all that the ledger knows.
        as_of: with the figures that were the newest at this moment; None for now.
    """

    window: Interval | None = None
    users: tuple[str, ...] = ()
    accounts: tuple[str, ...] = ()
    ids: tuple[int, ...] = ()
    cluster: str | None = None
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
    """One action with its newest outcome, for the event log of demo and release."""

    number: int
    key: JobKey
    spec: str
    verb: str
    state: str
    at: datetime
    until: datetime | None
    bound: datetime | None
    reason: str


@dataclass(frozen=True, slots=True)
class GroupSum:
    """Sums over started runs that have a group, a nature and a number of GPUs in common.

    Attributes:
        group: what they are grouped by, as text.
        nature: of their grams, None where they have none.
        known: whether they have emissions; only then are energy and grams more than 0.
        runs: how many.
        gpus: each one's.
        seconds: of all that have ended.
    """

    group: str
    nature: Nature | None
    known: bool
    runs: int
    gpus: int
    seconds: float
    energy_kwh: float
    emitted_g: float
    baseline_g: float


@dataclass(frozen=True, slots=True)
class FlexibleStart:
    """What a sum must know of a single run: its job had a bound, or a stop of ours ended it."""

    group: str
    started: datetime
    bound: datetime | None
    stopped: bool


@dataclass(frozen=True, slots=True)
class Sums:
    """The sums over some runs."""

    groups: Sequence[GroupSum]
    flexible: Sequence[FlexibleStart]


class LedgerReader(Protocol):
    """Read-only questions; any user may ask them, whether the daemon runs or not."""

    def sums(self, wanted: RunFilter, group: str, months: Sequence[tuple[str, datetime]] = ()) -> Sums:
        """Return sums over started runs, by user, account, partition, qos, nature or month.

        Args:
            wanted: which runs.
            group: by what.
            months: for month: the name of each and when it ends, in order.
        """

    def started(self, wanted: RunFilter) -> Interval | None:
        """Return from the first start of some runs to the last, None where none has started."""

    def runs(self, wanted: RunFilter) -> Sequence[RunRow]:
        """Return runs in order of start (never started ones by submit), with their newest figures."""

    def plans(self, cluster: str, job_ids: Sequence[int]) -> Mapping[int, PlanRow]:
        """Return the newest decision about each of these jobs that has one."""

    def actions(self, cluster: str, since: datetime) -> Sequence[ActionRow]:
        """Return the actions intended since a moment, oldest first."""

    def last_cycle(self, cluster: str) -> tuple[datetime, str | None] | None:
        """Return when the newest cycle began and its error, None before the first."""
