"""The look at single jobs while they are being stopped: question and reading, pure in both directions.

A stop has to see the job's Comment, which its owner writes. In squeue's JSON it is Slurm that quotes it; so
where squeue prints only the jobs that were asked for, in a schema that can be pinned (24.11 and later), the
look is JSON. Older ones have no pin, and up to 24.05 their JSON is the whole queue whatever was asked for;
there the look is text, in which the Comment stands between marks made for the call: see docs/adr/0013.

A pin that a later squeue no longer knows is an error, so from the end of a pin's life on it is text again.
"""

import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec

from carbonslurm.core.interval import from_epoch
from carbonslurm.core.job import JobState
from carbonslurm.core.stop import Sight
from carbonslurm.errors import DataError
from carbonslurm.formats.marks import Marks
from carbonslurm.formats.slurm_text import read_number, read_time
from carbonslurm.formats.squeue import STATES

SAVED = "carbon:saved"
# (from this release on, before that one) -> the schema that squeue can be held to in all of them.
PINS = {((24, 11), (25, 11)): "v0.0.42", ((25, 11), (27, 11)): "v0.0.44"}
FIELDS = ("JobID", "State", "RestartCnt", "EligibleTime", "StartTime", "Comment")
_VERSION = re.compile(r"^slurm\S* ([0-9]{2})\.([0-9]{2})\b")


def version_argv() -> list[str]:
    """Return the command that tells squeue's own release, without asking Slurm."""
    return ["squeue", "--version"]


def pin_for(told: str) -> str | None:
    """Return the schema to hold squeue's JSON to, given what version_argv printed; None for text."""
    match = _VERSION.match(told)
    release = (int(match[1]), int(match[2])) if match else (0, 0)
    return next((pin for (since, before), pin in PINS.items() if since <= release < before), None)


def look_argv(job_ids: Sequence[int], form: str | Marks) -> list[str]:
    """Return the command that shows jobs, as JSON held to a schema or as text with marks."""
    jobs = f"--jobs={','.join(map(str, job_ids))}"
    if isinstance(form, str):
        return ["squeue", f"--json={form}", "--all", "--states=all", jobs]
    columns = f"--Format={form.wanted(FIELDS)}"
    return ["squeue", "--noheader", "--array", "--all", "--states=all", columns, jobs]


def read_look(raw: bytes, job_ids: Sequence[int], form: str | Marks) -> dict[int, Sight]:
    """Read what look_argv printed; a job that Slurm does not know is missing, others are left out.

    One byte of user text that is not UTF-8 would make all of it undecodable, so bytes are repaired first.

    Raises:
        DataError: it is not what was asked for.
    """
    text = raw.decode("utf-8", errors="replace")
    return _read_json(text, job_ids) if isinstance(form, str) else _read_text(text, job_ids, form)


def says_saved(comment: str, restarts: int) -> bool:
    """Tell whether a job's Comment says that this run has saved its state.

    Slurm keeps a Comment across requeues, so a later run has to name itself: ``carbon:saved:1`` after the
    first restart, which scripts write as ``carbon:saved:${SLURM_RESTART_COUNT:-0}``.
    """
    words = comment.split()
    return f"{SAVED}:{restarts}" in words or (restarts == 0 and SAVED in words)


# --- text


def _read_text(text: str, job_ids: Sequence[int], marks: Marks) -> dict[int, Sight]:
    *rows, rest = text.split(f"{marks.end}\n")
    if rest.strip():
        raise DataError(f'squeue: output ends without its end mark: "{rest[:80]}"')
    sights: dict[int, Sight] = {}
    for row in rows:
        values = row.split(marks.field)
        if len(values) != len(FIELDS):
            raise DataError(f"squeue: a row has {len(values)} fields instead of {len(FIELDS)}")
        job_id, state, restarts, eligible, started, comment = (value.strip() for value in values)
        number = read_number(job_id)
        if number in job_ids:
            count = read_number(restarts or "0")
            sights[number] = Sight(
                state=_folded([state]),
                restarts=count,
                eligible=read_time(eligible),
                started=read_time(started),
                saved=says_saved(comment, count),
            )
    return sights


# --- JSON


def _read_json(text: str, job_ids: Sequence[int]) -> dict[int, Sight]:
    try:
        jobs = msgspec.json.decode(text.encode())["jobs"]
        return {job["job_id"]: _sight(job) for job in jobs if job["job_id"] in job_ids}
    except (DataError, msgspec.DecodeError, KeyError, TypeError, ValueError) as error:
        raise DataError(f"squeue --json: cannot be read: {error!r}") from error


def _sight(job: Mapping[str, Any]) -> Sight:
    restarts = number_of(job["restart_cnt"]) or 0
    words = job["job_state"]
    return Sight(
        state=_folded([words] if isinstance(words, str) else words),
        restarts=restarts,
        eligible=_moment(job["eligible_time"]),
        started=_moment(job["start_time"]),
        saved=says_saved(str(job.get("comment") or ""), restarts),
    )


def _folded(words: Sequence[str]) -> JobState:
    """Flags first: a job that is COMPLETING or being REQUEUED may show any base state beside it."""
    states = {STATES.get(word, JobState.ENDED) for word in words}
    order = (JobState.COMPLETING, JobState.PENDING, JobState.SUSPENDED, JobState.RUNNING)
    return next((state for state in order if state in states), JobState.ENDED)


def number_of(value: Any) -> int | None:
    """Newer squeues write {set, infinite, number}, older ones plain numbers."""
    if isinstance(value, Mapping):
        return int(value["number"]) if value.get("set") and not value.get("infinite") else None
    return None if value is None else int(value)


def _moment(value: Any) -> datetime | None:
    seconds = number_of(value)
    return from_epoch(seconds) if seconds else None
