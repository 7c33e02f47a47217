"""Who is who in a sandbox: nobody is created on the machine.

Root's sandbox uses accounts that every Debian has: `daemon` is the Operator, `games` and `news` are plain
users. Anybody else's sandbox knows one person, its owner, who is everything at once.
"""

from __future__ import annotations

import os
import pwd
from dataclasses import dataclass

from carbonslurm.errors import UnavailableError, UsageError


@dataclass(frozen=True, slots=True)
class People:
    """The accounts of the machine that a sandbox uses."""

    owner: str
    operator: str
    users: tuple[str, ...]


def people(uid: int) -> People:
    """Who plays which part in a sandbox that this user brings up.

    Raises:
        UnavailableError: the machine lacks one of the accounts.
    """
    owner = _name(uid)
    if uid != 0:
        return People(owner, owner, (owner,))
    cast = People(owner, "daemon", ("games", "news"))
    for name in (cast.operator, *cast.users):
        account(name)
    return cast


def account(name: str) -> pwd.struct_passwd:
    """The machine's entry of one account.

    Raises:
        UsageError: there is none.
    """
    try:
        return pwd.getpwnam(name)
    except KeyError as error:
        raise UsageError(f"this machine has no account {name}") from error


def _name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError as error:
        raise UnavailableError(f"user id {uid} has no name on this machine, and Slurm needs one") from error


def accounting_commands(cast: People, cluster: str) -> list[list[str]]:
    """What sacctmgr is told before slurmctld first starts: the cluster, its accounts and users."""
    add = ["sacctmgr", "--immediate", "--quiet", "add"]
    # One command for all accounts: each call costs slurmdbd 22.05 about half a second.
    commands = [[*add, "cluster", cluster], [*add, "account", "research,teaching,service"]]
    if cast.operator != cast.owner:
        commands.append([*add, "user", cast.operator, "Account=service", "AdminLevel=Operator"])
    commands += [
        [*add, "user", name, f"Account={bank}"]
        for name, bank in zip(cast.users, ("research", "teaching"), strict=False)
    ]
    return commands


def demotion(name: str) -> dict[str, int | list[int]]:
    """The arguments with which subprocess.run acts as another account; none where that is the caller.

    Raises:
        UsageError: there is no such account, or the caller is not root and so cannot become another.
    """
    entry = account(name)
    if entry.pw_uid == os.geteuid():
        return {}
    if os.geteuid() != 0:
        raise UsageError(f"only root can act as {name} in a sandbox")
    return {
        "user": entry.pw_uid,
        "group": entry.pw_gid,
        "extra_groups": os.getgrouplist(name, entry.pw_gid),
    }
