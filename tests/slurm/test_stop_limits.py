"""What a site limits, on a real Slurm: how soon, how often, and how many runs may be stopped.

The grid is clean, dirty, clean, dirty, and clean again. What saves most is stopped first, and only as many as
an hour has room for.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from carbonslurm.sandbox.jobs import fields, submit, wait_for_state
from carbonslurm.sandbox.waiting import wait_until
from carbonslurm.sandbox.watching import actions, forecast, now_s, wait_for_cycles, wait_until_settled

if TYPE_CHECKING:
    from carbonslurm.sandbox.stage import Stage

DIRTY, CLEAN = 500.0, 100.0
MIN_RUN_S = 18
PER_HOUR = 2
SCRIPT = "#!/bin/bash\ntrap : USR1\nfor second in $(seq 110); do sleep 1 & wait $!; done\n"
TAG = "--comment=carbon:flex=2h,length=110s,checkpoint=USR1@1,restart=1s"


@dataclass
class Limits:
    """The performance: jobs by name."""

    stage: Stage
    jobs: dict[str, str] = field(default_factory=dict)

    def submit(self, name: str, gpus: int) -> None:
        script = self.stage.sandbox.work / "limits.sh"
        script.write_text(SCRIPT)
        words = [f"--gres=gpu:{gpus}", "--time=5", "--output=/dev/null", TAG, str(script)]
        self.jobs[name] = submit(self.stage.sandbox, *words, user=self.stage.user)

    def runs(self, name: str) -> datetime:
        """Wait until it runs; when that began."""
        shown = wait_for_state(self.stage.sandbox, self.jobs[name], "RUNNING", timeout=80)
        return datetime.fromtimestamp(int(shown["StartTime"]), tz=now_s().tzinfo)

    def stops(self, name: str) -> int:
        return [row.verb for row in actions(self.stage, self.jobs[name])].count("stop")

    def restarts(self, name: str) -> int:
        return int(fields(self.stage.sandbox, self.jobs[name])["Restarts"])

    def turn_clean(self) -> None:
        """Publish a grid that is clean from now on."""
        forecast(self.stage, now_s(), [(0, CLEAN)])

    def turn_dirty(self) -> None:
        """Publish a grid that is dirty from now on, for a minute."""
        forecast(self.stage, now_s(), [(0, DIRTY), (60, CLEAN)])


@pytest.fixture(scope="module")
def limits(lasting_stage: Stage) -> Limits:
    """The grid turned dirty twice, and the stops that there was room for were begun."""
    stage = lasting_stage
    stop = {"min_run": f"{MIN_RUN_S}s", "max_stops": 1, "per_hour": PER_HOUR, "restart": "1s", "settle": "3s"}
    stage.changes = {**stage.changes, "stop": stop}
    stage.write_site()
    wait_until_settled(stage)
    found = Limits(stage)
    found.turn_clean()
    stage.start()
    found.submit("stopped once", 4)
    old_enough = found.runs("stopped once") + timedelta(seconds=MIN_RUN_S)
    wait_until(lambda: now_s() >= old_enough, 80, "the first job to have run for a while")
    found.submit("young", 4)
    found.runs("young")
    found.turn_dirty()
    wait_until(lambda: found.restarts("stopped once") == 1, MIN_RUN_S - 4, "the first stop")
    found.turn_clean()
    wait_for_cycles(stage, 2)
    stage.sandbox.run(["scancel", found.jobs["young"]])
    found.submit("saves little", 1)
    found.submit("saves much", 3)
    for name in ("saves little", "saves much", "stopped once"):
        found.runs(name)
    found.turn_dirty()
    wait_until(lambda: found.restarts("saves much") == 1, 60, "the second stop")
    wait_for_cycles(stage, 3)
    return found


def test_a_run_is_left_alone_until_it_has_run_for_a_while(limits: Limits) -> None:
    assert limits.stops("young") == 0


def test_a_job_is_stopped_no_more_often_than_the_site_allows(limits: Limits) -> None:
    assert (limits.stops("stopped once"), limits.restarts("stopped once")) == (1, 1)


def test_an_hour_has_room_for_so_many_stops_and_what_saves_most_is_stopped(limits: Limits) -> None:
    assert (limits.stops("saves much"), limits.stops("saves little")) == (1, 0)
    assert sum(map(limits.stops, limits.jobs)) == PER_HOUR
