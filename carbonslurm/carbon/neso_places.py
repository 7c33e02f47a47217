"""The places of Great Britain that the operator's API knows: 17 regions, and the first half of a postcode."""

import re

from carbonslurm.carbon.checks import shown
from carbonslurm.errors import ConfigError

# regionid -> (shortname, dnoregion), as the API spells them. 18 would be GB as a whole, and has no fw48h.
REGIONS = {
    1: ("North Scotland", "Scottish Hydro Electric Power Distribution"),
    2: ("South Scotland", "SP Distribution"),
    3: ("North West England", "Electricity North West"),
    4: ("North East England", "NPG North East"),
    5: ("Yorkshire", "NPG Yorkshire"),
    6: ("North Wales & Merseyside", "SP Manweb"),
    7: ("South Wales", "WPD South Wales"),
    8: ("West Midlands", "WPD West Midlands"),
    9: ("East Midlands", "WPD East Midlands"),
    10: ("East England", "UKPN East"),
    11: ("South West England", "WPD South West"),
    12: ("South England", "SSE South"),
    13: ("London", "UKPN London"),
    14: ("South East England", "UKPN South East"),
    15: ("England", "England"),
    16: ("Scotland", "Scotland"),
    17: ("Wales", "Wales"),
}
# Area, district, and perhaps the inward half behind it, which is not asked: SW1A 1AA lies where SW1A does.
_POSTCODE = re.compile(r"([A-Z]{1,2}[0-9][A-Z0-9]?)(?: ?[0-9][A-Z]{2})?")


def region_id(region: int | str) -> int:
    """Return the number of a region given by number or name, in any case.

    Raises:
        ConfigError: there is no such region.
    """
    wanted = str(region).strip().casefold()
    for number, names in REGIONS.items():
        if wanted in {str(number), *(name.casefold() for name in names)}:
            return number
    raise ConfigError(f'region: expected 1 to 17 or a name such as London, got "{shown(str(region))}"')


def outward(postcode: str) -> str:
    """Return the outward half of a postcode, in capitals.

    Raises:
        ConfigError: it is not written as a postcode.
    """
    found = _POSTCODE.fullmatch(postcode.strip().upper())
    if found is None:
        raise ConfigError(f'postcode: expected one such as SW1A or G12, got "{shown(postcode)}"')
    return found[1]
