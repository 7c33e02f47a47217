"""A forecast for a daemon that runs, however long it takes to read it on a busy machine."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from carbonslurm import wiring
from carbonslurm.core.interval import from_epoch
from carbonslurm.sandbox.grid import publish
from carbonslurm.sandbox.stage import Stage
from carbonslurm.sandbox.waiting import wait_until

REACH = timedelta(minutes=15)


def announce(stage: Stage, levels: Sequence[tuple[float, float]]) -> datetime:
    """Publish levels that count from now, and return that moment once the ledger has them."""
    start = from_epoch(int(wiring.now().timestamp()))
    publish(stage.sandbox.directory / "grid.csv", start, levels, REACH)

    def known() -> bool:
        with wiring.reading(stage.config) as reading:
            issue = reading.newest_issue("grid")
        return issue is not None and issue.series.horizon == start + REACH

    wait_until(known, 80, "the daemon to read the forecast")
    return start
