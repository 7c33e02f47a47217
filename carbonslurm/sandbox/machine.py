"""Where Slurm's programs come from: this machine, or a root folder that is entered for each of them.

A root folder is entered by a script that makes its own view of the mounts (unshare) and becomes the program
in it, with the same pid. So the machine's own mounts never change, and there is nothing to take away but an
empty folder: the place inside the root where the sandbox's own folder is shown.
"""

from __future__ import annotations

import os
import stat
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from carbonslurm.errors import RefusedError, UnavailableError, UsageError
from carbonslurm.sandbox import packages, texts
from carbonslurm.sandbox.layout import closed_parent, make_open

if TYPE_CHECKING:
    from carbonslurm.sandbox.layout import Layout

_SCRIPT = 0o755
# What a container without terminals still has.
_PLAIN_DEVICES = ("full", "null", "random", "tty", "urandom", "zero")


@dataclass(frozen=True, slots=True)
class Machine:
    """The programs, as they are called from outside."""

    layout: Layout
    root: Path | None = None

    def argv(self, program: str, *words: str) -> list[str]:
        """The argv that runs a program of the machine or of the root folder.

        Raises:
            UnavailableError: it is not installed.
        """
        path = packages.find(program, self.root)
        if path is None:
            raise UnavailableError(f"{program} is not installed{f' in {self.root}' if self.root else ''}")
        return [*([str(self.layout.enter)] if self.root else []), path, *words]

    def prepare(self) -> None:
        """Write the wrappers and, for a root folder, the scripts that enter it.

        Raises:
            RefusedError: the root folder is not ours to write in.
        """
        if self.root:
            for name, text in texts.enter_scripts(self.layout, str(self.root)).items():
                _write_script(self.layout.etc / name, text)
            try:
                make_open(self._shown)
            except PermissionError as error:
                raise RefusedError(f"{self.root} cannot be written by you") from error
        for name in packages.CLIENTS:
            if path := packages.find(name, self.root):
                text = texts.wrapper(path, self.layout, rooted=self.root is not None)
                _write_script(self.layout.bin / name, text)

    def forget(self) -> None:
        """Remove the empty folders inside the root folder; those that hold anything stay."""
        if self.root is None:
            return
        for folder in (self._shown, *self._shown.parents):
            # var and tmp came with debootstrap, and belong there even when they are empty.
            if self.root in (folder, folder.parent):
                return
            with suppress(OSError):
                folder.rmdir()

    @property
    def _shown(self) -> Path:
        return Path(f"{self.root}{self.layout.directory}")


def check_root(root: Path) -> None:
    """Refuse a folder that holds no system.

    Raises:
        UsageError: it has no shell or no folders to show /proc, /dev and /sys in, or the users of Slurm
            could not reach it, and so would meet this machine's own Slurm.
    """
    wanted = [root / name for name in ("bin/sh", "proc", "dev", "sys")]
    if not all(path.exists() or path.is_symlink() for path in wanted):
        raise UsageError(f"{root} holds no system: make one with debootstrap")
    if os.geteuid() == 0 and (closed := closed_parent(root)):
        raise UsageError(f"other users could not enter {root}: {closed} is closed to them")


def devices(count: int) -> tuple[str, ...]:
    """Character devices that stand for the GPUs of a node.

    Raises:
        UnavailableError: the machine has fewer than that.
    """
    terminals = sorted(Path("/dev").glob("tty[0-9]*"), key=lambda path: (len(path.name), path.name))
    candidates = [*terminals, *(Path("/dev") / name for name in _PLAIN_DEVICES)]
    found = [str(path) for path in candidates if path.exists() and stat.S_ISCHR(path.stat().st_mode)]
    if len(found) < count:
        raise UnavailableError(
            f"{count} GPUs per node need as many character devices; there are {len(found)}"
        )
    return tuple(found[:count])


def plugins_folder() -> Path | None:
    """The folder with the Lua hook: the package's own in an installed wheel, or the checkout's."""
    package = Path(__file__).resolve().parents[1]
    for folder in (package / "slurm_plugins", package.parent / "slurm_plugins"):
        if (folder / "job_submit.lua").is_file():
            return folder
    return None


def _write_script(path: Path, text: str) -> None:
    path.write_text(text)
    path.chmod(_SCRIPT)


def clean_environment() -> dict[str, str]:
    """The caller's environment without what would change how Slurm's commands speak or where they go."""
    prefixes = ("SLURM", "SBATCH", "SQUEUE", "SACCT", "SINFO", "SCANCEL", "SALLOC", "SPRIO", "SCONTROL")
    return {key: value for key, value in os.environ.items() if not key.startswith(prefixes)}
