"""What meters said of runs: read by keys, and whom to ask about next.

A source is asked about a run once it has ended, and up to five times more, an hour apart or more, where it
had nothing: meters come late, and some never. A week after the end nobody is asked any more.
"""

from collections import defaultdict
from collections.abc import Collection, Sequence
from datetime import datetime, timedelta

from sqlalchemy import Connection, Double, and_, exists, func, insert, select, type_coerce, update

from carbonslurm.core.energy import Covers, Measurement
from carbonslurm.core.job import AccountedRun, RunKey
from carbonslurm.ledger.database import Room, in_batches
from carbonslurm.ledger.encoding import read_run
from carbonslurm.ledger.queue_starts import run_numbers
from carbonslurm.ledger.tables import MEASUREMENT, RUN
from carbonslurm.ports import Asking

SETTLED = timedelta(minutes=2)  # after the end; meters are read once a minute or more often
WITHIN = timedelta(days=7)
AGAIN = timedelta(hours=1)
ATTEMPTS = 6
AT_ONCE = 500


def measurements(connection: Connection, keys: Collection[RunKey]) -> dict[RunKey, list[Measurement]]:
    """Return the newest that each source measured of some runs, sources in the order of their first word."""
    if connection.execute(select(MEASUREMENT.c.id).limit(1)).first() is None:
        return {}  # many sites have no meters
    keys_of = {number: key for key, number in run_numbers(connection, keys).items()}
    found: defaultdict[RunKey, dict[str, Measurement]] = defaultdict(dict)
    for batch in in_batches(sorted(keys_of)):
        said = select(MEASUREMENT).where(MEASUREMENT.c.run.in_(batch), MEASUREMENT.c.kwh.is_not(None))
        for row in connection.execute(said.order_by(MEASUREMENT.c.id)):
            found[keys_of[row.run]][row.source] = Measurement(row.source, Covers(row.covers), row.kwh)
    return {key: list(each.values()) for key, each in found.items()}


class MeasurementBook(Room):
    """Keeps what sources measured."""

    def runs_to_measure(
        self, cluster: str, source: str, partitions: Collection[str], at: datetime
    ) -> Sequence[AccountedRun]:
        """Return ended runs about which a source is to be asked, those first that ended first; at most 500.

        Args:
            cluster: whose runs.
            source: whose meters.
            partitions: where those are; empty for everywhere.
            at: the current time.

        Raises:
            LedgerError: it could not be read.
        """
        asked = and_(MEASUREMENT.c.run == RUN.c.id, MEASUREMENT.c.source == source)
        recent = type_coerce(MEASUREMENT.c.asked_at, Double) > (at - AGAIN).timestamp()
        times = select(func.count()).select_from(MEASUREMENT).where(asked).correlate(RUN).scalar_subquery()
        due = select(RUN).where(
            RUN.c.cluster == cluster,
            *([RUN.c.partition.in_(partitions)] if partitions else []),
            RUN.c.started.is_not(None),
            RUN.c.ended > RUN.c.started,
            RUN.c.ended > at - WITHIN,
            RUN.c.ended <= at - SETTLED,
            ~exists().where(asked, MEASUREMENT.c.kwh.is_not(None)),
            ~exists().where(asked, recent),
            times < ATTEMPTS,
        )
        with self._database.reading() as connection:
            rows = connection.execute(due.order_by(RUN.c.ended, RUN.c.id).limit(AT_ONCE)).mappings().all()
        return [read_run(row) for row in rows]

    def keep_measurements(self, source: str, asked: Sequence[Asking], at: datetime) -> int:
        """Keep what it said; runs of which something new is known get new figures. Return how many.

        Raises:
            KeyError: a run that the ledger does not know.
            LedgerError: it could not be written.
        """
        if not asked:
            return 0
        with self._database.writing() as connection:
            runs = run_numbers(connection, [each.run for each in asked])
            rows = [
                {"run": runs[each.run], "source": source, "asked_at": at, **_said(each)} for each in asked
            ]
            connection.execute(insert(MEASUREMENT), rows)
            news = [runs[each.run] for each in asked if each.measured is not None]
            for batch in in_batches(news):
                due = {"settled": False, "figured_at": None}
                connection.execute(update(RUN).where(RUN.c.id.in_(batch)).values(due))
        return len(news)


def _said(asking: Asking) -> dict[str, object]:
    said = asking.measured
    return {
        "covers": said.covers if said else None,
        "kwh": said.kwh if said else None,
        "detail": asking.detail,
    }
