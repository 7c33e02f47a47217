"""One row of sacct -> one run, whichever columns a site prints; pure, and quick over a million rows.

What Slurm leaves in a row that cannot be true is either read right (an energy of 2^64 - 2 is none,
``CANCELLED by 5`` is CANCELLED, a user whom nobody knows is his number) or refused with a reason: an end
before the start, an ended state without an end, and a run that lasts beyond all that its limit allows, which
is what slurmdbd shows of a job whose end it never heard of (a *runaway job*).
"""

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta, tzinfo
from functools import lru_cache
from operator import itemgetter

from carbonslurm.core.accounted import longest
from carbonslurm.core.job import AccountedRun, RunKey, Tres
from carbonslurm.core.tag import Tag, parse_tag
from carbonslurm.errors import DataError
from carbonslurm.formats.local_times import Moments, moments_of, settled
from carbonslurm.formats.slurm_text import NO_TIME, read_number, read_time, read_time_limit, read_tres

# What a run is made of, and which columns say it, the best first.
COLUMNS: Mapping[str, tuple[str, ...]] = {
    "raw": ("JobIDRaw",),
    "shown": ("JobID",),
    "submit": ("Submit",),
    "eligible": ("Eligible",),
    "start": ("Start",),
    "end": ("End",),
    "state": ("State",),
    "exit_code": ("ExitCode",),
    "user": ("User",),
    "uid": ("UID",),
    "account": ("Account",),
    "partition": ("Partition",),
    "qos": ("QOS",),
    "limit": ("Timelimit",),
    "limit_minutes": ("TimelimitRaw",),
    "allocated": ("AllocTRES",),
    "requested": ("ReqTRES",),
    "cpus": ("AllocCPUS", "NCPUS", "ReqCPUS"),
    "nodes": ("AllocNodes", "NNodes"),
    "gpus": ("GPUs",),  # of traces, not of sacct's own
    "energy": ("ConsumedEnergyRaw", "ConsumedEnergy"),
    "elapsed": ("ElapsedRaw", "Elapsed"),
    "node_list": ("NodeList",),
    "comment": ("AdminComment",),
    "name": ("JobName",),
}

# Above this a counter is a sentinel or has wrapped: 1 MW for a whole year, in joules.
ABSURD_JOULES = 1e6 * 365 * 86_400
MOST_DIGITS = 9  # of seconds: 31 years
NOT_ENDED = frozenset(
    {"PENDING", "RUNNING", "SUSPENDED", "COMPLETING", "CONFIGURING", "STOPPED", "STAGE_OUT"}
)
LONGEST_NAME = 255  # characters; slurmdbd keeps as many bytes (job_name is a tinytext)
_NEVER_STARTED = frozenset({"PENDING"})
_NO_NODES = frozenset({"", "None assigned", "(null)"})
_JOULES = re.compile(r"([0-9]+(?:\.[0-9]+)?(?:[eE]\+?[0-9]+)?)([KMGTPE]?)|nan|inf|-[0-9]+")
_PREFIXES = {"": 1.0, "K": 1e3, "M": 1e6, "G": 1e9, "T": 1e12, "P": 1e15, "E": 1e18}


class RowReader:
    """Reads rows of one shape.

    Args:
        columns: the names of the fields, in order.
        cluster: whose runs these are.
        zone: in which times without one are written; None where there are none.
        now: to tell a runaway job from one that runs, None where that is not known.
    """

    def __init__(
        self, columns: Sequence[str], cluster: str, zone: tzinfo | None, now: datetime | None
    ) -> None:
        at = {name: index for index, name in enumerate(columns)}
        indices = [
            next((at[name] for name in names if name in at), len(columns)) for names in COLUMNS.values()
        ]
        self._width = len(columns)
        self._pick: Callable[[Sequence[str]], tuple[str, ...]] = itemgetter(*indices)
        self._cluster = cluster
        self._zone = zone
        self._now = now
        self._has_end = "End" in at
        self._has_name = "JobName" in at
        self._has_tres = "AllocTRES" in at

    def run(self, row: Sequence[str]) -> AccountedRun:
        """Return the run of a row that is none of a step.

        Raises:
            DataError: it is none, or cannot be true.
        """
        if len(row) != self._width:
            raise DataError(f"{len(row)} fields instead of {self._width}")
        (
            raw, shown, submit, eligible, start, end, state, exit_code, user, uid, account, partition, qos,
            limit, minutes, allocated, requested, cpus, nodes, gpus, energy, elapsed, hosts, comment, name,
        ) = self._pick([*row, ""])  # fmt: skip
        if not raw and ("_" in shown or "+" in shown):
            what = "a task of an array" if "_" in shown else "a component of a heterogeneous job"
            raise DataError(f"{what} without its JobIDRaw")
        word = state.split(" ", 1)[0].rstrip("+")
        array, task = _array_of(shown)
        times = (submit, eligible, "" if word in _NEVER_STARTED else start, "" if word in NOT_ENDED else end)
        submitted, eligible_at, started, ended = self._moments(times, elapsed)
        if submitted is None:
            raise DataError("no submit time")
        suspended = _suspended(started, ended, elapsed)
        if started is not None and self._never_held(started, ended, allocated):
            started = None
        if started is not None and started < submitted:
            started = submitted  # a resized job: each of its rows begins, for Slurm, when the first one did
        run = AccountedRun(
            RunKey(self._cluster, read_number(raw or shown), submitted),
            array,
            user or uid,
            account,
            partition,
            qos,
            eligible_at,
            started,
            ended,
            word,
            exit_code,
            read_minutes(minutes) if minutes and not limit else _limit(limit),
            _size(allocated or requested, cpus, nodes, gpus),
            read_energy(energy),
            _tag(comment),
            task,
            "" if hosts in _NO_NODES else hosts,
            suspended,
            read_name(name) if self._has_name else None,
        )
        self._check(run, elapsed)
        return run

    def _never_held(self, started: datetime, ended: datetime | None, allocated: str) -> bool:
        """Tell whether a run held nothing for no time: so Slurm shows one cancelled while it waited."""
        return self._has_tres and started == ended and not allocated

    def submitted(self, row: Sequence[str]) -> datetime | None:
        """Return the submit time of a row that may be broken, None where it has none."""
        if len(row) != self._width:
            return None
        try:
            return self._moment(self._pick([*row, ""])[2])
        except (DataError, ValueError):
            return None

    def _check(self, run: AccountedRun, elapsed: str) -> None:
        if run.started is None:
            return
        if run.ended is None and run.state not in NOT_ENDED and self._has_end:
            raise DataError(f"{run.state}, and has no end")
        if run.ended is not None and run.ended < run.started:
            raise DataError("it ends before it starts")
        length = self._so_far(run, elapsed) if run.ended is None else run.ended - run.started
        if length is not None and length > longest(run.time_limit):
            raise DataError(_runaway(run, length))

    def _so_far(self, run: AccountedRun, elapsed: str) -> timedelta | None:
        """Return for how long a run had run when it was printed, which may be years ago."""
        length = _length(elapsed)
        if length is not None:
            return length
        return None if self._now is None or run.started is None else self._now - run.started

    def _moments(self, times: Sequence[str], elapsed: str) -> Moments:
        """Read submit, eligible, start and end of a row."""
        if self._zone is None:
            return tuple(map(self._moment, times))
        written = [self._written(text) for text in times]
        return settled([moments_of(it) if it else () for it in written], _length(elapsed))

    def _moment(self, text: str) -> datetime | None:
        if text in NO_TIME:
            return None
        if text.isdigit() and self._zone is None:
            return read_time(text)
        written = self._written(text)
        return None if written is None else written.astimezone(UTC)

    def _written(self, text: str) -> datetime | None:
        """Read a time as it was written, with its zone."""
        if text in NO_TIME:
            return None
        try:
            moment = datetime.fromisoformat(text)
        except ValueError as error:
            raise DataError(f'expected a time, got "{text[:40]}"') from error
        if moment.tzinfo is None:
            if self._zone is None:
                raise DataError(f'expected a time as an epoch or with its zone, got "{text[:40]}"')
            moment = moment.replace(tzinfo=self._zone)
        return moment


def _length(elapsed: str) -> timedelta | None:
    """Read Elapsed or ElapsedRaw, None where there is none, or one that no clock can have counted."""
    if not elapsed or (elapsed.isdigit() and len(elapsed) > MOST_DIGITS):
        return None
    return timedelta(seconds=int(elapsed)) if elapsed.isdigit() else read_time_limit(elapsed)


def _suspended(started: datetime | None, ended: datetime | None, elapsed: str) -> timedelta:
    """Return what of a run's time is not in its Elapsed: Slurm leaves out for how long it was suspended."""
    ran = _length(elapsed) if started and ended and elapsed else None
    if not ran or started is None or ended is None:
        return timedelta()  # an Elapsed of nothing is one that nobody filled in
    return max(ended - started - ran, timedelta())


def read_name(text: str) -> str:
    """Return a job's name as a database can hold it: no NUL, no lone surrogate, and no novel."""
    if text.isprintable():
        return text[:LONGEST_NAME]
    return "".join(
        "\N{REPLACEMENT CHARACTER}" if char == "\0" or "\ud800" <= char <= "\udfff" else char
        for char in text[:LONGEST_NAME]
    )


def _runaway(run: AccountedRun, length: timedelta) -> str:
    limit = "without a limit" if run.time_limit is None else f"with a limit of {run.time_limit}"
    lasts = "lasted" if run.ended else "has run for"
    return f"{lasts} {length.days} days {limit}: a runaway job (sacctmgr show runawayjobs)"


def _array_of(text: str) -> tuple[int | None, int | None]:
    """Read ``13_2``; the tasks that still wait together are ``13_[3-6]``, and no task."""
    base, mark, task = text.partition("_")
    if not mark:
        return None, None
    return read_number(base), None if task.startswith("[") else read_number(task)


_limit = lru_cache(maxsize=4096)(read_time_limit)


@lru_cache(maxsize=4096)
def read_minutes(text: str) -> timedelta | None:
    """Read TimelimitRaw, None where there is no limit.

    Raises:
        DataError: it is no number.
    """
    if not text.isdigit():
        return read_time_limit(text)
    return timedelta(minutes=int(text)) if len(text) < 9 else None


@lru_cache(maxsize=16_384)
def _size(tres: str, cpus: str, nodes: str, gpus: str) -> Tres:
    """Read what a run held; where the columns of TRES were not asked for, at least CPUs and nodes."""
    if tres:
        return read_tres(tres)
    count = read_number(gpus) if gpus else 0
    return Tres(read_number(cpus or "0"), read_number(nodes or "0"), {"": count} if count else {})


def read_energy(text: str) -> float | None:
    """Read joules, in numbers or as ``1.25K``; None where there were none measured, or a sentinel stands.

    Raises:
        DataError: it is neither.
    """
    if not text:
        return None
    match = _JOULES.fullmatch(text)
    if match is None:
        raise DataError(f'expected an energy, got "{text[:40]}"')
    joules = float(match[1]) * _PREFIXES[match[2]] if match[1] else 0.0
    return joules if 0 < joules < ABSURD_JOULES else None


@lru_cache(maxsize=1024)
def _tag(text: str) -> Tag | None:
    """Other software writes AdminComment too; what is not a readable tag is none."""
    if "carbon:" not in text:
        return None
    try:
        return parse_tag(text)
    except DataError:
        return None
