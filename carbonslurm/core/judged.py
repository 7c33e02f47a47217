"""A forecast in the place of what it says: as much of it as is believed, by what the archive has of its past.

``doubt`` says what a past tells; here are which forecasts of the past are looked at, and when there is too
little of it, or too old, to judge by. What is judged has whole hours and a band, and says so in its source.
"""

from collections.abc import Mapping

import numpy as np

from carbonslurm.core.doubt import FEWEST, MEMORY_DAYS, Past, believed
from carbonslurm.core.forecast import Band, Series
from carbonslurm.core.hourly import Hourly, hourly

EVERY = 3  # hours: of so many forecasts one is asked what it was worth; it divides the day
LEADS = 96  # hours ahead that are judged
OLDEST = 24  # hours: with measured values older than this nothing is judged


def judging_hours(hour: int) -> list[int]:
    """Return the numbers of the hours whose forecasts judge that of an hour; the same for three hours."""
    first = -(-(hour - 24 * MEMORY_DAYS) // EVERY) * EVERY
    return list(range(first, hour, EVERY))


def judged(
    series: Series, hour: int, earlier: Mapping[int, Hourly], measured: Series | None
) -> tuple[Series, Band] | None:
    """Return what is believed of a forecast, and how sure it is; None where too little is known of its past.

    Args:
        series: the forecast.
        hour: number of the hour that contains now.
        earlier: by number of hour, what the newest forecast of its beginning said; some of judging_hours.
        measured: what has been measured, of the same nature; None where nothing was.
    """
    if measured is None or len(earlier) < FEWEST:
        return None
    known = hourly(measured).until(hour).trimmed()
    lag = hour - known.after
    said = Hourly(hour, hourly(series).between(hour, hour + LEADS)).trimmed()
    if not 0 <= lag <= OLDEST or said.first != hour:
        return None
    origins = sorted(earlier)
    told = np.array([earlier[origin].between(origin, origin + LEADS) for origin in origins])
    found = believed(said, Past(np.array(origins), told, known, lag))
    if found is None or bool(np.isnan(found[0].values[0])):
        return None
    return found[0].series(series.zone, f"{series.source}, judged", series.nature), found[1]
