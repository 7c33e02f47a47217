"""The process in which pyslurm lives: ``python -m carbonslurm.slurm.pyslurm_worker``.

Requests and answers are lines of JSON. Apart from the daemon, since libslurm may end the process that it is
loaded in, keeps all threads of Python waiting while it waits itself, and loses memory over time; and since
pyslurm's licence (GPL-2.0-only) is not ours. Nothing of ours is imported, and what pyslurm or libslurm print
goes to stderr, so that it can never be taken for an answer. SIGALRM ends a call that nobody waits for any
more, be it in the middle of libslurm.

The queue is told in squeue's words, field by field, so that one reading serves both; no text that a user can
write is looked at. Written against pyslurm 25.11.2.

========== ==================================== ================================================
request    keys                                 value
========== ==================================== ================================================
queue                                           rows: squeue's field -> text, or ``error``
begin      ids, at (epoch, None for now),       id -> None, or Slurm's refusal
           site_factor (None leaves it), away
========== ==================================== ================================================
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

NOT_IMPORTABLE = 78


def main() -> int:
    """Answer until stdin ends."""
    answers = os.fdopen(os.dup(1), "w", encoding="ascii")
    os.dup2(2, 1)
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    try:
        import pyslurm  # noqa: PLC0415 - here and nowhere else: see above
    except ImportError as error:
        sys.stderr.write(f"{error}\n")
        return NOT_IMPORTABLE
    for line in sys.stdin:
        request = json.loads(line)
        signal.alarm(request["limit"])
        try:
            answer = {"value": ANSWERS[request["do"]](pyslurm, request)}
        except pyslurm.PyslurmError as error:
            answer = {"failure": str(error)}
        signal.alarm(0)
        answers.write(json.dumps({"number": request["number"], **answer}) + "\n")
        answers.flush()
    return 0


def queue(pyslurm: Any, _: dict[str, Any]) -> list[dict[str, str]]:
    """Return all jobs; a task of an array that has no record of its own is taken from its array's."""
    return [row for job in pyslurm.Jobs.load().values() for row in rows(job)]


def rows(job: Any) -> Iterator[dict[str, str]]:
    """Return a job's rows: one, but for an array one for each task that waits."""
    try:
        array, waiting = job.array_id, job.array_tasks_waiting
        fields = as_squeue_has_it(job)
        tasks: list[int | str] = ["N/A"]
        if array is not None:
            # pyslurm says None for task 0.
            tasks = [job.array_task_id or 0] if waiting is None else list(expanded(waiting))
        yield from (fields | {"ArrayTaskID": str(task)} for task in tasks)
    except ValueError as error:  # bytes that are not UTF-8, a range that was cut
        yield {"JobID": str(job.id), "ArrayJobID": str(job.array_id or job.id), "error": str(error)}


def as_squeue_has_it(job: Any) -> dict[str, str]:
    """Return squeue's fields of a job, but for the number of its task."""
    return {
        "JobID": str(job.id),
        "ArrayJobID": str(job.array_id or job.id),
        "State": job.state,
        "UserName": job.user_name or "",
        "Account": job.account or "",
        "Partition": job.partition or "",
        "QOS": job.qos or "",
        "SubmitTime": moment(job.submit_time),
        "EligibleTime": moment(job.eligible_time),
        "StartTime": moment(job.start_time),
        "TimeLimit": "UNLIMITED" if job.time_limit is None else f"{job.time_limit}:00",
        "Deadline": moment(job.deadline),
        "Dependency": dependency(job.dependencies),
        "PriorityLong": str(job.priority),
        "Reason": job.state_reason or "None",
        "RestartCnt": str(job.requeue_count),
        "Requeue": str(int(job.is_requeueable)),
        "BatchFlag": str(int(job.is_batch_job)),
        "Reservation": job.reservation or "",
        "HetJobID": str(job.heterogeneous_id or 0),
        "Origin": job.federation_origin or "",
        "tres-alloc": tres(job),
        "Licenses": ",".join(job.licenses or []),
        "admin_comment": job.admin_comment or "",
    }


def moment(epoch: int | None) -> str:
    """Return a time as squeue has it, in the format of SLURM_TIME_FORMAT=%s."""
    return "N/A" if epoch is None else str(epoch)


def expanded(ranges: str) -> Iterator[int]:
    """Return the numbers in ``0-3,7,10-20:5``.

    Raises:
        ValueError: it is something else, such as a text that was cut.
    """
    for part in ranges.strip("[]").split(","):
        span, _, step = part.partition(":")
        first, _, last = span.partition("-")
        yield from range(int(first), int(last or first) + 1, int(step or 1))


def dependency(needs: dict[str, Any] | None) -> str:
    """Return squeue's Dependency from pyslurm's, which forgets a singleton that is not fulfilled."""
    if needs is None:
        return ""
    ids = [f"{kind}:{item}" for kind, items in needs.items() if isinstance(items, list) for item in items]
    return ",".join(ids) or "singleton"


def tres(job: Any) -> str:
    """Return what a job has, or asks for, as ``cpu=4,node=1,gres/gpu:a100=2``."""
    resources = job.tres.gres if job.tres else {}
    gres = [f"gres/{name}={item.count}" for name, item in resources.items()]
    return ",".join([f"cpu={job.cpus or 0}", f"node={job.num_nodes or 0}", *gres])


def begin(pyslurm: Any, request: dict[str, Any]) -> dict[str, str | None]:
    """Set the begin time of jobs, and their site factor: one call each, as scontrol makes it.

    Raises:
        PyslurmError: slurmctld is away: the rest would only wait for it, too.
    """
    wanted = {"begin_time": request["at"] or int(time.time()), "site_factor": request["site_factor"]}
    answers: dict[str, str | None] = {}
    for number in request["ids"]:
        try:
            pyslurm.Job(int(number)).modify(pyslurm.JobSubmitDescription(**wanted))
            answers[number] = None
        except pyslurm.RPCError as error:
            if any(words in str(error) for words in request["away"]):
                raise
            answers[number] = str(error)
    return answers


ANSWERS = {"queue": queue, "begin": begin}

if __name__ == "__main__":
    sys.exit(main())
