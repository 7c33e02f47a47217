"""Which runs a report is about, as one statement that gives their numbers.

Each alternative (ended within the window, or still running; with this job id, or a task of this array) is a
part of its own, which an index on exactly its columns answers. Written as one condition with OR in it, SQLite
reads every run of the cluster instead: 1 s of a million, for one job.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import product

from sqlalchemy import ColumnElement, CompoundSelect, and_, or_, select, true, union_all

from carbonslurm.ledger.tables import RUN
from carbonslurm.ports import RunFilter

Conditions = Sequence[ColumnElement[bool]]


def chosen(wanted: RunFilter) -> CompoundSelect[tuple[int]]:
    """Return a statement that gives the number of each of these runs, once."""
    always = list(_always(wanted))
    parts = product(_in_time(wanted), _by_id(wanted))
    return union_all(*(select(RUN.c.id).where(*always, *time, *ids) for time, ids in parts))


def matches(wanted: RunFilter) -> ColumnElement[bool]:
    """Return the same as one condition on runs that are found otherwise; their cluster aside."""
    always = _always(replace(wanted, cluster=None))
    parts = product(_in_time(wanted), _by_id(wanted))
    return and_(true(), *always, or_(*(and_(true(), *time, *ids) for time, ids in parts)))


def _always(wanted: RunFilter) -> Iterator[ColumnElement[bool]]:
    if wanted.cluster is not None:
        yield RUN.c.cluster == wanted.cluster
    if wanted.users:
        yield RUN.c.user_name.in_(wanted.users)
    if wanted.accounts:
        yield RUN.c.account.in_(wanted.accounts)


def _in_time(wanted: RunFilter) -> Sequence[Conditions]:
    if wanted.window is None:
        return [()]
    start, end = wanted.window.start, wanted.window.end
    # A run of no length at all lies in the window that it was submitted in.
    within = and_(RUN.c.ended >= start, or_(RUN.c.ended > start, RUN.c.submitted >= start))
    return [(RUN.c.submitted < end, within), (RUN.c.submitted < end, RUN.c.ended.is_(None))]


def _by_id(wanted: RunFilter) -> Sequence[Conditions]:
    if not wanted.ids:
        return [()]
    own = RUN.c.job_id.in_(wanted.ids)
    return [(own,), (RUN.c.array_job_id.in_(wanted.ids), ~own)]
