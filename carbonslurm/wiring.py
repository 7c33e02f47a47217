"""Configuration -> objects: the only module that knows every room.

Each function builds what one command needs and imports it then, so that ``carbon-sbatch --help`` does not pay
for a database. Nothing is built twice and nothing is kept here.
"""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from carbonslurm.app.cycle import Cycle, CycleRules, Memory
    from carbonslurm.app.doctor import Doctor
    from carbonslurm.app.ingest import Ingest
    from carbonslurm.app.letting_go import LettingGo
    from carbonslurm.app.stopping import Stopping
    from carbonslurm.config import Config
    from carbonslurm.core.planner import PlanRules, Zones
    from carbonslurm.core.power import PowerModel
    from carbonslurm.formats.hook import HookSettings
    from carbonslurm.ledger.place import Place
    from carbonslurm.ledger.reading import Reading
    from carbonslurm.ledger.writing import Ledger
    from carbonslurm.ports import Actuator, CarbonSource, Lease, QueueReader
    from carbonslurm.slurm.wire import Wire

POSTGRES = "postgresql://"  # how the address of a ledger on a server begins; any other is a file's path
WINDOW_CYCLES = 2  # the hook gives the daemon this many cycles to see a job before Slurm may start it


def now() -> datetime:
    """Return the current time: the one place that asks for it."""
    return datetime.now(UTC)


# --- Slurm ---


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
    if config.slurm.backend == "pyslurm":
        return LibraryQueue(library(slurm), config.cluster, now, os.geteuid())
    return SlurmQueue(slurm, config.cluster, now, os.geteuid())


def begin(config: Config) -> Actuator:
    """Return what sets begin times."""
    from carbonslurm.slurm.begin import BeginActuator
    from carbonslurm.slurm.libslurm import LibraryBegin, library

    commands = BeginActuator(wire(config))
    return LibraryBegin(library(commands.wire), commands) if config.slurm.backend == "pyslurm" else commands


# --- rules ---


def zones(config: Config) -> Zones:
    """Return where each partition stands."""
    from carbonslurm.core.planner import Zones

    return Zones(config.zone, dict(config.zones))


def power(config: Config) -> PowerModel:
    """Return the power model."""
    from carbonslurm.core.power import PowerModel

    values = msgspec.structs.asdict(config.power)
    values["gpu_watts"] = {kind.lower(): watts for kind, watts in config.power.gpu_watts.items()}
    return PowerModel(**values)


def plan_rules(config: Config) -> PlanRules:
    """Return the site's choices for planning."""
    from carbonslurm.core.bound import BoundRules
    from carbonslurm.core.planner import PlanRules
    from carbonslurm.core.stop import StopRules

    policy = config.policy
    return PlanRules(
        zones=zones(config),
        policy=policy.name,
        threshold=policy.threshold,
        assumed_length=policy.assumed_length,
        lead=config.cycle.interval,
        min_gain=policy.min_gain,
        bound=BoundRules(policy.max_wait, policy.margin, dict(policy.queue_wait)),
        stop=StopRules(**msgspec.structs.asdict(config.stop)),
        power=power(config),
    )


def cycle_rules(config: Config, *, observe: bool) -> CycleRules:
    """Return the site's choices for cycles."""
    from carbonslurm.app.cycle import CycleRules

    return CycleRules(
        plan_rules(config),
        config.policy.forecast_age,
        config.cycle.updates,
        observe,
        timedelta(seconds=config.slurm.timeout.total_seconds()),
    )


def hook_settings(config: Config) -> HookSettings:
    """Return what the Lua hook must know."""
    from carbonslurm.core.tag import find_tag
    from carbonslurm.formats.hook import DefaultRule, HookSettings

    exclude = config.flexible.exclude
    rules = tuple(
        DefaultRule(
            partition=rule.partition,
            qos=rule.qos,
            account=rule.account,
            tag=find_tag(rule.tag) or f"carbon:{rule.tag}",
        )
        for rule in config.flexible.defaults
    )
    return HookSettings(
        window=config.cycle.interval * WINDOW_CYCLES,
        max_wait=config.policy.max_wait,
        margin=config.policy.margin,
        gpu_only=config.flexible.gpu_only,
        defaults=rules,
        exclude_users=exclude.users,
        exclude_accounts=exclude.accounts,
        exclude_partitions=exclude.partitions,
        exclude_qos=exclude.qos,
        share=config.flexible.share,
        observe_partitions=config.observe,
        daemon_uid=account_uid(config.slurm.account),
    )


def account_uid(name: str) -> int | None:
    """Return the uid of the daemon's account; None where there is no such account, and for root.

    root stands for the site's admins, who are never confined.
    """
    import pwd

    try:
        return pwd.getpwnam(name).pw_uid or None
    except KeyError:
        return None


# --- carbon ---


def carbon_sources(config: Config) -> Sequence[CarbonSource]:
    """Return every configured source, in order."""
    from carbonslurm.carbon import sources
    from carbonslurm.errors import ConfigError

    found: list[CarbonSource] = []
    for index, source in enumerate(config.sources):
        options = msgspec.structs.asdict(source)
        provider = str(type(source).__struct_config__.tag)
        try:
            found.extend(sources(provider, options))
        except ConfigError as error:
            raise ConfigError(f"sources[{index}].{error}") from error
    return found


# --- the ledger ---


def place(config: Config, *, to_read: bool = False) -> Place:
    """Return where the ledger lies, and as whom to reach it."""
    address, password = config.ledger, config.ledger_password_file
    if to_read and config.ledger_reader is not None:
        address, password = config.ledger_reader, config.ledger_reader_password_file
    if not address.startswith(POSTGRES):
        from carbonslurm.ledger.sqlite import SqliteFile

        return SqliteFile(Path(address))
    from carbonslurm.ledger.postgres import PostgresServer

    return PostgresServer(address, Path(password) if password else None)


def lease(config: Config) -> Lease:
    """Return what tells whether this process may act."""
    import socket

    name = f"carbonslurmd (process {os.getpid()} on {socket.gethostname()})"
    if not config.ledger.startswith(POSTGRES):
        from carbonslurm.ledger.lease import FileLease

        return FileLease(Path(config.ledger), config.cluster, name)
    from carbonslurm.ledger.postgres import PostgresLease, PostgresServer

    password = config.ledger_password_file
    server = PostgresServer(config.ledger, Path(password) if password else None)
    return PostgresLease(server, config.cluster, name)


def ledger(config: Config, under: Lease | None = None) -> Ledger:
    """Open the ledger for writing, where ``under`` is given only as long as that is held."""
    from carbonslurm.ledger.writing import Ledger

    return Ledger.open(place(config), cluster=config.cluster, lease=under)


def reading(config: Config) -> Reading:
    """Open the ledger for reading only."""
    from carbonslurm.ledger.reading import Reading

    return Reading.open(place(config, to_read=True))


# --- the use cases ---


def cycle(config: Config, book: Ledger, memory: Memory, *, observe: bool) -> Cycle:
    """Return the cycle."""
    from carbonslurm.app.cycle import Cycle

    return Cycle(
        queue=queue(config),
        actuator=begin(config),
        archive=book,
        actions=book,
        jobs=book,
        cycles=book,
        rules=cycle_rules(config, observe=observe),
        clock=now,
        memory=memory,
    )


def stopping(config: Config, book: Ledger, memory: Memory) -> Stopping:
    """Return the step of the stops in flight."""
    from carbonslurm.app.stopping import Stopping
    from carbonslurm.slurm.stops import SlurmRunControl

    return Stopping(
        cluster=config.cluster,
        queue=queue(config),
        control=SlurmRunControl(wire(config)),
        actuator=begin(config),
        actions=book,
        memory=memory,
        clock=now,
    )


def ingest(config: Config, book: Ledger, log: Callable[[str], None]) -> Ingest:
    """Return the reconciliation with sacct."""
    from carbonslurm.app.ingest import Ingest
    from carbonslurm.slurm.queue import SlurmAccounting

    where = zones(config)
    return Ingest(
        cluster=config.cluster,
        accounting=SlurmAccounting(wire(config), config.cluster, log),
        runs=book,
        archive=book,
        zone_of=lambda partition: where.partitions.get(partition, where.default),
        power=power(config),
        restart=timedelta(seconds=config.stop.restart.total_seconds()),
        clock=now,
    )


def letting_go(config: Config) -> tuple[LettingGo, Ledger | Reading]:
    """Return the release by an admin, and the ledger to close after it (read-only where it must be)."""
    from carbonslurm.app.letting_go import LettingGo
    from carbonslurm.errors import LedgerError

    book: Ledger | Reading
    writer: Ledger | None
    try:
        book = writer = ledger(config)
    except LedgerError:
        book, writer = reading(config), None
    parts = LettingGo(
        queue=queue(config),
        actuator=begin(config),
        known=lambda snapshot: dict(book.known(snapshot)),
        actions=writer,
        clock=now,
    )
    return parts, book


# --- doctor ---


def doctor(config: Config) -> Doctor:
    """Return everything that doctor looks at."""
    import pwd
    from functools import partial

    from carbonslurm.app.doctor import Doctor, Look, look_at_source
    from carbonslurm.formats.hook import render_hook_settings
    from carbonslurm.slurm import looks

    slurm, uid = wire(config), os.geteuid()
    user = pwd.getpwuid(uid).pw_name
    taken = [
        Look("slurmctld", partial(looks.controller, slurm, config.cluster)),
        Look("queue", partial(looks.snapshot, queue(config).snapshot)),
        Look("rights", partial(looks.account_rights, slurm, user, uid)),
        Look("hook", partial(looks.hook, slurm, render_hook_settings(hook_settings(config)))),
        Look("accounting", partial(looks.accounting, slurm)),
        Look("clocks", partial(looks.clocks, slurm, now)),
        Look("share", partial(looks.share, slurm, uid)),
        Look("rates", partial(looks.rates, slurm, uid, config.cycle.updates, config.cycle.interval)),
        Look("ledger", partial(_look_at_ledger, config)),
        Look("daemon", partial(_look_at_daemon, config)),
    ]
    sources = [Look(f"zone {it.zone}", partial(look_at_source, it, now)) for it in carbon_sources(config)]
    return Doctor([*taken, *sources])


def _look_at_ledger(config: Config) -> str:
    reading(config).close()
    if not place(config).is_writable():
        return f"{config.ledger}: readable (this account may not write it; the daemon's must)"
    return f"{config.ledger}: readable and writable"


def _look_at_daemon(config: Config) -> str:
    from carbonslurm.app.doctor import look_at_daemon

    with reading(config) as book:
        found = look_at_daemon(book, config.cluster, config.cycle.interval, now())
    return f"{found}, {lease(config).holder()}"
