"""Which forecast of a zone counts.

The first source in the site's order that has a usable forecast: not too old, not from the future, covering
now, and reaching ``REACH`` ahead. Where none reaches so far, the first of the others. Our own forecast stands
in this order by the name ``OWN``, as a rule last.

A zone plans by one nature. The first source in the order that publishes forecasts says which: a fallback of
another nature is passed over, since 300 g/kWh of the next plant and 300 of all generation are not the same
thing, and a plan that changed from one to the other would move jobs for nothing. A source that changes its
nature changes the zone's: what it said last counts, if that can be used. Two sources of unknown scope have
not said the same: neither stands in for the other.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from carbonslurm.core.forecast import Issue, Nature, Scope
from carbonslurm.core.interval import iso

OWN = "own"  # the source of our own forecasts; no provider has this name
# What a provider's or our own clock may be off by before a forecast from the future is not believed.
CLOCK_TOLERANCE = timedelta(minutes=5)
REACH = timedelta(hours=12)  # shorter forecasts are used where there is none longer
LOOK_BACK = timedelta(days=7)  # a forecast that was last read longer ago is as good as none
# Two forecasts of one source within it are of one moment: it is asked for each nature in turn, and the zone's
# must not change with the turn.
ONE_MOMENT = timedelta(hours=1)


class OwnForecast(StrEnum):
    """When our own forecast is made and used."""

    FALLBACK = "fallback"  # where the sources give no usable one
    ALWAYS = "always"  # in every zone, and before the sources'
    NEVER = "never"


@dataclass(frozen=True, slots=True)
class ForecastRules:
    """The site's choices.

    Attributes:
        max_age: an older forecast is not used.
        order: of each zone, the names of its sources in the site's order, ``OWN`` among them where it is
            used. A zone that is not in it takes whatever there is, the latest published first.
    """

    max_age: timedelta = timedelta(hours=12)
    order: Mapping[str, Sequence[str]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Chosen:
    """What was chosen for a zone.

    Attributes:
        issue: the forecast that counts, None where none is usable.
        reason: why none is, in one line; None where one is.
        passed_over: the sources before the chosen one, each with the reason why it was not taken.
    """

    issue: Issue | None
    reason: str | None = None
    passed_over: tuple[str, ...] = ()


def order_of(sources: Sequence[str], own: OwnForecast) -> tuple[str, ...]:
    """Return the order of a zone's forecasts, from its sources as configured, each once."""
    named = tuple(dict.fromkeys(sources))
    return {OwnForecast.ALWAYS: (OWN, *named), OwnForecast.FALLBACK: (*named, OWN)}.get(own, named)


def leading(issues: Sequence[Issue], order: Sequence[str], now: datetime, max_age: timedelta) -> Issue | None:
    """Return the issue that says by which nature a zone plans, None where nobody has published a forecast.

    It is the first source's newest issue that can be used, else its newest. Our own forecast is made of what
    the sources measure: it has no say of its own as long as one of them publishes forecasts.
    """
    for name in (*(each for each in order if each != OWN), OWN):
        found = [issue for issue in issues if issue.series.source == name]
        if found:
            best = [issue for issue in found if why_not(issue, now, max_age) is None] or found
            newest = max(issue.published for issue in best)
            lately = [issue for issue in best if newest - issue.published <= ONE_MOMENT]
            return min(lately, key=lambda issue: str(issue.series.nature))  # of several always the same
    return None


def choose(issues: Sequence[Issue], order: Sequence[str] | None, now: datetime, max_age: timedelta) -> Chosen:
    """Return the forecast that counts.

    Args:
        issues: the latest of each source and nature.
        order: names of sources, the preferred one first; None is the latest published first.
        now: the moment of planning, aware.
        max_age: an older one is not used.
    """
    if order is None:
        latest = sorted(issues, key=lambda issue: issue.published, reverse=True)
        order = tuple(dict.fromkeys(issue.series.source for issue in latest))
    if not any(issue.series.source in order for issue in issues):
        return Chosen(None, reason="no forecast yet")
    leader = leading(issues, order, now, max_age)
    looks = [_look(issues, name, leader, now, max_age) for name in order]
    usable = [place for place, (issue, why) in enumerate(looks) if issue is not None and why is None]
    far = [place for place in usable if _reaches(looks[place][0], now)]
    if not usable:
        said = _words(order, looks)
        return Chosen(None, reason="; ".join(said), passed_over=said)
    place = far[0] if far else usable[0]
    return Chosen(looks[place][0], passed_over=_words(order[:place], looks[:place]))


def is_good(issue: Issue, moment: datetime, max_age: timedelta) -> bool:
    """Whether a forecast could be planned by at a moment, and reaches far enough then."""
    return why_not(issue, moment, max_age) is None and _reaches(issue, moment)


def why_not(issue: Issue, now: datetime, max_age: timedelta) -> str | None:
    """Return why a forecast cannot be planned by, None where it can."""
    age = now - issue.published
    if age > max_age:
        return f"the forecast is stale: published {iso(issue.published)}, at most {max_age} old is allowed"
    if age < -CLOCK_TOLERANCE:
        return f"the forecast is from the future: published {iso(issue.published)}, now {iso(now)}"
    if issue.series.at(now) is None:
        span = f"{iso(issue.series.start)} to {iso(issue.series.horizon)}"
        return f"the forecast does not cover now: {span}"
    return None


Look = tuple[Issue | None, str | None]


def _look(
    issues: Sequence[Issue], name: str, leader: Issue | None, now: datetime, max_age: timedelta
) -> Look:
    """Return a source's forecast and why it cannot be planned by."""
    found = {issue.series.nature: issue for issue in issues if issue.series.source == name}
    if not found:
        return None, "no forecast yet"
    nature = None if leader is None else leader.series.nature
    if leader is None or nature is None or nature not in found:
        other = min(found, key=str)
        return found[other], f"its forecast is {other}, and this zone plans by {nature}"
    if not may_meet(nature, name, leader.series.source):
        return found[nature], f"its scope is unknown, and so is that of {leader.series.source}"
    return found[nature], why_not(found[nature], now, max_age)


def may_meet(nature: Nature, source: str, other: str) -> bool:
    """Whether values of one nature by two sources are the same thing: of unknown scope only one source's are.

    Our own forecast meets both: where the scope is unknown it is made of the first source's values alone.
    """
    return nature.scope is not Scope.UNKNOWN or source == other or OWN in (source, other)


def _reaches(issue: Issue | None, moment: datetime) -> bool:
    return issue is not None and issue.series.horizon >= moment + REACH


def _words(names: Sequence[str], looks: Sequence[Look]) -> tuple[str, ...]:
    """Say of each source why it was passed over."""
    said = []
    for name, (issue, why) in zip(names, looks, strict=True):
        short = None if issue is None else f"reaches only to {iso(issue.series.horizon)}"
        said.append(f"{name}: {why or short}")
    return tuple(said)
