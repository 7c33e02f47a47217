"""bin/test --matrix as people call it, as far as that runs no test."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def matrix(*words: str, **options: object) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(  # type: ignore[call-overload, no-any-return]
        [sys.executable, "-m", "matrix", *words],
        env=os.environ | {"PYTHONPATH": str(ROOT / "tests")},
        capture_output=True,
        text=True,
        check=False,
        **options,
    )


def test_a_name_that_is_not_in_the_list_is_a_mistake_in_the_words() -> None:
    done = matrix("potato")
    assert (done.returncode, done.stdout) == (64, "")
    assert done.stderr == (
        'bin/test --matrix: "potato" is not among the supported Slurms: bookworm, trixie, sid\n'
    )


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_who_is_not_root_is_told_in_one_line() -> None:
    done = matrix("bookworm", user="games", cwd="/")
    if "Permission denied" in done.stderr or "No module" in done.stderr:
        pytest.skip("this checkout is closed to other users")
    assert (done.returncode, done.stdout) == (77, "")
    assert done.stderr.startswith("bin/test --matrix: only root can enter root folders")
    assert done.stderr.count("\n") == 1
