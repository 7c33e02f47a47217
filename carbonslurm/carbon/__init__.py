"""Carbon intensity: one provider per module, each with its question, its reading and its wire.

``PROVIDERS`` is the registry: the type's name in the configuration -> what makes its offer. To add a
provider, write its module with a function ``offer`` and name it below (docs/providers.md). Importing this
package imports no provider and no HTTP client; a command pays only for the providers that its configuration
names.
"""

from collections.abc import Callable, Mapping
from dataclasses import fields
from datetime import timedelta
from typing import TypeVar

import msgspec

from carbonslurm.errors import ConfigError
from carbonslurm.ports import Offer

Factory = Callable[[Mapping[str, object]], Offer]
Options = TypeVar("Options")


def _options(given: Mapping[str, object], shape: type[Options]) -> Options:
    known = {field.name for field in fields(shape)}  # type: ignore[arg-type]  # every shape is a dataclass
    for key in given:
        if key not in known:
            raise ConfigError(f"{key}: unknown key, expected one of {', '.join(sorted(known))}")
    try:
        return msgspec.convert({key: _plain(value) for key, value in given.items()}, shape)
    except msgspec.ValidationError as error:
        raise ConfigError(str(error)) from error


def _plain(value: object) -> object:
    """Return a duration as the type that msgspec takes for one; it refuses types made from it."""
    return timedelta(seconds=value.total_seconds()) if isinstance(value, timedelta) else value


def _neso(options: Mapping[str, object]) -> Offer:
    from carbonslurm.carbon import neso  # noqa: PLC0415  # the HTTP client is imported where it is used

    return neso.offer(_options(options, neso.NesoOptions))


def _energy_charts(options: Mapping[str, object]) -> Offer:
    from carbonslurm.carbon import energy_charts  # noqa: PLC0415  # likewise

    return energy_charts.offer(_options(options, energy_charts.EnergyChartsOptions))


def _energi_data_service(options: Mapping[str, object]) -> Offer:
    from carbonslurm.carbon import energi_data_service  # noqa: PLC0415  # likewise

    return energi_data_service.offer(_options(options, energi_data_service.EnergiDataServiceOptions))


def _carbon_aware_sdk(options: Mapping[str, object]) -> Offer:
    from carbonslurm.carbon import carbon_aware_sdk  # noqa: PLC0415  # likewise

    return carbon_aware_sdk.offer(_options(options, carbon_aware_sdk.CarbonAwareSdkOptions))


def _carbon_aware_json(options: Mapping[str, object]) -> Offer:
    from carbonslurm.carbon import carbon_aware_json  # noqa: PLC0415  # likewise

    return carbon_aware_json.offer(_options(options, carbon_aware_json.CarbonAwareJsonOptions))


def _file(options: Mapping[str, object]) -> Offer:
    from carbonslurm.carbon import file  # noqa: PLC0415  # likewise

    return file.offer(_options(options, file.FileOptions))


def _electricity_maps(options: Mapping[str, object]) -> Offer:
    from carbonslurm.carbon import electricity_maps  # noqa: PLC0415  # likewise

    return electricity_maps.offer(_options(options, electricity_maps.ElectricityMapsOptions))


def _watttime(options: Mapping[str, object]) -> Offer:
    from carbonslurm.carbon import watttime  # noqa: PLC0415  # likewise

    return watttime.offer(_options(options, watttime.WattTimeOptions))


def _eia(options: Mapping[str, object]) -> Offer:
    from carbonslurm.carbon import eia  # noqa: PLC0415  # likewise

    return eia.offer(_options(options, eia.EiaOptions))


PROVIDERS: Mapping[str, Factory] = {
    "neso": _neso,
    "energy-charts": _energy_charts,
    "energi-data-service": _energi_data_service,
    "carbon-aware-sdk": _carbon_aware_sdk,
    "carbon-aware-json": _carbon_aware_json,
    "file": _file,
    "electricity-maps": _electricity_maps,
    "watttime": _watttime,
    "eia": _eia,
}


def offer(provider: str, options: Mapping[str, object]) -> Offer:
    """Return what a configured provider gives of the options' zone.

    Args:
        provider: a name in ``PROVIDERS``.
        options: plain values; keys left out take the defaults of the provider's options class.

    Raises:
        ConfigError: no such provider, an unknown key, a wrong type or an impossible value.
    """
    factory = PROVIDERS.get(provider)
    if factory is None:
        raise ConfigError(f'type: expected one of {", ".join(PROVIDERS)}, got "{provider}"')
    return factory(options)
