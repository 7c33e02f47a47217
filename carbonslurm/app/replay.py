"""A site's own past, to be run again: what sacct knows of its jobs, and the archive of its electricity.

Only measured values count as what intensity was; hours of which none is kept stay unknown. All zones are
looked at in one nature, since grams of two are never added.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import timedelta

from carbonslurm.core.forecast import Issue, Nature, Series
from carbonslurm.core.interval import Interval, iso
from carbonslurm.core.job import AccountedRun
from carbonslurm.errors import DataError
from carbonslurm.ports import Accounting, PastIntensities

BEFORE = timedelta(days=60)  # of history, from which forecasts are made
AFTER = timedelta(days=31)  # runs that begin within the window may end behind it
LONGEST_AHEAD = timedelta(days=7)  # a forecast that is older says nothing any more


def past_runs(accounting: Accounting, window: Interval) -> Sequence[AccountedRun]:
    """Return every run within a window.

    Raises:
        DataError: there is none.
        UnavailableError: sacct or slurmdbd is away.
    """
    runs = [run for run in accounting.accounted(window, window.end).runs if run.started is not None]
    if not runs:
        raise DataError(
            f"sacct knows of no run from {iso(window.start)} to {iso(window.end)}: try other -S and -E"
        )
    return runs


def measured(archive: PastIntensities, zones: Sequence[str], window: Interval) -> Mapping[str, Series]:
    """Return what was measured in each zone within a window, with what lies around it.

    Raises:
        DataError: of a zone nothing was measured within the window.
        LedgerError: the archive cannot be read.
    """
    reach = Interval(window.start - BEFORE, window.end + AFTER)
    found: dict[str, Series] = {}
    for nature in _common(archive, zones, window):
        found = {
            zone: series
            for zone in zones
            if archive.actual(zone, nature, window) is not None
            and (series := archive.actual(zone, nature, reach)) is not None
        }
        if len(found) == len(zones):
            return found
    missing = next(zone for zone in zones if zone not in found)
    since = iso(window.start)
    raise DataError(
        f"no measured intensity of zone {missing} from {since} to {iso(window.end)} in the ledger: "
        f"carbonslurm forecast fetch --since {since} {missing} asks for it, --carbon FILE brings it"
    )


def _common(archive: PastIntensities, zones: Sequence[str], window: Interval) -> list[Nature]:
    """Return the natures that all zones have, the first zone's best ahead."""
    each = [archive.natures(zone, window) for zone in zones]
    return [nature for nature in each[0] if all(nature in others for others in each)]


def issued(archive: PastIntensities, zone: str, nature: Nature, window: Interval) -> Sequence[Issue]:
    """Return the forecasts of a zone as they were published, of the source that published most of them.

    Raises:
        DataError: there is none of this nature.
        LedgerError: the archive cannot be read.
    """
    reach = Interval(window.start - LONGEST_AHEAD, window.end)
    issues = [issue for issue in archive.issues(zone, reach) if issue.series.nature == nature]
    if not issues:
        when = f"from {iso(reach.start)} to {iso(reach.end)}"
        raise DataError(f"no forecast of zone {zone} ({nature}) is in the ledger {when}")
    (source, _), *_ = Counter(issue.series.source for issue in issues).most_common()
    return [issue for issue in issues if issue.series.source == source]
