"""What the use cases write down: what was meant and done, the runs, and the right to act."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from datetime import datetime, timedelta

    from carbonslurm.core.accounted import SetAside
    from carbonslurm.core.action import Action
    from carbonslurm.core.baseline import BeginChange
    from carbonslurm.core.energy import Measurement
    from carbonslurm.core.footprint import Figure
    from carbonslurm.core.interval import Interval
    from carbonslurm.core.job import AccountedRun, AccountedStep, JobKey, Queue, RunKey
    from carbonslurm.core.length import PastRun
    from carbonslurm.core.ownership import Known
    from carbonslurm.core.stop import Phase, StopInFlight


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


class JobMemory(Protocol):
    """The memory of what is ours."""

    def known(self, queue: Queue) -> Mapping[JobKey, Known]:
        """Return what the ledger remembers of the jobs in this queue."""


class ActionLog(JobMemory, Protocol):
    """The write-ahead log of what we do to jobs, and the memory of what is ours."""

    def stops_begun(self, cluster: str, since: datetime) -> int:
        """Return how many stops were begun since a moment, whatever became of them."""

    def intend(self, cycle: int | None, actions: Sequence[Action], at: datetime) -> Sequence[int]:
        """Write actions before they are done; return their numbers, in order. All or none."""

    def observe(self, cycle: int | None, actions: Sequence[Action], at: datetime) -> None:
        """Write actions that would be done, and are not. All or none."""

    def settle(self, outcomes: Mapping[int, Outcome]) -> None:
        """Add what became of actions, by their numbers. All or none."""


class PastReader(Protocol):
    """Runs that were, for what they say of the lengths of others."""

    def past_runs(self, cluster: str, at: datetime) -> Sequence[PastRun]:
        """Return the newest runs that had started by some moment, those that run still ahead."""


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
        queue_starts: when a queue without us would have started each run, where that was simulated.
        measured: the newest that each source measured of the run itself.
    """

    run: AccountedRun
    earlier: tuple[AccountedRun, ...]
    first_eligible: datetime | None
    changes: Mapping[RunKey, Sequence[BeginChange]]
    lost_from: Mapping[RunKey, datetime]
    restart_cost: Mapping[RunKey, timedelta]
    queue_starts: Mapping[RunKey, datetime] = field(default_factory=dict)
    measured: Sequence[Measurement] = ()

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


@dataclass(frozen=True, slots=True)
class QueuePass:
    """One simulation of the queue without us.

    Attributes:
        machines: the partitions whose queue it was, as the configuration names them.
        window: whose runs took part.
        model: the queue and the machines, in words.
    """

    cluster: str
    machines: str
    window: Interval
    model: str


class QueueBook(Protocol):
    """When a queue without us would have started the runs of some machines."""

    def last_queue_pass(self, cluster: str, machines: str) -> datetime | None:
        """Return when that was last worked out, None where it never was."""

    def queue_history(
        self, cluster: str, partitions: Sequence[str], window: Interval
    ) -> Sequence[RunToFigure]:
        """Return the runs that held room of these partitions within a window, attempts of a job in order."""

    def keep_queue_starts(self, passed: QueuePass, starts: Mapping[RunKey, datetime], at: datetime) -> int:
        """Add the starts that are news, so that their runs get new figures; return how many those were."""


@dataclass(frozen=True, slots=True)
class Asking:
    """One question to one source about one run.

    Attributes:
        measured: what it said, None where it had nothing, or nothing that can be used.
        detail: why so, for people.
    """

    run: RunKey
    measured: Measurement | None
    detail: str = ""


class MeasurementBook(Protocol):
    """What sources measured of runs, and whom they were asked about in vain."""

    def runs_to_measure(
        self, cluster: str, source: str, partitions: Collection[str], at: datetime
    ) -> Sequence[AccountedRun]:
        """Return ended runs of some partitions, or of all where none is named, to ask a source about."""

    def keep_measurements(self, source: str, asked: Sequence[Asking], at: datetime) -> int:
        """Keep what it said; runs of which something new is known get new figures. Return how many."""


class RunningReader(Protocol):
    """What is known of runs that still run, for who looks."""

    def accounted_until(self, cluster: str) -> datetime | None:
        """Return the moment up to which sacct has been read."""

    def with_jobs(self, cluster: str, runs: Sequence[AccountedRun]) -> Sequence[RunToFigure]:
        """Return runs of the ledger, in any state, with what it knows of their jobs, in the same order."""


class RunBook(Protocol):
    """Runs from sacct, once each, and the figures worked out for them."""

    def keep_runs(self, runs: Sequence[AccountedRun], at: datetime) -> int:
        """Store runs; one already stored is brought up to date. Return how many were new or changed."""

    def keep_steps(self, steps: Sequence[AccountedStep]) -> int:
        """Store steps of runs that are kept, each once. Return how many were new or changed."""

    def set_aside(self, rows: Sequence[SetAside], at: datetime) -> int:
        """Keep rows that are no runs, each with its reason. Return how many were new."""

    def without_end(self, cluster: str) -> Sequence[RunKey]:
        """Return what may yet get an end: runs that have none, and what was set aside and not mended."""

    def runs_to_figure(self, cluster: str) -> Sequence[RunToFigure]:
        """Return ended runs whose figures are missing, or older than news of them or their hours."""

    def keep_figures(self, figures: Sequence[tuple[RunKey, Figure]], at: datetime) -> None:
        """Add figures; older ones are kept, the newest counts."""

    def many_were_written(self) -> None:
        """Make questions quick again, after more runs or figures were written than a day brings."""

    def accounted_until(self, cluster: str) -> datetime | None:
        """Return the moment up to which sacct has been read."""

    def mark_accounted(self, cluster: str, until: datetime) -> None:
        """Remember that moment."""
