"""Every key of the configuration, its type and its default, as frozen values. Durations carry their unit."""

from datetime import date, timedelta
from typing import Annotated, Literal

import msgspec

Share = Annotated[float, msgspec.Meta(ge=0, le=1)]
Watts = Annotated[float, msgspec.Meta(ge=0, le=100_000)]
Count = Annotated[int, msgspec.Meta(ge=1, le=1_000_000)]
Name = Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
Question = Annotated[str, msgspec.Meta(min_length=1, max_length=10_000)]


class Duration(timedelta):
    """A timedelta that the file spells with units; a type of its own so that the decoder asks for it."""


def duration(**parts: float) -> Duration:
    """Return a Duration, for the defaults below."""
    return Duration(**parts)


class Section(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A mapping of the file."""


class NesoSource(Section, frozen=True, tag="neso", tag_field="provider"):
    """The GB operator's API: national, or one of its 17 regions."""

    zone: Name
    region: int | str | None = None
    postcode: str | None = None
    url: str | None = None


class EnergyChartsSource(Section, frozen=True, tag="energy-charts", tag_field="provider"):
    """Energy-Charts: a country of Europe."""

    zone: Name
    country: str | None = None
    url: str | None = None


class EnergiDataServiceSource(Section, frozen=True, tag="energi-data-service", tag_field="provider"):
    """Energi Data Service: western or eastern Denmark."""

    zone: Name
    area: str | None = None
    url: str | None = None


class CarbonAwareSdkSource(Section, frozen=True, tag="carbon-aware-sdk", tag_field="provider"):
    """The web API of the Carbon Aware SDK, on a server of the site's."""

    zone: Name
    url: Name
    location: Name
    kind: Literal["average", "marginal"]
    scope: Literal["lifecycle", "direct", "operational", "unknown"]


class CarbonAwareJsonSource(Section, frozen=True, tag="carbon-aware-json", tag_field="provider"):
    """A JSON file in the Carbon Aware SDK's format."""

    zone: Name
    path: Name
    kind: Literal["average", "marginal"]
    scope: Literal["lifecycle", "direct", "operational", "unknown"]
    location: str | None = None


class FileSource(Section, frozen=True, tag="file", tag_field="provider"):
    """A CSV or YAML file of the site's own."""

    zone: Name
    path: Name
    column: str | None = None
    kind: Literal["average", "marginal"] | None = None
    scope: Literal["lifecycle", "direct", "operational", "unknown"] | None = None
    horizon: Duration | None = None


class ElectricityMapsSource(Section, frozen=True, tag="electricity-maps", tag_field="provider"):
    """Electricity Maps, by the site's token."""

    zone: Name
    token_file: Name
    area: Name | None = None
    scope: Literal["lifecycle", "direct"] = "lifecycle"
    horizon: Duration = duration(hours=24)
    version: Literal["v4", "v3"] = "v4"
    calls_per_hour: Count = 50
    url: str | None = None


class WattTimeSource(Section, frozen=True, tag="watttime", tag_field="provider"):
    """WattTime, by the site's login."""

    zone: Name
    user: Name
    password_file: Name
    region: Name | None = None
    latitude: Annotated[float, msgspec.Meta(ge=-90, le=90)] | None = None
    longitude: Annotated[float, msgspec.Meta(ge=-180, le=180)] | None = None
    signal: Literal["co2_moer", "co2_aoer"] = "co2_moer"
    horizon: Duration = duration(hours=72)
    url: str | None = None


class EiaSource(Section, frozen=True, tag="eia", tag_field="provider"):
    """EIA's hours of a US balancing area, by a free key."""

    zone: Name
    token_file: Name
    area: Name | None = None
    scope: Literal["lifecycle", "direct"] = "lifecycle"
    url: str | None = None


Source = (
    NesoSource
    | EnergyChartsSource
    | EnergiDataServiceSource
    | CarbonAwareSdkSource
    | CarbonAwareJsonSource
    | FileSource
    | ElectricityMapsSource
    | WattTimeSource
    | EiaSource
)


class CycleConfig(Section, frozen=True):
    """How often the daemon does what."""

    interval: Duration = duration(minutes=1)
    fetch: Duration = duration(minutes=30)
    reconcile: Duration = duration(minutes=5)
    stop_step: Duration = duration(seconds=5)
    updates: Count = 500


class PolicyConfig(Section, frozen=True):
    """When flexible jobs start."""

    name: str = "lowest-window"
    threshold: Annotated[float, msgspec.Meta(ge=0, le=5000)] = 250.0
    max_wait: Duration = duration(hours=24)
    margin: Duration = duration(minutes=5)
    queue_wait: dict[str, Duration] = {}
    min_gain: Share = 0.02
    length: Literal["limit", "past"] = "limit"
    assumed_length: Duration = duration(hours=4)
    forecast_age: Duration = duration(hours=12)
    own_forecast: Literal["fallback", "always", "never"] = "fallback"


class DefaultRuleConfig(Section, frozen=True):
    """Jobs that are flexible although their owner said nothing."""

    tag: str
    partition: str | None = None
    qos: str | None = None
    account: str | None = None


class ExcludeConfig(Section, frozen=True):
    """Whose jobs the hook never tags."""

    users: tuple[str, ...] = ()
    accounts: tuple[str, ...] = ()
    partitions: tuple[str, ...] = ()
    qos: tuple[str, ...] = ()


class FlexibleConfig(Section, frozen=True):
    """Which jobs can be flexible: the settings of the hook."""

    gpu_only: bool = True
    share: Share = 1.0
    defaults: tuple[DefaultRuleConfig, ...] = ()
    exclude: ExcludeConfig = ExcludeConfig()


class BudgetConfig(Section, frozen=True):
    """How much a user, an account or a partition may emit in a month, and what follows."""

    kg_per_month: Annotated[float, msgspec.Meta(gt=0, le=1e9)]
    user: Name | None = None
    account: Name | None = None
    partition: Name | None = None
    at_end: Literal["warn", "flexible", "green"] = "warn"
    flex: Duration | None = None


class StopConfig(Section, frozen=True):
    """When running jobs are stopped."""

    enabled: bool = True
    min_run: Duration = duration(minutes=30)
    max_stops: Annotated[int, msgspec.Meta(ge=0, le=1000)] = 2
    per_hour: Annotated[int, msgspec.Meta(ge=0, le=100_000)] = 60
    restart: Duration = duration(minutes=5)
    min_saving: Share = 0.1
    settle: Duration = duration(minutes=1)


class PueConfig(Section, frozen=True):
    """From which day on a PUE holds."""

    since: date = msgspec.field(name="from")
    value: Annotated[float, msgspec.Meta(ge=1, le=5)]


class PowerConfig(Section, frozen=True):
    """The power model."""

    gpu_watts: dict[str, Watts] = {}
    other_gpu_watts: Watts = 300.0
    cpu_watts: Watts | None = None
    cpu_type: str | None = None
    threads_per_core: Annotated[int, msgspec.Meta(ge=1, le=8)] = 1
    gpu_utilisation: Share = 0.7
    cpu_utilisation: Share = 0.5
    node_watts: Watts = 200.0
    node_cpus: Count = 64
    node_gpus: Annotated[int, msgspec.Meta(ge=0, le=1024)] = 4
    pue: Annotated[float, msgspec.Meta(ge=1, le=5)] | tuple[PueConfig, ...] = 1.3


class QueryConfig(Section, frozen=True):
    """One PromQL about one run."""

    name: Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z][A-Za-z0-9_-]{0,30}$")]
    query: Question
    unit: Literal["joules", "kwh", "watts"]
    covers: Literal["nodes", "gpus", "cpus"]
    partitions: tuple[Name, ...] = ()


class PrometheusConfig(Section, frozen=True):
    """Where meters are kept, and what to ask."""

    url: Name
    queries: Annotated[tuple[QueryConfig, ...], msgspec.Meta(min_length=1)]
    token_file: str | None = None
    user: str | None = None
    password_file: str | None = None
    timeout: Duration = duration(seconds=10)


class EnergyConfig(Section, frozen=True):
    """Who measures energy."""

    slurm: Literal["none", "nodes", "cpus"] = "none"
    prometheus: PrometheusConfig | None = None


class MachinesConfig(Section, frozen=True):
    """Nodes that are all alike, and the partitions that share them."""

    partitions: Annotated[tuple[Name, ...], msgspec.Meta(min_length=1)]
    nodes: Annotated[int, msgspec.Meta(ge=1, le=100_000)]
    cpus: Count
    gpus: Annotated[int, msgspec.Meta(ge=0, le=1024)] = 0
    gpu_type: str | None = None
    cpu_type: str | None = None
    node_watts: Watts | None = None
    idle_watts: Watts | None = None


class GateConfig(Section, frozen=True):
    """The licence of the gate."""

    licence: Annotated[
        str, msgspec.Meta(pattern=r"^[A-Za-z][A-Za-z0-9_.-]{0,63}(@[A-Za-z0-9_.-]{1,63})?$")
    ] = "carbon"
    count: Annotated[int, msgspec.Meta(ge=1, le=4_000_000_000)] = 100_000
    keep_open: Annotated[int, msgspec.Meta(ge=0, le=4_000_000_000)] = 0


class WithholdConfig(Section, frozen=True):
    """By what means jobs wait."""

    by: Literal["begin", "hold", "gate"] = "begin"
    partitions: dict[str, Literal["begin", "hold", "gate"]] = {}
    gate: GateConfig = GateConfig()
    age_compensation: Literal["none", "site_factor"] = "none"


class SlurmConfig(Section, frozen=True):
    """How to reach Slurm."""

    conf: str | None = None
    path: str | None = None
    timeout: Duration = duration(seconds=30)
    backend: Literal["scontrol", "pyslurm"] = "scontrol"
    account: Name = "carbonslurm"
    steps: bool = False


class Config(Section, frozen=True):
    """The whole file."""

    cluster: Name
    ledger: Name
    zone: Name
    sources: Annotated[tuple[Source, ...], msgspec.Meta(min_length=1)]
    ledger_password_file: str | None = None
    ledger_reader: str | None = None
    ledger_reader_password_file: str | None = None
    zones: dict[str, Name] = {}
    cycle: CycleConfig = CycleConfig()
    policy: PolicyConfig = PolicyConfig()
    flexible: FlexibleConfig = FlexibleConfig()
    observe: tuple[Name, ...] = ()
    withhold: WithholdConfig = WithholdConfig()
    stop: StopConfig = StopConfig()
    power: PowerConfig = PowerConfig()
    energy: EnergyConfig = EnergyConfig()
    machines: tuple[MachinesConfig, ...] = ()
    budgets: tuple[BudgetConfig, ...] = ()
    slurm: SlurmConfig = SlurmConfig()
