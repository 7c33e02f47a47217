"""The site's choices, as the use cases take them."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, time, timedelta
from typing import TYPE_CHECKING

import msgspec

from carbonslurm.wiring.clock import now

if TYPE_CHECKING:
    from collections.abc import Callable

    from carbonslurm.app.cycle_rules import CycleRules
    from carbonslurm.app.figuring import FigureRules
    from carbonslurm.app.so_far import Looking
    from carbonslurm.config import Config
    from carbonslurm.config.sections import MachinesConfig, Source
    from carbonslurm.core.allowance import Allowance
    from carbonslurm.core.choice import ForecastRules
    from carbonslurm.core.means import MeansRules
    from carbonslurm.core.power import PowerModel
    from carbonslurm.core.pue import Pue
    from carbonslurm.core.situation import PlanRules, Zones
    from carbonslurm.ledger.reading import Reading

GATE_CYCLES = 3  # a shut gate opens so many cycles after the last one that moved it on
SHORTEST_GATE = timedelta(minutes=1)  # no reservation of Slurm's is shorter


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


def power(config: Config, machines: MachinesConfig | None = None) -> PowerModel:
    """Return the power model: of some machines, else of all that the site does not describe."""
    from carbonslurm.core.devices import gpu_watts
    from carbonslurm.core.power import PowerModel

    site = config.power
    model = PowerModel(
        gpu_watts={kind.lower(): watts for kind, watts in site.gpu_watts.items()},
        other_gpu_watts=site.other_gpu_watts,
        cpu_watts=_cpu_watts(config, machines),
        gpu_utilisation=site.gpu_utilisation,
        cpu_utilisation=site.cpu_utilisation,
        node_watts=site.node_watts,
        node_cpus=site.node_cpus,
        node_gpus=site.node_gpus,
        pue=pue(config).at(now()),
    )
    if machines is None:
        return model
    kind = (machines.gpu_type or "").lower()
    untyped = model.gpu_watts.get(kind) or gpu_watts(kind) or model.other_gpu_watts
    own = model.node_watts if machines.node_watts is None else machines.node_watts
    return replace(
        model, other_gpu_watts=untyped, node_watts=own, node_cpus=machines.cpus, node_gpus=machines.gpus
    )


def _cpu_watts(config: Config, machines: MachinesConfig | None) -> float:
    """Return W of one CPU: the site's own number first, else the processor's of the machines or of all."""
    from carbonslurm.core.devices import cpu_watts
    from carbonslurm.core.power import PowerModel

    if config.power.cpu_watts is not None:
        return config.power.cpu_watts
    processor = (machines.cpu_type if machines else None) or config.power.cpu_type
    known = cpu_watts(processor, config.power.threads_per_core) if processor else None
    return PowerModel().cpu_watts if known is None else known


def power_of(config: Config) -> Callable[[str], PowerModel]:
    """Return the power model of each partition's nodes."""
    rest = power(config)
    described = {name: power(config, it) for it in config.machines for name in it.partitions}
    return lambda partition: described.get(partition, rest)


def pue(config: Config) -> Pue:
    """Return what the room adds, over time; days begin at midnight UTC."""
    from carbonslurm.core.pue import Pue

    steps = config.power.pue
    if isinstance(steps, float):
        return Pue.constant(steps)
    return Pue(tuple((datetime.combine(it.since, time(), UTC), it.value) for it in steps))


def figure_rules(config: Config) -> FigureRules:
    """Return what figures are made by."""
    from carbonslurm.app.figuring import FigureRules
    from carbonslurm.core.energy import Covers

    where, slurm = zones(config), config.energy.slurm
    return FigureRules(
        zone_of=lambda partition: where.partitions.get(partition, where.default),
        power_of=power_of(config),
        restart=timedelta(seconds=config.stop.restart.total_seconds()),
        pue=pue(config),
        slurm=None if slurm == "none" else Covers(slurm),
    )


def looking(config: Config, book: Reading) -> Looking:
    """Return what works out figures of runs that still run."""
    from carbonslurm.app.so_far import Looking

    return Looking(config.cluster, book, figure_rules(config))


def allowances(config: Config) -> list[Allowance]:
    """Return the site's budgets."""
    from carbonslurm.core.allowance import Allowance, AtEnd, OwnerKind

    return [
        Allowance(kind, name, it.kg_per_month * 1000, AtEnd(it.at_end))
        for it in config.budgets
        for kind, name in zip(OwnerKind, (it.user, it.account, it.partition), strict=True)
        if name is not None
    ]


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
    from carbonslurm.app.cycle_rules import CycleRules

    return CycleRules(
        plan_rules(config),
        forecast_rules(config),
        config.cycle.updates,
        frozenset({"*"}) if observe else frozenset(config.observe),
        compensates(config),
        config.cluster,
        learns(config),
    )


def learns(config: Config) -> bool:
    """Tell whether past runs say how long jobs run."""
    from carbonslurm.core.policy_names import JOINT

    return config.policy.length == "past" or config.policy.name == JOINT


def forecast_rules(config: Config) -> ForecastRules:
    """Return which forecast of a zone counts."""
    from carbonslurm.core.choice import ForecastRules, OwnForecast, order_of

    named: dict[str, list[str]] = {}
    for source in config.sources:
        named.setdefault(source.zone, []).append(provider_of(source))
    own = OwnForecast(config.policy.own_forecast)
    return ForecastRules(config.policy.forecast_age, {zone: order_of(it, own) for zone, it in named.items()})


def compensates(config: Config) -> bool:
    """Tell whether jobs are given back the age that waiting costs them."""
    return config.withhold.age_compensation == "site_factor"


def provider_of(source: Source) -> str:
    """Return a source's provider, as the configuration spells it."""
    return str(type(source).__struct_config__.tag)
