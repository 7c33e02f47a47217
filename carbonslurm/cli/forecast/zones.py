"""``carbonslurm forecast zones``: the configured zones, and what providers call the grids of the world."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from carbonslurm.cli.forecast.asking import config_option, has_config, laid_out, table_options
from carbonslurm.cli.program import load_config

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from carbonslurm.carbon.zones import CloudRegion, ZoneName
    from carbonslurm.config import Config

Objects = list[dict[str, Any]]


@click.command(short_help="What zones there are.")
@config_option
@click.option("--provider", metavar="NAME", help="All zones of a provider, and how to configure each.")
@click.option(
    "--cloud",
    metavar="CLOUD[:REGION]",
    help="What providers call the grid of a cloud's region; without a region, the regions.",
)
@table_options
def zones(config_path: Path | None, provider: str | None, cloud: str | None, **given: Any) -> None:
    """List the configured zones; or what providers, and clouds, call the grids of the world.

    The words in Configuration go into a source of carbonslurm.yaml, beside provider and zone.

    \b
    Examples:
      carbonslurm forecast zones
      carbonslurm forecast zones --provider energy-charts
      carbonslurm forecast zones --cloud aws:eu-central-1
      carbonslurm forecast zones --cloud gcp
    """
    from carbonslurm.errors import UsageError

    if provider and cloud:
        raise UsageError("say --provider or --cloud, not both")
    objects = _asked_for(config_path, provider, cloud)
    if given["as_json"]:
        import json

        click.echo(json.dumps(objects, indent=1))
        return
    header = [name.capitalize() for name in objects[0]] if objects else []
    rows = [[_cell(value) for value in each.values()] for each in objects]
    click.echo(laid_out(header, rows, frozenset(), parsable=given["parsable2"], noheader=given["noheader"]))


def _asked_for(config_path: Path | None, provider: str | None, cloud: str | None) -> Objects:
    from carbonslurm.carbon import zones as tables
    from carbonslurm.errors import UsageError

    if provider is not None:
        return _names(tables.zones(provider))
    if cloud is None and not has_config(config_path):
        raise UsageError("there is no configuration here: say --provider NAME, or --cloud CLOUD[:REGION]")
    if cloud is None:
        return _configured(load_config(config_path))
    if ":" in cloud:
        return _names(tables.zones_of(tables.cloud_region(cloud)))
    return _regions(tables.cloud_regions(cloud.lower()))


def _configured(config: Config) -> Objects:
    """Return the configured zones, the cluster's own first, each with its providers and partitions."""
    providers: dict[str, list[str]] = {config.zone: []}
    for source in config.sources:
        providers.setdefault(source.zone, []).append(str(type(source).__struct_config__.tag))
    return [
        {
            "zone": zone,
            "providers": list(dict.fromkeys(names)),
            "partitions": _partitions(config, zone),
        }
        for zone, names in providers.items()
    ]


def _partitions(config: Config, zone: str) -> list[str]:
    named = [partition for partition, its in config.zones.items() if its == zone]
    return (
        ["all others", *named]
        if zone == config.zone and config.zones
        else named or (["all"] if zone == config.zone else [])
    )


def _names(found: Sequence[ZoneName]) -> Objects:
    return [
        {
            "provider": each.provider,
            "name": each.name,
            "title": each.title,
            "configuration": dict(each.options),
        }
        for each in found
    ]


def _regions(found: Sequence[CloudRegion]) -> Objects:
    return [{"region": str(each), "place": each.place, "grid": each.grid} for each in found]


def _cell(value: str | list[str] | Mapping[str, object]) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, list):
        return ", ".join(value)
    return ", ".join(f"{key}: {word}" for key, word in value.items())
