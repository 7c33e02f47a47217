"""One version from its root to its outcome."""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import NamedTuple

from carbonslurm.errors import CarbonslurmError, UnavailableError
from matrix.entering import OUT, TREE, Place
from matrix.outcome import Counts, Failed, Outcome, read_counts, read_failed, to_try_again
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
        own: the suite that this machine runs, or what stands for it where that is none of Debian's.
        workshop: where roots come from; it has its copy of the checkout.
        parts: pytest's words, of each of the sessions in which a version is tested side by side.
    """

    top: Path
    own: str
    workshop: Workshop
    parts: Sequence[Sequence[str]]

    def run(self, version: Version) -> Outcome:
        """Run all tests on one version; whatever goes wrong is in the outcome."""
        out = self.top / ".matrix" / version.suite
        shutil.rmtree(out, ignore_errors=True)
        out.mkdir(parents=True)
        try:
            with ExitStack() as stack:
                if version.suite == self.own:
                    return self._test(version, Place(None), sys.executable, out)
                root, python = stack.enter_context(self.workshop.root(version, out / "log"))
                # debootstrap's copies of these may say nothing of this machine's name, which Slurm asks for.
                shown = {path: Path(path) for path in ("/etc/hosts", "/etc/resolv.conf")}
                place = Place(root, {TREE: self.workshop.tree, OUT: out, **shown})
                return self._test(version, place, python, out)
        except (CarbonslurmError, OSError) as error:
            return Outcome(version.suite, trouble=str(error), logs=(out / "log",))

    def _test(self, version: Version, place: Place, python: str, out: Path) -> Outcome:
        slurm, interpreter = _met(place, python)
        self.workshop.say(f"{version.suite}: testing on Slurm {slurm} with Python {interpreter}")
        started = time.monotonic()
        with ThreadPoolExecutor(len(self.parts)) as pool:
            numbers = range(1, len(self.parts) + 1)
            session = partial(self._session_and_again, place, python, out)
            sessions = list(pool.map(session, numbers, self.parts))
        took = timedelta(seconds=time.monotonic() - started)
        counts = sum((session.counts for session in sessions), Counts())
        trouble = "; ".join(session.trouble for session in sessions if session.trouble)
        bad = tuple(session.log for session in sessions if session.trouble or session.counts.failed)
        failed = tuple(str(test) for session in sessions for test in session.failed)
        again = tuple(str(test) for session in sessions for test in session.again)
        return Outcome(version.suite, slurm, interpreter, counts, took, trouble, bad, failed, again)

    def _session_and_again(
        self, place: Place, python: str, out: Path, number: int, words: Sequence[str]
    ) -> "_Session":
        """Run some of the tests, and the few that failed once more, in a sandbox that nothing was done to.

        They wait for a real Slurm until deadlines, and a machine that others use, too, stands still for
        longer now and then. What only passed the second time is said.
        """
        first = self._session(place, python, out, str(number), words)
        names = to_try_again(first.failed)
        if not names or first.trouble:
            return first
        self.workshop.say(f"{out.name}: once more: {', '.join(names)}")
        second = self._session(place, python, out, f"{number}-again", names)
        if second.trouble:
            return first
        missed = {test.words for test in second.failed}
        counts = Counts(
            first.counts.passed + second.counts.passed, second.counts.failed, first.counts.skipped
        )
        passed = tuple(test for test in first.failed if test.words not in missed)
        return _Session(counts, "", second.log, second.failed, passed)

    def _session(self, place: Place, python: str, out: Path, name: str, words: Sequence[str]) -> "_Session":
        """Run tests in namespaces, and so with a sandbox, of their own."""
        log, report = out / f"{name}.log", f"{name}.xml"
        inside = OUT if place.root else str(out)
        argv = [python, "-m", "pytest", "-p", "no:cacheprovider", f"--junitxml={inside}/{report}", *words]
        environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
        try:
            code = self.workshop.children.run(
                place.argv(argv), log, timeout=LONGEST, cwd=self.top, environment=environment
            )
            xml = (out / report).read_text(encoding="utf-8")
            counts, failed = read_counts(xml), read_failed(xml)
        except (CarbonslurmError, OSError) as error:
            return _Session(Counts(), str(error), log)
        return _Session(counts, "" if code in {0, 1} else f"pytest ended with {code}", log, failed)


class _Session(NamedTuple):
    """What one session of pytest came to."""

    counts: Counts
    trouble: str
    log: Path
    failed: tuple[Failed, ...] = ()
    again: tuple[Failed, ...] = ()


def _met(place: Place, python: str) -> tuple[str, str]:
    """Ask which Slurm and which Python are there."""
    done = subprocess.run(
        place.argv(["sh", "-c", _MET, "sh", python]), capture_output=True, text=True, check=False, timeout=60
    )
    lines = done.stdout.splitlines()
    if done.returncode != 0 or len(lines) != 2:
        raise UnavailableError(f"no Slurm or no Python: {(done.stderr or done.stdout).strip()[-200:]}")
    return lines[0].split()[-1], lines[1]


def shares(sizes: Mapping[str, int], count: int) -> list[list[str]]:
    """Deal files out, the largest first and each to whoever has the least; nobody is left without one."""
    dealt: list[list[str]] = [[] for _ in range(min(count, len(sizes)))]
    for name in sorted(sizes, key=lambda name: (-sizes[name], name)):
        min(dealt, key=lambda share: sum(sizes[other] for other in share)).append(name)
    return [sorted(share) for share in dealt]


def copy_tree(top: Path, target: Path) -> None:
    """Copy a checkout as it stands: who goes on writing it changes no test that runs."""
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(top, target, symlinks=True, ignore=shutil.ignore_patterns(*_NOT_COPIED))
