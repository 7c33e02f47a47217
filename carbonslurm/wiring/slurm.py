"""How Slurm is asked and told."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from carbonslurm.wiring.clock import now
from carbonslurm.wiring.rules import means

if TYPE_CHECKING:
    from carbonslurm.config import Config
    from carbonslurm.core.means import Means
    from carbonslurm.ports import Actuator, QueueReader
    from carbonslurm.slurm.gate import SlurmGate
    from carbonslurm.slurm.wire import Wire


def slurm_environment(config: Config) -> dict[str, str]:
    """Return this process's environment with what leads to the configured Slurm."""
    environment = dict(os.environ)
    if config.slurm.path is not None:
        environment["PATH"] = f"{config.slurm.path}{os.pathsep}{environment.get('PATH', os.defpath)}"
    if config.slurm.conf is not None:
        environment["SLURM_CONF"] = config.slurm.conf
    return environment


def wire(config: Config) -> Wire:
    """Return how Slurm's commands are called."""
    from carbonslurm.slurm.wire import Wire

    return Wire(config.slurm.timeout, slurm_environment(config))


def queue(config: Config) -> QueueReader:
    """Return the reader of the queue."""
    from carbonslurm.slurm.libslurm import LibraryQueue, library
    from carbonslurm.slurm.queue import SlurmQueue

    slurm = wire(config)
    # The licence's name is known even where no gate is used now: one that was has to be undone.
    licence = config.withhold.gate.licence
    commands = SlurmQueue(slurm, config.cluster, now, os.geteuid(), licence)
    return LibraryQueue(library(slurm), commands) if config.slurm.backend == "pyslurm" else commands


def begin(config: Config) -> Actuator:
    """Return what sets begin times."""
    from carbonslurm.slurm.begin import BeginActuator
    from carbonslurm.slurm.libslurm import LibraryBegin, library

    commands = BeginActuator(wire(config))
    return LibraryBegin(library(commands.wire), commands) if config.slurm.backend == "pyslurm" else commands


def actuators(config: Config) -> dict[Means, Actuator]:
    """Return all of them, whichever the site uses now: what another one did has to be undone."""
    from carbonslurm.core.means import Means
    from carbonslurm.slurm.gate import GateActuator
    from carbonslurm.slurm.hold import HoldActuator

    slurm = wire(config)
    return {
        Means.BEGIN: begin(config),
        Means.HOLD: HoldActuator(slurm),
        Means.GATE: GateActuator(slurm, config.withhold.gate.licence),
    }


def gate(config: Config) -> SlurmGate | None:
    """Return the gate, None where no partition uses one."""
    import pwd

    from carbonslurm.slurm.gate import SlurmGate

    rules = means(config).gate
    return SlurmGate(wire(config), rules, pwd.getpwuid(os.geteuid()).pw_name) if rules else None
