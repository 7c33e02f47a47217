"""A small site's ledger for the tests of reports: four months of runs of three users in two accounts.

Every night hour emits 100 g/kWh and every other 300; jobs that waited ran by night. All numbers are made up,
and chosen so that sums can be worked out by hand.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from carbonslurm.core.action import Action, Verb
from carbonslurm.core.energy import Energy, Quality
from carbonslurm.core.footprint import Figure, figure
from carbonslurm.core.forecast import Kind, Nature, Scope, Series, Step
from carbonslurm.core.interval import Interval
from carbonslurm.core.job import AccountedRun, JobKey, JobState, Queue, QueuedJob, RunKey, Tres
from carbonslurm.core.tag import FlexibleBy, Tag
from carbonslurm.ledger.sqlite import SqliteFile
from carbonslurm.ledger.writing import Ledger
from carbonslurm.ports import Outcome, OutcomeState

if TYPE_CHECKING:
    from pathlib import Path

HOUR = timedelta(hours=1)
JANUARY = datetime(2026, 1, 1, tzinfo=UTC)
DAYS = 120
DAY_G, NIGHT_G = 300.0, 100.0
NATURE = Nature(Kind.AVERAGE, Scope.DIRECT)
TAG = Tag(flex=12 * HOUR, by=FlexibleBy.OWNER)
KW = 2.0
# A name that is a formula, forges a line, moves the cursor, turns the text around, and is markup.
HOSTILE = "=1+1|x\n1003 eve\x1b[2J\u202e<script>alert(1)</script>"
CONFIG = """
cluster: green
ledger: {folder}/ledger.sqlite
zone: GB
zones: {{north: SE}}
sources:
  - {{provider: neso, zone: GB}}
  - {{provider: file, zone: SE, path: {folder}/se.csv}}
"""


def grid(start: datetime, hours: int) -> Series:
    """Clean from 0 to 6 each day, UTC."""
    steps = [
        Step(Interval(at, at + HOUR), NIGHT_G if at.hour < 6 else DAY_G)
        for number in range(hours)
        if (at := start + number * HOUR)
    ]
    return Series.from_steps("GB", "neso", NATURE, steps)


def run(number: int, day: int, hour: float, length: float, **facts: object) -> AccountedRun:
    """A run that started at an hour of a day, submitted at 18:00 of the day before where it waited."""
    start = JANUARY + timedelta(days=day, hours=hour)
    values: dict[str, object] = {
        "key": RunKey("green", number, start),
        "array_job_id": None,
        "user": "ada",
        "account": "physics",
        "partition": "gpu",
        "qos": "normal",
        "eligible": start,
        "started": start,
        "ended": start + length * HOUR,
        "state": "COMPLETED",
        "exit_code": "0:0",
        "time_limit": 8 * HOUR,
        "tres": Tres(16, 1, {"a100": 2}),
        "energy_joules": None,
        "tag": None,
        "name": "train",
    }
    return AccountedRun(**values | facts)  # type: ignore[arg-type]


def job(item: AccountedRun, tag: Tag | None = TAG) -> QueuedJob:
    """The job of a run as it was seen while it waited."""
    return QueuedJob(
        key=JobKey(item.key.cluster, item.key.job_id),
        spec=str(item.key.job_id),
        state=JobState.PENDING,
        user=item.user,
        account=item.account,
        partition=item.partition,
        qos=item.qos,
        submitted=item.key.submitted,
        eligible=item.eligible,
        started=None,
        time_limit=item.time_limit,
        deadline=None,
        needs=(),
        held=False,
        reason="None",
        restarts=0,
        requeueable=True,
        tag=tag,
        tres=item.tres,
    )


def runs() -> tuple[list[AccountedRun], list[AccountedRun]]:
    """Runs that never waited, and runs that did: each day ada's by day, each second day bob's by night."""
    plain, waited = [], []
    for day in range(DAYS):
        plain.append(run(1000 + day, day, 9, 4))
        if day % 2 == 0:
            begun = JANUARY + timedelta(days=day)
            night = run(2000 + day, day, 1, 3, user="bob", account="maths", tag=TAG, name="sweep")
            waited.append(_submitted(night, begun - 6 * HOUR))
    plain.append(
        run(
            3000, 5, 12, 2, user="<eve&co>", account="=maths", partition="north", name=HOSTILE, state="FAILED"
        )
    )
    plain.append(
        run(3001, 6, 12, 2, user="<eve&co>", account="=maths", array_job_id=2999, array_task=4, name=HOSTILE)
    )
    plain.append(
        run(3002, 6, 12, 2, user="<eve&co>", account="=maths", array_job_id=2999, array_task=5, name=None)
    )
    return plain, waited


def _submitted(item: AccountedRun, moment: datetime) -> AccountedRun:
    return replace(item, key=RunKey("green", item.key.job_id, moment))


def fill(folder: Path) -> Path:
    """Write the ledger; return its configuration."""
    plain, waited = runs()
    end = JANUARY + timedelta(days=DAYS + 1)
    with Ledger.open(SqliteFile(folder / "ledger.sqlite"), cluster="green") as book:
        book.keep_actual(grid(JANUARY - 24 * HOUR, (DAYS + 3) * 24), end)
        jobs = [job(item) for item in waited]
        for seen, item in zip(jobs, waited, strict=True):
            book.note(Queue(seen.submitted, (seen,)), {seen.key: seen.submitted})
            withhold = Action(Verb.WITHHOLD, seen, "clean then", until=item.started, bound=item.started)
            (number,) = book.intend(None, [withhold], seen.submitted)
            book.settle({number: Outcome(OutcomeState.CONFIRMED, seen.submitted)})
        book.keep_runs([*plain, *waited], end)
        figures = [(item.key, figure_of(item)) for item in [*plain, *waited]]
        book.keep_figures([pair for pair in figures if pair[0].job_id != 3000], end)
    config = folder / "carbonslurm.yaml"
    config.write_text(CONFIG.format(folder=folder))
    return config


def figure_of(item: AccountedRun) -> Figure:
    """What a run of KW emitted, and would have had it started when it was submitted."""
    assert item.started
    assert item.ended
    ran = Interval(item.started, item.ended)
    kwh = KW * (ran.length / HOUR)
    return figure(
        ran=ran,
        baseline=ran.shifted_to(item.key.submitted),
        energy=Energy(kwh, "modelled", Quality.MODELLED),
        series=grid(item.key.submitted, 24),
        lost=timedelta(),
    )
