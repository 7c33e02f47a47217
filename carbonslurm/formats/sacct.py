"""sacct, as a question and a reading: every attempt of every job in a window, pure in both directions.

``-D`` shows all attempts of a requeued job, each with its own submit time; ``-X`` leaves the steps out. Two
columns are other people's text: AdminComment, where other software writes, too, and JobName. They may hold
newlines, but not the delimiter, which is random for each call: so a row goes on until it has all its fields,
and no text can forge one.

What a site once printed and kept is read too: with other columns, a header, steps, and local times. Each of
its rows is a run, a step, or set aside with the reason (``core.accounted``), and a file of any size is read
in pieces. What a row says is in ``sacct_rows``.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime, tzinfo

from carbonslurm.core.accounted import Accounted, SetAside, one_each
from carbonslurm.core.interval import Interval, to_epoch
from carbonslurm.core.job import AccountedRun
from carbonslurm.errors import DataError
from carbonslurm.formats.sacct_rows import RowReader
from carbonslurm.formats.sacct_steps import Steps

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
    "UID",
    "Account",
    "Partition",
    "QOS",
    "Timelimit",
    "AllocTRES",
    "ReqTRES",
    "ConsumedEnergyRaw",
    "NodeList",
    "ElapsedRaw",
    "AdminComment",
    "JobName",
)


def runs_argv(
    window: Interval, delimiter: str, *, steps: bool = False, jobs: Sequence[int] = ()
) -> list[str]:
    """Return the command that prints all attempts that were in any state within a window.

    Args:
        window: until now, or beyond.
        delimiter: between the fields, in no text of a user's.
        steps: ask for steps, too, whose energy counts where the job's own row has none.
        jobs: only these, empty for all.
    """
    return [
        "sacct",
        "--duplicates",
        "--allusers",
        *(() if steps else ("--allocations",)),
        "--parsable2",
        "--noheader",
        f"--delimiter={delimiter}",
        f"--starttime=uts{to_epoch(window.start)}",
        f"--endtime=uts{to_epoch(window.end)}",
        f"--format={','.join(FIELDS)}",
        *((f"--jobs={','.join(map(str, jobs))}",) if jobs else ()),
    ]


STEP = "sacct: a step, which its job's own row counts in"


def read_runs(
    text: str,
    delimiter: str,
    cluster: str,
    columns: Sequence[str] | None = FIELDS,
    zone: tzinfo | None = None,
) -> tuple[list[AccountedRun], list[str]]:
    """Read what sacct printed: the runs, and what is wrong with each row that is none.

    Args and errors are those of ``read_accounted``.
    """
    rows = list(cut(text.removesuffix("\n").split("\n"), delimiter, len(columns or ())))
    if columns is None:
        columns = rows.pop(0) if rows else FIELDS
    reading = Reading(columns, cluster, zone, None)
    accounted = reading.read(rows)
    unread = [line_of(item) for item in accounted.aside]
    return list(accounted.runs), unread + [STEP] * accounted.steps


def read_accounted(
    text: str,
    delimiter: str,
    cluster: str,
    columns: Sequence[str] = FIELDS,
    zone: tzinfo | None = None,
    now: datetime | None = None,
) -> Accounted:
    """Read what sacct printed, every row accounted for.

    Args:
        text: what it printed, by default for runs_argv.
        delimiter: between the fields.
        cluster: whose runs these are.
        columns: that were asked for. A job id and a submit time must be among them; what is not is unknown.
        zone: in which times are written; None for epochs.
        now: to tell a runaway job from one that runs.

    Raises:
        DataError: sacct speaks of another cluster, of which nothing may be kept under this one's name; or
            the columns have no job id or no submit time.
    """
    lines = text.removesuffix("\n").split("\n")
    return Reading(columns, cluster, zone, now).read(cut(lines, delimiter, len(columns)))


def cut(lines: Iterable[str], delimiter: str, width: int = 0) -> Iterator[list[str]]:
    """Cut into rows: a line without any delimiter belongs to the last field of the line before.

    Args:
        lines: without their ends.
        delimiter: between fields.
        width: how many fields a row has, where no text can have the delimiter in it: one that is short goes
            on in the next line, unless that is a whole row. 0 where a text may have it, so that a broken row
            does not take others along.
    """
    row: list[str] | None = None
    for line in lines:
        cells = line.split(delimiter)
        if row is not None and (len(cells) == 1 or len(row) < width != len(cells)):
            row[-1] = f"{row[-1]}\n{cells[0]}" if line else row[-1]
            row += cells[1:]
        elif len(cells) > 1:
            if row is not None:
                yield row
            row = cells
    if row is not None:
        yield row


def line_of(item: SetAside) -> str:
    """Return what is wrong with a row, as one line for a log."""
    return f"sacct: run of job {item.job[:20]}: {item.reason}"


class Reading:
    """Reads rows of one shape; see ``read_accounted`` for what each argument is."""

    def __init__(
        self, columns: Sequence[str], cluster: str, zone: tzinfo | None, now: datetime | None
    ) -> None:
        if "Submit" not in columns or not {"JobID", "JobIDRaw"} & set(columns):
            raise DataError("sacct: no run can be told from another without JobID or JobIDRaw, and Submit")
        self._reader = RowReader(columns, cluster, zone, now)
        self._columns = tuple(columns)
        self._width = len(columns)
        self._cluster = cluster
        self._of = columns.index("Cluster") if "Cluster" in columns else None
        self._id = columns.index("JobIDRaw" if "JobIDRaw" in columns else "JobID")

    def read(self, rows: Iterable[Sequence[str]]) -> Accounted:
        """Read rows; a step stands behind its job's own row.

        Raises:
            DataError: a row is another cluster's.
        """
        read: list[tuple[AccountedRun, Sequence[str]]] = []
        aside: list[SetAside] = []
        steps, owner = Steps(self._columns, self._reader), -1
        for row in rows:
            if self.is_of_step(row):
                steps.add(owner, row)
                continue
            owner = -1
            self._must_be_ours(row)
            try:
                run = self._reader.run(row)
            except (DataError, ValueError) as error:
                aside.append(self._aside(row, str(error)))
            else:
                owner = len(read)
                read.append((run, row))
        for index, joules in steps.joules(lambda index: read[index][0].energy_joules):
            run, row = read[index]
            read[index] = replace(run, energy_joules=joules), row
        runs, twice = one_each(read)
        known = tuple(steps.known(lambda index: read[index][0].key))
        return Accounted(tuple(runs), steps.count, (*aside, *twice), known)

    def pieces(self, rows: Iterable[Sequence[str]], size: int) -> Iterator[list[Sequence[str]]]:
        """Cut rows into pieces of a size or little more: a job's steps stay with it."""
        piece: list[Sequence[str]] = []
        for row in rows:
            if len(piece) >= size and not self.is_of_step(row):
                yield piece
                piece = []
            piece.append(row)
        if piece:
            yield piece

    def is_of_step(self, row: Sequence[str]) -> bool:
        """Tell whether a whole row is a step's."""
        return len(row) == self._width and "." in row[self._id]

    def _must_be_ours(self, row: Sequence[str]) -> None:
        if self._of is None or len(row) != self._width or row[self._of] in {self._cluster, ""}:
            return
        raise DataError(f'sacct: speaks of cluster "{row[self._of][:40]}", not of "{self._cluster}"')

    def _aside(self, row: Sequence[str], reason: str) -> SetAside:
        job = row[self._id] if self._id < len(row) else ""
        return SetAside(self._cluster, job, self._reader.submitted(row), reason, "|".join(row))
