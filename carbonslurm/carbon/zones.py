"""Names of grid areas: what each provider calls them, and in which of them the regions of the clouds lie.

A site calls its zones what it likes; a provider's own name goes into an option of the source (``area``,
``region``, ``country``), and these tables say which. For whoever shows them (a command such as ``forecast
zones``): ``zones`` lists a provider's, ``cloud_region`` and ``zones_of`` say for a cloud's region what each
provider calls its grid. All are pure functions over two files beside this module:

- ``grids.csv``: one grid a line, by Electricity Maps' name, which has one for nearly every grid on earth, and
  what the others call the same place. It has the larger grids, not all of any provider: Electricity Maps has
  350 zones, and tells them to everybody at ``/v4/zones``. Of WattTime's regions, which are finer than grids,
  it names the few that are generally known; a source takes latitude and longitude in place of a name.
- ``cloud_regions.csv``: where the regions of AWS, Azure and Google Cloud are, by what the operators say of
  them, and so on which grid. The place is the town they name, to a tenth of a degree; a region is many
  buildings, and some stand on another grid than the town.
"""

import csv
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache
from importlib.resources import files

from carbonslurm.carbon.checks import shown
from carbonslurm.carbon.neso_places import REGIONS
from carbonslurm.errors import UsageError

# Provider -> the option of its source that takes its name of a zone.
OPTIONS: Mapping[str, str] = {
    "neso": "region",
    "energy-charts": "country",
    "energi-data-service": "area",
    "electricity-maps": "area",
    "watttime": "region",
    "eia": "area",
}
CLOUDS = ("aws", "azure", "gcp")
GREAT_BRITAIN = "GB"


@dataclass(frozen=True, slots=True)
class ZoneName:
    """What one provider calls a grid area.

    Attributes:
        provider: as the configuration spells it.
        name: the provider's name, or for WattTime a place on earth.
        title: what people call it.
        options: what to write into the configuration's source beside ``provider`` and ``zone``.
    """

    provider: str
    name: str
    title: str
    options: Mapping[str, str | int | float]


@dataclass(frozen=True, slots=True)
class CloudRegion:
    """A region of a cloud.

    Attributes:
        cloud: ``aws``, ``azure`` or ``gcp``.
        region: the operator's name of it.
        place: the town or state that the operator names.
        latitude: of that place, in degrees north, to a tenth.
        longitude: in degrees east, likewise.
        grid: Electricity Maps' name of the grid there.
    """

    cloud: str
    region: str
    place: str
    latitude: float
    longitude: float
    grid: str

    def __str__(self) -> str:
        return f"{self.cloud}:{self.region}"


def zones(provider: str | None = None) -> Sequence[ZoneName]:
    """Return the zones of a provider, or of all, in the order of the providers and then of their names.

    Raises:
        UsageError: there is no such provider, or it has no names.
    """
    if provider is not None and provider not in OPTIONS:
        raise UsageError(f'no zones of "{shown(provider)}": there are {", ".join(OPTIONS)}')
    wanted = OPTIONS if provider is None else (provider,)
    return [zone for each in wanted for zone in _of_provider(each)]


def cloud_regions(cloud: str | None = None) -> Sequence[CloudRegion]:
    """Return the regions of a cloud, or of all.

    Raises:
        UsageError: there is no such cloud.
    """
    if cloud is not None and cloud not in CLOUDS:
        raise UsageError(f'no cloud "{shown(cloud)}": there are {", ".join(CLOUDS)}')
    return [region for region in _clouds().values() if cloud in {None, region.cloud}]


def cloud_region(text: str) -> CloudRegion:
    """Return the region of ``aws:eu-central-1`` and the like, in any case.

    Raises:
        UsageError: it is not written so, or there is no such region; with the nearest one.
    """
    wanted = text.strip().lower()
    if wanted in _clouds():
        return _clouds()[wanted]
    cloud, colon, region = wanted.partition(":")
    if not colon or not region:
        raise UsageError(f'expected a cloud and its region such as aws:eu-central-1, got "{shown(text)}"')
    known = [each.region for each in cloud_regions(cloud)]
    near = get_close_matches(region, known, n=1)
    hint = f", did you mean {cloud}:{near[0]}?" if near else ""
    raise UsageError(f'no region "{shown(region)}" of {cloud}{hint}')


def zones_of(region: CloudRegion) -> Sequence[ZoneName]:
    """Return what each provider that has the grid of a cloud's region calls it.

    WattTime's regions are finer than grids, so there the place stands for the name.
    """
    found = zones_of_grid(region.grid)
    where: Mapping[str, float] = {"latitude": region.latitude, "longitude": region.longitude}
    place = ZoneName("watttime", f"{region.latitude:g},{region.longitude:g}", region.place, where)
    return [*(zone for zone in found if zone.provider != "watttime"), place]


def zones_of_grid(grid: str) -> Sequence[ZoneName]:
    """Return what each provider calls a grid, by Electricity Maps' name of it; nothing for an unknown one."""
    return [zone for provider in OPTIONS for zone in _named(provider, grid)] if grid in _grids() else []


# --- the tables


def _of_provider(provider: str) -> Iterator[ZoneName]:
    names: dict[str, ZoneName] = {}
    for grid in _grids():
        for zone in _named(provider, grid):
            names.setdefault(zone.name, zone)
    if provider == "neso":
        for number, (region, _) in REGIONS.items():
            names[region] = ZoneName("neso", region, f"region {number} of Great Britain", {"region": region})
    yield from names.values()


def _named(provider: str, grid: str) -> Iterator[ZoneName]:
    """Give the provider's name of a grid, if it has one."""
    row = _grids()[grid]
    title = row["name"]
    if provider == "neso":
        if grid == GREAT_BRITAIN:
            yield ZoneName("neso", GREAT_BRITAIN, title, {})
        return
    name = grid if provider == "electricity-maps" else row[provider]
    if name:
        yield ZoneName(provider, name, title, {OPTIONS[provider]: name})


@cache
def _grids() -> Mapping[str, Mapping[str, str]]:
    return {row["grid"]: row for row in _table("grids.csv")}


@cache
def _clouds() -> Mapping[str, CloudRegion]:
    found = [
        CloudRegion(
            row["cloud"],
            row["region"],
            row["place"],
            float(row["latitude"]),
            float(row["longitude"]),
            row["grid"],
        )
        for row in _table("cloud_regions.csv")
    ]
    return {str(region): region for region in found}


def _table(name: str) -> Sequence[Mapping[str, str]]:
    text = (files("carbonslurm.carbon") / name).read_text(encoding="utf-8")
    return list(csv.DictReader(text.splitlines()))
