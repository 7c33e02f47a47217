"""The site's choices, as the use cases take them."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from carbonslurm.app.cycle import CycleRules
    from carbonslurm.config import Config
    from carbonslurm.config.sections import Source
    from carbonslurm.core.allowance import Allowance
    from carbonslurm.core.choice import ForecastRules
    from carbonslurm.core.means import MeansRules
    from carbonslurm.core.power import PowerModel
    from carbonslurm.core.situation import PlanRules, Zones

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


def power(config: Config) -> PowerModel:
    """Return the power model."""
    from carbonslurm.core.power import PowerModel

    values = msgspec.structs.asdict(config.power)
    values["gpu_watts"] = {kind.lower(): watts for kind, watts in config.power.gpu_watts.items()}
    return PowerModel(**values)


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
        named.setdefault(source.zone, []).append(provider_of(source))
    own = OwnForecast(config.policy.own_forecast)
    return ForecastRules(config.policy.forecast_age, {zone: order_of(it, own) for zone, it in named.items()})


def compensates(config: Config) -> bool:
    """Tell whether jobs are given back the age that waiting costs them."""
    return config.withhold.age_compensation == "site_factor"


def provider_of(source: Source) -> str:
    """Return a source's provider, as the configuration spells it."""
    return str(type(source).__struct_config__.tag)
