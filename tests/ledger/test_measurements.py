"""What meters said of runs, and whom to ask about next."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import func, select

from carbonslurm.core.energy import Covers, Measurement, Quality
from carbonslurm.core.job import RunKey
from carbonslurm.ledger.measurements import AGAIN, ATTEMPTS, SETTLED, WITHIN
from carbonslurm.ledger.tables import FIGURE
from carbonslurm.ledger.writing import Ledger
from carbonslurm.ports import Asking, RunFilter

Hours = Callable[[float], datetime]
SECOND = timedelta(seconds=1)
METER = Measurement("meter", Covers.NODES, 1.5)


def due(ledger: Ledger, at: datetime, *partitions: str, source: str = "meter") -> list[int]:
    return [run.key.job_id for run in ledger.runs_to_measure("green", source, partitions, at)]


def test_runs_are_asked_about_once_they_have_ended(ledger: Ledger, make_run: Any, clock: Hours) -> None:
    runs = [
        make_run(0, 1, 3, job_id=1),
        make_run(0, 1, 2, job_id=2, partition="cpu"),
        make_run(0, 1, None, job_id=3),
        make_run(0, None, 2, job_id=4, state="CANCELLED"),
        make_run(0, 1, 1, job_id=5),
        make_run(0, 1, 2, key=RunKey("blue", 6, clock(0))),
    ]
    ledger.keep_runs(runs, clock(4))
    assert due(ledger, clock(3)) == [2]
    assert due(ledger, clock(3) + SETTLED) == [2, 1]
    assert due(ledger, clock(4), "cpu", "gpu") == [2, 1]
    assert due(ledger, clock(4), "gpu") == [1]
    assert due(ledger, clock(3) + WITHIN) == []


def test_who_has_an_answer_is_not_asked_about_again(ledger: Ledger, make_run: Any, clock: Hours) -> None:
    run = make_run()
    ledger.keep_runs([run], clock(4))
    assert ledger.keep_measurements("meter", [Asking(run.key, METER)], clock(4)) == 1
    assert due(ledger, clock(9)) == []
    assert due(ledger, clock(9), source="other") == [7]


def test_who_has_none_is_asked_about_again_some_times(ledger: Ledger, make_run: Any, clock: Hours) -> None:
    run, at = make_run(), clock(4)
    ledger.keep_runs([run], at)
    for _ in range(ATTEMPTS):
        assert due(ledger, at) == [7]
        assert ledger.keep_measurements("meter", [Asking(run.key, None, "no data")], at) == 0
        assert due(ledger, at + AGAIN - SECOND) == []
        at += AGAIN
    assert due(ledger, at) == []


def test_a_measurement_makes_a_new_figure_and_keeps_the_modelled_one(
    ledger: Ledger, make_run: Any, make_figure: Any, clock: Hours
) -> None:
    run = make_run()
    ledger.keep_runs([run], clock(4))
    modelled = make_figure(quality=Quality.MODELLED, pue=1.3)
    ledger.keep_figures([(run.key, modelled)], clock(4))
    assert not ledger.runs_to_figure("green")
    ledger.keep_measurements("meter", [Asking(run.key, METER)], clock(5))
    (item,) = ledger.runs_to_figure("green")
    assert item.measured == [METER]
    measured = replace(modelled, energy_kwh=1.95, energy_method="meter", quality=Quality.MEASURED)
    ledger.keep_figures([(run.key, measured)], clock(5))
    assert not ledger.runs_to_figure("green")
    (row,) = ledger.runs(RunFilter())
    assert row.figure == measured
    (row,) = ledger.runs(RunFilter(as_of=clock(4.5)))
    assert row.figure == modelled
    with ledger._database.reading() as connection:  # noqa: SLF001  # rows are what this is about
        assert connection.execute(select(func.count()).select_from(FIGURE)).scalar_one() == 2


def test_of_each_source_the_newest_counts(ledger: Ledger, make_run: Any, clock: Hours) -> None:
    run = make_run()
    ledger.keep_runs([run], clock(4))
    other = Measurement("other", Covers.GPUS, 1.0)
    ledger.keep_measurements("meter", [Asking(run.key, METER)], clock(4))
    ledger.keep_measurements("other", [Asking(run.key, other)], clock(5))
    ledger.keep_measurements("meter", [Asking(run.key, replace(METER, kwh=1.6))], clock(6))
    ledger.keep_measurements("meter", [Asking(run.key, None)], clock(7))
    (item,) = ledger.runs_to_figure("green")
    assert item.measured == [replace(METER, kwh=1.6), other]


def test_measurements_of_unknown_runs_are_a_mistake(ledger: Ledger, clock: Hours) -> None:
    with pytest.raises(KeyError):
        ledger.keep_measurements("meter", [Asking(RunKey("green", 99, clock(0)), METER)], clock(1))
