"""Names of grid areas: the tables agree with the providers, and a cloud's region leads to its grid."""

import json
import os
import re
from pathlib import Path

import pytest

from carbonslurm import carbon
from carbonslurm.carbon.neso_places import REGIONS
from carbonslurm.carbon.zones import (
    CLOUDS,
    OPTIONS,
    ZoneName,
    cloud_region,
    cloud_regions,
    zones,
    zones_of,
)
from carbonslurm.errors import UsageError

SECRETS = {
    "electricity-maps": {"token_file": "em"},
    "watttime": {"user": "site", "password_file": "wt"},
    "eia": {"token_file": "eia"},
}


def named(found: list[ZoneName]) -> dict[str, str]:
    return {zone.provider: zone.name for zone in found}


@pytest.mark.parametrize("provider", OPTIONS)
def test_every_zone_can_be_configured(provider: str) -> None:
    """What the table says is an option of the provider's source, and a value that it takes."""
    found = zones(provider)
    assert found
    assert len({zone.name for zone in found}) == len(found)
    for zone in found:
        assert zone.provider == provider
        options = {"zone": "ours", **SECRETS.get(provider, {}), **zone.options}
        assert carbon.offer(provider, options).sources[0].zone == "ours"


def test_every_cloud_region_can_be_configured() -> None:
    for region in cloud_regions():
        for zone in zones_of(region):
            carbon.offer(zone.provider, {"zone": "ours", **SECRETS.get(zone.provider, {}), **zone.options})


def test_all_providers_but_the_site_s_own_have_names() -> None:
    own = {"file", "carbon-aware-sdk", "carbon-aware-json"}
    assert set(OPTIONS) == set(carbon.PROVIDERS) - own
    assert [zone.provider for zone in zones()] == [provider for provider in OPTIONS for _ in zones(provider)]


@pytest.mark.parametrize(
    ("region", "expected"),
    [
        ("aws:eu-central-1", {"electricity-maps": "DE", "energy-charts": "de", "watttime": "50.1,8.7"}),
        (
            "gcp:europe-west2",
            {"neso": "GB", "electricity-maps": "GB", "energy-charts": "uk", "watttime": "51.5,-0.1"},
        ),
        (
            "azure:denmarkeast",
            {
                "energy-charts": "dk",
                "energi-data-service": "DK2",
                "electricity-maps": "DK-DK2",
                "watttime": "55.7,12.6",
            },
        ),
        ("AWS:us-east-1 ", {"electricity-maps": "US-MIDA-PJM", "eia": "PJM", "watttime": "39,-77.5"}),
        ("aws:ap-southeast-2", {"electricity-maps": "AU-NSW", "watttime": "-33.9,151.2"}),
    ],
)
def test_a_cloud_region_has_a_name_at_each_provider(region: str, expected: dict[str, str]) -> None:
    assert named(list(zones_of(cloud_region(region)))) == expected


def test_the_regions_of_three_clouds() -> None:
    assert {cloud: len(cloud_regions(cloud)) for cloud in CLOUDS} == {"aws": 37, "azure": 54, "gcp": 42}
    keys = [str(region) for region in cloud_regions()]
    assert len(set(keys)) == len(keys)
    assert keys == sorted(keys, key=lambda key: key.split(":"))
    for region in cloud_regions():
        assert re.fullmatch(r"[a-z0-9-]+", region.region)
        assert -90 <= region.latitude <= 90
        assert -180 <= region.longitude <= 180
        assert cloud_region(str(region)) == region


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("aws:eu-centrall-1", "did you mean aws:eu-central-1"),
        ("gcp:eu-central-1\x1b", r'no region "eu-central-1\?" of gcp'),
        ("ibm:eu-de", 'no cloud "ibm": there are aws, azure, gcp'),
        ("eu-central-1", "expected a cloud and its region such as"),
        ("aws:", "expected a cloud and its region such as"),
        ("", "expected a cloud and its region such as"),
    ],
)
def test_no_such_region(text: str, why: str) -> None:
    with pytest.raises(UsageError, match=why) as caught:
        cloud_region(text)
    assert str(caught.value).isprintable()


def test_no_such_provider() -> None:
    for name in ("file", "nobody"):
        with pytest.raises(UsageError, match=f'no zones of "{name}": there are neso, '):
            zones(name)


def test_great_britain_as_a_whole_and_its_regions() -> None:
    found = zones("neso")
    assert (found[0].name, found[0].options) == ("GB", {})
    assert [zone.name for zone in found[1:]] == [region for region, _ in REGIONS.values()]


def test_balancing_areas_are_the_ends_of_their_names() -> None:
    """Electricity Maps names US grids by region and EIA's code."""
    ours = {zone.title: zone.name for zone in zones("electricity-maps")}
    for zone in zones("eia"):
        if zone.name != "US48":
            assert ours[zone.title].endswith(f"-{zone.name}")


def test_recorded_zones_have_all_of_ours() -> None:
    folder = os.environ.get("CARBONSLURM_DATA")
    if folder is None:
        pytest.skip("CARBONSLURM_DATA names no folder with recorded answers")
    recorded = Path(folder) / "providers" / "electricitymaps" / "aioem_zones.json"
    assert {zone.name for zone in zones("electricity-maps")} <= set(json.loads(recorded.read_text()))
