"""Looking at zones: what was measured, what is expected, and when it is best to run.

One zone may be known in several natures. They never meet: a zone is looked at in one, that of its newest
forecast where there is one, since that is what jobs are planned by; the others are named beside it. Zones are
ranked only within one nature.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from carbonslurm.app.forecasts import joined
from carbonslurm.core.choice import CLOCK_TOLERANCE, LOOK_BACK, ForecastRules, choose
from carbonslurm.core.forecast import Issue, Nature, Series, Step
from carbonslurm.core.interval import Interval, iso
from carbonslurm.core.windows import Best, NextDay, best_window, next_day
from carbonslurm.ports import ArchivedSource, KnownCarbon

NEWEST = timedelta(hours=3)  # a measured value that ended before is not today's "now" any more


@dataclass(frozen=True, slots=True)
class Now:
    """What holds now.

    Attributes:
        step: the value and when it holds.
        source: who said so.
        expected: whether it is from a forecast.
        age: how long ago the step ended, nothing where it covers now.
    """

    step: Step
    source: str
    expected: bool
    age: timedelta


@dataclass(frozen=True, slots=True)
class Outlook:
    """One zone in one nature, over a window.

    Attributes:
        now: when it was looked at.
        window: what was looked at.
        nature: kind and scope of all that follows, None where nothing is known.
        measured: of the window, None where nothing is.
        issue: the forecast that counts, moved to where the measurement ended, as planning reads it; one
            that is too old to plan by as it was issued; None where there is none.
        current: what holds now, None where that is unknown.
        trouble: why nothing can be decided by the forecast, in one line; None where it can.
        others: the natures in which more is known.
    """

    zone: str
    now: datetime
    window: Interval
    nature: Nature | None
    measured: Series | None = None
    issue: Issue | None = None
    current: Now | None = None
    trouble: str | None = None
    others: tuple[Nature, ...] = field(default=())


def outlook(
    known: KnownCarbon,
    zone: str,
    now: datetime,
    window: Interval,
    rules: ForecastRules,
    source: str | None = None,
) -> Outlook:
    """Return what is known and expected of a zone.

    Args:
        known: the ledger's archive, or one in memory.
        zone: the site's name.
        now: the current time, aware.
        window: of which measured values are wanted.
        rules: how old a forecast may be to decide by, and whose comes first.
        source: the only one whose forecast is wanted; None for any.

    Raises:
        LedgerError: the archive cannot be read.
    """
    issue, why = _newest(
        known.newest_issues(zone, now - LOOK_BACK, now + CLOCK_TOLERANCE), now, rules, source
    )
    if source is not None and issue is None:
        why = _no_forecast_of(source, known.sources(zone))
    natures = _natures(known.sources(zone), window, now)
    nature = issue.series.nature if issue is not None else next(iter(natures), None)
    if nature is None:
        return Outlook(zone, now, window, None, trouble=why)
    if issue is not None and why is None:
        issue = joined(known, issue, now)
    return Outlook(
        zone,
        now,
        window,
        nature,
        known.actual(zone, nature, window),
        issue,
        current(known.actual(zone, nature, Interval(now - NEWEST, now)), issue, now),
        why,
        tuple(other for other in natures if other != nature),
    )


def _newest(
    issues: Sequence[Issue], now: datetime, rules: ForecastRules, source: str | None
) -> tuple[Issue | None, str | None]:
    """Return the forecast that counts; where none can be decided by, the newest of any, and why it cannot."""
    wanted = [issue for issue in issues if source in (None, issue.series.source)]
    order = rules.order.get(issues[0].series.zone) if issues and source is None else None
    chosen = choose(wanted, order, now, rules.max_age)
    if chosen.issue is not None:
        return chosen.issue, None
    return max(wanted, key=lambda issue: issue.published, default=None), chosen.reason


def _no_forecast_of(source: str, sources: Sequence[ArchivedSource]) -> str:
    names = sorted({each.source for each in sources if each.issued is not None})
    there = f"there are those of {', '.join(names)}" if names else "nor of any other source"
    return f"no forecast of {source[:40]}: {there}"


def _natures(sources: Sequence[ArchivedSource], window: Interval, now: datetime) -> list[Nature]:
    """Return the natures in which anything is known of a window or of lately, the longest measured first."""
    seconds: dict[Nature, timedelta] = {}
    for each in sources:
        measured = each.measured
        since = timedelta()
        if measured is not None:
            since = min(measured.end, window.end) - max(measured.start, window.start)
        lately = each.issued is not None and now - each.issued <= LOOK_BACK
        if since > timedelta() or lately:
            seconds[each.nature] = max(seconds.get(each.nature, timedelta()), since)
    return sorted(seconds, key=lambda nature: (-seconds[nature], str(nature)))


def current(measured: Series | None, issue: Issue | None, now: datetime) -> Now | None:
    """Return what holds now: measured, else expected, else what was measured last if that is not long ago."""
    if measured is not None and (step := _covering(measured, now)) is not None:
        return Now(step, measured.source, expected=False, age=timedelta())
    if issue is not None and (step := _covering(issue.series, now)) is not None:
        return Now(step, issue.series.source, expected=True, age=timedelta())
    ended = [] if measured is None else [it for it in measured.steps() if it.interval.end <= now]
    if measured is None or not ended or now - ended[-1].interval.end > NEWEST:
        return None
    return Now(ended[-1], measured.source, expected=False, age=now - ended[-1].interval.end)


def _covering(series: Series, moment: datetime) -> Step | None:
    return next((it for it in series.steps() if it.interval.start <= moment < it.interval.end), None)


# --- several zones


@dataclass(frozen=True, slots=True)
class Candidate:
    """One zone's best window.

    Attributes:
        look: the zone.
        best: None where there is none.
        trouble: why there is none, in one line.
    """

    look: Outlook
    best: Best | None
    trouble: str | None = None


def candidate(
    look: Outlook,
    length: timedelta,
    before: datetime | None = None,
    written: Callable[[datetime], str] = iso,
) -> Candidate:
    """Return a zone's best window of a length from now on, or why there is none.

    Args:
        look: the zone.
        length: of the window, above zero.
        before: when the window must have ended; None for the forecast's horizon.
        written: writes a moment, for the trouble.
    """
    if look.trouble is not None or look.issue is None:
        return Candidate(look, None, look.trouble or "no forecast")
    best = best_window(look.issue, look.now, length, before)
    if best is not None:
        return Candidate(look, best)
    horizon = look.issue.series.horizon
    if before is not None and before - look.now < length:
        return Candidate(look, None, "no window of this length ends before that time")
    if horizon - look.now < length:
        return Candidate(look, None, f"the forecast ends at {written(horizon)}: it covers no whole window")
    return Candidate(look, None, "the forecast has a gap in every window")


def ranked(candidates: Iterable[Candidate]) -> Mapping[Nature | None, Sequence[Candidate]]:
    """Return the candidates by nature, within each the lowest first and those without a window last."""
    groups: dict[Nature | None, list[Candidate]] = {}
    for each in candidates:
        groups.setdefault(each.look.nature, []).append(each)
    return {
        nature: sorted(group, key=lambda each: (each.best is None, each.best.mean if each.best else 0.0))
        for nature, group in sorted(groups.items(), key=lambda item: (item[0] is None, str(item[0])))
    }


def next_day_of(look: Outlook) -> NextDay | None:
    """Return what is expected of a zone's next 24 hours, None where its forecast cannot be used."""
    return None if look.issue is None or look.trouble is not None else next_day(look.issue.series, look.now)
