"""The small Protocols through which the use cases in ``app`` reach the world.

Each is owned by its users, has few methods and returns facts, never verdicts. ``wiring`` hands the adapters
in; the simulated cluster and the tests hand in theirs. Every moment is aware and UTC. Methods raise only the
errors of ``carbonslurm.errors``: UnavailableError where the other side is away, RefusedError where it says
no, LedgerError where the ledger cannot be read or written.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Protocol

from carbonslurm.core.action import Action
from carbonslurm.core.footprint import BeginChange, Figure
from carbonslurm.core.forecast import Issue, Nature, Series
from carbonslurm.core.interval import Interval
from carbonslurm.core.job import AccountedRun, JobKey, Queue, RunKey
from carbonslurm.core.means import MarkedHold, Means
from carbonslurm.core.ownership import Known
from carbonslurm.core.stop import ControllerFacts, Phase, Sight, StopInFlight

# --- Slurm


class QueueReader(Protocol):
    """Reads the whole queue at once, and the controller's own facts."""

    def snapshot(self) -> Queue:
        """Return every job that is pending, running or on its way out."""

    def controller(self) -> ControllerFacts:
        """Return what slurmctld says of itself."""

    def next_outage(self) -> datetime | None:
        """Return when the next maintenance of all nodes begins, None where none is planned."""


@dataclass(frozen=True, slots=True)
class Setting:
    """What some jobs are told together.

    Attributes:
        until: withhold: when they are to start.
        site_factor: the priority that they get for the waiting; None leaves it as it is.
        other_licences: what licences they have beside the gate's.
    """

    until: datetime | None = None
    site_factor: int | None = None
    other_licences: str = ""


class Actuator(Protocol):
    """Makes pending jobs wait, or lets them go; answers with job spec -> None, or Slurm's refusal."""

    def withhold(self, specs: Sequence[str], setting: Setting) -> Mapping[str, str | None]:
        """Make these jobs wait."""

    def release(self, specs: Sequence[str], setting: Setting) -> Mapping[str, str | None]:
        """Let these jobs start as soon as Slurm has room."""


class Gate(Protocol):
    """Keeps all jobs that carry its licence from starting, for as long as it is kept shut."""

    def shut(self, until: datetime) -> None:
        """Shut it, or keep it shut: it opens by itself at that moment."""

    def open(self) -> None:
        """Open it; an open one stays so."""


class HoldReader(Protocol):
    """What a rescue sees of us, from any host."""

    def marked(self) -> Sequence[MarkedHold]:
        """Return the held jobs that carry the hook's mark."""

    def calls_of(self, uid: int) -> int:
        """Return how many calls slurmctld has had from a user, as far as it counts."""


class RunControl(Protocol):
    """What a stop needs of Slurm."""

    def signal(self, spec: str, name: str, *, full: bool) -> None:
        """Send a signal to the batch shell of one run, with its children where ``full``."""

    def requeue(self, spec: str) -> None:
        """Requeue a job if, and only if, it has not ended (``requeue Incomplete``)."""

    def look(self, job_ids: Sequence[int]) -> Mapping[int, Sight]:
        """Return what Slurm shows of these jobs; a job that it has forgotten is missing."""


class Accounting(Protocol):
    """Reads finished and running attempts from slurmdbd."""

    def runs(self, window: Interval) -> Sequence[AccountedRun]:
        """Return every attempt of any job that was eligible, ran or ended within the window."""


# --- carbon


@dataclass(frozen=True, slots=True)
class CarbonAnswer:
    """What one source said at one moment: a forecast, measured values, or both."""

    forecast: Issue | None = None
    actual: Series | None = None


class CarbonSource(Protocol):
    """One provider, for one zone of the site."""

    @property
    def name(self) -> str:
        """The provider's name, as the configuration spells it."""

    @property
    def zone(self) -> str:
        """The site's name of the zone that it speaks of."""

    def fetch(self, now: datetime) -> CarbonAnswer:
        """Ask it now.

        Raises:
            DataError: the answer is not believable; it is refused whole.
            RefusedError: the provider says no.
            UnavailableError: there was no answer.
        """


class ForecastReader(Protocol):
    """What planning asks of the archive."""

    def newest_issue(self, zone: str) -> Issue | None:
        """Return the zone's latest published forecast."""


class IntensityArchive(ForecastReader, Protocol):
    """Keeps every issue and every measured value, as published."""

    def keep_issue(self, issue: Issue) -> None:
        """Store a forecast once, however often it is offered."""

    def keep_actual(self, series: Series, recorded_at: datetime) -> None:
        """Store measured values; a revised value is added, the old one stays."""

    def intensity(self, zone: str, nature: Nature, window: Interval) -> Series | None:
        """Return what is known of a window, None where that is nothing.

        The newest measured values, and the newest issues' where nothing was measured, flagged estimated.
        Steps may reach beyond the window.
        """

    def natures(self, zone: str, window: Interval) -> Sequence[Nature]:
        """Return the natures in which a window has any value, the best covered first."""


# --- the ledger


class OutcomeState(StrEnum):
    """What became of an action, as far as we know."""

    APPLIED = "applied"  # Slurm said yes
    CONFIRMED = "confirmed"  # a later snapshot shows it
    REFUSED = "refused"  # Slurm said no: nothing changed
    UNCERTAIN = "uncertain"  # no answer: the next snapshot tells
    FORGOTTEN = "forgotten"  # Slurm is back at the value from before
    OVERRIDDEN = "overridden"  # the owner or an admin changed it since
    OBSERVED = "observed"  # observe mode: written down, not done


@dataclass(frozen=True, slots=True)
class Outcome:
    """One entry behind an action; the newest counts."""

    state: OutcomeState
    at: datetime
    detail: str = ""


@dataclass(frozen=True, slots=True)
class CycleReport:
    """What one cycle did, for the ledger and the log."""

    pending: int = 0
    flexible: int = 0
    running: int = 0
    actions: int = 0
    refused: int = 0
    error: str | None = None
    notes: tuple[str, ...] = field(default=())


class ActionLog(Protocol):
    """The write-ahead log of what we do to jobs, and the memory of what is ours."""

    def stops_begun(self, cluster: str, since: datetime) -> int:
        """Return how many stops were begun since a moment, whatever became of them."""

    def intend(self, cycle: int | None, actions: Sequence[Action], at: datetime) -> Sequence[int]:
        """Write actions before they are done; return their numbers, in order. All or none."""

    def observe(self, cycle: int | None, actions: Sequence[Action], at: datetime) -> None:
        """Write actions that would be done, and are not. All or none."""

    def settle(self, outcomes: Mapping[int, Outcome]) -> None:
        """Add what became of actions, by their numbers. All or none."""

    def known(self, queue: Queue) -> Mapping[JobKey, Known]:
        """Return what the ledger remembers of the jobs in this queue."""


class StopLog(Protocol):
    """The stops among the actions, each with its phases."""

    def stops_in_flight(self, cluster: str) -> Sequence[StopInFlight]:
        """Return the stops that have not come to their end."""

    def advance_stop(self, action: int, phase: Phase, at: datetime, detail: str = "") -> None:
        """Write the phase that a stop is in."""


class JobBook(Protocol):
    """First sights: what must be kept of a job because our own changes would hide it."""

    def note(self, queue: Queue, first_eligible: Mapping[JobKey, datetime | None]) -> None:
        """Keep each flexible job of the queue; a first eligible time once known never changes."""

    def seen_waiting(self, queue: Queue) -> frozenset[JobKey]:
        """Return the jobs of this queue that an earlier one showed with unmet dependencies."""


@dataclass(frozen=True, slots=True)
class Pause:
    """An admin's word that we keep our hands off, until another one."""

    since: datetime
    by: str
    reason: str


class CycleLog(Protocol):
    """One row a cycle, failed ones too; and the admin's switch, which each cycle looks at."""

    def pause(self) -> Pause | None:
        """Return the pause that lasts, None where there is none."""

    def begin_cycle(self, at: datetime, *, observe: bool) -> int:
        """Write that a cycle begins; return its number."""

    def end_cycle(self, cycle: int, at: datetime, report: CycleReport) -> None:
        """Write what it did."""


@dataclass(frozen=True, slots=True)
class RunToFigure:
    """A run whose emissions are to be worked out, with what the ledger knows of its job.

    Attributes:
        earlier: the attempts before this one, oldest first.
        first_eligible: of the job, None where it was not seen.
        changes: of each run's begin time, oldest first.
        lost_from: of each run that we stopped, from when on its work is lost: from the signal where the job
            showed that it had saved (its word, its own requeue), else from the start.
        restart_cost: of each run after a stop, how long its owner says that loading takes.
    """

    run: AccountedRun
    earlier: tuple[AccountedRun, ...]
    first_eligible: datetime | None
    changes: Mapping[RunKey, Sequence[BeginChange]]
    lost_from: Mapping[RunKey, datetime]
    restart_cost: Mapping[RunKey, timedelta]

    @property
    def withheld(self) -> bool:
        """Whether we made this run wait."""
        return any(change.until is not None for change in self.changes.get(self.run.key, ()))


class Lease(Protocol):
    """The right to act on one cluster by one ledger: one daemon has it, any other waits."""

    def held(self) -> bool:
        """Take it where it is free, or make sure that we still have it; False where another has it.

        Raises:
            LedgerError: nobody can tell now, so nobody may act.
        """

    def holder(self) -> str:
        """Return who has it, for people."""

    def let_go(self) -> None:
        """Leave it to others."""


class RunBook(Protocol):
    """Runs from sacct, once each, and the figures worked out for them."""

    def keep_runs(self, runs: Sequence[AccountedRun], at: datetime) -> int:
        """Store runs; one already stored is brought up to date. Return how many were new or changed."""

    def runs_to_figure(self, cluster: str, at: datetime) -> Sequence[RunToFigure]:
        """Return the ended runs whose figures are missing or were made from estimates or older facts."""

    def keep_figures(self, figures: Sequence[tuple[RunKey, Figure]], at: datetime) -> None:
        """Add figures; older ones are kept, the newest counts."""

    def accounted_until(self, cluster: str) -> datetime | None:
        """Return the moment up to which sacct has been read."""

    def mark_accounted(self, cluster: str, until: datetime) -> None:
        """Remember that moment."""


# --- reading the ledger


@dataclass(frozen=True, slots=True)
class RunFilter:
    """Which runs a report is about; an empty tuple means any.

    Attributes:
        window: runs that ran, or waited to, at any time within it; None for all time.
        ids: job ids; an array's id stands for all of its tasks.
        cluster: only runs of this one, None for all that the ledger knows.
    """

    window: Interval | None = None
    users: tuple[str, ...] = ()
    accounts: tuple[str, ...] = ()
    ids: tuple[int, ...] = ()
    cluster: str | None = None


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
