"""News about intensities, and the runs that they concern: their figures are worked out anew.

Whoever stores a value marks, in the same transaction, the runs whose figures may rest on its hours: those
that ran or would have run in them, ``figured_at`` becoming NULL. So nothing has to be looked for later,
however old the runs are, and nothing is missed. A measured value concerns every such run; a forecast only
those whose figure rests on estimates, or on nothing.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from sqlalchemy import Connection, exists, false, func, or_, select, update

from carbonslurm.ledger.tables import FIGURE, INTENSITY, ISSUE, RUN

Span = tuple[datetime, datetime]
AT_ONCE = 20  # spans: of more, all between the first and the last is taken
LONGEST_DELAY = timedelta(days=62)  # what a baseline may lie before its run; a job may wait half of it


def concern(connection: Connection, spans: Iterable[Span], *, measured: bool) -> None:
    """Mark the runs that news about some hours concern.

    Args:
        connection: that writes.
        spans: of time, any order.
        measured: whether settled figures are concerned, too.
    """
    for start, end in _joined(spans):
        earlier = exists().where(FIGURE.c.run == RUN.c.id, FIGURE.c.baseline_starts_at < end)
        touched = update(RUN).where(
            RUN.c.ended > start,
            RUN.c.started < end + LONGEST_DELAY,
            or_(RUN.c.started < end, earlier),
            RUN.c.figured_at.is_not(None),
        )
        if not measured:
            touched = touched.where(RUN.c.settled.is_(False))
        connection.execute(touched.values(figured_at=None, settled=false()))


def seen(connection: Connection) -> tuple[int, int]:
    """Return the newest value and the newest forecast, to tell what came later."""
    newest = [connection.execute(select(func.max(table.c.id))).scalar() for table in (INTENSITY, ISSUE)]
    return newest[0] or 0, newest[1] or 0


def concern_since(connection: Connection, before: tuple[int, int]) -> None:
    """Mark the runs that all news concern which were not there before."""
    for table, number, measured in ((INTENSITY, before[0], True), (ISSUE, before[1], False)):
        rows = connection.execute(select(table.c.starts_at, table.c.ends_at).where(table.c.id > number))
        concern(connection, [(start, end) for start, end in rows], measured=measured)


def _joined(spans: Iterable[Span]) -> Sequence[Span]:
    joined: list[Span] = []
    for start, end in sorted(spans):
        if joined and start <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(joined[-1][1], end))
        else:
            joined.append((start, end))
    return joined if len(joined) <= AT_ONCE else [(joined[0][0], max(end for _, end in joined))]
