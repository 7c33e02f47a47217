"""docs/replay.md: its example prints what stands there, but for the seconds."""

import re
import shlex
from pathlib import Path

import pytest

from carbonslurm.cli.carbonslurm import carbonslurm
from carbonslurm.cli.program import run as command_line

DOCUMENT = (Path(__file__).parents[2] / "docs" / "replay.md").read_text(encoding="utf-8")


def without_seconds(table: str) -> list[list[str]]:
    return [line.split()[:-1] for line in table.splitlines()]


def test_the_example_prints_what_it_shows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CARBONSLURM_CONFIG", "")
    blocks = re.findall(r"^```\w*\n(.*?)^```$", DOCUMENT, re.MULTILINE | re.DOTALL)
    jobs = next(block for block in blocks if block.startswith("JobIDRaw"))
    carbon = next(block for block in blocks if block.startswith("start,end"))
    nodes = next(block for block in blocks if block.startswith("partitions:"))
    for name, text in (("sacct.txt", jobs), ("carbon.csv", carbon), ("nodes.yaml", nodes)):
        (tmp_path / name).write_text(text)
    command, *printed = next(block for block in blocks if block.startswith("$ ")).splitlines(keepends=True)
    with pytest.raises(SystemExit) as ended:
        command_line(carbonslurm, shlex.split(command.removeprefix("$ "))[1:], name="carbonslurm")
    shown = capsys.readouterr()
    told = "".join(line for line in printed if line.startswith("carbonslurm: "))
    table = "".join(printed).removeprefix(told)
    assert (ended.value.code, shown.err) == (0, told)
    assert without_seconds(shown.out) == without_seconds(table)
