"""carbon-sbatch's words: ours first, then sbatch's, untouched."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carbonslurm.cli.carbon_sbatch import split
from carbonslurm.core.job import Tres
from carbonslurm.formats.sbatch import read_limit, read_request, with_comment

BIN = Path(sys.executable).parent
SCRIPT = """#!/bin/bash
#SBATCH --time=2:00:00 --gres=gpu:a100:2
# a comment
#SBATCH -p long
#SBATCH --comment="mine, and mine alone"

echo
#SBATCH --time=1
"""


@pytest.fixture
def sbatch(tmp_path: Path) -> dict[str, str]:
    """An sbatch that says what it was given, on stdout and stderr, and ends with 7."""
    fake = tmp_path / "bin" / "sbatch"
    fake.parent.mkdir()
    fake.write_text('#!/bin/sh\nprintf "%s\\n" "$@"\necho told >&2\nexit 7\n')
    fake.chmod(fake.stat().st_mode | stat.S_IXUSR)
    return {**os.environ, "PATH": f"{fake.parent}:{os.environ['PATH']}"}


def run(env: dict[str, str], *words: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    argv = [str(BIN / "carbon-sbatch"), *words]
    return subprocess.run(argv, capture_output=True, text=True, check=False, env=env, cwd=cwd, timeout=60)


@pytest.mark.parametrize(
    ("words", "own", "theirs"),
    [
        ("--flex 12h --gres=gpu:1 s.sh", "--flex 12h", "--gres=gpu:1 s.sh"),
        ("--flex=12h s.sh --flex 3", "--flex=12h", "s.sh --flex 3"),
        ("--now --full -N 2 s.sh", "--now --full", "-N 2 s.sh"),
        ("-N 2 --flex 12h s.sh", "", "-N 2 --flex 12h s.sh"),
        ("--flex 1h -- --now s.sh", "--flex 1h", "--now s.sh"),
        ("", "", ""),
    ],
)
def test_ours_end_at_the_first_other_word(words: str, own: str, theirs: str) -> None:
    assert split(words.split()) == (own.split(), theirs.split())


@given(st.lists(st.text(max_size=8), max_size=6))
def test_no_word_is_lost_or_moved(words: list[str]) -> None:
    own, theirs = split(words)
    assert own + theirs in (words, [word for word in words if word != "--"]) or "--" in words


def test_the_tag_goes_into_the_comment_and_the_rest_stands(sbatch: dict[str, str], tmp_path: Path) -> None:
    done = run(
        sbatch, "--flex", "12h", "--checkpoint", "USR1@120", "--gres=gpu:1", "s.sh", "a b", cwd=tmp_path
    )
    assert done.stdout.splitlines() == [
        "--comment=carbon:flex=12h,checkpoint=USR1@120",
        "--gres=gpu:1",
        "s.sh",
        "a b",
    ]
    assert done.returncode == 7
    assert "told" in done.stderr


def test_without_options_of_ours_sbatch_is_called_as_it_is(sbatch: dict[str, str], tmp_path: Path) -> None:
    done = run(sbatch, "--wrap", "sleep 1", "--comment", "mine", cwd=tmp_path)
    assert done.stdout.splitlines() == ["--wrap", "sleep 1", "--comment", "mine"]


def test_an_own_comment_stays_behind_the_tag(sbatch: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "s.sh").write_text(SCRIPT)
    by_script = run(sbatch, "--flex", "1h", "s.sh", cwd=tmp_path).stdout.splitlines()
    assert by_script == ["--comment=carbon:flex=1h mine, and mine alone", "s.sh"]
    by_word = run(sbatch, "--flex", "1h", "--comment", "other", "s.sh", cwd=tmp_path).stdout.splitlines()
    assert by_word == ["--comment=carbon:flex=1h other", "s.sh"]


def test_a_deadline_is_told_to_the_hook(sbatch: dict[str, str], tmp_path: Path) -> None:
    """It cannot see --deadline, and must leave no window where there is no room."""
    words = ["--flex", "12h", "--deadline=2030-01-01T00:00:00+00:00", "s.sh"]
    comment = run(sbatch, *words, cwd=tmp_path).stdout.splitlines()[0]
    assert comment == "--comment=carbon:flex=12h,finish=1893456000"


def test_finish_by_becomes_an_epoch(sbatch: dict[str, str], tmp_path: Path) -> None:
    done = run(sbatch, "--finish-by", "2030-01-01T00:00:00Z", "s.sh", cwd=tmp_path)
    assert done.stdout.splitlines()[0] == "--comment=carbon:finish=1893456000"


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--flex", "12"], "carbon-sbatch: flex: expected a duration such as 12h or 1d12h"),
        (["--checkpoint", "KILL"], "carbon-sbatch: checkpoint: "),
        (["--finish-by", "never"], "carbon-sbatch: expected a time such as"),
    ],
)
def test_a_wrong_tag_is_refused_before_sbatch_is_called(
    sbatch: dict[str, str], tmp_path: Path, words: list[str], told: str
) -> None:
    refused = run(sbatch, *words, "s.sh", cwd=tmp_path)
    assert refused.returncode == 64
    assert refused.stdout == ""
    assert refused.stderr.startswith(told)
    assert len(refused.stderr.splitlines()) == 1


def test_a_wrong_tag_in_a_plain_comment_is_refused_too(sbatch: dict[str, str], tmp_path: Path) -> None:
    assert run(sbatch, "--comment=carbon:flex=soon", "s.sh", cwd=tmp_path).returncode == 64


def test_an_option_of_ours_among_theirs_gets_a_hint(sbatch: dict[str, str], tmp_path: Path) -> None:
    done = run(sbatch, "--gres=gpu:1", "--flex=2h", "s.sh", cwd=tmp_path)
    assert done.stdout.splitlines() == ["--gres=gpu:1", "--flex=2h", "s.sh"]
    assert "--flex=2h stands among sbatch's words" in done.stderr


def test_without_sbatch_the_exit_code_is_the_shells(tmp_path: Path) -> None:
    done = run({**os.environ, "PATH": "/nowhere"}, "--flex", "1h", "s.sh", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (127, "carbon-sbatch: sbatch: no such command\n")


@pytest.mark.parametrize(
    ("text", "limit"),
    [
        ("30", timedelta(minutes=30)),
        ("30:15", timedelta(minutes=30, seconds=15)),
        ("4:00:00", timedelta(hours=4)),
        ("1-12", timedelta(days=1, hours=12)),
        ("1-12:30", timedelta(days=1, hours=12, minutes=30)),
        ("2-00:00:05", timedelta(days=2, seconds=5)),
        ("UNLIMITED", None),
        ("", None),
    ],
)
def test_time_limits_are_read_as_sbatch_reads_them(text: str, limit: timedelta | None) -> None:
    assert read_limit(text) == limit


def test_the_script_speaks_where_the_command_line_is_silent() -> None:
    request = read_request(["--partition=short", "s.sh"], SCRIPT)
    assert request.time == timedelta(hours=2)
    assert request.partition == "short"
    assert request.tres == Tres(cpus=1, nodes=1, gpus={"a100": 2})
    assert request.comment == "mine, and mine alone"


@pytest.mark.parametrize(
    ("words", "gpus"),
    [
        (["--gpus=2"], {"": 2}),
        (["-G", "a100:3"], {"a100": 3}),
        (["-G4"], {"": 4}),
        (["--gres=gpu"], {"": 1}),
        (["--gres=gpu:h100:8"], {"h100": 8}),
        (["--gpus-per-node=2"], {"": 2}),
        ([], {}),
    ],
)
def test_gpus_are_read_in_every_form(words: list[str], gpus: dict[str, int]) -> None:
    assert dict(read_request(words, None).tres.gpus) == gpus


@given(st.lists(st.text(max_size=12), max_size=6), st.text(max_size=80))
def test_any_words_and_any_script_can_be_read(words: list[str], script: str) -> None:
    read_request(words, script)
    assert with_comment(words, "x")[0] == "--comment=x"
