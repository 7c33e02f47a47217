"""carbonslurm forecast fetch and mix, against a server that plays the GB operator."""

from __future__ import annotations

import json
import os
import pty
import re
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from gb_operator import Operator
from pytest_httpserver import HTTPServer  # noqa: TC002 - a fixture's type

from carbonslurm import wiring
from carbonslurm.cli.carbonslurm import carbonslurm
from carbonslurm.cli.program import run as command_line
from carbonslurm.config import load
from carbonslurm.core.forecast import Kind, Nature, Scope
from carbonslurm.core.interval import Interval

DAY = timedelta(days=1)
BIN = Path(sys.executable).parent
CONFIG = """
cluster: hpc
ledger: {folder}/ledger.sqlite
zone: GB
sources:
  - {{provider: neso, zone: GB, url: "{url}"}}
  - {{provider: file, zone: XX, path: {folder}/none.csv}}
"""


@pytest.fixture
def operator(httpserver: HTTPServer) -> Operator:
    played = Operator()
    httpserver.expect_request(re.compile("/.*")).respond_with_handler(played.answer)
    return played


@pytest.fixture
def site(tmp_path: Path, httpserver: HTTPServer) -> Path:
    file = tmp_path / "carbonslurm.yaml"
    file.write_text(CONFIG.format(folder=tmp_path, url=httpserver.url_for("")))
    return file


Call = Callable[..., tuple[int, str, str]]


@pytest.fixture
def call(site: Path, capsys: pytest.CaptureFixture[str]) -> Call:
    def run(*words: str) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as ended:
            command_line(carbonslurm, ["forecast", *words, "--config", str(site)], name="carbonslurm")
        said = capsys.readouterr()
        return int(ended.value.code or 0), said.out, said.err

    return run


def test_the_newest_is_fetched_a_line_a_zone(call: Call, operator: Operator) -> None:
    code, out, err = call("fetch", "GB")
    assert (code, err) == (0, "")
    assert re.fullmatch(r"GB: forecast of neso to \S+:00; measured by neso to \S+:00\n", out)
    assert len(operator.paths) == 2
    code, out, err = call("fetch", "GB")
    assert (code, err) == (0, "")
    assert out.startswith("GB: neso not asked: left alone until ")
    assert len(operator.paths) == 2


def test_a_zone_that_gives_nothing_is_told_apart(call: Call, operator: Operator) -> None:
    code, out, err = call("fetch")
    assert code == 1
    assert [line.split(":")[0] for line in out.splitlines()] == ["GB", "XX"]
    assert out.splitlines()[1] == "XX: nothing new"
    assert err.startswith("carbonslurm: XX: file: ")
    code, out, _ = call("fetch", "XX")
    assert code == 69
    assert out.startswith("XX: file not asked: left alone until ")


def test_a_provider_that_is_away_is_69(call: Call, operator: Operator) -> None:
    operator.status = 500
    code, out, err = call("fetch", "GB")
    assert (code, out) == (69, "GB: nothing new\n")
    assert err.count("HTTP 500") == 2


def test_history_comes_in_pieces_once(call: Call, operator: Operator, site: Path) -> None:
    code, out, err = call("fetch", "--since", "now-20days", "GB")
    assert (code, err) == (0, "")
    came = r"GB: neso: 96[01] values came, 100 % known since \S+\nGB: forecast of own made from it\n"
    assert re.fullmatch(came, out)
    assert len(operator.paths) == 2
    now = datetime.now(UTC)
    with wiring.reading(load(site)) as book:
        nature = Nature(Kind.AVERAGE, Scope.OPERATIONAL)
        measured = book.actual("GB", nature, Interval(now - 20 * DAY, now))
    assert measured is not None
    assert not measured.has_gaps
    assert measured.values.tolist() == [100] * len(measured.values)
    code, out, _ = call("fetch", "--since", "now-20days", "GB")
    assert code == 0
    assert out.startswith("GB: neso: 0 values came, 100 % known")
    assert len(operator.paths) == 2


def test_history_that_is_refused_says_what_is_missing(call: Call, operator: Operator) -> None:
    operator.status = 403
    code, out, err = call("fetch", "--since", "now-20days", "GB", "XX")
    assert code == 69
    assert re.fullmatch(r"GB: neso: 0 values came, 0 % known since \S+; 20d missing: .*HTTP 403.*\n", out)
    assert err == "carbonslurm: XX: no source of this zone has a history\n"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--since", "tomorrow"], "--since tomorrow: lies ahead"),
        (["--since", "once"], "expected a time such as"),
        (["YY"], 'no zone "YY" here: configured are GB, XX'),
    ],
)
def test_wrong_words_are_64(call: Call, words: list[str], said: str) -> None:
    code, out, err = call("fetch", *words)
    assert (code, out) == (64, "")
    assert err.startswith(f"carbonslurm: {said}")


def test_a_terminal_sees_a_progress_bar(site: Path, operator: Operator) -> None:
    ours, theirs = pty.openpty()
    argv = [
        str(BIN / "carbonslurm"),
        "forecast",
        "fetch",
        "--config",
        str(site),
        "--since",
        "now-20days",
        "GB",
    ]
    environment = {"PATH": os.environ["PATH"], "LANG": "C.UTF-8", "TERM": "xterm"}
    with subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=theirs, env=environment) as process:
        os.close(theirs)
        said = b""
        while part := _some(ours):
            said += part
        assert process.wait(timeout=60) == 0
    os.close(ours)
    assert b"GB neso" in said
    assert b"100%" in said


def _some(terminal: int) -> bytes:
    try:
        return os.read(terminal, 65536)
    except OSError:  # what a terminal says on Linux once nobody writes to it any more
        return b""


def test_the_mix(call: Call, operator: Operator) -> None:
    code, out, err = call("mix", "GB")
    assert code == 0
    assert [line.split()[:2] for line in out.splitlines()] == [
        ["Fuel", "Percent"],
        ["wind", "75.0"],
        ["gas", "25.0"],
    ]
    assert re.match(r"GB: \S+ to \S+, by neso", err)
    found = json.loads(call("mix", "GB", "--json")[1])
    assert found["shares"] == {"wind": 0.75, "gas": 0.25}
    assert found["lifecycle_g_per_kwh"] == {"wind": 11, "gas": 490}
    assert call("mix", "GB", "-P")[1].splitlines()[0] == "Fuel|Percent|MW|g/kWh"
    code, out, err = call("mix", "XX")
    assert (code, out) == (65, "")
    assert "XX: no provider of this zone says" in err
