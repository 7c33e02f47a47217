"""Sums made by the database are the sums of the runs."""

import os
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from carbonslurm.app.report import GROUPS, Totals, summed, total, totals_by
from carbonslurm.core.action import Action, Verb
from carbonslurm.core.forecast import Kind, Nature, Scope
from carbonslurm.core.interval import Interval
from carbonslurm.core.job import Queue, Tres
from carbonslurm.core.stop import Phase
from carbonslurm.ledger.writing import Ledger
from carbonslurm.ports import Outcome, OutcomeState, RunFilter

Hours = Callable[[float], datetime]
MARGINAL = Nature(Kind.MARGINAL, Scope.DIRECT)
YEAR = 365 * 24


@pytest.fixture
def filled(ledger: Ledger, make_job: Any, make_run: Any, make_figure: Any, clock: Hours) -> Ledger:
    """Runs of a year: with and without figures, still running, never started, late, stopped."""
    runs, figures = [], []
    for number in range(60):
        start = number * YEAR / 60
        facts = {
            "job_id": 100 + number,
            "user": f"user{number % 7}",
            "account": f"group{number % 3}",
            "partition": ("gpu", "cpu")[number % 2],
            "tres": Tres(4, 1, ({"a100": 2}, {}, {"": 1, "v100": 3})[number % 3]),
        }
        run = make_run(start, start + 0.3, start + 2.7, **facts)
        run = replace(run, started=None) if number % 13 == 0 else run
        run = replace(run, ended=None, state="RUNNING") if number % 11 == 0 and run.started else run
        runs.append(run)
        if run.started and run.ended and number % 5:
            known = {"emitted_g": None, "nature": None} if number % 6 == 0 else {"emitted_g": 10.0 + number}
            figures.append((run.key, make_figure(**known)))
    ledger.keep_runs(runs, clock(YEAR + 9))
    ledger.keep_figures(figures, clock(YEAR + 9))
    ledger.keep_figures([(key, replace(figure, energy_kwh=2.5)) for key, figure in figures], clock(YEAR + 10))
    _withhold(ledger, make_job, runs, clock)
    return ledger


def _withhold(ledger: Ledger, make_job: Any, runs: Sequence[Any], clock: Hours) -> None:
    """Every fourth job had a bound, half of which it missed; one was stopped."""
    for number, run in enumerate(runs[:40:4]):
        at = run.key.submitted
        job = make_job(run.key.job_id, submitted=at)
        ledger.note(Queue(at, (job,)), {job.key: at})
        bound = (run.started or at) + timedelta(hours=1 if number % 2 else -1)
        verb = Verb.STOP if number == 3 else Verb.WITHHOLD
        action = Action(verb, replace(job, tag=replace(job.tag, latest=bound)), "", until=bound, bound=bound)
        (written,) = ledger.intend(None, [action], at)
        if verb is Verb.STOP:
            for phase in (Phase.SIGNALLED, Phase.REQUEUED):
                ledger.advance_stop(written, phase, at)
        else:
            ledger.settle({written: Outcome(OutcomeState.CONFIRMED, at)})


def _same(found: Totals, expected: Totals) -> None:
    for name in Totals.__slots__:
        assert getattr(found, name) == pytest.approx(getattr(expected, name)), name


@pytest.mark.parametrize("group", GROUPS)
@pytest.mark.parametrize(
    "wanted",
    [
        {},
        {"window": (0, 3000)},
        {"window": (3000, 3001)},
        {"users": ("user1", "user2"), "cluster": "green"},
        {"accounts": ("group0",), "window": (100, YEAR)},
        {"ids": (100, 101, 113, 155)},
        {"cluster": "blue"},
    ],
)
def test_sums_by_any_group_are_the_sums_of_the_runs(
    filled: Ledger, clock: Hours, group: str, wanted: dict[str, Any]
) -> None:
    if "window" in wanted:
        wanted = wanted | {"window": Interval(*(clock(hour) for hour in wanted["window"]))}
    which = RunFilter(**wanted)
    rows = filled.runs(which)
    groups, everything = summed(filled, which, group)
    expected = totals_by(rows, group)
    assert list(groups) == list(expected)
    for name, item in expected.items():
        _same(groups[name], item)
    _same(everything, total(rows))


def test_there_is_something_of_everything_to_sum(filled: Ledger) -> None:
    """Else the test above says nothing of it."""
    everything = summed(filled, RunFilter(), "user")[1]
    assert min(everything.runs, everything.unknown, everything.late, everything.stops) > 0
    assert everything.gpu_hours > 0
    assert len(summed(filled, RunFilter(), "month")[0]) == 13


def test_grams_of_two_natures_are_not_added(
    filled: Ledger, make_run: Any, make_figure: Any, clock: Hours
) -> None:
    run = make_run(5, 6, 7, job_id=999, user="user1")
    filled.keep_runs([run], clock(YEAR + 9))
    filled.keep_figures([(run.key, make_figure(nature=MARGINAL))], clock(YEAR + 9))
    groups, everything = summed(filled, RunFilter(), "user")
    assert (groups["user1"].emitted_g, everything.emitted_g) == (None, None)
    assert groups["user2"].emitted_g is not None
    by_nature, _ = summed(filled, RunFilter(), "nature")
    assert by_nature[str(MARGINAL)].emitted_g == pytest.approx(200)
    assert by_nature.keys() == totals_by(filled.runs(RunFilter()), "nature").keys()


@pytest.fixture(params=["UTC", "Pacific/Chatham", "America/New_York"])
def _local_zone(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    before = os.environ.get("TZ")
    monkeypatch.setenv("TZ", request.param)
    time.tzset()
    yield
    if before is None:
        monkeypatch.delenv("TZ")
    else:
        monkeypatch.setenv("TZ", before)
    time.tzset()


@pytest.mark.usefixtures("_local_zone")
def test_months_are_local_ones(filled: Ledger) -> None:
    groups, _ = summed(filled, RunFilter(), "month")
    expected = totals_by(filled.runs(RunFilter()), "month")
    assert {name: item.runs for name, item in groups.items()} == {
        name: item.runs for name, item in expected.items()
    }
