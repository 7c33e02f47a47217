"""The root folders: made by debootstrap from this machine's own mirror, tried, and kept.

A root is whole or not there: it is made beside its place and moved into it. A lock per root, shared while
tests run in it, keeps two runs from making or replacing it under each other's feet.
"""

import fcntl
import hashlib
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from carbonslurm.errors import UnavailableError
from matrix.children import Children
from matrix.entering import TREE, Place, paths_in, pip_environment
from matrix.versions import Version

KEPT_FOR = timedelta(days=7)  # unstable moves, and the others get their fixes
PATIENCE = timedelta(minutes=30)  # two are enough where nothing else runs
_ALWAYS = ("ca-certificates", "python3", "python3-venv")
_FACTS = "carbonslurm-root.json"
_LIBRARY = "usr/lib/*/libmariadb.so.3"
_BAD_LIBRARY = "5027"
_LIBRARY_SCRIPT = """\
set -e
cd /tmp
suite=$2
sed "s/ $1 / $2 /" /etc/apt/sources.list > sources
set -- -o Dir::Etc::sourcelist=/tmp/sources -o Dir::Etc::sourceparts=- -o Dir::State::lists=/tmp/lists \
    -o APT::Sandbox::User=root -o Acquire::Languages=none
mkdir -p lists/partial
apt-get -q "$@" update
apt-get -q "$@" download "libmariadb3/$suite"
dpkg-deb -x libmariadb3_*.deb unpacked
cp unpacked/usr/lib/*/libmariadb.so.3 /var/tmp/
"""
_TRIAL = """\
import pathlib, tempfile
from carbonslurm.sandbox import SandboxSpec, up
with tempfile.TemporaryDirectory(prefix="sandbox-", ignore_cleanup_errors=True) as name:
    pathlib.Path(name).chmod(0o755)
    up(SandboxSpec(pathlib.Path(name) / "s", nodes=1, gpus_per_node=0), print).down()
"""
_VENV_SCRIPT = """\
set -e
python3 -m venv --clear "$1"
"$1/bin/python" -m pip install --quiet --disable-pip-version-check --editable ".[test]"
touch "$1/.complete"
"""


@dataclass(frozen=True, slots=True)
class Workshop:
    """What is needed to make roots.

    Attributes:
        folder: where they are kept.
        packages: of Debian, that make a whole Slurm.
        tree: the checkout that is tested.
        children: runs the commands.
        say: told what takes a while.
    """

    folder: Path
    packages: tuple[str, ...]
    tree: Path
    children: Children
    say: Callable[[str], None]

    @contextmanager
    def root(self, version: Version, log: Path) -> Iterator[tuple[Path, str]]:
        """Give the root of a version, with a virtual environment in it; nobody replaces it meanwhile.

        Returns:
            The folder, and the path of Python inside.

        Raises:
            UnavailableError: it cannot be made; what the commands said is in the log.
        """
        folder = self.folder / version.suite
        digest = hashlib.sha256((self.tree / "pyproject.toml").read_bytes()).hexdigest()[:8]
        environment = f"/opt/carbonslurm-{digest}"
        self.folder.mkdir(parents=True, exist_ok=True)
        with (self.folder / f"{version.suite}.lock").open("w") as lock:
            while True:
                fcntl.flock(lock, fcntl.LOCK_SH)
                if self._is_fresh(folder) and Path(f"{folder}{environment}/.complete").exists():
                    break
                fcntl.flock(lock, fcntl.LOCK_EX)
                if self._is_fresh(folder):
                    self._make_environment(folder, environment, log)
                else:
                    self._make(version, folder, environment, log)
            yield folder, f"{environment}/bin/python"

    def _is_fresh(self, folder: Path) -> bool:
        try:
            facts = json.loads((folder / _FACTS).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return False
        young = time.time() - facts["made"] < KEPT_FOR.total_seconds()
        return young and set(self.packages) <= set(facts["packages"])

    def _make(self, version: Version, folder: Path, environment: str, log: Path) -> None:
        """Make it beside its place, see a Slurm come up in it, and move it there."""
        self.say(f"{version.suite}: making {folder}, in about two minutes")
        new, old = folder.with_suffix(".new"), folder.with_suffix(".old")
        for rest in (new, old):
            shutil.rmtree(rest, ignore_errors=True)
        packages = (*_ALWAYS, *self.packages)
        argv = ["unshare", "--mount", "--pid", "--fork", "--kill-child", "debootstrap", "--variant=minbase"]
        argv += [f"--include={','.join(packages)}", version.suite, str(new), mirror()]
        self._run(argv, log, "debootstrap")
        for inside in (TREE, "/srv/out"):
            Path(f"{new}{inside}").mkdir(parents=True)
        self._make_environment(new, environment, log)
        self._try(version, new, f"{environment}/bin/python", log)
        facts = {"made": time.time(), "packages": packages}
        (new / _FACTS).write_text(json.dumps(facts), encoding="utf-8")
        if folder.exists():
            folder.rename(old)
        new.rename(folder)
        shutil.rmtree(old, ignore_errors=True)

    def _try(self, version: Version, root: Path, python: str, log: Path) -> None:
        """Bring a Slurm up; where slurmdbd's database library keeps it from starting, put in another."""
        trial = log.with_name("trial.log")
        argv = Place(root, {TREE: self.tree, "/etc/hosts": Path("/etc/hosts")}).argv([python, "-c", _TRIAL])
        if self.children.run(argv, trial, timeout=PATIENCE) == 0:
            return
        if version.library_from is None or _BAD_LIBRARY not in trial.read_text(errors="replace"):
            raise UnavailableError(f"no Slurm comes up in it: see {trial}")
        self.say(
            f"{version.suite}: slurmdbd does not start with this suite's libmariadb3 "
            f"(error {_BAD_LIBRARY}): using {version.library_from}'s"
        )
        self._replace_library(version.suite, version.library_from, root, log)
        self._run(argv, trial, "bringing a Slurm up in it")

    def _replace_library(self, suite: str, other: str, root: Path, log: Path) -> None:
        command = ["sh", "-c", _LIBRARY_SCRIPT, "sh", suite, other]
        self._run(self._online(root).argv(command, network=True), log, "fetching libmariadb3")
        fetched = root / "var/tmp/libmariadb.so.3"
        shutil.copyfile(fetched, next(root.glob(_LIBRARY)))
        fetched.unlink()

    def _make_environment(self, folder: Path, environment: str, log: Path) -> None:
        self.say(f"{folder.stem}: making its virtual environment {environment}")
        command = ["sh", "-c", _VENV_SCRIPT, "sh", environment]
        self._run(self._online(folder).argv(command, network=True), log, "pip")

    def _online(self, root: Path) -> Place:
        """The root with this machine's ways to the network: names, certificates, pip's index."""
        listed = subprocess.run(
            [sys.executable, "-m", "pip", "config", "list"], capture_output=True, text=True, check=False
        )
        variables = pip_environment(listed.stdout, os.environ)
        paths = ["/etc/resolv.conf", "/etc/hosts", *paths_in(variables)]
        shown = {path: Path(path) for path in paths if Path(path).exists()}
        for path in shown:
            _make_place(root, path)
        return Place(root, {TREE: self.tree, **shown}, variables)

    def _run(self, argv: list[str], log: Path, name: str) -> None:
        # The tests of other versions run meanwhile, and some of them look at times.
        if self.children.run(["nice", "-n", "19", *argv], log, timeout=PATIENCE) != 0:
            raise UnavailableError(f"{name} failed: see {log}")


def _make_place(root: Path, path: str) -> None:
    """Make an empty file or folder in a root, over which one of this machine's can be shown."""
    place = Path(f"{root}{path}")
    if place.exists():
        return
    if Path(path).is_dir():
        place.mkdir(parents=True)
    else:
        place.parent.mkdir(parents=True, exist_ok=True)
        place.touch()


def mirror(environment: Mapping[str, str] = os.environ) -> str:
    """Return the mirror from which this machine itself gets Debian; CARBONSLURM_MIRROR names another.

    Raises:
        UnavailableError: there is none.
    """
    if given := environment.get("CARBONSLURM_MIRROR"):
        return given
    argv = ["apt-get", "indextargets", "--no-release-info", "--format", "$(REPO_URI) $(RELEASE) $(COMPONENT)"]
    try:
        told = subprocess.run(
            [*argv, "Created-By: Packages"], capture_output=True, text=True, check=False
        ).stdout
    except FileNotFoundError:
        told = ""
    rows = [line.split() for line in told.splitlines()]
    release = Path("/etc/os-release").read_text(encoding="utf-8")
    for words in rows:
        if len(words) == 3 and words[2] == "main" and f"VERSION_CODENAME={words[1]}\n" in release:
            return words[0]
    raise UnavailableError("apt knows no mirror of Debian here: name one in CARBONSLURM_MIRROR")
