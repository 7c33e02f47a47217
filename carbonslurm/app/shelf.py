"""An archive for the moment, in memory: what the sources said since somebody asked them without a ledger.

It keeps the Protocols of the ledger's archive, so that fetching and looking are the same with and without
one. Of values for the same time the newest counts, of overlapping steps of different length the one kept
first.
"""

from bisect import bisect
from collections.abc import Collection, Sequence
from datetime import datetime

from carbonslurm.core.forecast import Issue, Nature, Series, Step
from carbonslurm.core.interval import Interval
from carbonslurm.ports import ArchivedSource

_Key = tuple[str, str, Nature]  # zone, source, nature


class Shelf:
    """Issues and measured values of any zones."""

    def __init__(self) -> None:
        self._issues: list[Issue] = []
        self._actual: dict[_Key, dict[Interval, Step]] = {}

    def keep_issues(self, issues: Sequence[Issue]) -> None:
        """Keep forecasts."""
        self._issues.extend(issues)

    def keep_actual(self, series: Series, recorded_at: datetime) -> None:
        """Keep measured values; ``recorded_at`` is the ledger's, and nothing here."""
        del recorded_at
        kept = self._actual.setdefault(_key(series), {})
        kept.update({step.interval: step for step in series.steps()})

    def newest_issues(self, zone: str, since: datetime, until: datetime | None = None) -> Sequence[Issue]:
        """Return the latest published forecast of each source and nature, of those read since a moment.

        One published after ``until`` stands behind all others: it is returned where there is no other.
        """
        newest: dict[_Key, Issue] = {}

        def place(issue: Issue) -> tuple[bool, datetime, datetime]:
            return until is None or issue.published <= until, issue.published, issue.fetched_at

        for issue in sorted(self._issues, key=place):
            if issue.series.zone == zone and issue.fetched_at >= since:
                newest[_key(issue.series)] = issue
        return list(newest.values())

    def actual(self, zone: str, nature: Nature, window: Interval, source: str | None = None) -> Series | None:
        """Return the measured values of a window, of the first source that has any; None where none has.

        Where a source is named, its alone.
        """
        for (its_zone, its_name, its_nature), steps in self._actual.items():
            if (its_zone, its_nature) == (zone, nature) and source in (None, its_name):
                inside = _side_by_side([step for step in steps.values() if _meets(step.interval, window)])
                if inside:
                    return Series.from_steps(zone, its_name, nature, inside)
        return None

    def unmeasured(self, zone: str, source: str, window: Interval) -> Sequence[Interval]:
        """Return the parts of a window for which a source's measured values are not kept, in order."""
        spans = [span for key, steps in self._actual.items() if key[:2] == (zone, source) for span in steps]
        missing, since = [], window.start
        for span in sorted(span for span in spans if _meets(span, window)):
            if span.start > since:
                missing.append(Interval(since, span.start))
            since = max(since, span.end)
        return [*missing, Interval(since, window.end)] if since < window.end else missing

    def sources(self, zone: str) -> Sequence[ArchivedSource]:
        """Return who said anything about a zone, by name and nature."""
        issues: dict[_Key, list[datetime]] = {}
        for issue in self._issues:
            issues.setdefault(_key(issue.series), []).append(issue.published)
        keys = sorted({*issues, *self._actual}, key=lambda key: (key[1], str(key[2])))
        return [
            ArchivedSource(
                source,
                nature,
                len(issues.get(key, ())),
                max(issues.get(key, ()), default=None),
                _span(self._actual.get(key, {})),
            )
            for key in keys
            for its_zone, source, nature in [key]
            if its_zone == zone
        ]


def _key(series: Series) -> _Key:
    return series.zone, series.source, series.nature


def _span(steps: Collection[Interval]) -> Interval | None:
    if not steps:
        return None
    return Interval(min(span.start for span in steps), max(span.end for span in steps))


def _meets(span: Interval, window: Interval) -> bool:
    return span.end > window.start and span.start < window.end


def _side_by_side(steps: Sequence[Step]) -> list[Step]:
    """Return the steps, in order of time, without those that overlap one before them in the list."""
    kept: list[Step] = []
    for step in steps:
        place = bisect(kept, step.interval.start, key=lambda other: other.interval.start)
        beside = kept[max(place - 1, 0) : place + 1]
        if not any(_meets(step.interval, other.interval) for other in beside):
            kept.insert(place, step)
    return kept
