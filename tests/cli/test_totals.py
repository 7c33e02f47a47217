"""carbonslurm totals, on a real ledger."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner

from carbonslurm import wiring
from carbonslurm.app.ingest import Ingest
from carbonslurm.cli.carbonslurm import carbonslurm
from carbonslurm.config import load
from carbonslurm.core.accounted import Accounted
from carbonslurm.core.forecast import Kind, Nature, Scope, Series, Step
from carbonslurm.core.interval import Interval
from carbonslurm.core.job import AccountedRun, RunKey, Tres
from carbonslurm.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

HOUR = timedelta(hours=1)
NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
CONFIG = """
cluster: green
ledger: {folder}/ledger.sqlite
zone: GB
sources:
  - {{provider: file, zone: GB, path: {folder}/grid.csv}}
power: {{cpu_watts: 10, cpu_utilisation: 1, node_watts: 360, node_cpus: 64, node_gpus: 0, pue: 1.5}}
"""
MACHINES = "machines: [{partitions: [batch], nodes: 2, cpus: 64, idle_watts: 400}]\n"


class OneRun:
    """sacct of a whole node for an hour."""

    def accounted(self, window: Interval, now: datetime, _jobs: Sequence[int] = ()) -> Accounted:
        assert now > NOON
        assert window.start < NOON < window.end
        facts = {"user": "ada", "account": "physics", "partition": "batch", "qos": "normal"}
        run = AccountedRun(
            key=RunKey("green", 7, NOON),
            array_job_id=None,
            eligible=NOON,
            started=NOON,
            ended=NOON + HOUR,
            state="COMPLETED",
            exit_code="0:0",
            time_limit=None,
            tres=Tres(64, 1),
            energy_joules=None,
            tag=None,
            **facts,
        )
        return Accounted((run,), 0, ())


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    file = folder / "carbonslurm.yaml"
    file.write_text(CONFIG.format(folder=folder))
    config = load(file)  # while the nodes are not described: no queue without us
    steps = [Step(Interval(NOON + n * HOUR, NOON + (n + 1) * HOUR), 100.0 * (n + 1)) for n in range(4)]
    series = Series.from_steps("GB", "file", Nature(Kind.AVERAGE, Scope.LIFECYCLE), steps)
    with wiring.ledger(config) as book:
        book.keep_actual(series, NOON)
        ingest = wiring.ingest(config, book, print)
        parts = {name: getattr(ingest, name) for name in ("archive", "rules", "without_us", "measuring")}
        Ingest("green", OneRun(), book, clock=lambda: NOON + 5 * HOUR, **parts).run()
    file.write_text(CONFIG.format(folder=folder) + MACHINES)
    return file


SPAN = ("-S", "2026-11-22T12:00:00Z", "-E", "2026-11-22T14:00:00Z")


def said(site: Path, *words: str) -> str:
    done = CliRunner().invoke(carbonslurm, ["totals", "--config", str(site), *words], catch_exceptions=False)
    assert done.exit_code == 0
    return done.stdout


def test_a_table(site: Path) -> None:
    """1 kW x 1.5 for an hour at 100 g; a whole node is 1 kW, so r = 0.4; three of four node-hours idle."""
    header, simple, queue = (line.split() for line in said(site, *SPAN).splitlines())
    assert header[:4] == ["Machines", "Against", "Runs", "Counted"]
    sums = ["150.0", "0.0", "0.0"]
    idle = ["25.0", "3.0", "1.8", f"{0.6 * 100 + 1.2 * 200:.1f}", "0.0"]
    assert simple == ["batch", "simple", "1", "1", *sums, *idle]
    assert queue[:4] == ["batch", "queue", "1", "0"]


def test_json(site: Path) -> None:
    (found,) = json.loads(said(site, *SPAN, "--json"))["machines"]
    assert found["nature"] == "average, lifecycle"
    assert (found["utilisation"], found["idle_node_hours"]) == (0.25, 3.0)
    assert (found["idle_kwh"], found["idle_g"]) == pytest.approx((1.8, 300.0))
    assert found["against"]["simple"]["emitted_g"] == pytest.approx(150)
    assert found["against"]["queue"]["saved_g"] is None


def test_columns_for_programs(site: Path) -> None:
    assert len(said(site, *SPAN, "-P", "-n").splitlines()) == 2


def test_a_time_without_runs_is_unknown(site: Path) -> None:
    (line,) = said(site, "-S", "2026-11-25", "-E", "2026-11-26", "-n").splitlines()
    assert line.split()[:6] == ["batch", "0", "0", "unknown", "unknown", "unknown"]


def test_a_site_that_has_not_described_its_nodes_is_told_so(site: Path) -> None:
    bare = site.with_name("bare.yaml")
    bare.write_text(CONFIG.format(folder=site.parent))
    done = CliRunner().invoke(carbonslurm, ["totals", "--config", str(bare)])
    assert isinstance(done.exception, UsageError)
    assert "machines" in str(done.exception)
