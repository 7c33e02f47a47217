"""scontrol and scancel: argv out, answers in. Pure in both directions."""

import re
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from carbonslurm.core.budget import RateLimit
from carbonslurm.core.interval import from_epoch, to_epoch
from carbonslurm.core.priority import AgeWeight
from carbonslurm.core.stop import ControllerFacts
from carbonslurm.errors import DataError
from carbonslurm.formats.slurm_text import read_time_limit

CREDENTIAL_S = 120  # the life of a credential where AuthInfo does not say
_REQUEUE_DELAY = re.compile(r"^SchedulerParameters\s*=.*\brequeue_delay=([0-9]{1,9})", re.MULTILINE)
_CRED_EXPIRE = re.compile(r"^AuthInfo\s*=.*\bcred_expire=([0-9]{1,9})", re.MULTILINE)
_BOOT = re.compile(r"^BOOT_TIME\s*=\s*([0-9]{1,10})\s*$", re.MULTILINE)
_CLUSTER = re.compile(r"^ClusterName\s*=\s*(\S+)\s*$", re.MULTILINE)
_SLURM_USER = re.compile(r"^SlurmUser\s*=\s*\S*\(([0-9]{1,10})\)\s*$", re.MULTILINE)
_PARAMETERS = re.compile(r"^SlurmctldParameters\s*=\s*(\S*)\s*$", re.MULTILINE)
_SLURMD_TIMEOUT = re.compile(r"^SlurmdTimeout\s*=\s*([0-9]{1,10}) sec", re.MULTILINE)


def begin_argv(specs: Sequence[str], until: datetime | None, site_factor: int | None = None) -> list[str]:
    """Return the command that sets the begin time of jobs; None is now. The site factor goes along with it.

    ``uts`` is the one form that needs no time zone; every Slurm from 22.05 to 26.05 takes it.
    """
    moment = "now" if until is None else f"uts{to_epoch(until)}"
    return [*update_argv(specs), f"StartTime={moment}", *_factor(site_factor)]


def update_argv(specs: Sequence[str]) -> list[str]:
    """Return the beginning of an update of jobs."""
    return ["scontrol", "update", f"JobId={','.join(specs)}"]


def factor_argv(specs: Sequence[str], site_factor: int) -> list[str]:
    """Return the command that sets the site factor of jobs."""
    return [*update_argv(specs), *_factor(site_factor)]


def _factor(site_factor: int | None) -> list[str]:
    return [] if site_factor is None else [f"SiteFactor={site_factor}"]


def hold_argv(specs: Sequence[str]) -> list[str]:
    """Return the command that holds jobs in the way that their owners can release."""
    return ["scontrol", "uhold", ",".join(specs)]


def release_argv(specs: Sequence[str]) -> list[str]:
    """Return the command that releases held jobs; on one that is not held it would wipe its Nice."""
    return ["scontrol", "release", ",".join(specs)]


def licences_argv(specs: Sequence[str], licences: str, site_factor: int | None = None) -> list[str]:
    """Return the command that sets the licences of jobs; an empty text takes all away."""
    return [*update_argv(specs), f"Licenses={licences}", *_factor(site_factor)]


def shut_argv(name: str, licences: str, until: datetime) -> list[str]:
    """Return the command that moves a reservation's end: a Duration counts from its start and never rolls."""
    end = f"EndTime=uts{to_epoch(until)}"
    return ["scontrol", "update", f"ReservationName={name}", end, f"Licenses={licences}"]


def reserve_argv(name: str, licences: str, until: datetime, user: str) -> list[str]:
    """Return the command that takes licences out of use from now until a moment."""
    span = ["StartTime=now", f"EndTime=uts{to_epoch(until)}"]
    what = [f"Users={user}", f"Licenses={licences}", "Flags=LICENSE_ONLY"]
    return ["scontrol", "create", "reservation", f"ReservationName={name}", *span, *what]


def unreserve_argv(name: str) -> list[str]:
    """Return the command that deletes a reservation."""
    return ["scontrol", "delete", f"ReservationName={name}"]


def signal_argv(spec: str, name: str, *, full: bool) -> list[str]:
    """Return the command that signals the batch shell, with its children where ``full``."""
    return ["scancel", f"--signal={name}", "--full" if full else "--batch", spec]


def requeue_argv(spec: str) -> list[str]:
    """Return the command that requeues a job only if it has not ended."""
    return ["scontrol", "requeue", "Incomplete", spec]


def config_argv() -> list[str]:
    """Return the command that prints slurmctld's configuration."""
    return ["scontrol", "show", "config"]


def read_controller(text: str, uid: int) -> ControllerFacts:
    """Read what ``scontrol show config`` says of slurmctld itself, with epoch times, to a user with this id.

    Raises:
        DataError: it is not there.
    """
    boot, timeout, name = _BOOT.search(text), _SLURMD_TIMEOUT.search(text), _CLUSTER.search(text)
    if boot is None or timeout is None:
        raise DataError("scontrol show config: no BOOT_TIME or no SlurmdTimeout")
    wait = timedelta(seconds=int(timeout.group(1)))
    return ControllerFacts(
        started=from_epoch(int(boot.group(1))),
        slurmd_timeout=wait,
        cluster=name.group(1) if name else "",
        rate_limit=read_rate_limit(text, uid),
        requeue_delay=read_requeue_delay(text),
        age=read_age_weight(text),
    )


def read_requeue_delay(text: str) -> timedelta:
    """Read how long after a requeue Slurm itself makes a job wait: SchedulerParameters, else AuthInfo.

    It is one second more than what is set there, by default the life of a credential.
    """
    found = [_REQUEUE_DELAY.search(text), _CRED_EXPIRE.search(text)]
    seconds = next((int(match.group(1)) for match in found if match), CREDENTIAL_S)
    return timedelta(seconds=seconds + 1)


def read_age_weight(text: str) -> AgeWeight | None:
    """Read from ``scontrol show config`` what age counts, None where it counts nothing or is never lost.

    It is lost where limits are enforced and PriorityFlags has no ACCRUE_ALWAYS (acct_policy.c of Slurm).
    """
    if read_setting(text, "PriorityType") != "priority/multifactor":
        return None
    enforced = {word.strip() for word in read_setting(text, "AccountingStorageEnforce").split(",")}
    flags = {word.strip() for word in read_setting(text, "PriorityFlags").split(",")}
    if not enforced & {"limits", "all", "safe"} or "ACCRUE_ALWAYS" in flags:
        return None
    weight, longest = read_setting(text, "PriorityWeightAge"), read_setting(text, "PriorityMaxAge")
    full_after = read_time_limit(longest) if weight.isdecimal() else None
    return AgeWeight(int(weight), full_after) if full_after and int(weight) else None


def read_setting(text: str, name: str) -> str:
    """Return one value of ``scontrol show config``, empty where it is not there."""
    found = re.search(rf"^{name}[ \t]*=[ \t]*(.*?)[ \t]*$", text, re.MULTILINE)
    return found.group(1) if found else ""


def read_rate_limit(text: str, uid: int) -> RateLimit | None:
    """Read from ``scontrol show config`` how slurmctld limits a user's calls, None where it does not.

    Root and SlurmUser are exempt; Operators are not. What cannot be read has Slurm's own default.
    """
    found, owner = _PARAMETERS.search(text), _SLURM_USER.search(text)
    words = [word.partition("=") for word in found.group(1).split(",")] if found else []
    given = {name.lower(): value for name, _, value in words}
    if "rl_enable" not in given or uid == 0 or (owner is not None and uid == int(owner.group(1))):
        return None
    usual = RateLimit()
    return RateLimit(
        bucket=_positive(given.get("rl_bucket_size"), usual.bucket),
        refill=_positive(given.get("rl_refill_rate"), usual.refill),
        period=timedelta(seconds=_positive(given.get("rl_refill_period"), 1)),
    )


def _positive(text: str | None, usual: int) -> int:
    return int(text) if text and re.fullmatch(r"0*[1-9][0-9]{0,6}", text) else usual


def read_refusals(specs: Sequence[str], returncode: int, stderr: str) -> Mapping[str, str | None]:
    """Read which jobs of one update were refused: spec -> Slurm's words, None where it was done.

    scontrol goes on after a refused job and names it in a line of its own; a failure that names none of the
    jobs is counted against all of them, since nobody knows which were done.
    """
    if returncode == 0:
        return dict.fromkeys(specs)
    lines = [line.strip() for line in stderr.splitlines() if line.strip()]
    named = {spec: _line_about(spec, lines) for spec in specs}
    if any(named.values()):
        return named
    words = lines[-1] if lines else f"scontrol ended with {returncode}"
    return dict.fromkeys(specs, words)


def _line_about(spec: str, lines: list[str]) -> str | None:
    """Find the line: scontrol writes an array range's tasks one by one, so the base id is looked for too."""
    base = spec.split("_", maxsplit=1)[0]
    pattern = re.compile(rf"(?<!\d){re.escape(base)}(?!\d)")
    return next((line for line in lines if pattern.search(line)), None)
