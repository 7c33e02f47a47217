"""One version from its root to its outcome."""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from carbonslurm.errors import CarbonslurmError, UnavailableError
from matrix.entering import OUT, TREE, Place
from matrix.outcome import Counts, Outcome, read_counts
from matrix.roots import Workshop
from matrix.versions import Version

LONGEST = timedelta(minutes=60)
_MET = 'slurmctld -V; "$1" -c "import platform; print(platform.python_version())"'
_NOT_COPIED = (
    ".git",
    ".venv",
    ".matrix",
    "__pycache__",
    ".*_cache",
    ".hypothesis",
    "*.egg-info",
    "build",
    "dist",
)


@dataclass(frozen=True, slots=True)
class Runner:
    """Runs tests/slurm on one version after the other, or side by side.

    Attributes:
        top: the checkout.
        own: the suite that this machine runs, None for none of Debian's.
        workshop: where roots come from; it has its copy of the checkout.
        words: pytest's, which say what to run.
    """

    top: Path
    own: str | None
    workshop: Workshop
    words: Sequence[str]

    def run(self, version: Version) -> Outcome:
        """Run all tests on one version; whatever goes wrong is in the outcome."""
        out = self.top / ".matrix" / version.suite
        shutil.rmtree(out, ignore_errors=True)
        out.mkdir(parents=True)
        try:
            with ExitStack() as stack:
                if version.suite == self.own:
                    return self._test(version, Place(None), sys.executable, str(out), out)
                root, python = stack.enter_context(self.workshop.root(version, out / "log"))
                # debootstrap's copies of these may say nothing of this machine's name, which Slurm asks for.
                shown = {path: Path(path) for path in ("/etc/hosts", "/etc/resolv.conf")}
                place = Place(root, {TREE: self.workshop.tree, OUT: out, **shown})
                return self._test(version, place, python, OUT, out)
        except (CarbonslurmError, OSError) as error:
            return Outcome(version.suite, trouble=str(error))

    def _test(self, version: Version, place: Place, python: str, inside: str, out: Path) -> Outcome:
        slurm, interpreter = _met(place, python)
        self.workshop.say(f"{version.suite}: testing on Slurm {slurm} with Python {interpreter}")
        words = [python, "-m", "pytest", "-p", "no:cacheprovider", f"--junitxml={inside}/junit.xml"]
        words += self.words
        started = time.monotonic()
        counts, trouble = Counts(), ""
        try:
            environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
            code = self.workshop.children.run(
                place.argv(words), out / "log", timeout=LONGEST, cwd=self.top, environment=environment
            )
            counts = read_counts((out / "junit.xml").read_text(encoding="utf-8"))
            trouble = "" if code in {0, 1} else f"pytest ended with {code}"
        except (CarbonslurmError, OSError) as error:
            trouble = str(error)
        took = timedelta(seconds=time.monotonic() - started)
        return Outcome(version.suite, slurm, interpreter, counts, took, trouble)


def _met(place: Place, python: str) -> tuple[str, str]:
    """Ask which Slurm and which Python are there."""
    done = subprocess.run(
        place.argv(["sh", "-c", _MET, "sh", python]), capture_output=True, text=True, check=False, timeout=60
    )
    lines = done.stdout.splitlines()
    if done.returncode != 0 or len(lines) != 2:
        raise UnavailableError(f"no Slurm or no Python: {(done.stderr or done.stdout).strip()[-200:]}")
    return lines[0].split()[-1], lines[1]


def copy_tree(top: Path, target: Path) -> None:
    """Copy a checkout as it stands: who goes on writing it changes no test that runs."""
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(top, target, symlinks=True, ignore=shutil.ignore_patterns(*_NOT_COPIED))
