"""Zones that somebody without a key and without a configuration can ask about, and whom to ask.

By the names of ``zones``: those of the providers that need no key (``GB``, ``London``, ``DK1``, ``de``), and
Electricity Maps' of the same grids (``DK-DK1``). A cloud's region (``aws:eu-west-2``) stands for its grid.
"""

from collections.abc import Iterator

from carbonslurm.carbon import offer
from carbonslurm.carbon.zones import ZoneName, cloud_region, zones, zones_of_grid
from carbonslurm.errors import UsageError
from carbonslurm.ports import Offer

KEYLESS = ("neso", "energi-data-service", "energy-charts")  # the preferred first: each country's own operator


def keyless(zone: str) -> Offer:
    """Return what can be had of a zone without a key.

    Raises:
        UsageError: nothing can.
    """
    found = sorted(_named(zone), key=lambda name: KEYLESS.index(name.provider))
    if not found:
        raise UsageError(
            f'no provider without a key speaks of zone "{zone[:40]}": carbonslurm forecast zones '
            "--provider NAME lists those of each, a configuration can name others"
        )
    return offer(found[0].provider, {"zone": zone, **found[0].options})


def _named(zone: str) -> Iterator[ZoneName]:
    grid = cloud_region(zone).grid if ":" in zone else zone
    yield from (name for name in zones_of_grid(grid) if name.provider in KEYLESS)
    wanted = zone.casefold()
    for provider in KEYLESS:
        yield from (name for name in zones(provider) if name.name.casefold() == wanted)
