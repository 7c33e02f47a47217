"""Reading Slurm: the snapshot of the queue, the look at single jobs, the accounting."""

import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from carbonslurm.core.accounted import Accounted
from carbonslurm.core.capacity import Node
from carbonslurm.core.interval import Interval
from carbonslurm.core.job import Queue
from carbonslurm.core.stop import ControllerFacts, Sight
from carbonslurm.errors import ConfigError
from carbonslurm.formats.ageing import (
    associations_argv,
    qos_argv,
    read_association_limit,
    read_qos_limit,
)
from carbonslurm.formats.look import look_argv, pin_for, read_look, version_argv
from carbonslurm.formats.maintenance import (
    partitions_argv,
    read_maintenance,
    read_outages,
    reservations_argv,
)
from carbonslurm.formats.marks import Marks
from carbonslurm.formats.nodes import nodes_argv, read_nodes
from carbonslurm.formats.sacct import line_of, read_accounted, runs_argv
from carbonslurm.formats.scontrol import config_argv, read_controller
from carbonslurm.formats.squeue import read_snapshot, snapshot_argv
from carbonslurm.slurm.wire import Wire, failure, is_away


@dataclass(slots=True)
class SlurmQueue:
    """ports.QueueReader over squeue and scontrol.

    Attributes:
        cluster: as the configuration says; compared with Slurm's own word before the first snapshot, since
            everything in the ledger is kept under this name.
        uid: the account that we run as.
        gate: the licence by which jobs are behind the gate, None where there is no gate.
    """

    wire: Wire
    cluster: str
    clock: Callable[[], datetime]
    uid: int
    gate: str | None = None
    _compared: bool = False
    _just_read: ControllerFacts | None = None

    def snapshot(self) -> Queue:
        """Return the whole queue, by one call.

        Raises:
            ConfigError: Slurm is another cluster than the configuration says.
        """
        self.compare()
        marks = new_marks()
        taken_at = self.clock()
        answer = self.wire.read(snapshot_argv(marks))
        return read_snapshot(answer.text, marks, self.cluster, taken_at, self.gate)

    def compare(self) -> None:
        """Begin a cycle: before the first snapshot, refuse a Slurm that is another cluster than is meant.

        Raises:
            ConfigError: it is.
        """
        self._just_read = None
        if self._compared:
            return
        facts = self.controller()
        if facts.cluster != self.cluster:
            raise ConfigError(
                f'cluster: slurmctld serves "{facts.cluster}", the configuration says "{self.cluster}"'
            )
        self._compared, self._just_read = True, facts

    def controller(self) -> ControllerFacts:
        """Return what slurmctld says of itself; what the first snapshot asked is not asked again for it."""
        facts, self._just_read = self._just_read, None
        return facts or read_controller(self.wire.read(config_argv()).text, self.uid)

    def outages(self) -> Mapping[str, datetime]:
        """Return when the next maintenance of all of a partition's nodes begins, for those that have one."""
        ahead = read_maintenance(self.wire.read(reservations_argv()).text, self.clock())
        return read_outages(ahead, self.wire.read(partitions_argv()).text) if ahead else {}

    def capacity(self) -> Sequence[Node]:
        """Return what the nodes leave to jobs, by one command.

        Raises:
            DataError: it prints something else.
        """
        marks = new_marks()
        return read_nodes(self.wire.read(nodes_argv(marks)).text, marks)

    def limit_of_ageing(self) -> str | None:
        """Return what limits how many jobs age at once, None where nothing does."""
        return limit_of_ageing(self.wire, self.cluster)


def new_marks() -> Marks:
    """Return marks for one call, that nobody can have foreseen."""
    return Marks(field=f"~{secrets.token_hex(4)}~", end=f"~{secrets.token_hex(4)}.")


def limit_of_ageing(wire: Wire, cluster: str) -> str | None:
    """Return the first limit on how many jobs age at once, in words; None where there is none.

    Raises:
        UnavailableError: slurmdbd is away.
        DataError: sacctmgr says something else.
    """
    found = read_qos_limit(wire.read(qos_argv()).text)
    return found or read_association_limit(wire.read(associations_argv(cluster)).text)


def look(wire: Wire, job_ids: Sequence[int]) -> Mapping[int, Sight]:
    """Return what Slurm shows of some jobs, by one call; one that it has forgotten is missing.

    Raises:
        UnavailableError: Slurm is away.
    """
    form = pin_for(wire.read(version_argv()).text) or new_marks()
    answer = wire.ask(look_argv(job_ids, form))
    if answer.returncode == 0:
        return read_look(answer.stdout, job_ids, form)
    if is_away(answer.stderr):
        raise failure("squeue", answer)
    if len(job_ids) == 1:
        return {}  # "Invalid job id specified": forgotten
    # Some versions refuse all of a list for one forgotten job.
    return {number: sight for job_id in job_ids for number, sight in look(wire, [job_id]).items()}


@dataclass(frozen=True, slots=True)
class SlurmAccounting:
    """ports.Accounting over sacct."""

    wire: Wire
    cluster: str
    log: Callable[[str], None]
    steps: bool = False

    def accounted(self, window: Interval, now: datetime, jobs: Sequence[int] = ()) -> Accounted:
        """Return every attempt within a window; rows that are none are logged, each with its reason."""
        delimiter = f"~{secrets.token_hex(4)}~"
        answer = self.wire.read(runs_argv(window, delimiter, steps=self.steps, jobs=jobs))
        found = read_accounted(answer.text, delimiter, self.cluster, now=now)
        for item in found.aside:
            self.log(line_of(item))
        return found
