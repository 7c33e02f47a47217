"""What doctor looks at in Slurm: is it there, what may our account do, is the hook loaded, what is set."""

import re
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

from carbonslurm.core.budget import most_updates
from carbonslurm.core.interval import iso
from carbonslurm.core.job import Queue
from carbonslurm.core.means import GateRules
from carbonslurm.errors import DataError, RefusedError, UnavailableError
from carbonslurm.formats.scontrol import config_argv, read_age_weight, read_rate_limit
from carbonslurm.formats.sdiag import read_sdiag
from carbonslurm.slurm.gate import look_for_harm
from carbonslurm.slurm.queue import limit_of_ageing
from carbonslurm.slurm.wire import Wire

HOOK_FILES = ("carbonslurm.lua", "carbonslurm_tag.lua", "carbonslurm_licences.lua", "carbonslurm_modify.lua")
ENOUGH = frozenset({"Operator", "Administrator"})
CLOCK_TOLERANCE = timedelta(seconds=5)


def controller(wire: Wire, cluster: str) -> str:
    """Say which Slurm answers; fail where it is another cluster than the configuration says."""
    text = wire.read(config_argv()).text
    name, version = _setting(text, "ClusterName"), _setting(text, "SLURM_VERSION")
    if name != cluster:
        raise DataError(f'slurmctld serves cluster "{name}", the configuration says "{cluster}"')
    return f"Slurm {version}, cluster {name}"


def snapshot(take: Callable[[], Queue]) -> str:
    """Say what one snapshot of the queue holds."""
    queue = take()
    flexible = sum(job.tag is not None for job in (*queue.pending(), *queue.running()))
    if queue.unread:
        raise DataError(f"{len(queue.unread)} jobs cannot be read, the first: {queue.unread[0]}")
    return f"{len(queue.pending())} pending, {len(queue.running())} running, {flexible} of them flexible"


def account_rights(wire: Wire, user: str, uid: int) -> str:
    """Say whether our account may change other people's jobs."""
    if uid == 0:
        return "root: may change every job; an Operator account of its own is enough"
    argv = ["sacctmgr", "--noheader", "--parsable2", "show", "user", user, "format=User,AdminLevel"]
    rows = [line.split("|") for line in wire.read(argv).text.splitlines() if line]
    level = next((row[1] for row in rows if row[0] == user and len(row) > 1), None)
    if level not in ENOUGH:
        advice = (
            "run doctor as the daemon's account, or make this one it: AdminLevel=Operator (docs/install.md)"
        )
        raise RefusedError(f"{user} is no Operator of Slurm's: {advice}")
    return f"{user} is {level}"


def hook(wire: Wire, settings: str) -> str:
    """Say whether slurmctld calls our hook, as far as that can be seen from this host.

    Args:
        wire: to Slurm.
        settings: what the hook's site settings should be.
    """
    text = wire.read(config_argv()).text
    plugins, conf = _setting(text, "JobSubmitPlugins"), Path(_setting(text, "SLURM_CONF"))
    if "lua" not in plugins.split(","):
        raise DataError(f"JobSubmitPlugins={plugins}: without lua no job becomes flexible (docs/install.md)")
    script = conf.with_name("job_submit.lua")
    try:
        called = script.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return (
            f"JobSubmitPlugins={plugins}; job_submit.lua is on the controller, and cannot be seen from here"
        )
    if "carbonslurm" not in called:
        raise DataError(f"{script} does not call carbonslurm.lua (docs/install.md)")
    for part in HOOK_FILES:
        if not script.with_name(part).exists():
            raise DataError(
                f"{script} calls {part}, which is not beside it: jobs or updates go through unseen"
            )
    if "job_modify" not in re.sub(r"--.*", "", called).replace("slurm_job_modify", ""):
        raise DataError(f"{script} does not call carbonslurm.lua in slurm_job_modify (docs/install.md)")
    site = script.with_name("carbonslurm_site.lua")
    if not site.exists() or site.read_text(encoding="utf-8", errors="replace") != settings:
        raise DataError(f"{site} is not what the configuration says: carbonslurm check --write-hook {site}")
    return f"{script} calls carbonslurm.lua, with the settings of this configuration"


def accounting(wire: Wire) -> str:
    """Say whether sacct answers, and counts GPUs."""
    wire.read(["sacct", "--noheader", "--allocations", "--starttime=now-1minutes"])
    tres = _setting(wire.read(config_argv()).text, "AccountingStorageTRES")
    if "gres/gpu" not in tres.split(","):
        raise DataError(f"AccountingStorageTRES={tres}: without gres/gpu no run's GPUs are counted")
    return f"sacct answers, GPUs are counted ({tres})"


def share(wire: Wire, uid: int) -> str:
    """Say how much of slurmctld's calls, and of its time for them, is ours."""
    told = read_sdiag(wire.read(["sdiag"]).text)
    since = f"of what slurmctld did since {iso(told.since)}"
    ours = told.users.get(uid)
    if ours is None:
        return f"user {uid} made none of the {told.calls} calls that slurmctld got since {iso(told.since)}"
    calls = f"{ours.calls} of {told.calls} calls ({_percent(ours.calls, told.calls)})"
    return f"{ours.name}: {calls}, {ours.seconds:.2f} s ({_percent(ours.seconds, told.seconds)}) {since}"


def rates(wire: Wire, uid: int, updates: int, interval: timedelta) -> str:
    """Say whether slurmctld limits our calls, and how many jobs we can change in a minute.

    Args:
        wire: to Slurm.
        uid: of our account.
        updates: cycle.updates.
        interval: cycle.interval.
    """
    limit = read_rate_limit(wire.read(config_argv()).text, uid)
    most = most_updates(updates, limit, interval)
    result = f"at most {most} updates in a cycle, {most * timedelta(minutes=1) / interval:.0f} in a minute"
    if limit is None:
        return f"slurmctld does not limit our calls: {result}"
    flow = f"{limit.refill} more each {limit.period.total_seconds():.0f} s"
    return f"rl_enable gives us {limit.bucket} calls at once and {flow}: {result}"


def _percent(part: float, whole: float) -> str:
    return f"{100 * part / whole:.1f} %" if whole else "0 %"


def clocks(wire: Wire, now: Callable[[], datetime]) -> str:
    """Say whether our clock and slurmctld's agree: begin times are worked out with ours."""
    before = now()
    text = wire.read(config_argv()).text
    match = re.search(r"Configuration data as of (\d+)", text)
    if match is None:
        raise UnavailableError("slurmctld does not say its time")
    apart = timedelta(seconds=int(match.group(1)) - before.timestamp())
    if abs(apart) > CLOCK_TOLERANCE:
        raise DataError(f"slurmctld's clock is {apart.total_seconds():+.0f} s off ours")
    return "ours and slurmctld's agree within 5 s"


def gate(wire: Wire, rules: GateRules) -> str:
    """Say whether jobs can wait behind the gate here."""
    look_for_harm(wire, rules)
    return f"licence {rules.licence}, {rules.count} of them; {rules.keep_open} stay open while it is shut"


def age(wire: Wire, cluster: str, compensates: bool) -> str:
    """Say whether jobs keep their age while they wait, and what is done about it."""
    text = wire.read(config_argv()).text
    weight, plugin = read_age_weight(text), _setting(text, "PrioritySiteFactorPlugin")
    if weight is None:
        return "jobs lose no priority by waiting"
    worth = f"up to {weight.weight} of priority (PriorityWeightAge)"
    if not compensates:
        return (
            f"jobs that we withhold lose their age, {worth}: set PriorityFlags=ACCRUE_ALWAYS,"
            " or withhold.age_compensation: site_factor"
        )
    if plugin not in {"(null)", "", "none", "site_factor/none"}:
        raise DataError(f"PrioritySiteFactorPlugin={plugin} overwrites the site factor that gives age back")
    limit = limit_of_ageing(wire, cluster)
    if limit is not None:
        raise DataError(f"{limit}: not every waiting job ages here, so no age is given back")
    return f"age is lost by waiting, {worth}; the site factor gives it back"


def _setting(text: str, name: str) -> str:
    match = re.search(rf"^{name}\s*=\s*(.*?)\s*$", text, re.MULTILINE)
    if match is None:
        raise DataError(f"scontrol show config: no {name}")
    return match.group(1)
