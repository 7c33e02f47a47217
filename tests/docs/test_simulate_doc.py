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
