"""Which programs a sandbox needs, where they are, and one clear sentence when some are not there.

Debian's sbin folders are searched even where a plain user's PATH leaves them out, and with a root folder the
search happens inside it. Nothing is installed here.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

PROGRAMS = {
    "munged": "munge",
    "mariadbd": "mariadb-server",
    "mariadb-install-db": "mariadb-server",
    "slurmctld": "slurmctld",
    "slurmd": "slurmd",
    "slurmdbd": "slurmdbd",
    "sbatch": "slurm-client",
    "sacctmgr": "slurm-client",
}
"""What a sandbox runs, and the Debian package that brings it."""

PLUGINS = {
    "accounting_storage_mysql.so": "slurm-wlm-mysql-plugin",
    "job_submit_lua.so": "slurm-wlm-basic-plugins",
}
"""Likewise for Slurm's plugins."""

CLIENTS = (
    "sacct",
    "sacctmgr",
    "salloc",
    "sattach",
    "sbatch",
    "sbcast",
    "scancel",
    "scontrol",
    "scrontab",
    "sdiag",
    "sinfo",
    "sprio",
    "squeue",
    "sreport",
    "srun",
    "sshare",
    "sstat",
    "strigger",
)
"""The commands for which DIR/bin gets a wrapper, as far as they are installed."""

_FOLDERS = ("/usr/sbin", "/usr/bin", "/sbin", "/bin", "/usr/local/sbin", "/usr/local/bin")
_PLUGIN_FOLDERS = ("usr/lib/*/slurm*", "usr/lib*/slurm*", "usr/local/lib/slurm*")


def find(name: str, root: Path | None = None) -> str | None:
    """The absolute path of a program as seen from inside the root folder, or None."""
    own = [] if root else os.environ.get("PATH", "").split(os.pathsep)
    for folder in (*_FOLDERS, *own):
        if folder.startswith("/") and _is_program(Path(f"{root or ''}{folder}") / name):
            return f"{folder}/{name}"
    return None


def missing(root: Path | None = None) -> list[str]:
    """The programs and plugins that a sandbox needs and that are not installed."""
    programs = [name for name in PROGRAMS if find(name, root) is None]
    return programs + [name for name in PLUGINS if not _has_plugin(name, root)]


def sentence(names: Sequence[str], root: Path | None = None) -> str:
    """One sentence that says what is missing and how Debian brings it."""
    needed = {**PROGRAMS, **PLUGINS}
    packages = " ".join(dict.fromkeys(needed[name] for name in names))
    where = f"in {root}" if root else "here"
    enter = f"chroot {root} " if root else ""
    verb = "is" if len(names) == 1 else "are"
    return (
        f"Slurm is not complete {where}: {_enumerate(names)} {verb} missing. "
        f"On Debian: {enter}apt-get install {packages}"
    )


def _enumerate(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def _is_program(path: Path) -> bool:
    # A link in a root folder may point to an absolute path that exists only inside it.
    return path.is_symlink() or (path.is_file() and os.access(path, os.X_OK))


def _has_plugin(name: str, root: Path | None) -> bool:
    folders: Iterable[Path] = (
        folder for pattern in _PLUGIN_FOLDERS for folder in (root or Path("/")).glob(pattern)
    )
    return any((folder / name).is_file() for folder in folders)
