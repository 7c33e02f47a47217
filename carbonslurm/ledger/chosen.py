"""Which runs a filter chooses, as a condition on ``run``: windows and states as sacct has them.

Slurm counts whole seconds, so a window of no length (sacct -s without -S) is the second that begins there.
"""

from collections.abc import Callable, Mapping
from datetime import timedelta

from sqlalchemy import ColumnElement, and_, func, or_

from carbonslurm.core.interval import Interval
from carbonslurm.ledger.tables import RUN
from carbonslurm.ports import RunFilter

SECOND = timedelta(seconds=1)

_NAMED: Mapping[str, ColumnElement[str]] = {
    "clusters": RUN.c.cluster,
    "users": RUN.c.user_name,
    "accounts": RUN.c.account,
    "partitions": RUN.c.partition,
    "qos": RUN.c.qos,
}


def chosen(wanted: RunFilter) -> ColumnElement[bool]:
    """Return the condition."""
    conditions: list[ColumnElement[bool]] = [RUN.c.id.is_not(None)]
    conditions += [column.in_(names) for field, column in _NAMED.items() if (names := getattr(wanted, field))]
    if wanted.states:
        conditions.append(or_(*(_in_state(word, wanted.window) for word in wanted.states)))
    elif wanted.window is not None:
        conditions.append(_within(wanted.window))
    if wanted.started is not None:
        start, end = wanted.started.start, wanted.started.end
        conditions += [RUN.c.started >= start, RUN.c.started < end, _not_ended_before(wanted.started)]
    if wanted.ids:
        conditions.append(or_(RUN.c.job_id.in_(wanted.ids), RUN.c.array_job_id.in_(wanted.ids)))
    return and_(*conditions)


def _not_ended_before(window: Interval) -> ColumnElement[bool]:
    """Say for the index what the other conditions imply."""
    return or_(RUN.c.ended >= window.start, RUN.c.ended.is_(None))


def _within(window: Interval) -> ColumnElement[bool]:
    """Tell whether a run waited or ran in a window; one of no length lies where it was submitted."""
    overlaps = or_(RUN.c.ended > window.start, RUN.c.ended.is_(None), RUN.c.submitted >= window.start)
    return and_(RUN.c.submitted < window.end, _not_ended_before(window), overlaps)


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
