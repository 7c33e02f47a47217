"""Secrets: a key or a password, read from its file each time it is needed.

The configuration names the file, never the secret. It is one of two things::

    /etc/carbonslurm/eia.key   an absolute path
    eia-key                    a bare name: that file in $CREDENTIALS_DIRECTORY, where systemd's
                               LoadCredential=eia-key:/etc/carbonslurm/eia.key puts it for a service;
                               without that variable, in the folder of the running daemon's service

Read anew at each use, so that a rotated key works without a restart, and kept nowhere: a ``Secret`` holds the
name of the file, and so does everything that shows one. No message here quotes what the file says.

A secret that is not there is an error of the source that wants it. The daemon goes on with the next source;
no job waits because a key is missing. A file that everybody may read is refused: login nodes and controllers
have many users, and a key that is read by one of them is a key that is gone.
"""

import os
import stat
from dataclasses import dataclass
from pathlib import Path

from carbonslurm.carbon.checks import shown
from carbonslurm.errors import ConfigError, RefusedError, UnavailableError

DIRECTORY_VARIABLE = "CREDENTIALS_DIRECTORY"
DAEMONS_DIRECTORY = "/run/credentials/carbonslurmd.service"
LONGEST = 4096  # characters; a signed token is under 2000


@dataclass(frozen=True, slots=True)
class Secret:
    """Where a secret is.

    Attributes:
        option: the configuration's key that names it, for messages.
        file: an absolute path, or a bare name of a credential.

    Raises:
        ConfigError: it is neither.
    """

    option: str
    file: str

    def __post_init__(self) -> None:
        if not self.file.startswith("/") and ("/" in self.file or self.file in {"", ".", ".."}):
            got = f'got "{shown(self.file)}"'
            raise ConfigError(f"{self.option}: expected an absolute path or the name of a credential, {got}")

    def read(self) -> str:
        """Return the secret: one line, without what is around it.

        Raises:
            RefusedError: we may not read the file, or everybody may.
            UnavailableError: there is no such file, or no secret in it.
        """
        path = self._path()
        named = f"{self.option}: {shown(str(path), 200)}"
        try:
            with open(path, "rb", opener=_at_once) as file:  # Path.open takes no opener
                mode = os.fstat(file.fileno()).st_mode
                content = file.read(LONGEST + 1) if stat.S_ISREG(mode) else b""
        except PermissionError as error:
            raise RefusedError(f"{named}: this account may not read it") from error
        except (OSError, ValueError) as error:
            why = getattr(error, "strerror", None) or "not a file's name"
            raise UnavailableError(f"{named}: {why}") from error
        if not stat.S_ISREG(mode):
            raise UnavailableError(f"{named}: not a file")
        if mode & stat.S_IROTH:
            raise RefusedError(f"{named}: everybody may read it: chmod o-r")
        return _believed(content, named)

    def _path(self) -> Path:
        if self.file.startswith("/"):
            return Path(self.file)
        return Path(os.environ.get(DIRECTORY_VARIABLE) or DAEMONS_DIRECTORY) / self.file


def _at_once(path: str, flags: int) -> int:
    """Open a file without waiting for anybody: a pipe would wait for who writes into it."""
    return os.open(path, flags | os.O_NONBLOCK)


def _believed(content: bytes, named: str) -> str:
    """Return the text; whatever is wrong with it, the message does not quote it."""
    text = content.decode("ascii", errors="replace").strip()
    if not text:
        raise UnavailableError(f"{named}: empty")
    if len(content) > LONGEST:
        raise UnavailableError(f"{named}: more than {LONGEST} characters: not a key")
    if len(text.splitlines()) > 1:
        raise UnavailableError(f"{named}: more than one line")
    if not (text.isascii() and text.isprintable()):
        raise UnavailableError(f"{named}: characters that are not printable ASCII")
    return text
