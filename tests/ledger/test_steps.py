"""Steps beside their runs: once each, brought up to date, in the order in which sacct lists them."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import Any

import pytest

from carbonslurm.core.job import AccountedRun, AccountedStep, RunKey, Tres
from carbonslurm.ledger.place import Place
from carbonslurm.ledger.reading import Reading
from carbonslurm.ledger.writing import Ledger
from carbonslurm.ports import RunFilter

Hours = Callable[[float], datetime]
ALL = RunFilter()


def step(run: AccountedRun, name: str = "0", **facts: Any) -> AccountedStep:
    made = AccountedStep(
        run=run.key,
        name=name,
        job_name='a, "b"\nc',
        state="COMPLETED",
        exit_code="0:0",
        started=run.started,
        ended=run.ended,
        tres=Tres(2, 1, {"a100": 1}),
        energy_joules=1 / 3,
    )
    return replace(made, **facts)


def test_a_ledger_without_steps_has_none(ledger: Ledger, make_run: Any, clock: Hours) -> None:
    ledger.keep_runs([make_run()], clock(4))
    assert (ledger.keep_steps([]), ledger.has_steps(), ledger.steps(ALL)) == (0, False, {})


def test_what_is_kept_comes_back_by_its_run_in_sacct_s_order(
    ledger: Ledger, place: Place, make_run: Any, clock: Hours
) -> None:
    first, again, other = make_run(), make_run(4, 5, 6), make_run(job_id=8)
    ledger.keep_runs([first, again, other], clock(7))
    names = ("interactive", "batch", "extern", "0", "1+0", "1+1", "2", "10")
    mine = {name: step(first, name) for name in names}
    kept = [mine[name] for name in reversed(names)]
    assert ledger.keep_steps([*kept, step(again, energy_joules=None), step(other, "batch")]) == 10
    with Reading.open(place) as reading:
        found = reading.steps(ALL)
        assert reading.has_steps()
        assert reading.steps(RunFilter(ids=(8,))).keys() == {other.key}
        assert reading.steps(RunFilter(users=("nobody",))) == {}
    assert found.keys() == {first.key, again.key, other.key}
    assert found[first.key] == list(mine.values())
    assert found[again.key] == [step(again, energy_joules=None)]


def test_a_step_that_is_read_again_is_the_same_one(ledger: Ledger, make_run: Any, clock: Hours) -> None:
    run = make_run()
    ledger.keep_runs([run], clock(4))
    going = step(run, ended=None, state="RUNNING", energy_joules=None)
    assert ledger.keep_steps([going]) == 1
    assert ledger.keep_steps([going]) == 0
    assert ledger.keep_steps([step(run), going]) == 1
    assert ledger.keep_steps([step(run), going]) == 0
    assert ledger.keep_steps([going]) == 0, "it has ended, and is not taken for running again"
    assert ledger.keep_steps([step(run, job_name=None)]) == 0, "a dump without names takes none away"
    assert ledger.keep_steps([step(run, state="FAILED", exit_code="1:0")]) == 1
    assert ledger.steps(ALL) == {run.key: [step(run, state="FAILED", exit_code="1:0")]}


def test_steps_change_no_figure_and_make_none_due(
    ledger: Ledger, make_run: Any, make_figure: Any, clock: Hours
) -> None:
    run = make_run()
    ledger.keep_runs([run], clock(4))
    ledger.keep_figures([(run.key, make_figure())], clock(4))
    before = ledger.runs(ALL), ledger.sums(ALL, ())
    ledger.keep_steps([step(run), step(run, "batch")])
    assert (ledger.runs(ALL), ledger.sums(ALL, ())) == before
    assert ledger.runs_to_figure("green") == []


def test_steps_of_unknown_runs_are_a_mistake(ledger: Ledger, make_run: Any, clock: Hours) -> None:
    with pytest.raises(KeyError):
        ledger.keep_steps([step(make_run(key=RunKey("green", 99, clock(0))))])
    assert not ledger.has_steps()
