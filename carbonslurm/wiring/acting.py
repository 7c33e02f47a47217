"""The use cases that act on jobs, or account for them."""

from __future__ import annotations

import os
from datetime import timedelta
from typing import TYPE_CHECKING

from carbonslurm.wiring.books import ledger, reading
from carbonslurm.wiring.clock import now
from carbonslurm.wiring.energy import measuring
from carbonslurm.wiring.hook import account_uid
from carbonslurm.wiring.rules import allowances, compensates, cycle_rules, figure_rules, means
from carbonslurm.wiring.slurm import actuators, begin, gate, queue, wire

if TYPE_CHECKING:
    from collections.abc import Callable

    from carbonslurm.app.cycle import Cycle
    from carbonslurm.app.ingest import Ingest
    from carbonslurm.app.letting_go import LettingGo
    from carbonslurm.app.queueing import WithoutUs
    from carbonslurm.app.rescue import Rescue
    from carbonslurm.app.spending import Spending
    from carbonslurm.app.stopping import Stopping
    from carbonslurm.app.telling import Memory, Telling
    from carbonslurm.app.vanished import Vanished
    from carbonslurm.config import Config
    from carbonslurm.core.priority import AgeWeight
    from carbonslurm.ledger.reading import Reading
    from carbonslurm.ledger.writing import Ledger
    from carbonslurm.ports import SumReader

RESCUE_CYCLES = 3  # a daemon that lives calls slurmctld in each cycle


def cycle(config: Config, book: Ledger, memory: Memory, *, observe: bool) -> Cycle:
    """Return the cycle."""
    from carbonslurm.app.cycle import Cycle

    return Cycle(
        queue=queue(config),
        telling=telling(config, book, memory),
        archive=book,
        actions=book,
        jobs=book,
        cycles=book,
        past=book,
        rules=cycle_rules(config, observe=observe),
        clock=now,
        memory=memory,
        budgets=spending(config, book).recent,
    )


def spending(config: Config, book: SumReader) -> Spending:
    """Return how the budgets stand."""
    from carbonslurm.app.spending import Spending

    return Spending(config.cluster, allowances(config), book)


def telling(config: Config, book: Ledger, memory: Memory) -> Telling:
    """Return what tells Slurm what was planned."""
    from carbonslurm.app.telling import Telling
    from carbonslurm.slurm.hold import SlurmHolds, SlurmSiteFactors

    rules = means(config).gate
    return Telling(
        actuators=actuators(config),
        gate=gate(config),
        holds=SlurmHolds(wire(config)),
        factors=SlurmSiteFactors(wire(config)),
        life=rules.life if rules else timedelta(),
        timeout=timedelta(seconds=config.slurm.timeout.total_seconds()),
        actions=book,
        memory=memory,
        clock=now,
    )


def stopping(config: Config, book: Ledger, memory: Memory) -> Stopping:
    """Return the step of the stops in flight."""
    from carbonslurm.app.stopping import Stopping
    from carbonslurm.slurm.stops import SlurmRunControl

    return Stopping(
        cluster=config.cluster,
        queue=queue(config),
        control=SlurmRunControl(wire(config)),
        begin=begin(config),
        actions=book,
        memory=memory,
        clock=now,
    )


def ingest(
    config: Config, book: Ledger, log: Callable[[str], None], vanished: Vanished | None = None
) -> Ingest:
    """Return the reconciliation with sacct; it remembers in ``vanished`` for what it has asked."""
    from carbonslurm.app.ingest import Ingest
    from carbonslurm.app.vanished import Vanished as Asked
    from carbonslurm.slurm.queue import SlurmAccounting

    return Ingest(
        cluster=config.cluster,
        accounting=SlurmAccounting(wire(config), config.cluster, log, config.slurm.steps),
        runs=book,
        archive=book,
        rules=figure_rules(config),
        without_us=without_us(config, book),
        measuring=measuring(config, book, log),
        clock=now,
        vanished=Asked() if vanished is None else vanished,
    )


def without_us(config: Config, book: Ledger) -> WithoutUs:
    """Return what works out the queues without us, of the machines that the site describes."""
    from functools import partial

    from carbonslurm.app.queueing import Machines, WithoutUs
    from carbonslurm.sim.pools import PartitionSize
    from carbonslurm.sim.queue_model import in_words, queueing_on

    sizes = [(it.partitions, PartitionSize(it.nodes, it.cpus, it.gpus)) for it in config.machines]
    return WithoutUs(
        cluster=config.cluster,
        machines=[Machines(names, partial(queueing_on, size), in_words(size)) for names, size in sizes],
        book=book,
        restart=timedelta(seconds=config.stop.restart.total_seconds()),
        clock=now,
    )


def letting_go(config: Config) -> tuple[LettingGo, Ledger | Reading]:
    """Return the release by an admin, and the ledger to close after it (read-only where it must be)."""
    from carbonslurm.app.letting_go import LettingGo
    from carbonslurm.errors import LedgerError
    from carbonslurm.slurm.hold import SlurmSiteFactors

    book: Ledger | Reading
    writer: Ledger | None
    try:
        book = writer = ledger(config)
    except LedgerError:
        book, writer = reading(config), None
    parts = LettingGo(
        queue=queue(config),
        actuators=actuators(config),
        gate=means(config).gate is not None,
        factors=SlurmSiteFactors(wire(config)),
        compensate=compensates(config),
        known=lambda snapshot: dict(book.known(snapshot)),
        actions=writer,
        clock=now,
    )
    return parts, book


def rescue(config: Config, *, at_once: bool) -> Rescue:
    """Return the release of what a dead daemon holds; ``at_once`` without listening for it.

    Raises:
        ConfigError: there is no such account as the daemon's on this host.
    """
    import time

    from carbonslurm.app.ageing import age_to_give_back
    from carbonslurm.app.rescue import Rescue
    from carbonslurm.errors import ConfigError
    from carbonslurm.slurm.hold import HoldActuator, SlurmHolds, SlurmSiteFactors

    uid = account_uid(config.slurm.account)
    if uid is None and not at_once:
        raise ConfigError(f'slurm.account: no account "{config.slurm.account}" on this host, or it is root')

    def age() -> AgeWeight | None:
        return age_to_give_back(queue(config), compensate=compensates(config))

    return Rescue(
        holds=SlurmHolds(wire(config)),
        hold=HoldActuator(wire(config)),
        factors=SlurmSiteFactors(wire(config)),
        age=age,
        compensate=compensates(config),
        uid=None if at_once else uid,
        own_uid=os.geteuid(),
        listen=timedelta(seconds=(RESCUE_CYCLES * config.cycle.interval).total_seconds()),
        updates=config.cycle.updates,
        wait=lambda length: time.sleep(length.total_seconds()),
        clock=now,
    )
