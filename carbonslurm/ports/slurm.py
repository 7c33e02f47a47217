"""What the use cases ask and tell Slurm."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from carbonslurm.core.accounted import Accounted
from carbonslurm.core.capacity import Node
from carbonslurm.core.interval import Interval
from carbonslurm.core.job import Queue
from carbonslurm.core.means import MarkedHold
from carbonslurm.core.stop import ControllerFacts, Sight


class QueueReader(Protocol):
    """Reads the whole queue at once, and the controller's own facts."""

    def snapshot(self) -> Queue:
        """Return every job that is pending, running or on its way out."""

    def controller(self) -> ControllerFacts:
        """Return what slurmctld says of itself."""

    def outages(self) -> Mapping[str, datetime]:
        """Return when the next maintenance of all of a partition's nodes begins, for those that have one."""

    def capacity(self) -> Sequence[Node]:
        """Return what the nodes leave to jobs."""

    def limit_of_ageing(self) -> str | None:
        """Return what limits how many jobs age at once (MaxJobsAccrue and the like), None where nothing does.

        slurmdbd knows it, and may be away while slurmctld is there.
        """


@dataclass(frozen=True, slots=True)
class Setting:
    """What some jobs are told together.

    Attributes:
        until: withhold: when they are to start.
        site_factor: the priority that they get for the waiting; None leaves it as it is.
        factor_before: withhold: what they have again where that is refused.
        other_licences: what licences they have beside the gate's.
    """

    until: datetime | None = None
    site_factor: int | None = None
    factor_before: int = 0
    other_licences: str = ""


class Actuator(Protocol):
    """Makes pending jobs wait, or lets them go; answers with job spec -> None, or Slurm's refusal."""

    def withhold(self, specs: Sequence[str], setting: Setting) -> Mapping[str, str | None]:
        """Make these jobs wait."""

    def release(self, specs: Sequence[str], setting: Setting) -> Mapping[str, str | None]:
        """Let these jobs start as soon as Slurm has room."""


class SiteFactors(Protocol):
    """Sets what is added to the priority of jobs, pending or not, and nothing else of them."""

    def set_factor(self, specs: Sequence[str], factor: int) -> Mapping[str, str | None]:
        """Set it; answer with job spec -> None, or Slurm's refusal."""


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

    def accounted(self, window: Interval, now: datetime, jobs: Sequence[int] = ()) -> Accounted:
        """Return every attempt of any job that was eligible, ran or ended within the window.

        Args:
            window: it may reach ahead.
            now: to tell a job that runs from one whose end slurmdbd never heard of.
            jobs: only of these, and of the arrays that they are of; empty for all.
        """
