"""Every provider as the conformance suite plays it. A further one joins by its module and a line here."""

from played import (
    carbon_aware,
    eia,
    electricity_maps,
    energi_data_service,
    energy_charts,
    file,
    neso,
    watttime,
)
from played.shape import Played, Reading

PLAYED: tuple[Played, ...] = (
    *neso.PLAYED,
    *energy_charts.PLAYED,
    *energi_data_service.PLAYED,
    *carbon_aware.PLAYED,
    *file.PLAYED,
    *electricity_maps.PLAYED,
    *watttime.PLAYED,
    *eia.PLAYED,
)
READINGS: tuple[Reading, ...] = (
    *(
        Reading(played.name, played.text([100, 90.5, 80, 70, 60, 50]), played.read, played.role)
        for played in PLAYED
    ),
    *neso.READINGS,
    *energy_charts.READINGS,
    *carbon_aware.READINGS,
    *electricity_maps.READINGS,
    *watttime.READINGS,
)
