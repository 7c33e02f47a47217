"""Observe mode's report: what the daemon would have done, on the simulated cluster, by hand.

A job here takes 1 kW on its one GPU, so an hour at 300 g/kWh emits 300 g.
"""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from carbonslurm.app.observed import Observed, observed
from carbonslurm.cli.carbonslurm import carbonslurm
from carbonslurm.cli.program import run as command_line
from carbonslurm.core.interval import Interval
from carbonslurm.errors import DataError

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
MINUTE = timedelta(minutes=1)
GRID = (300.0, 300.0, 300.0, 50.0, 50.0, 50.0, *[300.0] * 30)
DAY = Interval(NOON, NOON + 24 * HOUR)


@pytest.fixture
def watching(world: Any) -> Any:
    world.with_rules(observe=frozenset({"*"}))
    world.forecast(*GRID)
    return world


def report(world: Any, window: Interval = DAY) -> Observed:
    world.measured(*GRID)
    world.reconcile()
    return observed(world.ledger, world.ledger, "toy", lambda _: "GB", window)


def test_a_job_that_would_have_waited_for_the_clean_hours(watching: Any) -> None:
    """It started when the hook's window ended, ten minutes past noon; planned was three o'clock."""
    watching.submit()
    watching.live(5 * HOUR)
    found = report(watching)
    (run,) = found.runs
    assert run.row.run.started == NOON + 10 * MINUTE
    assert (run.planned, run.delayed, run.late) == (NOON + 3 * HOUR, True, False)
    assert (found.emitted_g, found.planned_g) == (pytest.approx(300), pytest.approx(50))
    assert found.saved_percent == pytest.approx(100 * 250 / 300)
    assert (run.wait(run.planned), found.acted) == (3 * HOUR, 0)


def test_the_last_plan_before_the_start_counts(watching: Any) -> None:
    """The cluster is full until two; at one the forecast says that it is clean at once."""
    watching.fill(2 * HOUR)
    watching.submit()
    watching.live(HOUR)
    watching.forecast(*[40.0] * 48)
    watching.live(4 * HOUR)
    (run,) = report(watching).runs
    assert run.row.run.started == NOON + 2 * HOUR
    assert (run.planned, run.delayed) == (NOON + 2 * HOUR, False)
    assert run.planned_g == run.emitted_g


def test_nothing_starts_before_it_really_did(watching: Any) -> None:
    """Planned for three, but there was no room before eight: which is after what had been promised."""
    watching.fill(8 * HOUR)
    watching.submit(flex=6 * HOUR)
    watching.live(10 * HOUR)
    (run,) = report(watching).runs
    assert (run.planned, run.late, run.delayed) == (NOON + 8 * HOUR, True, False)


def test_tasks_of_an_array_have_the_array_s_plan(watching: Any) -> None:
    watching.submit(tasks=3)
    watching.live(5 * HOUR)
    found = report(watching)
    assert [run.planned for run in found.runs] == [NOON + 3 * HOUR] * 3
    assert found.planned_g == pytest.approx(150)


def test_stops_are_counted_with_what_was_expected(watching: Any) -> None:
    watching.forecast(*[50.0] * 2, *[300.0] * 4, *[50.0] * 30)
    watching.submit(8 * HOUR, flex=12 * HOUR, grace=MINUTE)
    watching.live(10 * HOUR)
    (run,) = report(watching).runs
    assert run.stops >= 1
    assert run.stops_saving_g > 0


def test_what_was_really_withheld_is_no_observation(watching: Any) -> None:
    watching.submit()
    watching.live(2 * HOUR)
    watching.with_rules(observe=frozenset())
    watching.forecast(300.0, 50.0, *[300.0] * 30)
    watching.submit()
    watching.live(4 * HOUR)
    found = report(watching)
    assert (len(found.runs), found.acted) == (1, 1)


def test_where_the_intensity_then_is_not_measured_it_is_unknown(watching: Any) -> None:
    watching.submit()
    watching.live(2 * HOUR)
    watching.measured(300.0, 300.0)
    watching.reconcile()
    found = observed(watching.ledger, watching.ledger, "toy", lambda _: "GB", DAY)
    assert [run.planned_g for run in found.runs] == [None]
    assert (found.known, found.saved_percent) == ([], None)


def test_only_runs_of_the_window_count_and_without_observation_one_line_says_so(world: Any) -> None:
    world.forecast(*GRID)
    world.submit()
    world.live(5 * HOUR)
    with pytest.raises(DataError, match="nothing was observed since then: carbonslurmd --observe"):
        report(world)
    world.with_rules(observe=frozenset({"*"}))
    world.forecast(*GRID)
    world.submit()
    world.live(4 * HOUR)
    assert report(world, Interval(NOON - 9 * HOUR, NOON)).runs == []


CONFIG = """
cluster: toy
ledger: {path}
zone: GB
sources: [{{provider: neso, zone: GB}}]
"""


def command(world: Any, capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    file = world.path.with_suffix(".yaml")
    file.write_text(CONFIG.format(path=world.path))
    window = ["-S", f"uts{int(NOON.timestamp())}", "-E", f"uts{int((NOON + 24 * HOUR).timestamp())}"]
    argv = ["replay", "--observed", "--config", str(file), *window, *words]
    with pytest.raises(SystemExit) as ended:
        command_line(carbonslurm, argv, name="carbonslurm")
    said = capsys.readouterr()
    return int(ended.value.code or 0), said.out, said.err


def test_the_command_compares_what_happened_and_what_was_planned(
    watching: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    """Three jobs in dirty hours, and one in the clean ones, which would not have moved: docs/replay.md's."""
    for _ in range(3):
        watching.submit()
    watching.live(4 * HOUR)
    watching.submit()
    watching.live(2 * HOUR)
    report(watching)
    code, out, err = command(watching, capsys)
    assert (code, err.splitlines()) == (
        0,
        ["carbonslurm: 4 flexible runs ended, of which 3 would have waited longer"],
    )
    lines = [line.split() for line in out.splitlines()]
    assert lines[1:] == [
        ["happened", "4", "0.95", "0.17", "0.17", "0.17"],
        ["planned", "4", "0.20", "0.75", "78.9", "2.29", "3.00", "3.00", "0"],
    ]
    document = (Path(__file__).parents[2] / "docs" / "replay.md").read_text(encoding="utf-8")
    assert err + out in document
    found = json.loads(command(watching, capsys, "--json")[1])
    assert (found["runs"], found["delayed"], found["late"], found["unknown"]) == (4, 3, 0, 0)
    assert (found["emitted_g"], found["planned_g"]) == (pytest.approx(950), pytest.approx(200))
    assert found["jobs"][0]["planned"] == "2026-11-22T15:00:00Z"


def test_options_that_say_nothing_to_it_are_refused(
    watching: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, err = command(watching, capsys, "--policy", "joint", "--flexible", "tagged")
    assert (code, out) == (64, "")
    assert (
        err == "carbonslurm: --observed is about what was planned: --policy, --flexible say nothing to it\n"
    )
    code, _, err = command(watching, capsys)
    assert (code, "nothing was observed" in err) == (65, True)
