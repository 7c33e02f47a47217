"""Reading and withholding by pyslurm, in a process of its own: the backend ``pyslurm``.

It does what pyslurm can say, and what is done often: read the queue, and set begin times. It cannot say
``requeue Incomplete``, which alone never runs a finished job again; nor name the waiting tasks of an array,
of which its plain number would touch the running ones too; nor set a site factor back to nothing. All that
stays with Slurm's own commands, whatever the backend.
"""

import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from importlib.util import find_spec

from carbonslurm.core.capacity import Node
from carbonslurm.core.interval import to_epoch
from carbonslurm.core.job import Queue
from carbonslurm.core.stop import ControllerFacts
from carbonslurm.errors import ConfigError
from carbonslurm.formats.squeue import read_rows
from carbonslurm.ports import Actuator, Setting
from carbonslurm.slurm.child import Child
from carbonslurm.slurm.queue import SlurmQueue
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


@dataclass(frozen=True, slots=True)
class LibraryQueue:
    """ports.QueueReader by pyslurm.

    Attributes:
        commands: the same by Slurm's commands, for slurmctld's settings, which are asked for once an hour.
    """

    child: Child
    commands: SlurmQueue

    def snapshot(self) -> Queue:
        """Return the whole queue, by one call.

        Raises:
            ConfigError: Slurm is another cluster than the configuration says.
        """
        slurm = self.commands
        slurm.compare()
        taken_at = slurm.clock()
        return read_rows(self.child.ask({"do": "queue"}), slurm.cluster, taken_at, slurm.gate)

    def controller(self) -> ControllerFacts:
        """Return what slurmctld says of itself."""
        return self.commands.controller()

    def outages(self) -> Mapping[str, datetime]:
        """Return when the next maintenance of all nodes begins, None where none is planned."""
        return self.commands.outages()

    def capacity(self) -> Sequence[Node]:
        """Return what the nodes leave to jobs."""
        return self.commands.capacity()

    def limit_of_ageing(self) -> str | None:
        """Return what limits how many jobs age at once, None where nothing does."""
        return self.commands.limit_of_ageing()


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
        ours, others = _sayable(specs, setting)
        at = None if setting.until is None else to_epoch(setting.until)
        answers = self._set(ours, at, setting.site_factor)
        return answers | (dict(self.commands.withhold(others, setting)) if others else {})

    def release(self, specs: Sequence[str], setting: Setting) -> Mapping[str, str | None]:
        """Set the begin time of jobs to now."""
        ours, others = _sayable(specs, setting)
        answers = self._set(ours, None, setting.site_factor)
        return answers | (dict(self.commands.release(others, setting)) if others else {})

    def _set(self, ids: Sequence[str], at: int | None, factor: int | None) -> dict[str, str | None]:
        answers: dict[str, str | None] = {}
        for first in range(0, len(ids), BATCH):
            batch = list(ids[first : first + BATCH])
            question = {"do": "begin", "ids": batch, "at": at, "site_factor": factor, "away": list(AWAY)}
            answers.update(self.child.ask(question))
        return answers


def _sayable(specs: Sequence[str], setting: Setting) -> tuple[list[str], list[str]]:
    """Return what pyslurm can say, and the rest: tasks of arrays, and all whose site factor is taken back."""
    if setting.site_factor == 0:
        return [], list(specs)
    return [spec for spec in specs if spec.isdigit()], [spec for spec in specs if not spec.isdigit()]
