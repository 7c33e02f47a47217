"""A real ledger for each test, on SQLite and on PostgreSQL, and facts to put into it.

Tests that ask for ``place`` or ``ledger`` are run on both; those that ask for ``path`` are about SQLite's
file.
"""

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from carbonslurm.core.footprint import Beside, Figure
from carbonslurm.core.forecast import Issue, Kind, Nature, Scope, Series, Step
from carbonslurm.core.interval import Interval
from carbonslurm.core.job import AccountedRun, JobKey, JobState, QueuedJob, RunKey, Tres
from carbonslurm.core.tag import Checkpoint, FlexibleBy, Tag
from carbonslurm.ledger.place import Place
from carbonslurm.ledger.sqlite import SqliteFile
from carbonslurm.ledger.writing import Ledger

MIDNIGHT = datetime(2026, 11, 22, tzinfo=UTC)
TAG = Tag(
    flex=timedelta(hours=12),
    by=FlexibleBy.OWNER,
    latest=MIDNIGHT + timedelta(hours=12),
    checkpoint=Checkpoint("USR1", timedelta(seconds=60), full=False, restart=timedelta(minutes=2)),
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "ledger.db"


@pytest.fixture(params=["sqlite", "postgres"])
def place(request: pytest.FixtureRequest, path: Path) -> Place:
    """An empty ledger's place, once on each database."""
    found: Place = SqliteFile(path) if request.param == "sqlite" else request.getfixturevalue("empty_tables")
    return found


@pytest.fixture(params=["sqlite", "postgres"])
def bare_place(request: pytest.FixtureRequest, path: Path) -> Place:
    """A place where there is no ledger yet."""
    if request.param == "sqlite":
        return SqliteFile(path)
    made: Place = request.getfixturevalue("new_database")(empty=True)
    return made


@pytest.fixture
def ledger(place: Place) -> Iterator[Ledger]:
    with Ledger.open(place, cluster="green") as opened:
        yield opened


@pytest.fixture(scope="session")
def clock() -> Callable[[float], datetime]:
    """An hour of the day on which all of this happens."""
    return lambda hour: MIDNIGHT + timedelta(hours=hour)


@pytest.fixture(scope="session")
def nature() -> Nature:
    return Nature(Kind.AVERAGE, Scope.DIRECT)


@pytest.fixture(scope="session")
def tag() -> Tag:
    return TAG


@pytest.fixture(scope="session")
def make_job() -> Callable[..., QueuedJob]:
    """A pending flexible job, submitted at midnight."""

    def make(job_id: int = 7, **facts: Any) -> QueuedJob:
        job = QueuedJob(
            key=JobKey("green", job_id),
            spec=str(job_id),
            state=JobState.PENDING,
            user="ada",
            account="physics",
            partition="gpu",
            qos="normal",
            submitted=MIDNIGHT,
            eligible=MIDNIGHT,
            started=None,
            time_limit=timedelta(hours=4),
            deadline=None,
            needs=(),
            held=False,
            reason="None",
            restarts=0,
            requeueable=True,
            tag=TAG,
            tres=Tres(8, 1, {"a100": 2}),
        )
        return replace(job, **facts)

    return make


@pytest.fixture(scope="session")
def make_run() -> Callable[..., AccountedRun]:
    """A run of job 7 by hours: submitted, started, ended."""

    def make(
        submitted: float = 0,
        started: float | None = 1,
        ended: float | None = 3,
        job_id: int = 7,
        **facts: Any,
    ) -> AccountedRun:
        run = AccountedRun(
            key=RunKey("green", job_id, MIDNIGHT + timedelta(hours=submitted)),
            array_job_id=None,
            user="ada",
            account="physics",
            partition="gpu",
            qos="normal",
            eligible=MIDNIGHT + timedelta(hours=submitted),
            started=None if started is None else MIDNIGHT + timedelta(hours=started),
            ended=None if ended is None else MIDNIGHT + timedelta(hours=ended),
            state="RUNNING" if ended is None else "COMPLETED",
            exit_code="0:0",
            time_limit=None,
            tres=Tres(8, 1, {"a100": 2}),
            energy_joules=None,
            tag=TAG,
        )
        return replace(run, **facts)

    return make


@pytest.fixture(scope="session")
def make_figure(nature: Nature) -> Callable[..., Figure]:
    """A figure over the baseline from hour 0 to hour 2."""

    def make(**facts: Any) -> Figure:
        figure = Figure(
            energy_kwh=1.5,
            energy_method="modelled",
            emitted_g=200.0,
            baseline=Interval(MIDNIGHT, MIDNIGHT + timedelta(hours=2)),
            baseline_g=300.0,
            lost=timedelta(),
            nature=nature,
            source="neso",
            estimated=False,
        )
        return replace(figure, **facts)

    return make


@pytest.fixture(scope="session")
def make_beside() -> Callable[..., Beside]:
    """Grams by marginal intensities."""

    def make(**facts: Any) -> Beside:
        nature = Nature(Kind.MARGINAL, Scope.DIRECT)
        return replace(Beside(nature, "watttime", 400.0, 500.0, None, estimated=False), **facts)

    return make


@pytest.fixture(scope="session")
def make_series(nature: Nature) -> Callable[..., Series]:
    """A series of (from hour, to hour, g/kWh)."""

    def make(
        *steps: tuple[float, float, float], zone: str = "gb", source: str = "neso", **more: Any
    ) -> Series:
        hour = timedelta(hours=1)
        return Series.from_steps(
            zone,
            source,
            more.get("nature", nature),
            [
                Step(
                    Interval(MIDNIGHT + start * hour, MIDNIGHT + end * hour),
                    value,
                    more.get("estimated", False),
                )
                for start, end, value in steps
            ],
        )

    return make


@pytest.fixture(scope="session")
def make_issue(make_series: Callable[..., Series]) -> Callable[..., Issue]:
    """An issue of (from hour, to hour, g/kWh), made at an hour and read a minute later."""

    def make(generated: float, *steps: tuple[float, float, float], **more: Any) -> Issue:
        at = MIDNIGHT + timedelta(hours=generated)
        return Issue(make_series(*steps, **more), at, at + timedelta(minutes=1))

    return make
