"""News about intensities, and the runs that they concern: their figures are worked out anew.

Whoever stores a value marks, in the same transaction, the runs whose figures may rest on its hours: those
that ran or would have run in them, ``figured_at`` becoming NULL. So nothing has to be looked for later,
however old the runs are, and nothing is missed. A measured value concerns every such run; a forecast only
those whose figure rests on estimates, or on nothing.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, Connection, and_, exists, false, func, or_, select, update

from carbonslurm.ledger.tables import FIGURE, INTENSITY, ISSUE, RUN

Span = tuple[datetime, datetime]
AT_ONCE = 20  # spans: of more, all between the first and the last is taken
# What a baseline may lie before or after its run; a job may wait half of it.
LONGEST_DELAY = timedelta(days=62)


def concern(connection: Connection, zone: str, spans: Iterable[Span], *, measured: bool) -> None:
    """Mark the runs that news about some hours of a zone concern.

    Args:
        connection: that writes.
        zone: of the grid.
        spans: of time, any order.
        measured: whether settled figures are concerned, too.
    """
    for start, end in _joined(spans):
        touched = update(RUN).where(
            RUN.c.ended > start - LONGEST_DELAY,
            RUN.c.started < end + LONGEST_DELAY,
            RUN.c.figured_at.is_not(None),
            _rests_on(zone, start, end),
        )
        if not measured:
            touched = touched.where(RUN.c.settled.is_(False))
        connection.execute(touched.values(figured_at=None, settled=false()))


def _rests_on(zone: str, start: datetime, end: datetime) -> ColumnElement[bool]:
    """Tell whether any figure of a run is about some of these hours."""
    figure = FIGURE.c
    windows = (
        (RUN.c.started, RUN.c.ended),
        (figure.baseline_starts_at, figure.baseline_ends_at),
        (figure.queue_starts_at, figure.queue_ends_at),
    )
    # One of no length is the moment at which it begins.
    touched = [and_(begins < end, or_(ends > start, begins >= start)) for begins, ends in windows]
    here = or_(figure.zone == zone, figure.zone.is_(None))
    return exists().where(figure.run == RUN.c.id, here, or_(*touched))


def seen(connection: Connection) -> tuple[int, int]:
    """Return the newest value and the newest forecast, to tell what came later."""
    newest = [connection.execute(select(func.max(table.c.id))).scalar() for table in (INTENSITY, ISSUE)]
    return newest[0] or 0, newest[1] or 0


def concern_since(connection: Connection, before: tuple[int, int]) -> None:
    """Mark the runs that all news concern which were not there before."""
    for table, number, measured in ((INTENSITY, before[0], True), (ISSUE, before[1], False)):
        news = select(table.c.zone, table.c.starts_at, table.c.ends_at).where(table.c.id > number)
        spans: defaultdict[str, list[Span]] = defaultdict(list)
        for zone, start, end in connection.execute(news):
            spans[zone].append((start, end))
        for zone, each in spans.items():
            concern(connection, zone, each, measured=measured)


def _joined(spans: Iterable[Span]) -> Sequence[Span]:
    joined: list[Span] = []
    for start, end in sorted(spans):
        if joined and start <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(joined[-1][1], end))
        else:
            joined.append((start, end))
    return joined if len(joined) <= AT_ONCE else [(joined[0][0], max(end for _, end in joined))]
