"""Amounts that people can picture: kilometres by car for grams, days of a household for kWh.

They make a figure no truer, and no better known. Each is one published number, named with its source wherever
it is shown; another country's car or household is another number.
"""

from dataclasses import dataclass

# EPA-420-F-23-014 (June 2023), "Tailpipe Greenhouse Gas Emissions from a Typical Passenger Vehicle": about
# 400 g of CO2 a mile; a mile is 1.609344 km, exactly (international yard and pound agreement, 1959).
CAR_G_PER_KM = 400 / 1.609344
CAR_SOURCE = "a typical US passenger car, about 400 g CO2 a mile (EPA-420-F-23-014)"
# Ofgem's typical domestic consumption value for electricity, in force since October 2023: 2,700 kWh a year.
HOUSEHOLD_KWH_PER_DAY = 2700 / 365
HOUSEHOLD_SOURCE = "a typical household in Great Britain, 2,700 kWh of electricity a year (Ofgem)"


@dataclass(frozen=True, slots=True)
class Equivalents:
    """What an amount is like.

    Attributes:
        car_km: distance by car that emits as much; None where the grams are unknown.
        household_days: for how long a household takes as much electricity.
    """

    car_km: float | None
    household_days: float


def equivalents(grams: float | None, kwh: float) -> Equivalents:
    """Return what grams of CO2e and kWh are like; a negative amount (a saving below nothing) stays one."""
    return Equivalents(None if grams is None else grams / CAR_G_PER_KM, kwh / HOUSEHOLD_KWH_PER_DAY)
