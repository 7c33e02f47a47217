"""The command that runs something in a root folder or on this machine itself, in namespaces of its own.

The machine's own mounts never change, and when the first process of the namespace ends, or the one that made
it is killed, the kernel ends all others in it. Pure: argv out.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

TREE = "/srv/carbonslurm"
"""Where the checkout is shown inside a root."""
OUT = "/srv/out"
"""Where the folder for results is shown inside a root."""

_NAMESPACES = ("unshare", "--mount", "--pid", "--fork", "--kill-child")
# The second address is one for documents, and leads nowhere: where a host has only 127.0.0.1, glibc finds no
# address for a daemon to listen on (AI_ADDRCONFIG), and slurmdbd ends.
_LOOPBACK = "ip link set lo up && ip address add 192.0.2.1/32 dev lo"
_HERE = f'mount -t proc proc /proc && {_LOOPBACK} && exec "$@"'
_ROOTED = """\
set -e
root=$1; shift
mount --rbind /dev "$root/dev"
mount --rbind /sys "$root/sys"
mount -t proc proc "$root/proc"
mount -t tmpfs -o mode=1777 tmpfs "$root/tmp"
while [ "$1" != -- ]; do mount --bind "$1" "$root$2"; shift 2; done
shift
LOOPBACK
exec chroot "$root" "$@"
"""
_BASE = {
    "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
    "HOME": "/root",
    "USER": "root",
    "LOGNAME": "root",
    "TERM": "dumb",
    "LANG": "C.UTF-8",
}

# How pip reaches its index. What else a machine tells its pip (constraints, say) is about its own Python.
_REACHING = frozenset({"index-url", "extra-index-url", "find-links", "no-index", "trusted-host", "proxy"})
_REACHING |= {"cert", "client-cert", "timeout", "default-timeout", "retries"}
_VARIABLES = ("http_proxy", "https_proxy", "no_proxy", "all_proxy", "ssl_cert_file", "requests_ca_bundle")
_SETTING = re.compile(r"^(global|install|:env:)\.([a-z-]+)='(.*)'$", re.MULTILINE)
_PATH = re.compile(r"(?:^|\s)(file://(?:localhost)?)?(/[^\s]+)")


@dataclass(frozen=True, slots=True)
class Place:
    """Where a command runs.

    Attributes:
        root: the root folder; None for this machine itself.
        shown: path inside the root -> the file or folder of this machine that is shown there.
        environment: variables inside the root, besides the plain ones.
    """

    root: Path | None
    shown: Mapping[str, Path] = field(default_factory=dict)
    environment: Mapping[str, str] = field(default_factory=dict)

    def argv(self, command: Sequence[str], *, network: bool = False) -> list[str]:
        """Return the command as it is called from outside.

        Args:
            command: as it is called inside; in a root it starts in TREE.
            network: leave it this machine's network; else it has a loopback of its own, and no other.
        """
        namespaces = [*_NAMESPACES, *([] if network else ["--net"])]
        if self.root is None:
            return [*namespaces, "sh", "-c", _HERE, "sh", *command]
        script = _ROOTED.replace("LOOPBACK", ":" if network else _LOOPBACK)
        shown = [word for inside, outside in self.shown.items() for word in (str(outside), inside)]
        variables = [f"{name}={value}" for name, value in (_BASE | dict(self.environment)).items()]
        inside = ["env", "-i", f"--chdir={TREE}", *variables, *command]
        return [*namespaces, "sh", "-c", script, "sh", str(self.root), *shown, "--", *inside]


def pip_environment(listed: str, environment: Mapping[str, str]) -> dict[str, str]:
    """Return the variables with which pip in a root reaches the index as this machine's pip does.

    Args:
        listed: what ``pip config list`` printed here; variables count more than files, and come later.
        environment: this machine's variables.
    """
    found = {name: value for name, value in environment.items() if name.lower() in _VARIABLES}
    settings = sorted(_SETTING.findall(listed), key=lambda setting: setting[0] == ":env:")
    for _, name, value in settings:
        if name in _REACHING:
            found[f"PIP_{name.upper().replace('-', '_')}"] = value
    return found


def paths_in(environment: Mapping[str, str]) -> list[str]:
    """Return the files and folders that must be there for what variables name.

    An index in a folder (file://) usually has its packages beside it, so the folder above is named.
    """
    found = [_needed(*match) for value in environment.values() for match in _PATH.findall(value)]
    return list(dict.fromkeys(found))


def _needed(scheme: str, path: str) -> str:
    above = str(Path(path).parent)
    return above if scheme and above != "/" else path
