"""Carbon intensity: one provider per module, each with its question, its reading and its wire.

``PROVIDERS`` is the registry: the type's name in the configuration -> where its offer is made. To add a
provider, write its module with a function ``offer`` and name it below (docs/providers.md). Importing this
package imports no provider and no HTTP client; a command pays only for the providers that its configuration
names.
"""

from collections.abc import Mapping
from dataclasses import fields
from datetime import timedelta
from importlib import import_module
from typing import TypeVar

import msgspec

from carbonslurm.errors import ConfigError
from carbonslurm.ports import Offer

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


# Its name in the configuration -> its module here, and that module's class of options.
PROVIDERS: Mapping[str, tuple[str, str]] = {
    "neso": ("neso", "NesoOptions"),
    "energy-charts": ("energy_charts", "EnergyChartsOptions"),
    "energi-data-service": ("energi_data_service", "EnergiDataServiceOptions"),
    "carbon-aware-sdk": ("carbon_aware_sdk", "CarbonAwareSdkOptions"),
    "carbon-aware-json": ("carbon_aware_json", "CarbonAwareJsonOptions"),
    "file": ("file", "FileOptions"),
    "electricity-maps": ("electricity_maps", "ElectricityMapsOptions"),
    "watttime": ("watttime", "WattTimeOptions"),
    "eia": ("eia", "EiaOptions"),
}


def offer(provider: str, options: Mapping[str, object]) -> Offer:
    """Return what a configured provider gives of the options' zone.

    Args:
        provider: a name in ``PROVIDERS``.
        options: plain values; keys left out take the defaults of the provider's options class.

    Raises:
        ConfigError: no such provider, an unknown key, a wrong type or an impossible value.
    """
    if provider not in PROVIDERS:
        raise ConfigError(f'type: expected one of {", ".join(PROVIDERS)}, got "{provider}"')
    name, shape = PROVIDERS[provider]
    module = import_module(f"carbonslurm.carbon.{name}")
    made: Offer = module.offer(_options(options, getattr(module, shape)))
    return made
