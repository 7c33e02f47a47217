"""carbon-sacct's figures of a day, with both kinds and both baselines, on a real ledger."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner

from carbonslurm import wiring
from carbonslurm.cli.carbon_sacct import carbon_sacct
from carbonslurm.config import load
from carbonslurm.core.energy import Quality
from carbonslurm.core.footprint import Beside, Figure
from carbonslurm.core.forecast import Kind, Nature, Scope
from carbonslurm.core.interval import Interval
from carbonslurm.core.job import AccountedRun, RunKey, Tres

if TYPE_CHECKING:
    from pathlib import Path

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
CONFIG = """
cluster: green
ledger: {folder}/ledger.sqlite
zone: GB
sources:
  - {{provider: neso, zone: GB}}
"""
RUN = AccountedRun(
    key=RunKey("green", 7, NOON),
    array_job_id=None,
    user="ada",
    account="physics",
    partition="gpu",
    qos="normal",
    eligible=NOON,
    started=NOON + 2 * HOUR,
    ended=NOON + 3 * HOUR,
    state="COMPLETED",
    exit_code="0:0",
    time_limit=None,
    tres=Tres(8, 1, {"a100": 1}),
    energy_joules=None,
    tag=None,
)
FIRST = Figure(
    energy_kwh=1.3,
    energy_method="modelled",
    emitted_g=130.0,
    baseline=Interval(NOON, NOON + HOUR),
    baseline_g=390.0,
    lost=timedelta(),
    nature=Nature(Kind.AVERAGE, Scope.DIRECT),
    source="operator",
    estimated=False,
    queue=Interval(NOON + HOUR, NOON + 2 * HOUR),
    queue_g=260.0,
    zone="GB",
    beside=Beside(Nature(Kind.MARGINAL, Scope.DIRECT), "moer", 650.0, 700.0, 600.0, estimated=False),
    quality=Quality.MODELLED,
    pue=1.3,
)
SECOND = replace(FIRST, energy_kwh=1.56, energy_method="prometheus:dcgm + modelled", emitted_g=156.0)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    file = folder / "carbonslurm.yaml"
    file.write_text(CONFIG.format(folder=folder))
    with wiring.ledger(load(file)) as book:
        book.keep_runs([RUN], NOON + 4 * HOUR)
        book.keep_figures([(RUN.key, FIRST)], NOON + 5 * HOUR)
        book.keep_figures([(RUN.key, SECOND)], NOON + 48 * HOUR)
    return file


def shown(site: Path, *words: str) -> str:
    done = CliRunner().invoke(
        carbon_sacct, ["--config", str(site), "-j", "7", *words], catch_exceptions=False
    )
    assert done.exit_code == 0
    return done.stdout


@pytest.mark.parametrize(
    ("words", "grams", "method"),
    [
        ((), 156.0, "prometheus:dcgm + modelled"),
        (("--as-of", "2026-11-24T12:00:00Z"), 156.0, "prometheus:dcgm + modelled"),
        (("--as-of", "2026-11-24T11:59:59Z"), 130.0, "modelled"),
        (("--as-of", "2026-11-22T16:00:00Z"), None, None),
    ],
)
def test_figures_are_those_of_the_day(
    site: Path, words: tuple[str, ...], grams: float | None, method: str | None
) -> None:
    (run,) = json.loads(shown(site, "--json", *words))["runs"]
    assert (run["emitted_g"], run["energy_method"]) == (grams, method)


def test_totals_are_those_of_the_day_too(site: Path) -> None:
    day = (
        shown(site, "--by", "user", "-P", "-n", "--as-of", "2026-11-23T00:00:00Z").splitlines()[0].split("|")
    )
    now = shown(site, "--by", "user", "-P", "-n").splitlines()[0].split("|")
    assert "130.000" in day
    assert "156.000" in now


def test_json_says_all_that_a_figure_rests_on(site: Path) -> None:
    (run,) = json.loads(shown(site, "--json"))["runs"]
    expected: dict[str, Any] = {
        "energy_quality": "modelled",
        "pue": 1.3,
        "zone": "GB",
        "baseline": "simple",
        "baseline_start": "2026-11-22T12:00:00Z",
        "baseline_g": 390.0,
        "saved_g": 234.0,
        "queue_start": "2026-11-22T13:00:00Z",
        "queue_baseline_g": 260.0,
        "queue_saved_g": 104.0,
    }
    assert {name: run[name] for name in expected} == expected
    assert run["beside"]["kind"] == "marginal"
    assert (run["beside"]["emitted_g"], run["beside"]["queue_baseline_g"]) == (650.0, 600.0)


def test_both_kinds_and_both_baselines_are_columns(site: Path) -> None:
    fields = "JobID,Average,Marginal,Saved,QueueBaseline,QueueSaved,Method,Quality"
    assert shown(site, "-o", fields, "-P", "-n").strip() == (
        "7|156 g|650 g|234 g|260 g|104 g|prometheus:dcgm + modelled|modelled"
    )
