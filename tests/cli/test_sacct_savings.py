"""Both baselines, both kinds of intensity and the idle nodes, side by side in totals and reports."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from html import unescape
from typing import TYPE_CHECKING

import pytest
from site_books import DAY_G, HOUR, JANUARY, KW, figure_of, grid, run

from carbonslurm.cli.carbon_sacct import carbon_sacct
from carbonslurm.cli.program import run as command_line
from carbonslurm.core.footprint import Beside
from carbonslurm.core.forecast import Kind, Nature, Scope
from carbonslurm.ledger.sqlite import SqliteFile
from carbonslurm.ledger.writing import Ledger

if TYPE_CHECKING:
    from pathlib import Path

Call = Callable[..., tuple[str, str]]
DAY = ("-S", "2026-01-01T00:00Z", "-E", "2026-01-02T00:00Z")
MARGINAL = Nature(Kind.MARGINAL, Scope.OPERATIONAL)
OWN = KW * 2 * DAY_G  # of each run, from noon on for two hours
CONFIG = """
cluster: green
ledger: {folder}/ledger.sqlite
zone: GB
sources:
  - {{provider: neso, zone: GB}}
power: {{pue: 1.0, gpu_watts: {{a100: 400}}, gpu_utilisation: 1, cpu_watts: 0, node_watts: 400}}
machines:
  - {{partitions: [gpu], nodes: 2, cpus: 16, gpus: 2, gpu_type: a100, idle_watts: 300}}
"""


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two runs of a whole node; a queue would have run ada's for 250 g less and bob's for 50 g more."""
    folder = tmp_path_factory.mktemp("both")
    one = run(1, 0, 12, 2, name="<b>bold</b>")
    other = run(2, 0, 12, 2, user="bob", account="maths")
    going = replace(run(3, 0, 22, 1), ended=None, state="RUNNING")
    end = JANUARY + timedelta(hours=23)
    beside = Beside(MARGINAL, "watttime", 2400.0, 2500.0, None, estimated=False)
    figures = [
        (one.key, replace(figure_of(one), queue=figure_of(one).baseline, queue_g=OWN - 250, beside=beside)),
        (other.key, replace(figure_of(other), queue=figure_of(other).baseline, queue_g=OWN + 50)),
    ]
    with Ledger.open(SqliteFile(folder / "ledger.sqlite"), cluster="green") as book:
        book.keep_actual(grid(JANUARY - 24 * HOUR, 72), end)
        book.keep_runs([one, other, going], end)
        book.keep_figures(figures, end)
        book.mark_accounted("green", end)
    path = folder / "carbonslurm.yaml"
    path.write_text(CONFIG.format(folder=folder))
    return path


@pytest.fixture
def sacct(config: Path, capsys: pytest.CaptureFixture[str]) -> Call:
    def call(*words: str) -> tuple[str, str]:
        with pytest.raises(SystemExit) as left:
            command_line(carbon_sacct, ["--config", str(config), *words], "carbon-sacct")
        shown = capsys.readouterr()
        assert left.value.code == 0, shown.err
        return shown.out, shown.err

    return call


def test_totals_have_the_queue_s_baseline_beside_the_simple_one(sacct: Call) -> None:
    report = json.loads(sacct("-a", *DAY, "--by", "user", "--json")[0])
    queues = {it["user"]: it["queue"] for it in report["groups"]}
    assert (queues["ada"]["saved_g"], queues["bob"]["saved_g"]) == (-250, 50)
    assert report["totals"]["queue"] == {
        "runs": 2,
        "emitted_g": 2 * OWN,
        "baseline_g": 2 * OWN - 200,
        "saved_g": -200,
        "saved_percent": pytest.approx(-100 * 200 / (2 * OWN - 200)),
    }
    assert report["totals"]["saved_g"] == 0
    rows = list(csv.DictReader(io.StringIO(sacct("-a", *DAY, "--by", "user", "--csv")[0])))
    assert [(row["User"], row["QueueSavedG"]) for row in rows] == [
        ("ada", "-250.000"),
        ("bob", "50.000"),
        ("total", "-200.000"),
    ]
    assert "QueueSaved" in sacct("-a", *DAY, "--by", "user")[0].splitlines()[0]


def test_marginal_grams_stand_beside_the_total_and_are_not_in_it(sacct: Call) -> None:
    said = sacct("-a", *DAY, "--by", "user")[1]
    assert "1 of these runs have 2.4 kg of marginal, operational CO2e" in said
    report = json.loads(sacct("-a", *DAY, "--by", "user", "--json")[0])
    (beside,) = report["beside"]
    assert (beside["nature"], beside["emitted_g"], beside["saved_g"]) == (str(MARGINAL), 2400, 100)
    assert report["totals"]["emitted_g"] == 2 * OWN


def words_of(path: Path) -> str:
    return unescape(re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", path.read_text(encoding="utf-8"))))


def test_a_report_of_everybody_has_them_all_and_the_idle_nodes(sacct: Call, tmp_path: Path) -> None:
    """A node draws 1200 W, idle 300 W, so r is 1/4. 6 of 48 node-hours were held."""
    sacct("-a", *DAY, "--html", str(tmp_path / "r.html"), "--pdf", str(tmp_path / "r.pdf"))
    text = words_of(tmp_path / "r.html")
    saved = f"{-100 * 200 / (2 * OWN - 200):.1f}"
    assert f"average, direct a queue without us 2 2.4 kg 2.2 kg -200 g {saved}" in text
    assert "marginal, operational each job at once 1 2.4 kg 2.5 kg 100 g 4.0" in text
    used = 6 / 48  # the run that goes on holds its node until the end
    share = used * 0.75 / (0.25 + used * 0.75)
    assert f"a queue without us {saved} {float(saved) * share:.1f}" in text
    assert "gpu each job at once 0.0 0.0 2 12.5 42 12.6 kWh" in text
    assert (
        "1 of them still run, and have taken 1.2 kWh and emitted 360 g of average, direct CO2e so far" in text
    )
    assert "Job name" not in text
    assert (tmp_path / "r.pdf").read_bytes().startswith(b"%PDF-")


def test_a_person_s_report_has_names_of_jobs_and_no_idle_nodes(sacct: Call, tmp_path: Path) -> None:
    sacct("-u", "ada,bob", *DAY, "--html", str(tmp_path / "r.html"))
    page = (tmp_path / "r.html").read_text(encoding="utf-8")
    assert "The machines" not in words_of(tmp_path / "r.html")
    assert "By job name" in page
    assert "&lt;b&gt;bold&lt;/b&gt;" in page
    assert "<b>bold" not in page
