"""What an old ledger can lose: nothing that a figure rests on."""

import json
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from carbonslurm.cli.ledger import ledger as command
from carbonslurm.core.action import Action, Verb
from carbonslurm.core.forecast import Nature, Series
from carbonslurm.core.interval import Interval
from carbonslurm.errors import UsageError
from carbonslurm.ledger.plain import TABLES
from carbonslurm.ledger.pruning import Keep, Pruned
from carbonslurm.ledger.reading import Reading
from carbonslurm.ledger.writing import Ledger
from carbonslurm.ports import CycleReport, Outcome, OutcomeState, RunFilter

Hours = Callable[[float], datetime]
NOTHING = Pruned(issues=0, points=0, needed_issues=0, actions=0, outcomes=0, cycles=0)


def _keep(moment: datetime) -> Keep:
    return Keep(moment, moment, moment)


def _counts(ledger: Ledger) -> dict[str, int]:
    with ledger.view() as view:
        return {name: view.count(name) for name in TABLES}


def _says_and_does(ledger: Ledger, keep: Keep) -> Pruned:
    told = ledger.prunable(keep)
    assert ledger.prune(keep) == told
    left = ledger.prunable(keep)
    assert (left.issues, left.actions, left.cycles) == (0, 0, 0)
    return told


def test_an_empty_ledger_has_nothing_to_lose(ledger: Ledger, clock: Hours) -> None:
    assert _says_and_does(ledger, _keep(clock(0))) == NOTHING


def test_forecasts_of_measured_hours_go_and_others_stay(
    ledger: Ledger, make_series: Any, make_issue: Any, clock: Hours, nature: Nature
) -> None:
    ledger.keep_actual(make_series((0, 1, 100), (1, 2, 110)), clock(2))
    ledger.keep_issue(make_issue(0, (0, 1, 90), (1, 2, 91)))  # all measured since
    ledger.keep_issue(make_issue(1, (1, 2, 92), (2, 3, 93)))  # its last hour was not
    ledger.keep_issue(make_issue(0.5, (2, 3, 94)))  # nor this, but a later issue says it
    ledger.keep_issue(make_issue(30, (30, 31, 95)))  # young
    window = Interval(clock(0), clock(40))
    before = ledger.intensity("gb", nature, window)
    told = _says_and_does(ledger, _keep(clock(20)))
    assert (told.issues, told.points, told.needed_issues) == (2, 3, 1)
    after = ledger.intensity("gb", nature, window)
    assert before is not None
    assert after is not None
    assert before.steps() == after.steps()


steps = st.tuples(st.integers(0, 20), st.integers(1, 5))


@settings(max_examples=25, deadline=None)
@given(
    measured=st.lists(steps, max_size=6),
    issued=st.lists(st.tuples(st.integers(0, 20), steps, st.sampled_from(["gb", "fr"])), max_size=8),
    cut=st.integers(0, 30),
)
def test_whatever_was_published_the_picture_stays_the_same(
    measured: list[tuple[int, int]],
    issued: list[tuple[int, tuple[int, int], str]],
    cut: int,
    tmp_path_factory: pytest.TempPathFactory,
    make_series: Any,
    make_issue: Any,
    clock: Hours,
    nature: Nature,
) -> None:
    path = tmp_path_factory.mktemp("ledger") / "ledger.db"
    window = Interval(clock(-10), clock(60))
    with Ledger.open(path) as ledger:
        for number, (start, length) in enumerate(measured):
            ledger.keep_actual(make_series((start, start + length, 100 + number)), clock(40 + number))
        for number, (made, (start, length), zone) in enumerate(issued):
            ledger.keep_issue(make_issue(made, (start, start + length, 200 + number), zone=zone))
        before = [_hours(ledger.intensity(zone, nature, window), clock) for zone in ("gb", "fr")]
        ledger.prune(_keep(clock(cut)))
        after = [_hours(ledger.intensity(zone, nature, window), clock) for zone in ("gb", "fr")]
    assert before == after


def _hours(series: Series | None, clock: Hours) -> list[tuple[float, bool] | None]:
    """What is known of each hour: a value, and whether it is an estimate."""
    steps = series.steps() if series is not None else []
    return [
        next(
            (
                (step.g_per_kwh, step.estimated)
                for step in steps
                if step.interval.start <= clock(hour + 0.5) < step.interval.end
            ),
            None,
        )
        for hour in range(-10, 60)
    ]


def test_what_was_only_observed_goes_and_what_was_done_stays(
    ledger: Ledger, make_job: Any, make_run: Any, make_figure: Any, clock: Hours
) -> None:
    for hour, observe in ((0, True), (1, False), (2, False), (50, True)):
        cycle = ledger.begin_cycle(clock(hour), observe=observe)
        action = Action(Verb.WITHHOLD, make_job(), "a reason", until=clock(3))
        if observe:
            ledger.observe(cycle, [action], clock(hour))
        elif hour == 1:
            (number,) = ledger.intend(cycle, [action], clock(hour))
            ledger.settle({number: Outcome(OutcomeState.CONFIRMED, clock(hour))})
        ledger.end_cycle(cycle, clock(hour), CycleReport())
    ledger.keep_runs([make_run(0, 3, 4)], clock(5))
    ledger.keep_figures([(make_run().key, make_figure())], clock(5))
    rows = ledger.runs(RunFilter())
    before = _counts(ledger)
    told = _says_and_does(ledger, _keep(clock(20)))
    assert told == Pruned(0, 0, 0, actions=1, outcomes=1, cycles=2)
    assert ledger.runs(RunFilter()) == rows
    after = _counts(ledger)
    assert before["cycle"] - after["cycle"] == 2
    assert {name for name in before if before[name] != after[name]} == {"cycle", "action", "outcome"}


def test_the_newest_cycle_stays_however_old(ledger: Ledger, clock: Hours) -> None:
    for hour in (0, 1):
        ledger.end_cycle(ledger.begin_cycle(clock(hour), observe=False), clock(hour), CycleReport())
    assert _says_and_does(ledger, _keep(clock(1000))).cycles == 1
    assert ledger.last_cycle("green") == (clock(1), None)


def test_more_than_one_batch_goes(ledger: Ledger, make_series: Any, make_issue: Any, clock: Hours) -> None:
    ledger.keep_actual(make_series((0, 1, 100)), clock(2))
    ledger.keep_issues([make_issue(number / 1000, (0, 1, number)) for number in range(700)])
    assert _says_and_does(ledger, _keep(clock(20))).issues == 700


# --- the command


@pytest.fixture
def old(path: Path, make_series: Any, make_issue: Any, clock: Hours) -> Path:
    with Ledger.open(path) as ledger:
        ledger.keep_actual(make_series((0, 1, 100)), clock(2) - timedelta(days=1000))
        shift = timedelta(days=400)
        series = make_issue(0, (-9600, -9599, 90))
        ledger.keep_issue(series)
        ledger.keep_actual(make_series((-9600, -9599, 90)), clock(0) - shift)
    return path


def test_it_asks_first(old: Path) -> None:
    result = CliRunner().invoke(command, ["prune", "--path", str(old), "--forecasts", "1d"])
    assert result.exit_code == 0, result.exception
    assert "1 forecasts (1 points)" in result.output
    assert "would go: say --yes" in result.output
    with Reading.open(old) as reading, reading.view() as view:
        assert view.count("issue") == 1


def test_it_does_it_when_told_to(old: Path) -> None:
    words = ["prune", "--path", str(old), "--forecasts", "1s", "--yes", "--json"]
    result = CliRunner().invoke(command, words)
    assert result.exit_code == 0, result.exception
    assert json.loads(result.output)["done"] is True
    with Reading.open(old) as reading, reading.view() as view:
        assert view.count("issue") == json.loads(result.output)["needed_issues"]
        assert view.count("intensity") == 2


@pytest.mark.parametrize("age", ["soon", "-1d"])
def test_an_age_that_is_none_is_one_line(old: Path, age: str) -> None:
    result = CliRunner().invoke(command, ["prune", "--path", str(old), "--forecasts", age])
    assert isinstance(result.exception, UsageError)
    assert "--forecasts" in str(result.exception)
