"""Reading and withholding by pyslurm, in a process of its own: the backend ``pyslurm``.

It does what pyslurm can say: read the queue and slurmctld's settings, and set begin times. It cannot say
``requeue Incomplete``, which alone never runs a finished job again; nor name the waiting tasks of an array,
of which its plain number would touch the running ones too; nor set a site factor back to nothing. All that
stays with Slurm's own commands, whatever the backend.
"""

import os
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from importlib.util import find_spec

from carbonslurm.core.interval import to_epoch
from carbonslurm.core.job import Queue
from carbonslurm.core.stop import ControllerFacts
from carbonslurm.errors import ConfigError
from carbonslurm.formats.scontrol import read_controller
from carbonslurm.formats.squeue import read_rows
from carbonslurm.ports import Actuator, Setting
from carbonslurm.slurm.child import Child
from carbonslurm.slurm.queue import check_cluster
from carbonslurm.slurm.wire import AWAY, Wire, clean_environment

WORKER = "carbonslurm.slurm.pyslurm_worker"
PYTHON = ("PYTHONPATH", "VIRTUAL_ENV")  # what leads a Python to its packages
BATCH = 30  # jobs in one question, each with a call of its own to slurmctld


def library(wire: Wire) -> Child:
    """Return the process with pyslurm in it: one for all who ask the same Slurm, started when first asked.

    Raises:
        ConfigError: there is no pyslurm.
    """
    if find_spec("pyslurm") is None:
        raise ConfigError(
            f"slurm.backend: {sys.executable} has no pyslurm: install the release of your Slurm's version"
            " beside carbonslurm, or take the backend scontrol"
        )
    given = os.environ if wire.environment is None else wire.environment
    python = {name: os.environ[name] for name in PYTHON if name in os.environ}
    return _child(wire.timeout, frozenset((clean_environment(given) | python).items()))


@cache
def _child(timeout: timedelta, environment: frozenset[tuple[str, str]]) -> Child:
    return Child([sys.executable, "-m", WORKER], dict(environment), timeout)


@dataclass(slots=True)
class LibraryQueue:
    """ports.QueueReader by pyslurm.

    Attributes:
        cluster: as the configuration says.
        uid: the account that we run as.
        gate: the licence by which jobs are behind the gate, None where there is no gate.
    """

    child: Child
    cluster: str
    clock: Callable[[], datetime]
    uid: int
    gate: str | None = None
    _compared: bool = False

    def snapshot(self) -> Queue:
        """Return the whole queue, by one call.

        Raises:
            ConfigError: Slurm is another cluster than the configuration says.
        """
        if not self._compared:
            check_cluster(self.controller(), self.cluster)
            self._compared = True
        taken_at = self.clock()
        return read_rows(self.child.ask({"do": "queue"}), self.cluster, taken_at, self.gate)

    def controller(self) -> ControllerFacts:
        """Return what slurmctld says of itself."""
        return read_controller(self.child.ask({"do": "settings"}), self.uid)


@dataclass(frozen=True, slots=True)
class LibraryBegin:
    """ports.Actuator by StartTime.

    Attributes:
        commands: the same by Slurm's commands, for what pyslurm cannot say.
    """

    child: Child
    commands: Actuator

    def withhold(self, specs: Sequence[str], setting: Setting) -> Mapping[str, str | None]:
        """Set the begin time of jobs."""
        arrays = [spec for spec in specs if not spec.isdigit()]
        at = None if setting.until is None else to_epoch(setting.until)
        answers = self._set([spec for spec in specs if spec.isdigit()], at, setting.site_factor)
        return answers | (dict(self.commands.withhold(arrays, setting)) if arrays else {})

    def release(self, specs: Sequence[str], setting: Setting) -> Mapping[str, str | None]:
        """Set the begin time of jobs to now."""
        arrays = [spec for spec in specs if not spec.isdigit()]
        answers = self._set([spec for spec in specs if spec.isdigit()], None, setting.site_factor)
        return answers | (dict(self.commands.release(arrays, setting)) if arrays else {})

    def _set(self, ids: Sequence[str], at: int | None, factor: int | None) -> dict[str, str | None]:
        answers: dict[str, str | None] = {}
        for first in range(0, len(ids), BATCH):
            batch = list(ids[first : first + BATCH])
            question = {"do": "begin", "ids": batch, "at": at, "site_factor": factor, "away": list(AWAY)}
            answers.update(self.child.ask(question))
        return answers
