"""sacct, as a question and a reading: every attempt of every job in a window, pure in both directions.

``-D`` shows all attempts of a requeued job, each with its own submit time; ``-X`` leaves the steps out. No
text of users is asked for, and a random delimiter keeps foreign AdminComments (other software writes there
too) from forging a row: a line without it belongs to the row before.
"""

from datetime import datetime

from carbonslurm.core.interval import Interval, to_epoch
from carbonslurm.core.job import AccountedRun, RunKey
from carbonslurm.core.tag import Tag, parse_tag
from carbonslurm.errors import DataError
from carbonslurm.formats.slurm_text import read_number, read_time, read_time_limit, read_tres

FIELDS = (
    "Cluster",
    "JobIDRaw",
    "JobID",
    "Submit",
    "Eligible",
    "Start",
    "End",
    "State",
    "ExitCode",
    "User",
    "Account",
    "Partition",
    "QOS",
    "Timelimit",
    "AllocTRES",
    "ReqTRES",
    "ConsumedEnergyRaw",
    "AdminComment",
)

# Above this a counter is a sentinel or has wrapped: 1 MW for a whole year, in joules.
ABSURD_JOULES = 1e6 * 365 * 86_400
_NEVER_STARTED = frozenset({"PENDING"})


def runs_argv(window: Interval, delimiter: str) -> list[str]:
    """Return the command that prints all attempts that were in any state within a window."""
    return [
        "sacct",
        "--duplicates",
        "--allusers",
        "--allocations",
        "--parsable2",
        "--noheader",
        f"--delimiter={delimiter}",
        f"--starttime=uts{to_epoch(window.start)}",
        f"--endtime=uts{to_epoch(window.end)}",
        f"--format={','.join(FIELDS)}",
    ]


def read_runs(text: str, delimiter: str, cluster: str) -> tuple[list[AccountedRun], list[str]]:
    """Read what runs_argv printed: the runs, and what is wrong with each row that could not be read.

    Raises:
        DataError: sacct speaks of another cluster; nothing of it may be kept under this one's name.
    """
    runs: list[AccountedRun] = []
    unread: list[str] = []
    for row in _rows(text, delimiter):
        fields = dict(zip(FIELDS, row, strict=False))
        if len(row) == len(FIELDS) and fields["Cluster"] != cluster:
            raise DataError(f'sacct: speaks of cluster "{fields["Cluster"][:40]}", not of "{cluster}"')
        try:
            if len(row) != len(FIELDS):
                raise DataError(f"{len(row)} fields instead of {len(FIELDS)}")  # noqa: TRY301
            runs.append(_read_run(fields, cluster))
        except (DataError, ValueError) as error:
            unread.append(f"sacct: run of job {fields.get('JobIDRaw', '')[:20]}: {error}")
    return runs, unread


def _rows(text: str, delimiter: str) -> list[list[str]]:
    """Cut into rows: a line without any delimiter belongs to the AdminComment of the line before."""
    rows: list[list[str]] = []
    for line in text.split("\n"):
        if delimiter in line:
            rows.append(line.split(delimiter))
        elif rows:
            rows[-1][-1] = f"{rows[-1][-1]}\n{line}"
    return rows


def _read_run(fields: dict[str, str], cluster: str) -> AccountedRun:
    submitted = read_time(fields["Submit"])
    if submitted is None:
        raise DataError("no submit time")
    state = fields["State"].split(" ", maxsplit=1)[0]
    array, task = _array_of(fields["JobID"])
    started = None if state in _NEVER_STARTED else read_time(fields["Start"])
    return AccountedRun(
        key=RunKey(cluster, read_number(fields["JobIDRaw"]), submitted),
        array_job_id=array,
        user=fields["User"],
        account=fields["Account"],
        partition=fields["Partition"],
        qos=fields["QOS"],
        eligible=read_time(fields["Eligible"]),
        started=started,
        ended=_read_end(fields["End"], state, started),
        state=state,
        exit_code=fields["ExitCode"],
        time_limit=read_time_limit(fields["Timelimit"]),
        tres=read_tres(fields["AllocTRES"] or fields["ReqTRES"]),
        energy_joules=_read_energy(fields["ConsumedEnergyRaw"]),
        tag=_read_tag(fields["AdminComment"]),
        array_task=task,
    )


def _read_end(text: str, state: str, started: datetime | None) -> datetime | None:
    ended = None if state in {"PENDING", "RUNNING", "SUSPENDED"} else read_time(text)
    if ended is not None and started is not None and ended < started:
        raise DataError("it ends before it starts")
    return ended


def _array_of(text: str) -> tuple[int | None, int | None]:
    """Read ``13_2``; the tasks that still wait together are ``13_[3-6]``, and no task."""
    base, mark, task = text.partition("_")
    if not mark:
        return None, None
    return read_number(base), None if task.startswith("[") else read_number(task)


def _read_energy(text: str) -> float | None:
    if not text:
        return None
    joules = float(text)
    return joules if 0 < joules < ABSURD_JOULES else None


def _read_tag(text: str) -> Tag | None:
    """Other software writes AdminComment too; what is not a readable tag is none."""
    try:
        return parse_tag(text)
    except DataError:
        return None
