"""squeue, as a question and a reading: one snapshot of the whole queue, pure in both directions.

The text form is a tenth of the JSON form's time, bytes and memory. It asks for no text that a user can write
(a newline in a job's name or comment would forge a row for somebody else's job): what we need of the owner
comes from AdminComment, which only the hook and admins write. A delimiter and an end mark made anew for each
call, and the exact number of fields, are checked on each row; ``-r`` gives each array task a row of its own,
since a merged row hides an owner's change to one task. The tasks that Slurm keeps in one record, the array's,
show the array's id as their JobID; a task with a record of its own (it has run, or its owner changed it)
shows its own.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from carbonslurm.core.job import JobKey, JobState, Queue, QueuedJob
from carbonslurm.core.tag import Tag, parse_tag
from carbonslurm.errors import DataError
from carbonslurm.formats.marks import Marks, read_fields
from carbonslurm.formats.slurm_text import (
    read_dependency,
    read_licences,
    read_number,
    read_time,
    read_time_limit,
    read_tres,
    write_id_ranges,
)

FIELDS = (
    "JobID",
    "ArrayJobID",
    "ArrayTaskID",
    "State",
    "UserName",
    "Account",
    "Partition",
    "QOS",
    "SubmitTime",
    "EligibleTime",
    "StartTime",
    "TimeLimit",
    "Deadline",
    "Dependency",
    "PriorityLong",
    "Reason",
    "RestartCnt",
    "Requeue",
    "BatchFlag",
    "Reservation",
    "HetJobID",
    "Origin",
    "tres-alloc",
    "Licenses",
    "admin_comment",
)

_COMPONENT = "a component of a heterogeneous job: its leader stands for it"
STATES = {
    "PENDING": JobState.PENDING,
    "RUNNING": JobState.RUNNING,
    "CONFIGURING": JobState.RUNNING,
    "COMPLETING": JobState.COMPLETING,
    "STAGE_OUT": JobState.COMPLETING,
    "SIGNALING": JobState.RUNNING,
    "SUSPENDED": JobState.SUSPENDED,
    "STOPPED": JobState.SUSPENDED,
    "REQUEUED": JobState.COMPLETING,
    "REQUEUE_FED": JobState.COMPLETING,
    "REQUEUE_HOLD": JobState.PENDING,
    "SPECIAL_EXIT": JobState.PENDING,
    "RESIZING": JobState.RUNNING,
    "RESV_DEL_HOLD": JobState.PENDING,
}
_NONE = frozenset({"", "N/A", "(null)", "None"})


def snapshot_argv(marks: Marks) -> list[str]:
    """Return the command that prints the queue, in all states, for read_snapshot."""
    return ["squeue", "--noheader", "--array", "--all", "--states=all", f"--Format={marks.wanted(FIELDS)}"]


def read_snapshot(
    text: str, marks: Marks, cluster: str, taken_at: datetime, gate: str | None = None
) -> Queue:
    """Read what snapshot_argv printed.

    A row that cannot be read is named in ``unread`` and its job left alone; the rest stands.

    Args:
        text: the whole output.
        marks: those of the call.
        cluster: whose queue it is.
        taken_at: just before it was asked for.
        gate: the licence by which jobs are behind the gate, None where there is no gate.

    Raises:
        DataError: the output breaks off, or a row has not exactly the fields that were asked for.
    """
    rows = read_fields(text, marks, FIELDS, "squeue")
    named = (dict(zip(FIELDS, values, strict=True)) for values in rows)
    return read_rows(named, cluster, taken_at, gate)


def read_rows(
    rows: Iterable[Mapping[str, str]], cluster: str, taken_at: datetime, gate: str | None = None
) -> Queue:
    """Read rows of squeue's fields, whoever says them; one with ``error`` could not be told."""
    jobs: list[Row] = []
    unread: list[str] = []
    broken: set[str] = set()
    for fields in rows:
        try:
            if "error" in fields:
                raise DataError(fields["error"])  # noqa: TRY301 - as good as unreadable
            jobs.append(_read_row(fields, cluster, gate))
        except (DataError, ValueError) as error:
            unread.append(f"job {fields['JobID'][:20]}: {error}")
            broken.add(fields["ArrayJobID"])
    whole = [_spared(row) if str(row.array_id) in broken else row for row in jobs]
    return Queue(taken_at, tuple(gather_arrays(_heed_components(whole))), tuple(unread))


@dataclass(frozen=True, slots=True)
class Row:
    """One row: a job, one task of an array with its number in it, or one component of a heterogeneous job."""

    job: QueuedJob
    array_id: int | None
    task: int | None
    leader: int | None = None
    """The job whose component this is; its own, for the leader itself."""


def _spared(row: Row) -> Row:
    """A task of an array of which another task cannot be read: to update the rest would split the array."""
    return replace(row, job=replace(row.job, obstacle="a task of its array cannot be read"))


def _read_row(fields: Mapping[str, str], cluster: str, gate: str | None) -> Row:
    job_id = read_number(fields["JobID"])
    array_task = None if fields["ArrayTaskID"] in _NONE else read_number(fields["ArrayTaskID"])
    array_id = None if array_task is None else read_number(fields["ArrayJobID"])
    submitted = read_time(fields["SubmitTime"])
    if submitted is None:
        raise DataError("no submit time")
    state = STATES.get(fields["State"], JobState.ENDED)
    needs, singleton = read_dependency(fields["Dependency"])
    gated, other_licences = read_licences(fields["Licenses"], gate)
    job = QueuedJob(
        key=JobKey(cluster, job_id),
        spec=fields["JobID"] if array_id is None else f"{array_id}_{array_task}",
        state=state,
        user=fields["UserName"],
        account=fields["Account"],
        partition=fields["Partition"].split(",")[0],
        qos=fields["QOS"],
        submitted=submitted,
        eligible=read_time(fields["EligibleTime"]),
        started=None if state is JobState.PENDING else read_time(fields["StartTime"]),
        time_limit=read_time_limit(fields["TimeLimit"]),
        deadline=read_time(fields["Deadline"]),
        needs=needs,
        singleton=singleton,
        held=fields["PriorityLong"] == "0",
        reason=fields["Reason"],
        restarts=read_number(fields["RestartCnt"] or "0"),
        requeueable=fields["Requeue"] == "1",
        tag=_read_tag(fields["admin_comment"]),
        tres=read_tres(fields["tres-alloc"]),
        obstacle=_obstacle(fields),
        partitions=tuple(fields["Partition"].split(",")),
        gated=gated,
        other_licences=other_licences,
    )
    return Row(job, array_id, array_task, _leader(fields))


def _read_tag(text: str) -> Tag | None:
    return None if text in _NONE else parse_tag(text)


def _obstacle(fields: Mapping[str, str]) -> str | None:
    if fields["BatchFlag"] != "1":
        return "not a batch job"
    if fields["Reservation"] not in _NONE:
        return "in a reservation"
    if fields["Origin"] not in _NONE and fields["Origin"] != "NA":
        return "federated"
    if _leader(fields) not in {None, read_number(fields["JobID"])}:
        return _COMPONENT
    return None


def _leader(fields: Mapping[str, str]) -> int | None:
    text = fields["HetJobID"]
    return None if text in _NONE or text == "0" else read_number(text)


def _heed_components(rows: list[Row]) -> list[Row]:
    """Let each leader of a heterogeneous job carry what stands in the way of any of its components.

    What is done to the leader's id, Slurm does to all of them.
    """
    others: defaultdict[int, list[QueuedJob]] = defaultdict(list)
    for row in rows:
        if row.leader is not None and row.leader != row.job.key.job_id:
            others[row.leader].append(row.job)
    return [_heed(row, others[row.leader]) if row.leader == row.job.key.job_id else row for row in rows]


def _heed(leader: Row, others: list[QueuedJob]) -> Row:
    obstacle = next((it.obstacle for it in others if it.obstacle != _COMPONENT), leader.job.obstacle)
    if obstacle is None and any(_differs(it, leader.job) for it in others):
        obstacle = "components of its heterogeneous job differ"
    return replace(leader, job=replace(leader.job, obstacle=obstacle))


def _differs(component: QueuedJob, leader: QueuedJob) -> bool:
    """Whether a begin time for all would move one that the owner set for this component alone."""
    if component.eligible is None or leader.eligible is None:
        later = False
    else:
        later = component.eligible > leader.eligible
    return later or (component.state, component.held) != (leader.state, leader.held)


def gather_arrays(rows: Iterable[Row]) -> list[QueuedJob]:
    """Fold the tasks that wait in their array's own record into one job: Slurm must not be made to split it.

    A task with a record of its own is a job of its own: to change it splits nothing.
    """
    jobs: list[QueuedJob] = []
    pending: defaultdict[int, list[Row]] = defaultdict(list)
    for row in rows:
        if row.job.key.job_id == row.array_id and row.job.state is JobState.PENDING:
            pending[row.array_id].append(row)
        else:
            jobs.append(row.job)
    return jobs + [_fold_array(array_id, tasks) for array_id, tasks in pending.items()]


def _fold_array(array_id: int, rows: list[Row]) -> QueuedJob:
    first = rows[0].job
    spec = f"{array_id}_{write_id_ranges([row.task for row in rows if row.task is not None])}"
    whole = replace(first, spec=spec, tasks=len(rows))
    alike = {
        (job.submitted, job.eligible, job.held, job.restarts, job.needs, job.tag, job.obstacle, job.gated)
        for job in (row.job for row in rows)
    }
    return whole if len(alike) == 1 else replace(whole, obstacle="tasks of its array differ")
