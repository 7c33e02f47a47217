"""What a user who declares a checkpoint hears from carbon-sbatch, and what carbon-saved does in the job."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carbonslurm.cli.carbon_saved import MAX_COMMENT, comment_of, with_saved
from carbonslurm.formats.look import says_saved
from carbonslurm.formats.sbatch import lacks_trap

BIN = Path(sys.executable).parent
SCONTROL = """#!/bin/sh
# Shows one job, and keeps what it was told.
if [ "$1" = show ]; then
    printf 'JobId=7 JobName=x\\n   AdminComment=carbon:v=1 \\n   Comment=%s \\n' "$COMMENT"
    exit
fi
printf '%s\\n' "$*" > "$TOLD"
exit "${CODE:-0}"
"""


NO_TRAP = "without one that signal ends the job as FAILED"


def run(folder: Path, *words: str, **variables: str) -> subprocess.CompletedProcess[str]:
    environment = {"PATH": f"{folder}:/usr/bin:/bin", "TOLD": str(folder / "told"), **variables}
    argv = [str(BIN / words[0]), *words[1:]]
    return subprocess.run(
        argv, env=environment, cwd=folder, capture_output=True, text=True, check=False, timeout=60
    )


def program(folder: Path, name: str, text: str) -> None:
    (folder / name).write_text(text)
    (folder / name).chmod(0o755)


# --- carbon-saved


def test_a_job_says_that_it_saved_and_keeps_its_comment(tmp_path: Path) -> None:
    program(tmp_path, "scontrol", SCONTROL)
    said = run(tmp_path, "carbon-saved", SLURM_JOB_ID="7", COMMENT="carbon:flex=2h my run carbon:saved:0")
    assert (said.returncode, said.stderr) == (0, "")
    assert "job 7 has saved" in said.stdout
    told = (tmp_path / "told").read_text()
    assert told == "update JobId=7 Comment=carbon:flex=2h my run carbon:saved:0\n"


def test_a_later_run_names_itself(tmp_path: Path) -> None:
    program(tmp_path, "scontrol", SCONTROL)
    run(tmp_path, "carbon-saved", SLURM_JOB_ID="7", SLURM_RESTART_COUNT="2", COMMENT="carbon:saved:1")
    assert (tmp_path / "told").read_text() == "update JobId=7 Comment=carbon:saved:2\n"


@pytest.mark.parametrize(
    ("words", "variables", "code", "message"),
    [
        ([], {}, 64, "carbon-saved: not in a job of Slurm: SLURM_JOB_ID is not set\n"),
        (["now"], {"SLURM_JOB_ID": "7"}, 64, "carbon-saved: takes no words\n"),
        ([], {"SLURM_JOB_ID": "7", "CODE": "1"}, 69, "carbon-saved: scontrol failed\n"),
        ([], {"SLURM_JOB_ID": "7", "PATH": "/nowhere"}, 69, "carbon-saved: scontrol: no such command\n"),
    ],
)
def test_what_went_wrong_is_one_line(
    tmp_path: Path, words: list[str], variables: dict[str, str], code: int, message: str
) -> None:
    program(tmp_path, "scontrol", SCONTROL)
    said = run(tmp_path, "carbon-saved", *words, **variables)
    assert (said.returncode, said.stdout, said.stderr) == (code, "", message)


def test_carbon_saved_loads_nothing_but_pythons_own_library(tmp_path: Path) -> None:
    """In the grace of a checkpoint every tenth of a second counts, and on many nodes at once."""
    code = "import sys; import carbonslurm.cli.carbon_saved; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert {name for name in loaded.split() if name.startswith("carbonslurm")} == {
        "carbonslurm",
        "carbonslurm.cli",
        "carbonslurm.cli.carbon_saved",
    }
    assert "click" not in loaded.split()


@given(st.text(), st.integers(0, 99))
def test_any_comment_says_afterwards_that_this_run_has_saved(comment: str, restarts: int) -> None:
    said = with_saved(comment.encode(errors="replace").decode(), str(restarts))
    assert says_saved(said, restarts)
    assert not says_saved(said, restarts + 1)
    assert len(os.fsencode(said)) <= MAX_COMMENT


def test_a_tag_stays_in_front() -> None:
    assert (
        with_saved("carbon:flex=2h,checkpoint=USR1", "0") == "carbon:flex=2h,checkpoint=USR1 carbon:saved:0"
    )


def test_only_the_first_line_of_a_comment_is_read() -> None:
    assert comment_of("   AdminComment=no\n   Comment=one\n   Comment=two\n") == "one"
    assert comment_of("   Comment=(null)\n") == ""
    assert comment_of("") == ""


# --- carbon-sbatch


@pytest.mark.parametrize(
    ("script", "signal", "lacks"),
    [
        ("#!/bin/bash\npython train.py\n", "USR1", True),
        ("#!/bin/bash\ntrap save USR1\npython train.py & wait\n", "USR1", False),
        ("#!/bin/sh\ntrap 'save; x' TERM SIGUSR1\n", "USR1", False),
        ("#!/bin/sh\ntrap save 10\n", "USR1", False),
        ("#!/bin/bash\n# trap save USR1\ntrue\n", "USR1", True),
        ("#!/bin/bash\ntrap save USR2\n", "USR1", True),
        ("#!/usr/bin/env bash\ntrue\n", "USR1", True),
        ("#!/bin/bash\nexec python train.py\n", "USR1", False),
        ("#!/bin/bash\n. ./checkpoint.sh\n", "USR1", False),
        ("#!/bin/bash\ntrue\n", "WINCH", False),
        ("#!/usr/bin/python3\ntrue\n", "USR1", False),
        (None, "USR1", False),
    ],
)
def test_a_shell_script_that_shows_no_trap(script: str | None, signal: str, lacks: bool) -> None:
    assert lacks_trap(script, signal) == lacks


def test_one_line_for_each_thing_that_a_job_with_a_checkpoint_lacks(tmp_path: Path) -> None:
    program(tmp_path, "sbatch", "#!/bin/sh\necho Submitted batch job 7\n")
    program(tmp_path, "bare.sh", "#!/bin/bash\ntrue\n")
    words = ["--flex", "2h", "--checkpoint", "USR1@120"]
    said = run(tmp_path, "carbon-sbatch", *words, "--mail-type=ALL", "bare.sh")
    assert said.stdout == "Submitted batch job 7\n"
    assert [line.partition(";")[0] for line in said.stderr.splitlines()] == [
        "carbon-sbatch: a job that is requeued truncates its output file",
        f"carbon-sbatch: no trap for USR1 is seen in the script: {NO_TRAP}",
        "carbon-sbatch: each stop will send a mail",
    ]


def test_nothing_is_said_of_a_job_that_lacks_nothing(tmp_path: Path) -> None:
    program(tmp_path, "sbatch", "#!/bin/sh\necho Submitted batch job 7\n")
    program(tmp_path, "good.sh", "#!/bin/bash\n#SBATCH --open-mode=append --mail-type=END\ntrap save USR1\n")
    said = run(tmp_path, "carbon-sbatch", "--flex", "2h", "--checkpoint", "USR1@120", "good.sh")
    assert (said.stdout, said.stderr) == ("Submitted batch job 7\n", "")
