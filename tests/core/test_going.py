"""Sums of what runs that still run have done."""

from datetime import UTC, datetime, timedelta

from carbonslurm.core.footprint import Figure
from carbonslurm.core.forecast import Kind, Nature, Scope
from carbonslurm.core.going import RunningSum, SoFar, running_sums
from carbonslurm.core.interval import Interval
from carbonslurm.core.job import RunKey

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
SPAN = Interval(NOON - timedelta(hours=1), NOON)
AVERAGE, MARGINAL = Nature(Kind.AVERAGE, Scope.DIRECT), Nature(Kind.MARGINAL, Scope.DIRECT)


def so_far(kwh: float, grams: float | None, nature: Nature | None) -> SoFar:
    return SoFar(
        NOON, Figure(kwh, "modelled", grams, SPAN, grams, timedelta(), nature, "file", estimated=False)
    )


def test_grams_of_two_natures_and_unknown_ones_are_never_added() -> None:
    items = [
        so_far(1, 100, AVERAGE),
        so_far(2, 50, AVERAGE),
        so_far(4, 70, MARGINAL),
        so_far(8, None, AVERAGE),
        so_far(16, None, None),
    ]
    found = {RunKey("green", number, NOON): item for number, item in enumerate(items)}
    assert running_sums(found) == [
        RunningSum("", 2, 24, None),
        RunningSum(str(AVERAGE), 2, 3, 150),
        RunningSum(str(MARGINAL), 1, 4, 70),
    ]
    assert running_sums({}) == []
