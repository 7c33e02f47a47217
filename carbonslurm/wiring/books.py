"""The ledger: where it lies, who may write it, and how it is opened."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from carbonslurm.wiring.clock import now

if TYPE_CHECKING:
    from carbonslurm.app.cluster_totals import Group
    from carbonslurm.config import Config
    from carbonslurm.ledger.accounts import Accounts
    from carbonslurm.ledger.place import Place
    from carbonslurm.ledger.reading import Reading
    from carbonslurm.ledger.writing import Ledger
    from carbonslurm.ports import Lease

POSTGRES = "postgresql://"  # how the address of a ledger on a server begins; any other is a file's path


def place(config: Config, *, to_read: bool = False) -> Place:
    """Return where the ledger lies, and as whom to reach it."""
    address, password = config.ledger, config.ledger_password_file
    if to_read and config.ledger_reader is not None:
        address, password = config.ledger_reader, config.ledger_reader_password_file
    if not address.startswith(POSTGRES):
        from carbonslurm.ledger.sqlite import SqliteFile

        return SqliteFile(Path(address))
    from carbonslurm.ledger.postgres import PostgresServer

    return PostgresServer(address, Path(password) if password else None)


def lease(config: Config) -> Lease:
    """Return what tells whether this process may act."""
    import socket

    name = f"carbonslurmd (process {os.getpid()} on {socket.gethostname()})"
    if not config.ledger.startswith(POSTGRES):
        from carbonslurm.ledger.lease import FileLease

        return FileLease(Path(config.ledger), config.cluster, name)
    from carbonslurm.ledger.postgres import PostgresLease, PostgresServer

    password = config.ledger_password_file
    server = PostgresServer(config.ledger, Path(password) if password else None)
    return PostgresLease(server, config.cluster, name)


def ledger(config: Config, under: Lease | None = None) -> Ledger:
    """Open the ledger for writing, where ``under`` is given only as long as that is held."""
    from carbonslurm.ledger.writing import Ledger

    return Ledger.open(place(config), cluster=config.cluster, lease=under)


def reading(config: Config) -> Reading:
    """Open the ledger for reading only."""
    from carbonslurm.ledger.reading import Reading

    return Reading.open(place(config, to_read=True))


def accounts(config: Config) -> Accounts:
    """Open it for reading runs and their sums only: sooner done, since it needs no numpy."""
    from carbonslurm.ledger.accounts import Accounts

    return Accounts.open(place(config, to_read=True))


def machine_groups(config: Config) -> list[Group]:
    """Return the machines that the site describes, as totals are given of them."""
    from carbonslurm.app.cluster_totals import Group
    from carbonslurm.core.idle import Nodes
    from carbonslurm.core.job import Tres
    from carbonslurm.wiring.rules import power, pue, zones

    where, room = zones(config), pue(config)
    return [
        Group(
            partitions=it.partitions,
            nodes=Nodes(it.nodes, it.cpus, it.gpus),
            zone=where.partitions.get(it.partitions[0], where.default),
            full_watts=power(config, it).parts(Tres(it.cpus, 1, {it.gpu_type or "": it.gpus})).total,
            idle_watts=it.idle_watts,
            pue=room.mean,
        )
        for it in config.machines
    ]


def turn_switch(config: Config, by: str, reason: str, *, paused: bool) -> None:
    """Write an admin's word into the ledger, whoever works on it."""
    with ledger(config) as book:
        book.turn(config.cluster, now(), by, reason, paused=paused)
