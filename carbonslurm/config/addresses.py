"""Where the ledger lies: a file's path, or a server's URL that holds no password."""

import re
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

from carbonslurm.config.sections import Config
from carbonslurm.config.words import wrong

SCHEME = "postgresql://"
# Of one host of several, as libpq takes them: a name, an address or nothing, and perhaps a port.
_HOST = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[^\[\]:]*)(:[0-9]{1,5})?")


def check_ledger(config: Config) -> None:
    """Check the ledger's address, and that its other keys go with it.

    Raises:
        ConfigError: with the key that is wrong, and never with a password.
    """
    _check_address("ledger", config.ledger)
    if not config.ledger.startswith(SCHEME):
        for key in ("ledger_password_file", "ledger_reader", "ledger_reader_password_file"):
            if getattr(config, key) is not None:
                raise wrong(f"{key}: only a ledger on PostgreSQL has one")
    if config.ledger_reader is None:
        if config.ledger_reader_password_file is not None:
            raise wrong("ledger_reader_password_file: ledger_reader is missing")
        return
    _check_address("ledger_reader", config.ledger_reader)
    if not config.ledger_reader.startswith(SCHEME):
        raise wrong(f"ledger_reader: expected {SCHEME}reader@host:port/name")


def _check_address(key: str, address: str) -> None:
    if not address.startswith(SCHEME):
        if "://" in address or not Path(address).is_absolute():
            # Not shown whole: what stands there may hold a password.
            start = address.partition("://")[0][:60]
            raise wrong(f'{key}: expected an absolute path or {SCHEME}user@host:port/name, got "{start}"')
        return
    unreadable = wrong(f"{key}: not a URL that can be read: {SCHEME}user@host:port/name")
    try:
        parts = urlsplit(address)
    except ValueError as error:
        raise unreadable from error
    if not all(map(_HOST.fullmatch, parts.netloc.rpartition("@")[2].split(","))):
        raise unreadable
    if parts.password is not None or any(name == "password" for name, _ in parse_qsl(parts.query)):
        raise wrong(f"{key}: no password here, all users can read this: name its file in {key}_password_file")
