"""docs/forecast.md: its Python runs, and its commands print what it shows, on the made-up grid."""

import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import fields
from datetime import UTC, datetime
from pathlib import Path

import pytest
from made_up_grid import made

from carbonslurm.cli.carbonslurm import carbonslurm
from carbonslurm.cli.program import run as command_line
from carbonslurm.monitor import BestWindow, Current, Curve, MixOfNow, Point

DOCUMENT = (Path(__file__).parents[2] / "docs" / "forecast.md").read_text(encoding="utf-8")
PYTHON = re.findall(r"^```python\n(.*?)^```$", DOCUMENT, re.MULTILINE | re.DOTALL)
SHOWN = re.findall(r"^```\n\$ carbonslurm (forecast [^\n]*)\n(.*?)^```$", DOCUMENT, re.MULTILINE | re.DOTALL)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return made(tmp_path_factory.mktemp("grid"), datetime.now(UTC))


@pytest.fixture
def in_utc(monkeypatch: pytest.MonkeyPatch, site: Path) -> Iterator[None]:
    before = os.environ.get("TZ")
    monkeypatch.setenv("CARBONSLURM_CONFIG", str(site))
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    yield
    if before is None:
        monkeypatch.delenv("TZ")
    else:
        monkeypatch.setenv("TZ", before)
    time.tzset()


def shape(text: str) -> list[str]:
    """What stays the same from day to day: names and words, not numbers, nor how wide they make a column."""
    lines = [re.sub(r"[0-9][0-9:T.%-]*e?|-0|steady|rising|falling", "#", line) for line in text.splitlines()]
    return [" ".join(line.split()) for line in lines]


@pytest.mark.parametrize(("words", "output"), SHOWN, ids=[words for words, _ in SHOWN])
@pytest.mark.usefixtures("in_utc")
def test_a_command_prints_what_is_shown(words: str, output: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        command_line(carbonslurm, words.split(), name="carbonslurm")
    said = capsys.readouterr()
    if "┤" in output:  # a drawing: what stands above it
        assert shape(said.out)[:4] == shape(output)[:4]
        return
    printed, expected = shape(said.out + said.err), shape(output)
    assert printed[0] == expected[0]  # the heading
    assert kinds_of(printed) == kinds_of(expected)


def kinds_of(lines: list[str]) -> set[str]:
    """The words of lines that are no numbers: zones, sources, kinds. How many of each the hour decides."""
    return {" ".join(word for word in line.split() if "#" not in word) for line in lines}


def test_the_python_runs_as_it_stands(site: Path) -> None:
    assert len(PYTHON) == 3
    environment = os.environ | {"CARBONSLURM_CONFIG": str(site)}
    argv = [sys.executable, "-W", "error", "-c", "\n".join(PYTHON)]
    done = subprocess.run(argv, capture_output=True, text=True, check=False, env=environment, timeout=120)
    assert (done.returncode, done.stderr) == (0, "")
    assert re.match(r"\d+\.\d+ average operational neso\n", done.stdout)
    assert done.stdout.endswith("average operational\n")


@pytest.mark.parametrize("value", [Current, Curve, Point, BestWindow, MixOfNow])
def test_every_field_of_a_value_is_told(value: type) -> None:
    (row,) = re.findall(rf"^\| `{value.__name__}` \| (.*) \|$", DOCUMENT, re.MULTILINE)
    assert re.findall(r"`(\w+)`", row) == [field.name for field in fields(value)]
