"""Runs that still run: what they did so far, marked as such, and in no sum."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from site_books import DAY_G, HOUR, JANUARY, NIGHT_G, figure_of, grid, run

from carbonslurm.cli.carbon_sacct import carbon_sacct
from carbonslurm.cli.program import run as command_line
from carbonslurm.ledger.sqlite import SqliteFile
from carbonslurm.ledger.writing import Ledger

if TYPE_CHECKING:
    from pathlib import Path

Call = Callable[..., str]

CONFIG = """
cluster: green
ledger: {folder}/ledger.sqlite
zone: GB
sources:
  - {{provider: neso, zone: GB}}
power:
  gpu_watts: {{a100: 400}}
  gpu_utilisation: 1.0
  cpu_watts: 0
  node_watts: 200
  node_cpus: 64
  node_gpus: 4
  pue: 1.0
"""
KW = 0.9  # two of a node's four GPUs, and half of its 200 W
UNTIL = JANUARY + timedelta(hours=10)
DAY = ("-a", "-S", "2026-01-01T00:00Z", "-E", "2026-01-02T00:00Z")


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One run that ended, three that run (one far beyond its limit, one begun after sacct was read)."""
    folder = tmp_path_factory.mktemp("going")
    ended = run(1, 0, 1, 2)
    going = replace(run(2, 0, 5, 1), ended=None, state="RUNNING", time_limit=24 * HOUR)
    runaway = replace(run(3, -300, 5, 1), ended=None, state="RUNNING", time_limit=HOUR)
    newer = replace(run(4, 0, 11, 1), ended=None, state="RUNNING")
    with Ledger.open(SqliteFile(folder / "ledger.sqlite"), cluster="green") as book:
        book.keep_actual(grid(JANUARY - 24 * HOUR, 72), UNTIL)
        book.keep_runs([ended, going, runaway, newer], UNTIL)
        book.keep_figures([(ended.key, figure_of(ended))], UNTIL)
        book.mark_accounted("green", UNTIL)
    path = folder / "carbonslurm.yaml"
    path.write_text(CONFIG.format(folder=folder))
    return path


@pytest.fixture
def sacct(config: Path, capsys: pytest.CaptureFixture[str]) -> Call:
    """Call it; return what it printed, and what it said where ``said``."""

    def call(*words: str, said: bool = False) -> str:
        with pytest.raises(SystemExit) as left:
            command_line(carbon_sacct, ["--config", str(config), *words], "carbon-sacct")
        shown = capsys.readouterr()
        assert left.value.code == 0
        return shown.err if said else shown.out

    return call


GRAMS = KW * (1 * NIGHT_G + 4 * DAY_G)  # from 5:00 to 10:00; it is clean until 6:00


def test_a_run_that_still_runs_shows_what_it_did_so_far(sacct: Call) -> None:
    out = sacct("-j", "2", "-n", "-P", "-o", "State,Elapsed,Energy,Emitted,Saved,SavedPct,NodeList")
    assert out == f"RUNNING|05:00:00|4.5 kWh so far|{GRAMS / 1000:.3g} kg so far|0 g so far|unknown|unknown\n"


def test_bare_numbers_of_it_stand_in_columns_of_their_own(sacct: Call) -> None:
    out = sacct("-j", "2", "--csv", "-o", "EnergyKWh,EmittedG,SoFarKWh,SoFarG,SoFarUntil")
    (row,) = csv.DictReader(io.StringIO(out))
    assert (row["EnergyKWh"], row["EmittedG"]) == ("unknown", "unknown")
    assert (row["SoFarKWh"], row["SoFarG"]) == ("4.5", f"{GRAMS:.3f}")
    assert row["SoFarUntil"].startswith("2026-01-01T")
    assert sacct("-j", "1", "-n", "-P", "-o", "SoFarKWh,SoFarG,SoFarUntil") == "unknown|unknown|\n"


def test_it_is_in_no_sum_and_that_is_said(sacct: Call) -> None:
    report = json.loads(sacct(*DAY, "--json"))
    runs = {item["job_id"]: item for item in report["runs"]}
    assert runs[2]["emitted_g"] is None
    assert runs[2]["so_far"]["emitted_g"] == pytest.approx(GRAMS)
    assert runs[2]["so_far"]["until"] == UNTIL.isoformat().replace("+00:00", "Z")
    assert report["totals"]["emitted_g"] == runs[1]["emitted_g"]
    assert report["totals"]["unknown"] == report["totals"]["runs"] - 1
    (going,) = report["running"]
    assert going == {
        "nature": "average, direct",
        "runs": 1,
        "energy_kwh": pytest.approx(4.5),
        "emitted_g": pytest.approx(GRAMS),
    }
    assert json.loads(sacct(*DAY, "--by", "user", "--json"))["running"] == report["running"]
    for words in ((), ("--by", "account,name")):
        line = next(it for it in sacct(*DAY, *words, said=True).splitlines() if "so far" in it)
        assert line.startswith(
            "1 of these still run: 4.5 kWh and 1.17 kg of average, direct CO2e so far (until "
        )
        assert line.endswith("in no sum")


def test_nothing_is_made_up_of_runaways_and_of_what_is_not_read_yet(sacct: Call) -> None:
    out = sacct("-j", "3,4", "-n", "-P", "-o", "JobID,Elapsed,Emitted")
    assert sorted(out.splitlines()) == ["3|Unknown|unknown", "4|Unknown|unknown"]


def test_nothing_is_known_of_runs_of_another_cluster(config: Path, sacct: Call, tmp_path: Path) -> None:
    other = tmp_path / "other.yaml"
    other.write_text(config.read_text().replace("cluster: green", "cluster: blue"))
    out = sacct("--config", str(other), "-M", "green", "-j", "2", "-n", "-P", "-o", "JobID,Emitted")
    assert out == "2|unknown\n"


def test_the_figures_of_a_past_day_have_none_of_it(sacct: Call) -> None:
    out = sacct("-j", "2", "-n", "-P", "-o", "Emitted,SoFarG", "--as-of", "2026-01-01T11:00Z")
    assert out == "unknown|unknown\n"
