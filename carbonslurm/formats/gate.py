"""Whether a gate would do harm at this Slurm: its settings and its licences in, one sentence out. Pure."""

import re

from carbonslurm.core.means import GateRules
from carbonslurm.formats.scontrol import read_setting

_TOTAL = re.compile(r"\bTotal=([0-9]{1,12})\b")
_VERSION = re.compile(r"([0-9]{2})\.([0-9]{2})\.([0-9]+)")
MENDED = (25, 11, 7)  # the first of 25.11 in which a requeued job keeps its licences; no 25.05 does


def licence_argv(licence: str) -> list[str]:
    """Return the command that shows one licence."""
    return ["scontrol", "show", "licenses", licence, "--oneliner"]


def why_unfit(settings: str, licence: str, rules: GateRules) -> str | None:
    """Return why jobs must not wait behind a gate here, None where they may.

    Args:
        settings: what ``scontrol show config`` printed.
        licence: what licence_argv printed; nothing where slurm.conf has no such licence.
        rules: the site's gate.
    """
    words = read_setting(settings, "SchedulerParameters").split(",")
    if "bf_licenses" in words:
        return "SchedulerParameters has bf_licenses: a job behind the gate would keep nodes planned and idle"
    found = _VERSION.search(read_setting(settings, "SLURM_VERSION"))
    version = tuple(map(int, found.groups())) if found else ()
    if (25, 5) <= version[:2] < (25, 11) or (25, 11) <= version < MENDED:
        return f"Slurm {found.group() if found else ''} drops the licences of requeued jobs"
    total = _TOTAL.search(licence)
    if total is None:
        return f"slurm.conf has no licence {rules.licence}: Licenses={rules.licence}:{rules.count}"
    count, most = int(total.group(1)), read_setting(settings, "MaxJobCount")
    if count != rules.count:
        return f"slurm.conf has {count} of licence {rules.licence}, withhold.gate.count says {rules.count}"
    if most.isdecimal() and count < int(most):
        return f"{count} of licence {rules.licence} are fewer than MaxJobCount={most}"
    return None
