"""Free ports and the loopback address, so that a sandbox is seen by nobody else on the network.

Slurm binds either to all addresses or, with NoInAddrAny, to the one that the host's own name resolves to.
Debian puts that name on 127.0.1.1; where it is any 127.x address we use exactly that one. Where the name
points to the network, or nowhere, Slurm has to bind to all addresses: munge still refuses strangers.
"""

from __future__ import annotations

import random
import socket
from dataclasses import dataclass

from carbonslurm.errors import UnavailableError

# Below Linux's range for outgoing connections (32768 and up), which could take a port before Slurm does.
_PORTS = range(20000, 32000)


@dataclass(frozen=True, slots=True)
class Loopback:
    """The address by which the daemons are called, and whether they can bind to nothing else."""

    host: str
    address: str
    private: bool


def loopback(host: str, resolved: str) -> Loopback:
    """Choose the address, given the host's name and what it resolves to ('' for nothing)."""
    private = resolved.startswith("127.")
    return Loopback(host, resolved if private else "127.0.0.1", private)


def free_ports(count: int, address: str) -> list[int]:
    """Ports that nobody listens on now, chosen at random so that sandboxes started together differ.

    Raises:
        UnavailableError: there are not that many.
    """
    # Chance, not secrecy: ports need only differ.
    candidates = random.SystemRandom().sample(_PORTS, len(_PORTS))
    found: list[int] = []
    for port in candidates:
        if _is_free(address, port):
            found.append(port)
        if len(found) == count:
            return found
    raise UnavailableError(f"fewer than {count} free ports between {_PORTS.start} and {_PORTS.stop}")


def socket_answers(path: str) -> bool:
    """Whether somebody listens on that Unix socket."""
    with socket.socket(socket.AF_UNIX) as client:
        try:
            client.connect(path)
        except OSError:
            return False
        return True


def _is_free(address: str, port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind((address, port))
        except OSError:
            return False
        return True
