"""Rows of sacct that are no runs: kept with their reason, listed until a reading makes runs of them."""

import hashlib
from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Row, and_, exists, insert, select

from carbonslurm.core.accounted import SetAside
from carbonslurm.core.job import RunKey
from carbonslurm.ledger.database import Room, in_batches
from carbonslurm.ledger.encoding import Columns
from carbonslurm.ledger.tables import RUN, SET_ASIDE
from carbonslurm.ports import AsideRow

LONGEST_ROW = 4_000  # what is longer is a user's text gone astray; its beginning tells whose
MOST_DIGITS = 10
_MENDED = exists().where(
    RUN.c.cluster == SET_ASIDE.c.cluster,
    RUN.c.job_id == SET_ASIDE.c.job_id,
    RUN.c.submitted == SET_ASIDE.c.submitted,
    RUN.c.changed_at > SET_ASIDE.c.recorded_at,
)


class AsideReader(Room):
    """What was set aside."""

    def aside(self, cluster: str | None = None, *, mended: bool = False) -> Sequence[AsideRow]:
        """Return what was set aside, the oldest first.

        Args:
            cluster: only this one's, None for all.
            mended: also what was read as a run since.

        Raises:
            LedgerError: it could not be read.
        """
        wanted = select(SET_ASIDE, _MENDED.label("mended")).order_by(SET_ASIDE.c.id)
        if cluster is not None:
            wanted = wanted.where(SET_ASIDE.c.cluster == cluster)
        if not mended:
            wanted = wanted.where(~_MENDED)
        with self._database.reading() as connection:
            return [_aside_row(row) for row in connection.execute(wanted)]


class AsideBook(AsideReader):
    """The daemon's side."""

    def without_end(self, cluster: str) -> Sequence[RunKey]:
        """Return what may yet get an end: runs that have none, and what was set aside and not mended.

        Raises:
            LedgerError: it could not be read.
        """
        running = select(RUN.c.job_id, RUN.c.submitted).where(
            RUN.c.cluster == cluster,
            RUN.c.settled.is_(False),
            RUN.c.ended.is_(None),
            RUN.c.started.is_not(None),
        )
        known = and_(SET_ASIDE.c.job_id.is_not(None), SET_ASIDE.c.submitted.is_not(None))
        aside = select(SET_ASIDE.c.job_id, SET_ASIDE.c.submitted).where(
            SET_ASIDE.c.cluster == cluster, known, ~_MENDED
        )
        with self._database.reading() as connection:
            rows = [*connection.execute(running), *connection.execute(aside)]
        return [RunKey(cluster, row.job_id, row.submitted) for row in rows]

    def set_aside(self, rows: Sequence[SetAside], at: datetime) -> int:
        """Keep rows; one that is there already changes nothing. Return how many were new.

        Raises:
            LedgerError: it could not be written.
        """
        if not rows:
            return 0
        by_digest = {(item.cluster, _digest(item)): item for item in rows}
        with self._database.writing() as connection:
            known: set[tuple[str, str]] = set()
            for batch in in_batches({digest for _, digest in by_digest}):
                old = select(SET_ASIDE.c.cluster, SET_ASIDE.c.digest).where(SET_ASIDE.c.digest.in_(batch))
                known |= {(row.cluster, row.digest) for row in connection.execute(old)}
            new = [_columns(item, key[1], at) for key, item in by_digest.items() if key not in known]
            if new:
                connection.execute(insert(SET_ASIDE), new)
        return len(new)


def _digest(item: SetAside) -> str:
    return hashlib.sha256(item.row.encode("utf-8", "surrogatepass")).hexdigest()


def _columns(item: SetAside, digest: str, at: datetime) -> Columns:
    return {
        "cluster": item.cluster,
        "digest": digest,
        "job": _storable(item.job)[:100],
        "job_id": int(item.job) if item.job.isdigit() and len(item.job) <= MOST_DIGITS else None,
        "submitted": item.submitted,
        "reason": _storable(item.reason),
        "row": _storable(item.row)[:LONGEST_ROW],
        "recorded_at": at,
    }


def _storable(text: str) -> str:
    """Return what every database takes: PostgreSQL has no NUL, and neither has surrogates."""
    return text.replace("\0", "\N{SYMBOL FOR NULL}").encode("utf-8", "replace").decode("utf-8")


def _aside_row(row: Row[tuple[object, ...]]) -> AsideRow:
    return AsideRow(
        item=SetAside(row.cluster, row.job, row.submitted, row.reason, row.row),
        recorded_at=row.recorded_at,
        mended=bool(row.mended),
    )
