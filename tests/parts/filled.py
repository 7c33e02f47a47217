"""A ledger with something in every table, for what moves whole tables."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from carbonslurm.core.accounted import SetAside
from carbonslurm.core.action import Action, Verb
from carbonslurm.core.energy import Covers, Measurement
from carbonslurm.core.footprint import Beside
from carbonslurm.core.forecast import Kind, Nature, Scope
from carbonslurm.core.interval import Interval
from carbonslurm.core.job import AccountedStep, Queue, Tres
from carbonslurm.core.rest import Asked, QuestionKey
from carbonslurm.ledger.writing import Ledger
from carbonslurm.ports import Asking, CycleReport, Outcome, OutcomeState, QueuePass

Hours = Callable[[float], datetime]


def fill(ledger: Ledger, make: Any, clock: Hours) -> None:
    """Write rows of every kind; times with microseconds, text with quotes, commas, newlines and nothing."""
    odd = timedelta(microseconds=1)
    job, run = make["job"](), make["run"](user='a "quoted", name\nof two lines', account="")
    ledger.keep_actual(make["series"]((0, 1, 100.1), (1, 2, 1 / 3)), clock(1) + odd)
    ledger.keep_issue(make["issue"](2, (0, 1, 99), (1, 2, 200)))
    ledger.keep_asked({QuestionKey("neso", "gb", "all"): Asked(asked_at=clock(0) + odd, reason=None)})
    ledger.note(Queue(clock(0), (job,)), {job.key: clock(0) + odd})
    cycle = ledger.begin_cycle(clock(0), observe=False)
    (number,) = ledger.intend(cycle, [Action(Verb.WITHHOLD, job, "a reason", until=clock(3))], clock(0))
    ledger.settle({number: Outcome(OutcomeState.CONFIRMED, clock(1))})
    ledger.end_cycle(cycle, clock(0.1), CycleReport(pending=1, notes=("one", "two")))
    ledger.keep_runs([run, make["run"](job_id=8, started=None, ended=None, tag=None)], clock(4))
    step = AccountedStep(run.key, "0", 'a,\n"b"', "RUNNING", "0:0", clock(1) + odd, None, Tres(2, 1), 1 / 3)
    ledger.keep_steps([step])
    ledger.keep_figures([(run.key, make["figure"]())], clock(5))
    beside = Beside(Nature(Kind.MARGINAL, Scope.DIRECT), "watttime", 1 / 7, None, None, estimated=False)
    ledger.keep_figures([(run.key, make["figure"](emitted_g=1 / 3, estimated=True, beside=beside))], clock(6))
    ledger.keep_measurements("meter", [Asking(run.key, None, "no data, yet")], clock(6))
    ledger.keep_measurements("meter", [Asking(run.key, Measurement("meter", Covers.GPUS, 1 / 3))], clock(7))
    passed = QueuePass("green", "gpu", Interval(clock(0), clock(6)), "first come, first served")
    ledger.keep_queue_starts(passed, {run.key: clock(0.5) + odd}, clock(7))
    ledger.set_aside([SetAside("green", "9", None, "no submit time", "9|\\|x")], clock(6))
    ledger.turn("green", clock(7), "root", "so that it is kept", paused=True)
    ledger.mark_accounted("green", clock(8) + odd)
