"""The list of supported Slurms. Pure."""

import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from carbonslurm.errors import ConfigError, UsageError


@dataclass(frozen=True, slots=True)
class Version:
    """One Slurm that we support.

    Attributes:
        suite: of Debian, which ships it; also its name in the list.
        debian: the suite in people's words.
        library_from: the suite whose MariaDB client library slurmdbd needs where its own keeps it from
            starting; None where that is not known to happen.
    """

    suite: str
    debian: str
    library_from: str | None = None


def read_versions(text: str) -> list[Version]:
    """Read the list, in its order.

    Raises:
        ConfigError: it is not one.
    """
    try:
        return [_version(suite, entry) for suite, entry in tomllib.loads(text).items()]
    except (tomllib.TOMLDecodeError, TypeError) as error:
        raise ConfigError(f"the list of Slurms: {error}") from error


def _version(suite: str, entry: Mapping[str, Any]) -> Version:
    version = Version(suite, **entry)
    if not re.fullmatch(r"[a-z]+", suite):
        raise ConfigError(f'the list of Slurms: "{suite}" is no suite of Debian')
    return version


def chosen(versions: Sequence[Version], names: Sequence[str]) -> list[Version]:
    """Return those that were asked for, all of them where none was named.

    Raises:
        UsageError: a name is not in the list.
    """
    known = [version.suite for version in versions]
    for name in names:
        if name not in known:
            raise UsageError(f'"{name}" is not among the supported Slurms: {", ".join(known)}')
    return [version for version in versions if not names or version.suite in names]


def own_suite(os_release: str) -> str | None:
    """Read from /etc/os-release which suite of Debian this machine runs, None for another system."""
    words = dict(line.split("=", 1) for line in os_release.splitlines() if "=" in line)
    return words.get("VERSION_CODENAME", "").strip("\"'") or None if words.get("ID") == "debian" else None
