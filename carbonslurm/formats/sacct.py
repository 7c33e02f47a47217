"""sacct, as a question and a reading: every attempt of every job in a window, pure in both directions.

``-D`` shows all attempts of a requeued job, each with its own submit time; ``-X`` leaves the steps out. No
text of users is asked for, and a random delimiter keeps foreign AdminComments (other software writes there
too) from forging a row: a line without it belongs to the row before.

What a site once printed and kept is read too: with other columns, a header, steps, and local times. Each of
its rows is a run or is named with the reason why it is none.
"""

from collections.abc import Sequence
from datetime import UTC, datetime, tzinfo

from carbonslurm.core.interval import Interval, to_epoch
from carbonslurm.core.job import AccountedRun, RunKey, Tres
from carbonslurm.core.tag import Tag, parse_tag
from carbonslurm.errors import DataError
from carbonslurm.formats.slurm_text import NO_TIME, read_number, read_time, read_time_limit, read_tres

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
    "NodeList",
    "AdminComment",
)

CPU_COLUMNS = ("AllocCPUS", "NCPUS", "ReqCPUS")  # in what a site once printed, in place of AllocTRES

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


def read_runs(
    text: str,
    delimiter: str,
    cluster: str,
    columns: Sequence[str] | None = FIELDS,
    zone: tzinfo | None = None,
) -> tuple[list[AccountedRun], list[str]]:
    """Read what sacct printed: the runs, and what is wrong with each row that could not be read.

    Args:
        text: what it printed, by default for runs_argv.
        delimiter: between the fields.
        cluster: whose runs these are.
        columns: that were asked for; None where the first line is a header that names them. A job id and a
            submit time must be among them; what is not stays unknown.
        zone: in which times are written; None for epochs.

    Raises:
        DataError: sacct speaks of another cluster, of which nothing may be kept under this one's name; or
            the columns have no job id or no submit time.
    """
    rows = _rows(text, delimiter)
    if columns is None:
        columns = rows.pop(0) if rows else FIELDS
    if "Submit" not in columns or not {"JobID", "JobIDRaw"} & set(columns):
        raise DataError("sacct: no run can be told from another without JobID or JobIDRaw, and Submit")
    runs: list[AccountedRun] = []
    unread: list[str] = []
    for row in rows:
        fields = dict(zip(columns, row, strict=False))
        if len(row) == len(columns) and fields.get("Cluster", cluster) != cluster:
            raise DataError(f'sacct: speaks of cluster "{fields["Cluster"][:40]}", not of "{cluster}"')
        try:
            if len(row) != len(columns):
                raise DataError(f"{len(row)} fields instead of {len(columns)}")  # noqa: TRY301
            runs.append(_read_run(fields, cluster, zone))
        except (DataError, ValueError) as error:
            job_id = fields.get("JobIDRaw") or fields.get("JobID", "")
            unread.append(f"sacct: run of job {job_id[:20]}: {error}")
    return runs, unread


def _rows(text: str, delimiter: str) -> list[list[str]]:
    """Cut into rows: a line without any delimiter belongs to the AdminComment of the line before."""
    rows: list[list[str]] = []
    for line in text.removesuffix("\n").split("\n"):
        if delimiter in line:
            rows.append(line.split(delimiter))
        elif rows:
            rows[-1][-1] = f"{rows[-1][-1]}\n{line}"
    return rows


def _read_run(given: dict[str, str], cluster: str, zone: tzinfo | None) -> AccountedRun:
    fields = dict.fromkeys(FIELDS, "") | given
    shown = fields["JobID"] or fields["JobIDRaw"]
    if "." in shown:
        raise DataError("a step, which its job's own row counts in")
    if "_" in shown and not fields["JobIDRaw"]:
        raise DataError("a task of an array without its JobIDRaw")
    submitted = _moment(fields["Submit"], zone)
    if submitted is None:
        raise DataError("no submit time")
    state = fields["State"].split(" ", maxsplit=1)[0]
    array, task = _array_of(shown)
    started = None if state in _NEVER_STARTED else _moment(fields["Start"], zone)
    return AccountedRun(
        key=RunKey(cluster, read_number(fields["JobIDRaw"] or shown), submitted),
        array_job_id=array,
        user=fields["User"],
        account=fields["Account"],
        partition=fields["Partition"],
        qos=fields["QOS"],
        eligible=_moment(fields["Eligible"], zone),
        started=started,
        ended=_read_end(fields["End"], zone, state, started),
        state=state,
        exit_code=fields["ExitCode"],
        time_limit=read_time_limit(fields["Timelimit"]),
        tres=_read_size(fields),
        energy_joules=_read_energy(fields["ConsumedEnergyRaw"]),
        tag=_read_tag(fields["AdminComment"]),
        array_task=task,
        node_list=_read_nodes(fields["NodeList"]),
    )


def _read_size(fields: dict[str, str]) -> Tres:
    """Read what a run held; where the columns of TRES were not asked for, at least CPUs and nodes."""
    if tres := fields["AllocTRES"] or fields["ReqTRES"]:
        return read_tres(tres)
    cpus, nodes = (
        next((fields[name] for name in names if fields.get(name)), "0")
        for names in (CPU_COLUMNS, ("AllocNodes", "NNodes"))
    )
    return Tres(cpus=read_number(cpus), nodes=read_number(nodes))


def _read_end(text: str, zone: tzinfo | None, state: str, started: datetime | None) -> datetime | None:
    ended = None if state in {"PENDING", "RUNNING", "SUSPENDED"} else _moment(text, zone)
    if ended is not None and started is not None and ended < started:
        raise DataError("it ends before it starts")
    return ended


def _moment(text: str, zone: tzinfo | None) -> datetime | None:
    if zone is None:
        return read_time(text)
    if text in NO_TIME:
        return None
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is not None:
        raise DataError(f'expected a local time, got "{text[:40]}"')
    return moment.replace(tzinfo=zone).astimezone(UTC)


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


def _read_nodes(text: str) -> str:
    return "" if text in {"None assigned", "(null)"} else text


def _read_tag(text: str) -> Tag | None:
    """Other software writes AdminComment too; what is not a readable tag is none."""
    try:
        return parse_tag(text)
    except DataError:
        return None
