"""The mix of a grid's electricity: from what it was made, and what that emits.

Providers name their fuels each in its own way; ``Fuel`` is what all of them can be told in. A share is of
what the zone's electricity was made from in that time, imports included where the provider counts them.

The factors are medians of IPCC AR5 WG III Annex III (2014), table A.III.2, in g CO2eq per kWh: ``LIFECYCLE``
with building the plant and bringing the fuel, ``DIRECT`` what leaves the stack. Solar is halfway between that
table's 48 of utilities and 41 of roofs. Oil is not in it: it is the value that the field uses beside it
(Electricity Maps' 650 and 406). Storage, imports and what nobody names have none: what has been stored or
brought in was made elsewhere or earlier.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from carbonslurm.core.forecast import Scope
from carbonslurm.core.interval import Interval
from carbonslurm.errors import DataError


class Fuel(StrEnum):
    """What electricity is made from, or comes out of."""

    COAL = "coal"
    GAS = "gas"
    OIL = "oil"
    NUCLEAR = "nuclear"
    HYDRO = "hydro"
    WIND = "wind"
    SOLAR = "solar"
    BIOMASS = "biomass"
    GEOTHERMAL = "geothermal"
    STORAGE = "storage"
    IMPORTS = "imports"
    OTHER = "other"


LIFECYCLE: Mapping[Fuel, float] = {
    Fuel.COAL: 820,
    Fuel.GAS: 490,
    Fuel.OIL: 650,
    Fuel.NUCLEAR: 12,
    Fuel.HYDRO: 24,
    Fuel.WIND: 11,
    Fuel.SOLAR: 45,
    Fuel.BIOMASS: 230,
    Fuel.GEOTHERMAL: 38,
}
DIRECT: Mapping[Fuel, float] = {
    Fuel.COAL: 760,
    Fuel.GAS: 370,
    Fuel.OIL: 406,
    Fuel.NUCLEAR: 0,
    Fuel.HYDRO: 0,
    Fuel.WIND: 0,
    Fuel.SOLAR: 0,
    Fuel.BIOMASS: 0,
    Fuel.GEOTHERMAL: 0,
}
FACTORS: Mapping[Scope, Mapping[Fuel, float]] = {Scope.LIFECYCLE: LIFECYCLE, Scope.DIRECT: DIRECT}


@dataclass(frozen=True, slots=True)
class Mix:
    """What a zone's electricity was made from.

    Attributes:
        zone: the site's name of the zone.
        source: who said so.
        interval: when.
        shares: of each fuel that had any, above 0 and together 1.
        megawatts: all of it, None where the source gives shares only.

    Raises:
        DataError: the shares are not shares.
    """

    zone: str
    source: str
    interval: Interval
    shares: Mapping[Fuel, float]
    megawatts: float | None = None

    def __post_init__(self) -> None:
        if not self.shares or any(not 0 < share <= 1 for share in self.shares.values()):
            raise DataError(f"{self.source}: {self.zone}: a mix has shares above 0 and at most 1")
        if abs(sum(self.shares.values()) - 1) > 1e-6:
            raise DataError(f"{self.source}: {self.zone}: the shares of a mix come to 1")

    @classmethod
    def from_amounts(
        cls, zone: str, source: str, interval: Interval, amounts: Mapping[Fuel, float], *, megawatts: bool
    ) -> "Mix":
        """Return the mix of amounts in any one unit, without those of 0 or less (own use, charging).

        Raises:
            DataError: nothing is above 0.
        """
        positive = {fuel: amount for fuel, amount in amounts.items() if amount > 0}
        total = sum(positive.values())
        if not total > 0:
            raise DataError(f"{source}: {zone}: a mix of nothing")
        shares = {fuel: amount / total for fuel, amount in positive.items() if amount / total > 0}
        return cls(zone, source, interval, shares, total if megawatts else None)


# Above this share of fuels without a factor an intensity would be a guess. Up to it they are taken to be as
# the rest is: if all of it were coal, a grid of gas would come out 6 % too clean.
UNNAMED_LIMIT = 0.1


def intensity(amounts: Mapping[Fuel, float], scope: Scope) -> float | None:
    """Return the g/kWh of what was made: each fuel's factor, weighted by its share.

    Storage is on neither side of the sum, since it was made earlier. Nor is what has no factor (others,
    imports), up to ``UNNAMED_LIMIT`` of what is not storage.

    Args:
        amounts: of each fuel, in any one unit; 0 or less (own use, charging) counts as none.
        scope: lifecycle or direct, see ``FACTORS``.

    Returns:
        None where too much has no factor, or nothing has one.
    """
    factors = FACTORS[scope]
    made = {fuel: amount for fuel, amount in amounts.items() if amount > 0 and fuel is not Fuel.STORAGE}
    named = {fuel: amount for fuel, amount in made.items() if fuel in factors}
    total, known = sum(made.values()), sum(named.values())
    if not known > 0 or total - known > UNNAMED_LIMIT * total:
        return None
    return sum(factors[fuel] * amount for fuel, amount in named.items()) / known
