"""Which runs a filter chooses, as one statement that gives their numbers; windows and states are sacct's.

Each alternative (ended within the window, or still running; with this job id, or a task of this array) is a
part of its own, which an index on exactly its columns answers. Written as one condition with OR in it, SQLite
reads every run of the cluster instead: 1 s of a million, for one job.

Slurm counts whole seconds, so a window of no length (sacct -s without -S) is the second that begins there.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from itertools import product
from typing import Any

from sqlalchemy import ColumnElement, CompoundSelect, and_, func, or_, select, true, union_all

from carbonslurm.core.interval import Interval
from carbonslurm.ledger.tables import RUN
from carbonslurm.ports import RunFilter

Conditions = Sequence[ColumnElement[bool]]
SECOND = timedelta(seconds=1)

_NAMED: Mapping[str, ColumnElement[Any]] = {
    "clusters": RUN.c.cluster,
    "users": RUN.c.user_name,
    "accounts": RUN.c.account,
    "partitions": RUN.c.partition,
    "qos": RUN.c.qos,
    "names": RUN.c.job_name,
}


def chosen(wanted: RunFilter) -> CompoundSelect[tuple[int]]:
    """Return a statement that gives the number of each of these runs, once."""
    return union_all(*(select(RUN.c.id).where(*part) for part in parts(wanted)))


def parts(wanted: RunFilter) -> Sequence[Conditions]:
    """Return the conditions of each part; a run that is wanted is in exactly one."""
    always = tuple(_always(wanted))
    return [(*always, *time, *ids) for time, ids in product(_in_time(wanted), _by_id(wanted))]


def matches(wanted: RunFilter) -> ColumnElement[bool]:
    """Return the same as one condition on runs that are found otherwise; their cluster aside."""
    return or_(*(and_(true(), *part) for part in parts(replace(wanted, clusters=()))))


# --- what holds in each part


def _always(wanted: RunFilter) -> Iterator[ColumnElement[bool]]:
    for field, column in _NAMED.items():
        if names := getattr(wanted, field):
            yield column.in_(names)
    if wanted.states:
        yield or_(*(_in_state(word, wanted.window) for word in wanted.states))
    if wanted.running:
        yield RUN.c.ended.is_(None)
        yield RUN.c.started.is_not(None)
    if wanted.started is not None:
        yield RUN.c.started >= wanted.started.start
        yield RUN.c.started < wanted.started.end


# --- parts of which a run is in one at most


def _in_time(wanted: RunFilter) -> Sequence[Conditions]:
    """Return the window's parts; where states or starts say more of it, what the index can use."""
    still = RUN.c.ended.is_(None)
    if wanted.window is not None and not wanted.states:
        start, end = wanted.window.start, wanted.window.end
        # A run of no length at all lies in the window that it was submitted in.
        within = and_(RUN.c.ended >= start, or_(RUN.c.ended > start, RUN.c.submitted >= start))
        return [(RUN.c.submitted < end, within), (RUN.c.submitted < end, still)]
    since = wanted.window or wanted.started
    return [()] if since is None else [(RUN.c.ended >= since.start,), (still,)]


def _by_id(wanted: RunFilter) -> Sequence[Conditions]:
    if not wanted.ids:
        return [()]
    own = RUN.c.job_id.in_(wanted.ids)
    return [(own,), (RUN.c.array_job_id.in_(wanted.ids), ~own)]


# --- states


def _in_state(word: str, window: Interval | None) -> ColumnElement[bool]:
    if window is None:
        return RUN.c.state == word
    span = Interval(window.start, max(window.end, window.start + SECOND))
    return _LASTING[word](span) if word in _LASTING else _ended(word, span)


def _pending(window: Interval) -> ColumnElement[bool]:
    since, until = func.coalesce(RUN.c.eligible, RUN.c.submitted), func.coalesce(RUN.c.started, RUN.c.ended)
    return and_(since < window.end, or_(until > window.start, until.is_(None)))


def _running(window: Interval) -> ColumnElement[bool]:
    return and_(RUN.c.started < window.end, or_(RUN.c.ended > window.start, RUN.c.ended.is_(None)))


def _suspended(window: Interval) -> ColumnElement[bool]:
    """Of a run that goes on, the ledger does not know when it was suspended."""
    return and_(RUN.c.state == "SUSPENDED", _running(window))


def _ended(word: str, window: Interval) -> ColumnElement[bool]:
    return and_(RUN.c.state == word, RUN.c.ended >= window.start, RUN.c.ended < window.end)


# The states that last; all others are how a run came to its end.
_LASTING: Mapping[str, Callable[[Interval], ColumnElement[bool]]] = {
    "PENDING": _pending,
    "RUNNING": _running,
    "SUSPENDED": _suspended,
}
