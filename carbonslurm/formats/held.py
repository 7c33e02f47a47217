"""Which jobs say themselves that we hold them: squeue's JSON in, marks out. Pure.

The mark is a word of the job's Comment, ``carbon:held=EPOCH``, that the hook adds in the update that holds
the job and takes away in any that releases it. Only a job that is held as its owner could hold it, and that
carries our tag, is believed. Comments are users' text: in JSON one cannot forge another job.
"""

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import msgspec

from carbonslurm.core.interval import from_epoch
from carbonslurm.core.job import HELD_BY_USER
from carbonslurm.core.means import MarkedHold
from carbonslurm.core.tag import parse_tag
from carbonslurm.errors import DataError
from carbonslurm.formats.look import number_of

_MARK = re.compile(r"(?:^|\s)carbon:held=([0-9]{1,10})(?=\s|$)")
_TAG = "carbon:v="
_TASKS = re.compile(r"[0-9,-]+")


def held_argv() -> list[str]:
    """Return the command that shows pending jobs as JSON; some versions show others, too."""
    return ["squeue", "--json", "--states=PENDING"]


def read_held(raw: bytes) -> list[MarkedHold]:
    """Read what held_argv printed: the jobs that we hold.

    Raises:
        DataError: it is not squeue's JSON.
    """
    repaired = raw.decode("utf-8", errors="replace").encode()
    try:
        found = [(job, _held_until(job)) for job in msgspec.json.decode(repaired)["jobs"]]
        return [MarkedHold(_spec(job), until, _since(job)) for job, until in found if until is not None]
    except (DataError, msgspec.DecodeError, KeyError, TypeError, ValueError) as error:
        raise DataError(f"squeue --json: cannot be read: {error!r}") from error


def _held_until(job: Mapping[str, Any]) -> datetime | None:
    states = {job["job_state"]} if isinstance(job["job_state"], str) else set(job["job_state"])
    held = "PENDING" in states and number_of(job["priority"]) == 0 and job["state_reason"] == HELD_BY_USER
    tagged = _TAG in str(job.get("admin_comment") or "")
    mark = _MARK.search(str(job.get("comment") or ""))
    return from_epoch(int(mark.group(1))) if held and tagged and mark else None


def _since(job: Mapping[str, Any]) -> datetime | None:
    """Read from when on the job could have started: its submission, or its own begin time.

    Where it waited for others then, its tag has no latest start by that, and it does not say.
    """
    try:
        tag = parse_tag(str(job["admin_comment"]))
    except DataError:
        return None  # to be released all the same
    submitted = number_of(job.get("submit_time"))
    if tag is None or tag.latest is None or submitted is None:
        return None
    return max(from_epoch(submitted), tag.begin or from_epoch(submitted))


def _spec(job: Mapping[str, Any]) -> str:
    """Name exactly this record: the pending tasks of an array are one."""
    array, tasks = number_of(job.get("array_job_id")), str(job.get("array_task_string") or "")
    if array and _TASKS.fullmatch(ranges := tasks.partition("%")[0]):
        return f"{array}_[{ranges}]"
    task = number_of(job.get("array_task_id"))
    return f"{array}_{task}" if array and task is not None else str(job["job_id"])
