"""Looking on while the daemon works: what the ledger says of jobs, and waiting for its cycles. For tests."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from carbonslurm import wiring
from carbonslurm.core.interval import from_epoch, iso
from carbonslurm.core.ownership import Known
from carbonslurm.core.stop import controller_settled
from carbonslurm.formats.slurm_text import read_time
from carbonslurm.ledger.reading import Reading
from carbonslurm.sandbox.grid import publish
from carbonslurm.sandbox.jobs import fields
from carbonslurm.sandbox.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Sequence

    from carbonslurm.ports import ActionRow
    from carbonslurm.sandbox.stage import Stage

CYCLE_S = 20
"""A cycle of the tests' sites takes 2 s; on a busy machine it may take this long."""


def now_s() -> datetime:
    """This second."""
    return from_epoch(int(wiring.now().timestamp()))


def forecast(stage: Stage, start: datetime, levels: Sequence[tuple[float, float]]) -> None:
    """Publish a forecast for the stage's site: (seconds from start, g/kWh) of each step."""
    publish(stage.sandbox.directory / "grid.csv", start, levels)


def actions(stage: Stage, job: str | None = None) -> list[ActionRow]:
    """Return what the ledger says that was done, to one job or to all."""
    with Reading.open(Path(stage.config.ledger)) as reading:
        rows = reading.actions(stage.config.cluster, from_epoch(0))
    return [row for row in rows if job is None or row.spec.partition("_")[0] == job]


def known(stage: Stage, job: str) -> Known:
    """Return what the ledger remembers of a job that is in the queue."""
    queue = wiring.queue(stage.config).snapshot()
    with Reading.open(Path(stage.config.ledger)) as reading:
        found = reading.known(queue)
    return next((item for key, item in found.items() if key.job_id == int(job)), Known())


def begin(stage: Stage, job: str) -> datetime | None:
    """Return the begin time that Slurm keeps for a job, None where it has none."""
    return read_time(fields(stage.sandbox, job)["EligibleTime"])


def wait_for_begin(stage: Stage, job: str, when: datetime) -> None:
    """Wait until a job has this begin time."""
    wait_until(
        lambda: begin(stage, job) == when,
        CYCLE_S,
        lambda: f"job {job} to begin at {iso(when)}, not {begin(stage, job)}",
    )


def wait_for_cycles(stage: Stage, count: int = 2) -> None:
    """Wait until so many cycles have begun from now on."""
    for _ in range(count):
        _wait_for_another_than(_last_cycle(stage), stage)


def _wait_for_another_than(cycle: datetime | None, stage: Stage) -> None:
    wait_until(lambda: _last_cycle(stage) != cycle, CYCLE_S, "another cycle")


def _last_cycle(stage: Stage) -> datetime | None:
    with Reading.open(Path(stage.config.ledger)) as reading:
        last = reading.last_cycle(stage.config.cluster)
    return last[0] if last else None


def wait_until_settled(stage: Stage, timeout: timedelta = timedelta(minutes=1)) -> None:
    """Wait until slurmctld has been up for a while: before that nothing is stopped."""
    wait_until(
        lambda: controller_settled(wiring.queue(stage.config).controller(), None, wiring.now()),
        timeout.total_seconds(),
        "a slurmctld that has been up for a while",
    )
