"""The command and the environment of each daemon.

All run in the foreground: processes.py puts them into the background and records their pids. Only the munged
and the MariaDB of the folder are spoken to, each through a socket of its own.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from carbonslurm.sandbox.layout import Layout
    from carbonslurm.sandbox.machine import Machine


def command(machine: Machine, daemon: str, owner: str) -> list[str]:
    """The argv of one daemon; the one of a node is named slurmd-NODE."""
    layout = machine.layout
    program, _, node = daemon.partition("-")
    words = {
        "munged": _munged(layout),
        "mariadbd": _mariadbd(layout, owner),
        "slurmdbd": ["-D"],
        "slurmctld": ["-D", "-f", str(layout.slurm_conf), *_forgiving(layout)],
        "slurmd": ["-D", "-N", node, "-f", str(layout.slurm_conf)],
    }
    return machine.argv(program, *words[program])


def _forgiving(layout: Layout) -> list[str]:
    """What lets slurmctld start after a crash in its first minutes.

    It writes down the usage of associations every few minutes and at its end only, and 26.05 does not start
    where other state is there without it.
    """
    state = layout.directory / "state"
    return ["-i"] if (state / "job_state").exists() and not (state / "assoc_usage").exists() else []


def environment(layout: Layout) -> dict[str, str]:
    """What the daemons see: nothing of the caller's but the time zone."""
    kept = {key: os.environ[key] for key in ("TZ",) if key in os.environ}
    return kept | {
        "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
        "LC_ALL": "C",
        "HOME": str(layout.work),
        "SLURM_CONF": str(layout.slurm_conf),
        # slurmdbd has no word for a socket; MariaDB's client library reads this for "localhost".
        "MYSQL_UNIX_PORT": str(layout.database_socket),
    }


def _munged(layout: Layout) -> list[str]:
    """Munged's own socket, key and seed; --force since the folder's parents may be anybody's."""
    return [
        "--foreground",
        "--force",
        f"--socket={layout.munge_socket}",
        f"--key-file={layout.munge / 'key'}",
        f"--seed-file={layout.munge / 'seed'}",
        f"--log-file={layout.log / 'munged.log'}",
        f"--pid-file={layout.directory / 'run' / 'munged.own-pid'}",
    ]


def _mariadbd(layout: Layout, owner: str) -> list[str]:
    """A MariaDB without network and without grants: its folder, 0700, is what guards it."""
    return [
        "--no-defaults",
        f"--user={owner}",
        f"--datadir={layout.database / 'data'}",
        f"--socket={layout.database_socket}",
        f"--pid-file={layout.database / 'mariadbd.own-pid'}",
        "--skip-networking",
        "--skip-grant-tables",
        # It is thrown away with the folder: speed before safety from power cuts.
        "--innodb-flush-log-at-trx-commit=0",
        "--skip-innodb-doublewrite",
        "--innodb-log-file-size=64M",
    ]
