"""The checkpointing jobs of docs/quickstart.md: asked to save, killed and started again, they lose nothing.

They run as they stand there, with a ``scontrol`` and a step of work of our own. The step with the number
``ASKED`` waits until the test has sent the signal; ``LAST`` is where the test ends the first run, as Slurm
would.
"""

import os
import re
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from carbonslurm.sandbox import wait_until

QUICKSTART = (Path(__file__).parents[2] / "docs" / "quickstart.md").read_text(encoding="utf-8")
ASKED, LAST, STEPS = 10, 20, 1000

SCONTROL = '#!/bin/sh\necho "$@" >> told\n'
ONE_STEP = f"""#!/bin/sh
echo "$1" >> steps
if [ "$1" = {ASKED} ]; then until [ -e asked ]; do :; done; fi
if [ "$1" = {LAST} ]; then until [ -e over ]; do :; done; fi
"""
TRAIN_ONE_STEP = """
import subprocess


def train_one_step(number):
    subprocess.run(["./one_step.sh", str(number)], check=True)
"""


def example(language: str, word: str) -> str:
    """The block of a language that has a word in it."""
    found = re.findall(rf"^```{language}\n(.*?)^```$", QUICKSTART, re.MULTILINE | re.DOTALL)
    return next(text for text in found if word in text)


@dataclass(frozen=True, slots=True)
class Job:
    """One of the examples in a folder of its own."""

    folder: Path
    argv: tuple[str, ...]

    def start(self) -> subprocess.Popen[bytes]:
        environment = os.environ | {
            "PATH": os.pathsep.join([str(self.folder), str(Path(sys.executable).parent), os.environ["PATH"]]),
            "SLURM_JOB_ID": "42",
            "SLURM_SUBMIT_DIR": str(self.folder),
        }
        return subprocess.Popen(self.argv, cwd=self.folder, env=environment, start_new_session=True)

    def steps(self) -> list[int]:
        """The numbers of the steps that were begun."""
        file = self.folder / "steps"
        return [int(line) for line in file.read_text().split()] if file.exists() else []

    def told(self) -> str:
        """What Slurm was told."""
        file = self.folder / "told"
        return file.read_text() if file.exists() else ""


@pytest.fixture(params=["bash", "python"])
def job(request: pytest.FixtureRequest, tmp_path: Path) -> Job:
    for name, text in (("scontrol", SCONTROL), ("one_step.sh", ONE_STEP)):
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o755)
    script = tmp_path / "script"
    if request.param == "bash":
        script.write_text(example("bash", "trap"))
        return Job(tmp_path, ("bash", str(script)))
    script.write_text(TRAIN_ONE_STEP + example("python", "SIGUSR1"))
    return Job(tmp_path, (sys.executable, str(script)))


def test_a_stopped_example_goes_on_where_it_saved(job: Job) -> None:
    first = job.start()
    try:
        wait_until(lambda: ASKED in job.steps(), 30, "the step in which it is asked")
        first.send_signal(signal.SIGUSR1)
        (job.folder / "asked").touch()
        wait_until(lambda: LAST in job.steps(), 30, "it to go on after saving")
        assert job.told().splitlines()[-1] == "update JobId=42 Comment=carbon:saved:0"
        assert first.poll() is None
    finally:
        os.killpg(first.pid, signal.SIGKILL)
        first.wait()
    (job.folder / "over").touch()
    second = job.start()
    assert second.wait(timeout=120) == 0
    assert job.steps() == [*range(LAST + 1), *range(ASKED + 1, STEPS)]
