"""Submitting and watching single jobs of a sandbox, for `up` and for tests.

This is no reading for production: `scontrol show job` mixes users' text with Slurm's own (a newline in a
comment forges a line), and asks once per job. It serves where all jobs are the sandbox's own.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from carbonslurm.errors import UnavailableError
from carbonslurm.sandbox.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Mapping

    from carbonslurm.sandbox.cluster import Sandbox

_ENDED = ("COMPLETED", "FAILED", "CANCELLED", "TIMEOUT", "NODE_FAIL", "DEADLINE", "OUT_OF_MEMORY")
_OWN_LINE = {"AdminComment", "Command", "Comment", "StdErr", "StdIn", "StdOut", "SubmitLine", "WorkDir"}


def submit(
    sandbox: Sandbox, *words: str, user: str | None = None, env: Mapping[str, str] | None = None
) -> str:
    """Run sbatch with these words in DIR/work; the job's id.

    Raises:
        RefusedError: Slurm refused the job.
    """
    result = sandbox.run(["sbatch", "--parsable", *words], user=user, env=env)
    return result.stdout.strip().partition(";")[0]


def fields(sandbox: Sandbox, job: str) -> dict[str, str]:
    """What `scontrol show job` says of a job, word by word, times as epoch seconds.

    Raises:
        RefusedError: slurmctld does not know it.
    """
    environment = {"SLURM_TIME_FORMAT": "%s", "TZ": "UTC"}
    return parse_fields(sandbox.run(["scontrol", "show", "job", job], env=environment).stdout)


def parse_fields(shown: str) -> dict[str, str]:
    """Read the first job in the output of `scontrol show job`.

    Most lines hold several words; those with users' text hold one, whose value may look like others.
    """
    found: dict[str, str] = {}
    for line in shown.strip().partition("\n\n")[0].splitlines():
        name, _, value = line.strip().partition("=")
        words = [(name, value)] if name in _OWN_LINE else re.findall(r"([A-Za-z/:_]+)=(\S*)", line)
        for word, text in words:
            found.setdefault(word, text)
    return found


def wait_for_state(sandbox: Sandbox, job: str, *states: str, timeout: float = 60) -> dict[str, str]:
    """Wait until a job is in one of these states; what is known of it then.

    Raises:
        UnavailableError: it ended in another state, or was not there after `timeout` seconds.
    """

    def reached() -> dict[str, str] | None:
        now = fields(sandbox, job)
        if now["JobState"] in states:
            return now
        if now["JobState"] in _ENDED:
            raise UnavailableError(f"job {job} ended as {now['JobState']} ({now['Reason']})")
        return None

    def still() -> str:
        now = fields(sandbox, job)
        nodes = sandbox.run(["sinfo", "--noheader", "--format=%N %T"], check=False).stdout.split("\n")
        return (
            f"job {job} to be {' or '.join(states)}; it is {now['JobState']} ({now['Reason']}); "
            f"nodes: {', '.join(dict.fromkeys(filter(None, nodes)))}"
        )

    return wait_until(reached, timeout, still)
