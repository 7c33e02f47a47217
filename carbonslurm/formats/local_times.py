"""Times of a row that were written by a clock on the wall, on the days when clocks are set.

In autumn an hour is there twice, and such a time may be either. What else the row says decides: a run is
submitted, becomes eligible, starts and ends in this order, and lasts as long as its Elapsed says. Where that
leaves more than one, nobody can know, and a guess would count an hour of the grid for another, or the same
run twice: then the row is refused. In spring an hour is missing, and a time in it shows that the zone is
another.
"""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import product

from carbonslurm.errors import DataError

Moments = tuple[datetime | None, ...]


def moments_of(written: datetime) -> Sequence[datetime]:
    """Return what a time with its zone may be, in UTC: one moment, or two where clocks were set back.

    Raises:
        DataError: there is no such time, since clocks were set forward.
    """
    first, second = (written.replace(fold=fold).astimezone(UTC) for fold in (0, 1))
    if first == second:
        return (first,)
    if first > second:  # in a gap the later offset comes first (PEP 495)
        text = written.replace(tzinfo=None).isoformat()
        raise DataError(
            f"there is no {text} in {written.tzinfo}, where clocks were set forward: another zone?"
        )
    return (first, second)


def settled(times: Sequence[Sequence[datetime]], lasted: timedelta | None) -> Moments:
    """Return the one reading of a row's times that can be true; None for a time that it does not have.

    Args:
        times: what submit, eligible, start and end may be; empty where there is none.
        lasted: from start to end, as the row says; None where it does not.

    Raises:
        DataError: more than one can be true.
    """
    if all(len(each) < 2 for each in times):
        return tuple(each[0] if each else None for each in times)
    readings: list[Moments] = list(product(*(each or (None,) for each in times)))
    for fits in (_in_order, lambda reading: _lasts(reading, lasted)):
        readings = [reading for reading in readings if fits(reading)] or readings
    if len({(reading[0], *reading[2:]) for reading in readings}) > 1:
        raise DataError(
            "its times lie in an hour that was there twice, since clocks were set back, and nothing says in "
            "which: print them with SLURM_TIME_FORMAT=%s"
        )
    return readings[0]


def _in_order(reading: Moments) -> bool:
    known = [moment for moment in reading if moment is not None]
    return known == sorted(known)


def _lasts(reading: Moments, lasted: timedelta | None) -> bool:
    _, _, start, end = reading
    return lasted is None or start is None or end is None or end - start == lasted
