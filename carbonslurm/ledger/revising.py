"""What a new measured value makes of figures that were final.

A provider revises hours long past, or says something of them for the first time; then the figures of all runs
that rest on these hours are worked out anew, however old they are. The old figure stays: it was the figure of
its day (``figures.figure_of``).
"""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, Connection, and_, exists, or_, update

from carbonslurm.core.interval import Interval
from carbonslurm.ledger.tables import FIGURE, RUN

# Values carry the time when asking for them began, so they may come in after a figure with a later time. To
# look this far back costs some figures worked out in vain, and equal ones are not stored.
STORED_LATE = timedelta(minutes=10)
SIDE_BY_SIDE = timedelta(hours=1)  # spans with no longer gap are looked for as one
FARTHEST = timedelta(days=31)  # a baseline lies no farther from its run


def revise(connection: Connection, zone: str, spans: Sequence[Interval], at: datetime) -> None:
    """Have final figures that rest on these hours worked out anew.

    Args:
        connection: to write with.
        zone: in which they were measured.
        spans: of the values that are new.
        at: when asking for them began.
    """
    for span in joined(spans):
        rests = and_(RUN.c.settled, RUN.c.ended > span.start - FARTHEST, _rests_on(zone, span))
        due = {"settled": False, "changed_at": at + STORED_LATE}
        connection.execute(update(RUN).where(rests).values(due))


def joined(spans: Iterable[Interval]) -> list[Interval]:
    """Return spans with those joined that lie side by side, in order."""
    found: list[Interval] = []
    for span in sorted(spans):
        if found and span.start - found[-1].end <= SIDE_BY_SIDE:
            found[-1] = Interval(found[-1].start, max(found[-1].end, span.end))
        else:
            found.append(span)
    return found


def _rests_on(zone: str, span: Interval) -> ColumnElement[bool]:
    """Tell whether any figure of a run is about some of these hours."""
    figure = FIGURE.c
    windows = (
        (RUN.c.started, RUN.c.ended),
        (figure.baseline_starts_at, figure.baseline_ends_at),
        (figure.queue_starts_at, figure.queue_ends_at),
    )
    touched = [and_(start < span.end, end > span.start) for start, end in windows]
    here = or_(figure.zone == zone, figure.zone.is_(None))
    return exists().where(figure.run == RUN.c.id, here, or_(*touched))
