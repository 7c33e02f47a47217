"""Limits on how many jobs age at once: sacctmgr's argv out, its answers in. Pure.

Where an association or a QOS has such a limit (MaxJobsAccrue, GrpJobsAccrue and their like) not every waiting
job ages, so what a withheld one lost is not what it waited. slurmctld's own list (scontrol show assoc_mgr)
leaves out those of a QOS that nobody uses just now.
"""

from collections.abc import Callable, Sequence

from carbonslurm.errors import DataError

QOS_LIMITS = ("GrpJobsAccrue", "MaxJobsAccruePU", "MaxJobsAccruePA")
LIMITS = ("GrpJobsAccrue", "MaxJobsAccrue")
_SHOW = ["sacctmgr", "--noheader", "--parsable2", "show"]


def qos_argv() -> list[str]:
    """Return the command that shows the limits of each QOS."""
    return [*_SHOW, "qos", f"format=Name,{','.join(QOS_LIMITS)}"]


def associations_argv(cluster: str) -> list[str]:
    """Return the command that shows the limits of each association of a cluster."""
    return [*_SHOW, "association", f"cluster={cluster}", f"format=Account,User,{','.join(LIMITS)}"]


def read_qos_limit(text: str) -> str | None:
    """Return the first limit in what qos_argv printed, in words; None where there is none.

    Raises:
        DataError: it is something else.
    """
    return _first(text, QOS_LIMITS, lambda names: f"QOS {names[0]}")


def read_association_limit(text: str) -> str | None:
    """Return the first limit in what associations_argv printed, in words; None where there is none.

    Raises:
        DataError: it is something else.
    """
    return _first(text, LIMITS, lambda names: f"user {names[1]}" if names[1] else f"account {names[0]}")


def _first(text: str, limits: Sequence[str], owner: Callable[[Sequence[str]], str]) -> str | None:
    for line in text.splitlines():
        names = line.split("|")
        values = names[-len(limits) :]
        if len(names) <= len(limits) or not all(value == "" or value.isdecimal() for value in values):
            raise DataError(f"sacctmgr: expected {len(limits)} limits, got {line[:80]!r}")
        for limit, value in zip(limits, values, strict=True):
            if value:
                return f"{limit}={value} of {owner(names)}"
    return None
