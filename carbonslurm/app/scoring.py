"""How each source, and our own forecaster, did: forecasts as issued against what was measured later.

A forecast is held only against measured values of its own nature. Of the forecasts that one source published
within one hour the last counts, so that a source that is asked often is not counted often.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from carbonslurm.core.forecast import Issue, Nature, Series
from carbonslurm.core.hourly import Hourly, hour_of, hourly
from carbonslurm.core.interval import Interval
from carbonslurm.core.score import DAYS_OF_LEAD, Realised, Score, realised, scores
from carbonslurm.ports import ArchiveReader

HOUR = timedelta(hours=1)
FARTHEST = max(after for _, after in DAYS_OF_LEAD)  # hours ahead


@dataclass(frozen=True, slots=True)
class Job:
    """The job by which decisions are judged, in hours: how long it runs, and by when it must have ended."""

    length: int
    window: int


@dataclass(frozen=True, slots=True)
class SourceScore:
    """How one source did in one zone and nature.

    Attributes:
        issues: how many forecasts of it were looked at.
        by_lead: for each [first, after) hours ahead.
        overall: for all of these together.
        realised: what deciding by it saved, None where nothing could be decided.
    """

    zone: str
    source: str
    nature: Nature
    issues: int
    by_lead: Sequence[tuple[tuple[int, int], Score]]
    overall: Score
    realised: Realised | None


def scored(
    archive: ArchiveReader, zone: str, window: Interval, job: Job, source: str | None = None
) -> list[SourceScore]:
    """Return how each source did that published forecasts within a window, by name and nature.

    Args:
        archive: where forecasts and measured values are.
        zone: the site's name.
        window: of publication.
        job: by which decisions are judged.
        source: only this one; None for all.

    Raises:
        LedgerError: the archive cannot be read.
        UsageError: the job does not fit into its window.
    """
    groups: dict[tuple[str, Nature], list[Issue]] = {}
    for issue in archive.issues(zone, window, source):
        groups.setdefault((issue.series.source, issue.series.nature), []).append(issue)
    reach = Interval(window.start - HOUR, window.end + FARTHEST * HOUR)
    natures = {nature for _, nature in groups}
    actual = {nature: archive.actual(zone, nature, reach) for nature in natures}
    found = []
    for (name, nature), issues in sorted(groups.items(), key=lambda item: (item[0][0], str(item[0][1]))):
        measured = actual[nature]
        if measured is not None:
            found.append(_scored(zone, name, nature, _hourly_last(issues), measured, job))
    return found


def _scored(
    zone: str, source: str, nature: Nature, issues: Sequence[Issue], measured: Series, job: Job
) -> SourceScore:
    *parts, overall = scores(issues, measured, (*DAYS_OF_LEAD, (0, FARTHEST)))
    forecasts = [_released(issue, job.window) for issue in issues]
    saved = realised(forecasts, hourly(measured), job.length, job.window)
    by_lead = tuple(zip(DAYS_OF_LEAD, parts, strict=True))
    return SourceScore(zone, source, nature, len(issues), by_lead, overall, saved)


def _hourly_last(issues: Sequence[Issue]) -> list[Issue]:
    """Return the last issue of each hour; they come in order of publication."""
    return list({hour_of(issue.published): issue for issue in issues}.values())


def _released(issue: Issue, window: int) -> Hourly:
    """Return what a forecast says from the hour of its publication on, for as long as a job may take."""
    start = hour_of(issue.published)
    return Hourly(start, hourly(issue.series).between(start, start + window))
