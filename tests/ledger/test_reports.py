"""The questions of the commands."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest
from sqlalchemy import event

from carbonslurm.core.action import Action, Verb
from carbonslurm.core.interval import Interval
from carbonslurm.core.job import Queue
from carbonslurm.ledger.place import Place
from carbonslurm.ledger.reading import Reading
from carbonslurm.ledger.writing import Ledger
from carbonslurm.ports import CycleReport, Outcome, OutcomeState, RunFilter

Hours = Callable[[float], datetime]


def test_runs_come_in_the_order_in_which_they_started(ledger: Ledger, make_run: Any, clock: Hours) -> None:
    late, never, early = (
        make_run(0, 5, 6, job_id=1),
        make_run(3, None, 4, job_id=2),
        make_run(1, 2, None, job_id=3),
    )
    ledger.keep_runs([late, never, early], clock(9))
    assert [row.run for row in ledger.runs(RunFilter())] == [early, never, late]


@pytest.mark.parametrize(
    ("wanted", "ids"),
    [
        ({}, [1, 2, 3, 4]),
        ({"users": ("ada",)}, [1, 4]),
        ({"accounts": ("maths", "history")}, [2, 3]),
        ({"ids": (2, 13)}, [2, 3]),
        ({"users": ("bob",), "ids": (1, 2)}, [2]),
        ({"window": (0, 1)}, [1]),
        ({"window": (3, 4)}, [1, 3]),
        ({"window": (6, 50)}, [3]),
        ({"window": (7, 7.5)}, [3]),
        ({"window": (100, 101)}, [3, 4]),
    ],
)
def test_runs_are_filtered(
    ledger: Ledger, make_run: Any, clock: Hours, wanted: dict[str, Any], ids: list[int]
) -> None:
    """Job 1: 0-4, job 2: 4-6, job 3: from 3, still running, job 4: 100, gone at once."""
    runs = [
        make_run(0, 1, 4, job_id=1),
        make_run(4, 5, 6, job_id=2, user="bob", account="maths"),
        make_run(3, 6, None, job_id=3, user="eve", account="history", array_job_id=13),
        make_run(100, None, 100, job_id=4),
    ]
    ledger.keep_runs(runs, clock(101))
    window = wanted.get("window")
    chosen = RunFilter(
        **wanted | ({"window": Interval(clock(window[0]), clock(window[1]))} if window else {})
    )
    assert sorted(row.run.key.job_id for row in ledger.runs(chosen)) == ids


def test_the_bound_is_the_newest_that_was_promised(
    ledger: Ledger, make_run: Any, make_job: Any, clock: Hours
) -> None:
    job = make_job()
    ledger.note(Queue(clock(0), (job,)), {job.key: clock(0)})
    real, seen = ledger.begin_cycle(clock(0), observe=False), ledger.begin_cycle(clock(1), observe=True)
    for cycle, verb, bound in (
        (real, Verb.WITHHOLD, clock(8)),
        (real, Verb.WITHHOLD, clock(7)),
        (real, Verb.RELEASE, None),
        (seen, Verb.WITHHOLD, clock(6)),
    ):
        ledger.intend(cycle, [Action(verb, job, "a reason", until=bound, bound=bound)], clock(1))
    ledger.keep_runs([make_run()], clock(9))
    (row,) = ledger.runs(RunFilter())
    assert (row.bound, row.flexible, row.first_eligible, row.figure) == (clock(7), True, clock(0), None)


def test_the_newest_decision_about_a_job_is_its_plan(ledger: Ledger, make_job: Any, clock: Hours) -> None:
    ledger.intend(None, [Action(Verb.WITHHOLD, make_job(), "at first", until=clock(3))], clock(0))
    newer = Action(
        Verb.WITHHOLD,
        make_job(),
        "then",
        until=clock(5),
        bound=clock(8),
        g_per_kwh_now=200.0,
        g_per_kwh_then=0.0,
        saving_g=12.5,
    )
    (number,) = ledger.intend(None, [newer], clock(1))
    assert ledger.plans("green", [7])[7].state == "intended"
    ledger.settle({number: Outcome(OutcomeState.APPLIED, clock(1))})
    ledger.settle({number: Outcome(OutcomeState.CONFIRMED, clock(2))})
    plans = ledger.plans("green", [7, 8])
    assert list(plans) == [7]
    plan = plans[7]
    assert (plan.verb, plan.state, plan.at, plan.reason) == ("withhold", "confirmed", clock(1), "then")
    assert (plan.until, plan.bound) == (clock(5), clock(8))
    assert (plan.g_per_kwh_now, plan.g_per_kwh_then, plan.saving_g) == (200.0, 0.0, 12.5)
    assert ledger.plans("blue", [7]) == {}


def test_actions_since_a_moment(ledger: Ledger, make_job: Any, clock: Hours) -> None:
    for hour in (1, 2, 3):
        ledger.intend(None, [Action(Verb.LEAVE, make_job(hour), "a reason")], clock(hour))
    rows = ledger.actions("green", clock(2))
    assert [(row.key.job_id, row.verb, row.state, row.at) for row in rows] == [
        (2, "leave", "intended", clock(2)),
        (3, "leave", "intended", clock(3)),
    ]


def test_the_last_cycle_and_its_error(ledger: Ledger, clock: Hours) -> None:
    assert ledger.last_cycle("green") is None
    cycle = ledger.begin_cycle(clock(1), observe=False)
    assert ledger.last_cycle("green") == (clock(1), None)
    ledger.end_cycle(cycle, clock(2), CycleReport(error="slurmctld is away", notes=("a", "b")))
    assert ledger.last_cycle("green") == (clock(1), "slurmctld is away")
    assert ledger.last_cycle("blue") is None


def test_more_runs_take_no_more_statements(place: Place, make_run: Any, make_job: Any, clock: Hours) -> None:
    with Ledger.open(place) as ledger:
        jobs = tuple(make_job(number) for number in range(1000))
        ledger.keep_runs([make_run(job_id=number) for number in range(1000)], clock(9))
        ledger.note(Queue(clock(0), jobs), {job.key: clock(0) for job in jobs})
    with Reading.open(place) as reading:
        statements: list[str] = []
        event.listen(
            reading._database._engine,  # noqa: SLF001  # what reaches the database is what this counts
            "before_cursor_execute",
            lambda *event: statements.append(event[2]),
        )
        assert len(reading.runs(RunFilter(ids=(1,)))) == 1
        few, statements[:] = len(statements), []
        assert len(reading.runs(RunFilter())) == 1000
        assert len(statements) == few <= 8
