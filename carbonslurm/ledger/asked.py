"""What is remembered of asking the providers, over restarts: one row a question, overwritten.

Losing it costs no more than a question too many, so nothing here is append-only.
"""

from collections.abc import Mapping

from sqlalchemy import and_, delete, insert, select

from carbonslurm.core.rest import Asked, QuestionKey, is_ahead, merged
from carbonslurm.ledger.database import Room
from carbonslurm.ledger.encoding import asked_columns, read_asked
from carbonslurm.ledger.tables import ASKED

KEY = ("provider", "zone", "question")


class AskedReader(Room):
    """What anybody may know of it: AskedReader of ``ports``."""

    def asked(self) -> Mapping[QuestionKey, Asked]:
        """Return what is remembered of every question that was ever asked, in order of its key.

        Raises:
            LedgerError: it could not be read.
        """
        with self._database.reading() as connection:
            rows = connection.execute(select(ASKED).order_by(*(ASKED.c[name] for name in KEY))).mappings()
            return dict(read_asked(row) for row in rows)


class AskedBook(AskedReader):
    """The daemon's side: AskedBook of ``ports``."""

    def keep_asked(self, news: Mapping[QuestionKey, Asked]) -> None:
        """Write what became of some questions, merged with what another process wrote meanwhile.

        A command may ask while the daemon does. A memory that a wrong clock left in the future is replaced.

        Raises:
            LedgerError: it could not be written.
        """
        if not news:
            return
        with self._database.writing() as connection:
            for key, asked in news.items():
                columns = asked_columns(key, asked)
                this = and_(*(ASKED.c[name] == columns[name] for name in KEY))
                row = connection.execute(select(ASKED).where(this).with_for_update()).mappings().first()
                if row is not None:
                    _, stored = read_asked(row)
                    together = asked if is_ahead(stored, asked) else merged(asked, stored)
                    columns = asked_columns(key, together)
                    connection.execute(delete(ASKED).where(this))
                connection.execute(insert(ASKED).values(columns))
