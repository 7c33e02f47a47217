"""Which forecast of a zone counts, and why not the others."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from carbonslurm.core.choice import (
    CLOCK_TOLERANCE,
    OWN,
    REACH,
    OwnForecast,
    choose,
    is_good,
    leading,
    order_of,
    why_not,
)
from carbonslurm.core.forecast import Issue, Kind, Nature, Scope, Series, Step
from carbonslurm.core.interval import Interval

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
HOUR, SECOND = timedelta(hours=1), timedelta(seconds=1)
MAX_AGE = 6 * HOUR
DIRECT = Nature(Kind.AVERAGE, Scope.DIRECT)
MARGINAL = Nature(Kind.MARGINAL, Scope.OPERATIONAL)
UNSAID = Nature(Kind.AVERAGE, Scope.UNKNOWN)


def issue(source: str, made: float = 0, until: float = 48, nature: Nature = DIRECT) -> Issue:
    """A forecast of a source by hours from noon: when it was made, and to when it reaches."""
    window = Interval(NOON + (made - 1) * HOUR, NOON + until * HOUR)
    series = Series.from_steps("GB", source, nature, [Step(window, 100)])
    return Issue(series, NOON + made * HOUR, NOON + made * HOUR)


def chosen(*issues: Issue, order: tuple[str, ...] | None = ("a", "b", OWN)) -> str | None:
    found = choose(issues, order, NOON, MAX_AGE)
    assert (found.issue is None) == (found.reason is not None)
    return None if found.issue is None else found.issue.series.source


def test_the_first_in_the_sites_order_counts_however_old_the_others_are() -> None:
    assert chosen(issue(OWN), issue("b", -1), issue("a", -5)) == "a"
    assert chosen(issue(OWN), issue("b", -1)) == "b"
    assert chosen(issue("stranger"), issue(OWN, -2)) == OWN


def test_one_that_cannot_be_planned_by_is_passed_over_with_its_reason() -> None:
    found = choose([issue("a", -7), issue("b", -1), issue(OWN)], ("a", "b", OWN), NOON, MAX_AGE)
    assert found.issue is not None
    assert found.issue.series.source == "b"
    assert found.passed_over == (
        "a: the forecast is stale: published 2026-11-22T05:00:00Z, at most 6:00:00 old is allowed",
    )


def test_one_that_reaches_far_enough_goes_before_one_that_does_not() -> None:
    assert chosen(issue("a", until=11), issue("b", until=12)) == "b"
    found = choose([issue("a", until=11), issue("b", until=12)], ("a", "b"), NOON, MAX_AGE)
    assert found.passed_over == ("a: reaches only to 2026-11-22T23:00:00Z",)
    assert chosen(issue("a", until=2), issue("b", until=3)) == "a"


def test_natures_do_not_mix_the_first_source_says_which() -> None:
    """Of a nature that the zone does not plan by nothing is used, even where there is nothing else."""
    other = choose([issue("a", -7, nature=MARGINAL), issue("b", -1)], ("a", "b"), NOON, MAX_AGE)
    assert other.issue is None
    assert "b: its forecast is average, direct, and this zone plans by marginal, operational" in str(
        other.reason
    )
    assert chosen(issue("a", -7, nature=MARGINAL), issue("b"), issue(OWN, nature=MARGINAL)) == OWN
    assert chosen(issue("b"), issue(OWN)) == "b"  # "a" has said nothing for long


def planned_by(*issues: Issue, order: tuple[str, ...] = ("a", "b", OWN)) -> Nature | None:
    leader = leading(issues, order, NOON, MAX_AGE)
    return None if leader is None else leader.series.nature


def test_of_two_natures_by_one_source_always_the_same_counts() -> None:
    """They are asked for in turn: the zone's nature must not change with it."""
    both = [issue("a", 0, nature=MARGINAL), issue("a", -1)]
    assert planned_by(*both) == planned_by(*both[::-1]) == DIRECT
    assert planned_by(issue("a", -1, nature=MARGINAL), issue("a", 0)) == DIRECT
    found = choose(both, ("a",), NOON, MAX_AGE)
    assert found.issue is both[1]


@pytest.mark.parametrize("source", ["a", OWN])
def test_a_source_that_changes_its_nature_changes_the_zones(source: str) -> None:
    """Its provider moved from direct to lifecycle, or the site chose another: the old is soon as none."""
    for old in (-2, -7, -48):
        issues = [issue(source, old), issue(source, 0, nature=MARGINAL), issue("b", 0)][: 2 + (source == "a")]
        assert planned_by(*issues) == MARGINAL
        assert choose(issues, ("a", "b", OWN), NOON, MAX_AGE).issue is issues[1]


def test_what_a_source_said_last_counts_only_if_it_can_be_used() -> None:
    assert planned_by(issue("a", -2), issue("a", 3, nature=MARGINAL)) == DIRECT  # from the future
    assert planned_by(issue("a", -2), issue("a", 0, until=-0.5, nature=MARGINAL)) == DIRECT  # it has ended
    assert planned_by(issue("a", -30), issue("a", -7, nature=MARGINAL)) == MARGINAL  # neither can be used


def test_our_own_of_an_old_nature_goes_when_the_sources_changes() -> None:
    issues = [issue("a", -48), issue("a", 0, nature=MARGINAL), issue(OWN, 0)]
    found = choose(issues, ("a", OWN), NOON, MAX_AGE)
    assert (found.issue, found.passed_over) == (issues[1], ())


def test_of_unknown_scope_only_the_same_source_goes_on() -> None:
    """Two providers that do not say what they count have not said the same."""
    issues = [issue("a", -7, nature=UNSAID), issue("b", nature=UNSAID), issue(OWN, nature=UNSAID)]
    found = choose(issues, ("a", "b", OWN), NOON, MAX_AGE)
    assert found.issue is issues[2]
    assert found.passed_over[1] == "b: its scope is unknown, and so is that of a"
    assert choose(issues[:2], ("a", "b"), NOON, MAX_AGE).issue is None
    assert choose([*issues[1:], issue("a", nature=UNSAID)], ("a", "b"), NOON, MAX_AGE).issue is not None


def test_our_own_has_no_say_on_the_nature_while_a_source_publishes() -> None:
    assert planned_by(issue(OWN, nature=MARGINAL), issue("a"), order=(OWN, "a")) == DIRECT
    assert planned_by(issue(OWN, nature=MARGINAL), order=(OWN, "a")) == MARGINAL
    assert planned_by(order=(OWN, "a")) is None


def test_without_an_order_the_latest_published_counts() -> None:
    assert chosen(issue("a", -3), issue("z", -1), order=None) == "z"


@pytest.mark.parametrize(
    ("own", "order"),
    [
        (OwnForecast.FALLBACK, ("a", "b", OWN)),
        (OwnForecast.ALWAYS, (OWN, "a", "b")),
        (OwnForecast.NEVER, ("a", "b")),
    ],
)
def test_where_our_own_stands(own: OwnForecast, order: tuple[str, ...]) -> None:
    assert order_of(["a", "b", "a"], own) == order


def test_where_there_is_none_each_source_says_why() -> None:
    assert choose([], ("a",), NOON, MAX_AGE).reason == "no forecast yet"
    found = choose([issue("a", -7)], ("a", "b"), NOON, MAX_AGE)
    assert found.reason is not None
    assert found.reason.startswith("a: the forecast is stale")
    assert found.reason.endswith("; b: no forecast yet")


def test_a_forecast_is_usable_up_to_its_age_limit() -> None:
    assert why_not(issue("a"), NOON + MAX_AGE, MAX_AGE) is None
    assert "stale" in str(why_not(issue("a"), NOON + MAX_AGE + SECOND, MAX_AGE))


def test_a_source_that_does_not_say_when_it_made_a_forecast_ages_from_the_fetch() -> None:
    made = issue("a")
    fetched = Issue(made.series, generated_at=None, fetched_at=NOON + HOUR)
    assert why_not(fetched, NOON + HOUR + MAX_AGE, MAX_AGE) is None


def test_a_forecast_must_cover_now() -> None:
    assert "does not cover now" in str(why_not(issue("a", until=2), NOON + 2 * HOUR, MAX_AGE))
    edges, gap = NOON.timestamp() + np.array([0.0, 1, 2]), np.array([np.nan, 1])
    series = Series("GB", "a", DIRECT, edges, gap, np.array([False] * 2))
    assert "does not cover now" in str(why_not(Issue(series, None, NOON), NOON, MAX_AGE))


def test_a_forecast_from_the_future_means_a_wrong_clock() -> None:
    assert why_not(issue("a"), NOON - CLOCK_TOLERANCE, MAX_AGE) is None
    assert "from the future" in str(why_not(issue("a"), NOON - CLOCK_TOLERANCE - SECOND, MAX_AGE))


def test_good_is_usable_and_far_reaching() -> None:
    assert is_good(issue("a", until=REACH / HOUR), NOON, MAX_AGE)
    assert not is_good(issue("a", until=REACH / HOUR - 1), NOON, MAX_AGE)
    assert not is_good(issue("a"), NOON + MAX_AGE + SECOND, MAX_AGE)
