"""Configuration -> objects: the only module that knows every room.

Each function builds what one command needs and imports it then, so that ``carbon-sbatch --help`` does not pay
for a database. Nothing is built twice and nothing is kept here.
"""

from __future__ import annotations

import os
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from carbonslurm.app.asking import Asking
    from carbonslurm.app.backfill import Backfill
    from carbonslurm.app.cycle import Cycle, CycleRules
    from carbonslurm.app.direct import Direct
    from carbonslurm.app.doctor import Doctor, Look
    from carbonslurm.app.fetch import Chain
    from carbonslurm.app.filling import Filling
    from carbonslurm.app.forecasting import Forecasting
    from carbonslurm.app.ingest import Ingest
    from carbonslurm.app.letting_go import LettingGo
    from carbonslurm.app.rescue import Rescue
    from carbonslurm.app.stopping import Stopping
    from carbonslurm.app.supply import Supply
    from carbonslurm.app.telling import Memory, Telling
    from carbonslurm.config import Config
    from carbonslurm.config.sections import Source
    from carbonslurm.core.choice import ForecastRules
    from carbonslurm.core.means import Means, MeansRules
    from carbonslurm.core.power import PowerModel
    from carbonslurm.core.priority import AgeWeight
    from carbonslurm.core.rest import Asked, QuestionKey
    from carbonslurm.core.situation import PlanRules, Zones
    from carbonslurm.formats.hook import HookSettings
    from carbonslurm.ledger.place import Place
    from carbonslurm.ledger.reading import Reading
    from carbonslurm.ledger.writing import Ledger
    from carbonslurm.ports import Actuator, AskedBook, CarbonSource, Lease, Offer, QueueReader
    from carbonslurm.slurm.gate import SlurmGate
    from carbonslurm.slurm.wire import Wire

POSTGRES = "postgresql://"  # how the address of a ledger on a server begins; any other is a file's path
GATE_CYCLES = 3  # a shut gate opens so many cycles after the last one that moved it on
RESCUE_CYCLES = 3  # a daemon that lives calls slurmctld in each cycle
SHORTEST_GATE = timedelta(minutes=1)  # no reservation of Slurm's is shorter
LONGEST_BETWEEN_ROUNDS = timedelta(minutes=1)  # of asking the sources whose turn it is
AHEAD_ROUNDS = 2  # a forecast that is too old by then is replaced now
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


# --- rules ---


def means(config: Config) -> MeansRules:
    """Return by what means jobs wait in each partition."""
    from carbonslurm.core.means import GateRules, Means, MeansRules

    chosen = config.withhold
    partitions = {name: Means(word) for name, word in chosen.partitions.items()}
    rules = MeansRules(Means(chosen.by), partitions)
    if Means.GATE not in rules.in_use():
        return rules
    life = max(config.cycle.interval * GATE_CYCLES + config.slurm.timeout, SHORTEST_GATE)
    settings = msgspec.structs.asdict(chosen.gate)
    return replace(rules, gate=GateRules(**settings, life=timedelta(seconds=life.total_seconds())))


def zones(config: Config) -> Zones:
    """Return where each partition stands."""
    from carbonslurm.core.situation import Zones

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
    from carbonslurm.core.situation import PlanRules
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
        means=means(config),
    )


def cycle_rules(config: Config, *, observe: bool) -> CycleRules:
    """Return the site's choices for cycles."""
    from carbonslurm.app.cycle import CycleRules

    return CycleRules(
        plan_rules(config),
        forecast_rules(config),
        config.cycle.updates,
        frozenset({"*"}) if observe else frozenset(config.observe),
        compensates(config),
    )


def forecast_rules(config: Config) -> ForecastRules:
    """Return which forecast of a zone counts."""
    from carbonslurm.core.choice import ForecastRules, OwnForecast, order_of

    named: dict[str, list[str]] = {}
    for source in config.sources:
        named.setdefault(source.zone, []).append(_provider(source))
    own = OwnForecast(config.policy.own_forecast)
    return ForecastRules(config.policy.forecast_age, {zone: order_of(it, own) for zone, it in named.items()})


def compensates(config: Config) -> bool:
    """Tell whether jobs are given back the age that waiting costs them."""
    return config.withhold.age_compensation == "site_factor"


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
        hold_partitions=_partitions_by(config, "hold"),
        gate_partitions=_partitions_by(config, "gate"),
        gate_licence=config.withhold.gate.licence,
        compensates=compensates(config),
        daemon_uid=account_uid(config.slurm.account),
    )


def _partitions_by(config: Config, means: str) -> tuple[str, ...]:
    """Return the partitions in which jobs wait by some means, as the hook reads them."""
    named = config.withhold.partitions
    if config.withhold.by != means:
        return tuple(name for name, word in named.items() if word == means)
    return ("*", *(f"-{name}" for name, word in named.items() if word != means))


def check_holder(config: Config) -> None:
    """Refuse holds by an account whose holds the hook would not mark: no rescue could ever end them.

    Raises:
        ConfigError: this process is not ``slurm.account``, or that is root, and jobs are to be held.
    """
    from carbonslurm.core.means import Means
    from carbonslurm.errors import ConfigError

    if Means.HOLD in means(config).in_use() and account_uid(config.slurm.account) != os.geteuid():
        raise ConfigError(
            f"slurm.account: {config.slurm.account}, but the daemon runs as user {os.geteuid()}: with holds"
            " they must be the same, and not root (docs/actuators.md)"
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


def carbon_offers(config: Config) -> Sequence[Offer]:
    """Return what every configured provider gives, in order."""
    from carbonslurm.carbon import offer
    from carbonslurm.errors import ConfigError

    found: list[Offer] = []
    for index, source in enumerate(config.sources):
        options = msgspec.structs.asdict(source)
        provider = _provider(source)
        try:
            found.append(offer(provider, options))
        except ConfigError as error:
            raise ConfigError(f"sources[{index}].{error}") from error
    return found


def unreadable_secrets(config: Config) -> Sequence[str]:
    """Return for each secret of a source that this account cannot read why, in one line each."""
    from carbonslurm.carbon.secret import Secret
    from carbonslurm.errors import RefusedError, UnavailableError

    named = [
        (index, Secret(option, file))
        for index, source in enumerate(config.sources)
        for option in ("token_file", "password_file")
        if (file := getattr(source, option, None)) is not None
    ]
    found: list[str] = []
    for index, secret in named:
        try:
            secret.read()
        except (RefusedError, UnavailableError) as error:
            found.append(f"sources[{index}].{error}")
    return found


def _provider(source: Source) -> str:
    return str(type(source).__struct_config__.tag)


def carbon_sources(config: Config) -> Sequence[CarbonSource]:
    """Return every configured source, in order."""
    return [source for offer in carbon_offers(config) for source in offer.sources]


def between_rounds(config: Config) -> timedelta:
    """Return from one round of the chain to the next: one that failed is not left for a whole interval."""
    return min(config.cycle.fetch, LONGEST_BETWEEN_ROUNDS)


def asking(config: Config, book: AskedBook, offers: Sequence[Offer]) -> Asking:
    """Return the memory of asking these providers, and the way to ask them."""
    import random

    from carbonslurm.app.asking import Asking, paces

    interval = timedelta(seconds=config.cycle.fetch.total_seconds())
    return Asking(book, paces(offers, interval), now, random.SystemRandom().random)


def supply(config: Config, book: Ledger) -> Supply:
    """Return what keeps the archive supplied."""
    from carbonslurm.app.fetch import Chain
    from carbonslurm.app.supply import Supply

    offers = carbon_offers(config)
    asked = asking(config, book, offers)
    chain = Chain(
        sources=[source for offer in offers for source in offer.sources],
        archive=book,
        asking=asked,
        max_age=config.policy.forecast_age,
        ahead=AHEAD_ROUNDS * between_rounds(config),
    )
    return Supply(chain, backfill(config, book, asked, offers), forecasting(config, book))


def backfill(config: Config, book: Ledger, asked: Asking, offers: Sequence[Offer]) -> Backfill:
    """Return what fetches history, so far as our own forecasts need it."""
    from carbonslurm.app.backfill import Backfill
    from carbonslurm.app.forecasting import DEPTH

    own = config.policy.own_forecast != "never"
    histories = [offer.history for offer in offers if offer.history is not None]
    return Backfill(histories if own else [], book, asked, DEPTH)


def forecasting(config: Config, book: Ledger) -> Forecasting:
    """Return what makes our own forecasts."""
    from carbonslurm.app.forecasting import Forecasting
    from carbonslurm.core.choice import OwnForecast

    return Forecasting(book, forecast_rules(config), OwnForecast(config.policy.own_forecast), now)


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
        telling=telling(config, book, memory),
        archive=book,
        actions=book,
        jobs=book,
        cycles=book,
        rules=cycle_rules(config, observe=observe),
        clock=now,
        memory=memory,
    )


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


# --- doctor ---


def doctor(config: Config) -> Doctor:
    """Return everything that doctor looks at."""
    import pwd
    from functools import partial

    from carbonslurm.app.doctor import Doctor, Look
    from carbonslurm.core.means import Means
    from carbonslurm.formats.hook import render_hook_settings
    from carbonslurm.slurm import looks

    slurm, uid = wire(config), os.geteuid()
    user, gate_rules = pwd.getpwuid(uid).pw_name, means(config).gate
    taken = [
        Look("slurmctld", partial(looks.controller, slurm, config.cluster)),
        Look("queue", partial(looks.snapshot, queue(config).snapshot)),
        Look("rights", partial(looks.account_rights, slurm, user, uid)),
        Look("hook", partial(looks.hook, slurm, render_hook_settings(hook_settings(config)))),
        Look("accounting", partial(looks.accounting, slurm)),
        Look("clocks", partial(looks.clocks, slurm, now)),
        Look("age", partial(looks.age, slurm, config.cluster, compensates(config))),
        *([Look("hold", partial(_look_at_holds, config))] if Means.HOLD in means(config).in_use() else []),
        *([Look("gate", partial(looks.gate, slurm, gate_rules))] if gate_rules else []),
        Look("share", partial(looks.share, slurm, uid)),
        Look("rates", partial(looks.rates, slurm, uid, config.cycle.updates, config.cycle.interval)),
        Look("ledger", partial(_look_at_ledger, config)),
        Look("daemon", partial(_look_at_daemon, config)),
        Look("switch", partial(_look_at_switch, config)),
    ]
    planned = sorted(zones(config).all())
    forecasts = [Look(f"forecast {zone}", partial(_look_at_forecast, config, zone)) for zone in planned]
    return Doctor([*taken, *_looks_at_sources(config), *forecasts])


def _looks_at_sources(config: Config) -> list[Look]:
    from functools import partial

    from carbonslurm.app.asking import source_keys
    from carbonslurm.app.doctor import Look, look_at_source

    found = carbon_sources(config)
    return [
        Look(f"zone {source.zone}", partial(look_at_source, source, now, partial(_remembered, config, key)))
        for key, source in zip(source_keys(found), found, strict=True)
    ]


def _remembered(config: Config, key: QuestionKey) -> Asked:
    """What the daemon remembers of asking; without its ledger nothing."""
    from carbonslurm.core.rest import NEVER
    from carbonslurm.errors import LedgerError

    try:
        with reading(config) as book:
            return book.asked().get(key, NEVER)
    except LedgerError:
        return NEVER


def _look_at_forecast(config: Config, zone: str) -> str:
    from carbonslurm.app.doctor import look_at_forecast
    from carbonslurm.app.forecasts import usable_forecasts

    with reading(config) as book:
        return look_at_forecast(usable_forecasts(book, [zone], now(), forecast_rules(config))[zone])


def _look_at_holds(config: Config) -> str:
    from carbonslurm.app.doctor import look_at_holds
    from carbonslurm.slurm.hold import SlurmHolds

    check_holder(config)
    with reading(config) as book:
        return look_at_holds(queue(config).snapshot(), book, SlurmHolds(wire(config)))


def _look_at_ledger(config: Config) -> str:
    reading(config).close()
    if not place(config).is_writable():
        return f"{config.ledger}: readable (this account may not write it; the daemon's must)"
    return f"{config.ledger}: readable and writable"


def turn_switch(config: Config, by: str, reason: str, *, paused: bool) -> None:
    """Write an admin's word into the ledger, whoever works on it."""
    with ledger(config) as book:
        book.turn(config.cluster, now(), by, reason, paused=paused)


def daemon_is_alive(config: Config) -> bool:
    """Tell whether the daemon's last cycle is not long ago."""
    from carbonslurm.app.doctor import STALE_CYCLES

    with reading(config) as book:
        last = book.last_cycle(config.cluster)
    return last is not None and now() - last[0] <= STALE_CYCLES * config.cycle.interval


def _look_at_switch(config: Config) -> str:
    from carbonslurm.core.interval import iso

    with reading(config) as book:
        pause = book.pause_of(config.cluster)
    return f"paused since {iso(pause.since)} by {pause.by}: {pause.reason}" if pause else "not paused"


def _look_at_daemon(config: Config) -> str:
    from carbonslurm.app.doctor import look_at_daemon

    with reading(config) as book:
        found = look_at_daemon(book, config.cluster, config.cycle.interval, now())
    return f"{found}, {lease(config).holder()}"


# --- looking at the grid ---


def direct(zones: Iterable[str], config: Config | None = None) -> Direct:
    """Return the providers of some zones, to be asked directly: the configured ones, or those without a key.

    Raises:
        ConfigError: a configured source is wrong.
        UsageError: no provider can be asked about one of the zones without a key.
    """
    from carbonslurm.app.direct import Direct
    from carbonslurm.carbon.keyless import keyless
    from carbonslurm.core.choice import ForecastRules

    wanted = tuple(zones)
    if config is None:
        return Direct({zone: [keyless(zone)] for zone in wanted}, ForecastRules(), now, _wait)
    every = list(zip(config.sources, carbon_offers(config), strict=True))
    offers = {zone: [offer for source, offer in every if source.zone == zone] for zone in wanted}
    return Direct(offers, forecast_rules(config), now, _wait)


def _wait(length: timedelta) -> None:
    import time

    time.sleep(length.total_seconds())


def chain(config: Config, book: Ledger, zones: Sequence[str]) -> Chain:
    """Return the sources of some zones, to be asked now."""
    import logging

    from carbonslurm.app.fetch import Chain

    offers = carbon_offers(config)
    return Chain(
        sources=[source for offer in offers for source in offer.sources if source.zone in zones],
        archive=book,
        asking=asking(config, book, offers),
        max_age=config.policy.forecast_age,
        log=logging.Logger(__name__, logging.CRITICAL),  # noqa: LOG001 - who asks says what came of it
    )


def filling(config: Config, book: Ledger, zones: Sequence[str]) -> Filling:
    """Return the history of some zones, for somebody who waits for it."""
    from carbonslurm.app.backfill import Backfill
    from carbonslurm.app.filling import Filling, in_person
    from carbonslurm.app.forecasting import DEPTH

    offers = carbon_offers(config)
    asked = asking(config, book, offers)
    asked.paces = in_person(asked.paces)
    asked.begin()
    histories = [offer.history for offer in offers if offer.history is not None]
    return Filling(Backfill(histories, book, asked, DEPTH), zones, _wait)
