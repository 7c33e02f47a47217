"""docs/simulate.md: what it says of a year out of the ledger is what simulate reads, on the made-up grid."""

import json
import re
import shutil
import subprocess
from datetime import UTC, datetime
from pathlib import Path

import pytest
from click.testing import CliRunner
from made_up_grid import made

from carbonslurm.carbon.written import Profile, read_csv
from carbonslurm.cli.carbonslurm import carbonslurm
from carbonslurm.cli.program import run as command_line

DOCUMENT = (Path(__file__).parents[2] / "docs" / "simulate.md").read_text(encoding="utf-8")


def test_what_jq_makes_of_the_ledger_is_read(tmp_path: Path) -> None:
    if shutil.which("jq") is None:
        pytest.skip("no jq here")
    site = made(tmp_path, datetime.now(UTC))
    words = ["forecast", "show", "GB", "-S", "now-3days", "-E", "now", "--json"]
    shown = CliRunner().invoke(carbonslurm, words, env={"CARBONSLURM_CONFIG": str(site)})
    program = re.search(r"jq -r '([^']*)'", DOCUMENT)
    assert program
    done = subprocess.run(
        ["jq", "-r", program[1]], input=shown.stdout, text=True, capture_output=True, check=True
    )
    content = read_csv(done.stdout, "carbon.csv", None).content
    assert not isinstance(content, Profile)
    measured = [step for step in json.loads(shown.stdout)["steps"] if step["what"] != "forecast"]
    assert len(content) == len(measured) > 24


def test_the_example_of_two_zones_prints_what_it_shows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    section = DOCUMENT.partition("## Several zones")[2].partition("\n## ")[0]
    jobs, home, north, shown = re.findall(r"^```\w*\n(.*?)^```$", section, re.MULTILINE | re.DOTALL)
    for name, text in (("jobs.csv", jobs), ("home.csv", home), ("north.csv", north)):
        (tmp_path / name).write_text(text)
    command, *printed = shown.splitlines()
    with pytest.raises(SystemExit) as ended:
        command_line(carbonslurm, command.removeprefix("$ ").split()[1:], name="carbonslurm")
    said = capsys.readouterr()
    told = [line.partition(": ")[2] for line in said.err.splitlines()]
    assert ended.value.code == 0
    assert told == [line.partition(": ")[2] for line in printed if line.startswith("carbonslurm: ")]
    tables = [line.split()[:-1] for line in printed if not line.startswith("carbonslurm: ")]
    assert [line.split()[:-1] for line in said.out.splitlines()] == tables
